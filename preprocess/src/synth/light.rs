//! Floor 1: sun, sky and haze.

use crate::synth::dice::Dice;
use crate::synth::texture::{Color, mix, octaves};
use crate::synth::vector::{Vector, dot, sin_cos, unit};

/// The light of one drive.
#[derive(Clone, Debug)]
pub struct Light {
    /// Towards the sun, of length 1.
    pub sun: Vector,
    sunlight: Color,
    skylight: Color,
    zenith: Color,
    horizon: Color,
    clouds: f32,
    seed: u32,
}

impl Light {
    /// Any time of day with the sun 30 to 60 degrees up, clear or hazy.
    pub fn draw(dice: &mut Dice) -> Self {
        let (side, ahead) = sin_cos(dice.between(0.0, std::f64::consts::TAU));
        let (up, along) = sin_cos(dice.between(0.55, 1.05));
        let veil = dice.between(0.0, 0.45) as f32;
        let warm = (1.0 - up as f32) * 0.5;
        Self {
            sun: [side * along, up, ahead * along],
            sunlight: [1.0, 0.95 - 0.15 * warm, 0.88 - 0.4 * warm]
                .map(|c| c * 1.75 * (1.0 - 0.5 * veil)),
            skylight: mix([0.40, 0.47, 0.58], [0.55, 0.56, 0.58], veil),
            zenith: mix([0.08, 0.23, 0.60], [0.36, 0.44, 0.55], veil),
            horizon: mix([0.55, 0.68, 0.83], [0.72, 0.73, 0.74], veil),
            clouds: dice.between(0.25, 0.85) as f32,
            seed: dice.bits(),
        }
    }

    /// What a ray to infinity sees.
    pub fn sky(&self, direction: Vector) -> Color {
        let d = unit(direction);
        let up = d[1].max(0.0);
        let rise = (2.2 * up / (1.0 + 1.2 * up)).min(1.0) as f32;
        let clear = mix(self.horizon, self.zenith, rise);
        // Clouds lie on a plane above; nearer to the horizon they pass into the haze.
        let at = [d[0] / (up + 0.12), d[2] / (up + 0.12)];
        let layers = [(1.6, 0.55), (0.7, 0.4), (0.28, 0.25), (0.1, 0.12)];
        let cover = octaves(at, self.seed, 0.01, &layers) + self.clouds - 0.55;
        let share = (cover * 1.6).clamp(0.0, 0.92) * (0.25 + 0.75 * rise.min(0.5) * 2.0);
        mix(clear, [0.93, 0.93, 0.92], share)
    }

    /// Light that leaves a surface of this color; the sun reaches it unless shaded.
    pub fn reflected(&self, color: Color, normal: Vector, sunlit: f32) -> Color {
        let direct = dot(normal, self.sun).max(0.0) as f32 * sunlit;
        let open = 0.62 + 0.38 * normal[1] as f32;
        std::array::from_fn(|i| color[i] * (self.sunlight[i] * direct + self.skylight[i] * open))
    }

    /// The color after `distance` meters of air.
    pub fn through_air(&self, color: Color, distance: f64) -> Color {
        mix(color, self.horizon, (distance / (distance + 900.0)) as f32)
    }
}

/// Linear light to an 8-bit value; the square root stands in for the display curve.
pub fn display(light: f32) -> u8 {
    // A soft shoulder keeps bright walls from clipping.
    let soft = light * (1.0 + 0.12 * light) / (1.0 + 0.42 * light);
    (255.0 * soft.clamp(0.0, 1.0).sqrt() + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_display_curve_rises_from_black_to_white() {
        assert_eq!(display(0.0), 0);
        assert!((1..200).all(|i| display(i as f32 / 100.0) >= display((i - 1) as f32 / 100.0)));
        assert!(display(5.0) > 250);
    }
}
