//! Floor 1: procedural textures fixed to surfaces: value noise whose finest details fade before they alias.

use crate::synth::vector::Vector;

/// Linear light, about 0 to 1 a channel.
pub type Color = [f32; 3];

/// A well mixed number of 32 bits from three.
pub fn hash(x: i32, y: i32, seed: u32) -> u32 {
    mixed(x_bits(x) ^ y_bits(y) ^ seed_bits(seed))
}

fn x_bits(x: i32) -> u32 {
    (x as u32).wrapping_mul(0x9e37_79b1)
}

fn y_bits(y: i32) -> u32 {
    (y as u32).wrapping_mul(0x85eb_ca77).rotate_left(13)
}

fn seed_bits(seed: u32) -> u32 {
    seed.wrapping_mul(0xc2b2_ae3d).rotate_left(7)
}

fn mixed(h: u32) -> u32 {
    let h = (h ^ (h >> 15)).wrapping_mul(0x7feb_352d);
    let h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// Evenly in 0..1 from three numbers.
pub fn unit_hash(x: i32, y: i32, seed: u32) -> f32 {
    unit(hash(x, y, seed))
}

fn unit(hash: u32) -> f32 {
    // 24 bits fit a signed number, which costs less to convert.
    (hash >> 8) as i32 as f32 / (1 << 24) as f32
}

/// The whole number at or below `u`, by conversion: the math library's `floor` is a call on plain x86-64.
fn floor(u: f64) -> i32 {
    let toward_zero = u as i32;
    toward_zero - i32::from(f64::from(toward_zero) > u)
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Where a point lies between four lattice points; noises of all seeds share it.
struct Place {
    /// Bits of the lattice points: left and right above, left and right below.
    corners: [u32; 4],
    /// Eased shares of what lies right and below.
    share: [f32; 2],
}

impl Place {
    fn new(u: f64, v: f64) -> Self {
        let (x, y) = (floor(u), floor(v));
        let columns = [x_bits(x), x_bits(x.wrapping_add(1))];
        let rows = [y_bits(y), y_bits(y.wrapping_add(1))];
        Self {
            corners: std::array::from_fn(|i| columns[i % 2] ^ rows[i / 2]),
            share: [ease((u - f64::from(x)) as f32), ease((v - f64::from(y)) as f32)],
        }
    }

    fn noise(&self, seed: u32) -> f32 {
        let seed = seed_bits(seed);
        let [a, b, c, d] = self.corners.map(|bits| unit(mixed(bits ^ seed)));
        let [right, below] = self.share;
        let (top, bottom) = (a + right * (b - a), c + right * (d - c));
        2.0 * (top + below * (bottom - top)) - 1.0
    }
}

/// Smooth noise in -1..1 with features of size 1.
pub fn noise(u: f64, v: f64, seed: u32) -> f32 {
    Place::new(u, v).noise(seed)
}

/// How much of features of this wavelength is left; those finer than two pixels' `footprint` fade out.
fn visible(wavelength: f64, footprint: f64) -> f32 {
    (2.0 - 3.0 * footprint / wavelength).clamp(0.0, 1.0) as f32
}

/// Sum of octaves `(wavelength in meters, amplitude)`; those finer than two pixels' `footprint` fade out.
pub fn octaves(at: [f64; 2], seed: u32, footprint: f64, layers: &[(f64, f32)]) -> f32 {
    seeded_octaves(at, [seed], footprint, layers)[0]
}

/// [`octaves`] of several seeds at the same place.
fn seeded_octaves<const N: usize>(
    at: [f64; 2],
    seeds: [u32; N],
    footprint: f64,
    layers: &[(f64, f32)],
) -> [f32; N] {
    let mut sums = [0.0; N];
    for (index, &(wavelength, amplitude)) in layers.iter().enumerate() {
        let visible = visible(wavelength, footprint);
        if visible > 0.0 {
            let place = Place::new(at[0] / wavelength, at[1] / wavelength);
            for (sum, seed) in sums.iter_mut().zip(seeds) {
                *sum += visible * amplitude * place.noise(seed.wrapping_add(index as u32));
            }
        }
    }
    sums
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

/// Octaves on a round surface, one sum per seed: the three axis views, weighted by the normal, so that no seam shows.
pub fn round_octaves<const N: usize>(
    point: Vector,
    normal: Vector,
    seeds: [u32; N],
    footprint: f64,
    layers: &[(f64, f32)],
) -> [f32; N] {
    let weights = normal.map(|n| (n * n) as f32);
    let [x, y, z] = point;
    let views = [[z, y], [x, z], [x, y]];
    let mut sums = [0.0; N];
    for axis in 0..3 {
        if weights[axis] > 0.04 {
            let seeds = seeds.map(|seed| seed ^ axis as u32);
            let view = seeded_octaves(views[axis], seeds, footprint, layers);
            for (sum, value) in sums.iter_mut().zip(view) {
                *sum += weights[axis] * value;
            }
        }
    }
    sums
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
    fn whole_numbers_below_are_those_of_the_standard_library() {
        for step in -4000..4000 {
            let u = f64::from(step) * 0.25 + if step % 3 == 0 { 1e-9 } else { 0.0 };
            assert_eq!(f64::from(floor(u)), u.floor(), "{u}");
        }
    }

    #[test]
    fn details_below_a_pixel_are_gone() {
        assert_eq!(octaves([0.31, 0.77], 3, 1.0, &[(0.5, 1.0)]), 0.0);
        assert_ne!(octaves([0.31, 0.77], 3, 0.01, &[(0.5, 1.0)]), 0.0);
    }
}
