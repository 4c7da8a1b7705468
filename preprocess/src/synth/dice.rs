//! Floor 1: chance for the street world, always from a seed.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;
use suw_shared::seed::Seed;

/// Draws in a fixed order from one seed.
pub struct Dice(Pcg64);

impl Dice {
    /// Starts at `seed`.
    pub fn new(seed: Seed) -> Self {
        Self(seed.rng())
    }

    /// Evenly in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.between(0.0, 1.0) < probability
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.between(0.0, choices.len() as f64) as usize).min(choices.len() - 1)]
    }

    /// 32 even bits, for textures.
    pub fn bits(&mut self) -> u32 {
        (self.0.next_u64() >> 32) as u32
    }
}
