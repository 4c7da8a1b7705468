//! Floor 1: procedural textures fixed to surfaces: value noise whose finest details fade before they alias.

use crate::synth::vector::Vector;

/// Linear light, about 0 to 1 a channel.
pub type Color = [f32; 3];

/// A well mixed number of 32 bits from three.
pub fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x9e37_79b1)
        ^ (y as u32).wrapping_mul(0x85eb_ca77).rotate_left(13)
        ^ seed.wrapping_mul(0xc2b2_ae3d).rotate_left(7);
    h = (h ^ (h >> 15)).wrapping_mul(0x7feb_352d);
    h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// Evenly in 0..1 from three numbers.
pub fn unit_hash(x: i32, y: i32, seed: u32) -> f32 {
    (hash(x, y, seed) >> 8) as f32 / (1 << 24) as f32
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Smooth noise in -1..1 with features of size 1.
pub fn noise(u: f64, v: f64, seed: u32) -> f32 {
    let (u0, v0) = (u.floor(), v.floor());
    let (x, y) = (u0 as i32, v0 as i32);
    let (fu, fv) = (ease((u - u0) as f32), ease((v - v0) as f32));
    let corner = |dx: i32, dy: i32| unit_hash(x.wrapping_add(dx), y.wrapping_add(dy), seed);
    let top = corner(0, 0) + fu * (corner(1, 0) - corner(0, 0));
    let bottom = corner(0, 1) + fu * (corner(1, 1) - corner(0, 1));
    2.0 * (top + fv * (bottom - top)) - 1.0
}

/// Sum of octaves `(wavelength in meters, amplitude)`; those finer than two pixels' `footprint` fade out.
pub fn octaves(at: [f64; 2], seed: u32, footprint: f64, layers: &[(f64, f32)]) -> f32 {
    let mut sum = 0.0;
    for (index, &(wavelength, amplitude)) in layers.iter().enumerate() {
        let visible = (2.0 - 3.0 * footprint / wavelength).clamp(0.0, 1.0) as f32;
        if visible > 0.0 {
            let scaled = [at[0] / wavelength, at[1] / wavelength];
            sum +=
                visible * amplitude * noise(scaled[0], scaled[1], seed.wrapping_add(index as u32));
        }
    }
    sum
}

/// Two coordinates on a surface, from the axis its normal is nearest to; on round things blended views of noise do.
pub fn surface_coordinates(point: Vector, normal: Vector) -> [f64; 2] {
    let [x, y, z] = normal.map(f64::abs);
    if y >= x && y >= z {
        [point[0], point[2]]
    } else if x >= z {
        [point[2], point[1]]
    } else {
        [point[0], point[1]]
    }
}

/// Octaves on a round surface: the three axis views, weighted by the normal, so that no seam shows.
pub fn round_octaves(
    point: Vector,
    normal: Vector,
    seed: u32,
    footprint: f64,
    layers: &[(f64, f32)],
) -> f32 {
    let weights = normal.map(|n| (n * n) as f32);
    let [x, y, z] = point;
    let views = [[z, y], [x, z], [x, y]];
    let mut sum = 0.0;
    for axis in 0..3 {
        if weights[axis] > 0.04 {
            sum += weights[axis] * octaves(views[axis], seed ^ axis as u32, footprint, layers);
        }
    }
    sum
}

/// `color * factor` for each channel.
pub fn times(color: Color, factor: f32) -> Color {
    color.map(|c| c * factor)
}

/// From `a` at 0 to `b` at 1.
pub fn mix(a: Color, b: Color, share: f32) -> Color {
    std::array::from_fn(|i| a[i] + share * (b[i] - a[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_smooth_bounded_and_seeded() {
        for step in 0..1000 {
            let u = f64::from(step) * 0.037 - 11.0;
            let value = noise(u, 0.3 * u, 5);
            assert!((-1.0..=1.0).contains(&value));
            assert!((value - noise(u + 1e-4, 0.3 * u, 5)).abs() < 1e-3);
        }
        assert_ne!(noise(0.5, 0.5, 1), noise(0.5, 0.5, 2));
    }

    #[test]
    fn details_below_a_pixel_are_gone() {
        assert_eq!(octaves([0.31, 0.77], 3, 1.0, &[(0.5, 1.0)]), 0.0);
        assert_ne!(octaves([0.31, 0.77], 3, 0.01, &[(0.5, 1.0)]), 0.0);
    }
}
