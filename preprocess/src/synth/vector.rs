//! Floor 1: vectors, and sines without the platform's math library, so that pictures are the same bytes everywhere.

/// A point or direction of the street world: x right, y up, z ahead; meters.
pub type Vector = [f64; 3];

/// Scalar product.
pub fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `a + b`.
pub fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `a - b`.
pub fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `factor * a`.
pub fn scale(a: Vector, factor: f64) -> Vector {
    [a[0] * factor, a[1] * factor, a[2] * factor]
}

/// The direction of `a`, of length 1.
pub fn unit(a: Vector) -> Vector {
    scale(a, 1.0 / dot(a, a).sqrt())
}

/// Ratios of the factorials under neighboring terms of the Taylor series of cosine and sine, last terms first. Up to a
/// quarter of pi, 9 terms are plenty.
const RATIOS: [[f64; 2]; 9] = {
    let mut ratios = [[0.0; 2]; 9];
    let mut k = 0;
    while k < 9 {
        let odd = (2 * k + 1) as f64;
        ratios[8 - k] = [odd * (odd + 1.0), (odd + 1.0) * (odd + 2.0)];
        k += 1;
    }
    ratios
};

/// Sine and cosine of an angle in radians, from arithmetic that IEEE 754 fixes to the last bit; error below 1e-12.
pub fn sin_cos(angle: f64) -> (f64, f64) {
    use std::f64::consts::FRAC_PI_2;
    let quarter = (angle / FRAC_PI_2).round();
    let rest = angle - quarter * FRAC_PI_2;
    let square = rest * rest;
    let (mut sine, mut cosine) = (0.0, 0.0);
    // Taylor series by Horner's rule.
    for [in_cosine, in_sine] in RATIOS {
        cosine = 1.0 - square / in_cosine * cosine;
        sine = 1.0 - square / in_sine * sine;
    }
    sine *= rest;
    match (quarter as i64).rem_euclid(4) {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

/// Where something stands and which way it faces; its own z axis points to its heading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// The origin of the thing in the world.
    pub position: Vector,
    /// Sine and cosine of the heading; 0 looks along z, a quarter turn along x.
    pub heading: (f64, f64),
}

impl Placement {
    /// From an angle in radians, clockwise seen from above.
    pub fn new(position: Vector, heading: f64) -> Self {
        Self { position, heading: sin_cos(heading) }
    }

    /// A direction of the world in the thing's own axes.
    pub fn local_direction(&self, d: Vector) -> Vector {
        let (s, c) = self.heading;
        [c * d[0] - s * d[2], d[1], s * d[0] + c * d[2]]
    }

    /// A point of the world in the thing's own axes.
    pub fn local_point(&self, p: Vector) -> Vector {
        self.local_direction(sub(p, self.position))
    }

    /// A direction of the thing in the world's axes.
    pub fn world_direction(&self, d: Vector) -> Vector {
        let (s, c) = self.heading;
        [c * d[0] + s * d[2], d[1], c * d[2] - s * d[0]]
    }

    /// A point of the thing in the world's axes.
    pub fn world_point(&self, p: Vector) -> Vector {
        add(self.world_direction(p), self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_agree_with_the_standard_library() {
        for step in -2000..2000 {
            let angle = f64::from(step) * 0.0123;
            let (sine, cosine) = sin_cos(angle);
            assert!((sine - angle.sin()).abs() < 1e-12, "{angle}");
            assert!((cosine - angle.cos()).abs() < 1e-12, "{angle}");
        }
    }

    #[test]
    fn a_thing_turned_right_sees_the_world_turned_left() {
        let placement = Placement::new([1.0, 0.0, 2.0], std::f64::consts::FRAC_PI_2);
        let ahead = placement.world_point([0.0, 0.0, 1.0]);
        assert!((ahead[0] - 2.0).abs() < 1e-12 && (ahead[2] - 2.0).abs() < 1e-12);
        let back = placement.local_point(ahead);
        assert!(back[0].abs() < 1e-12 && (back[2] - 1.0).abs() < 1e-12);
    }
}
