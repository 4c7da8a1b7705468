//! Floor 1: where pixels of a resized row read the row they come from. Pixel centers lie at i + 0.5 (align_corners = false).

/// Two neighbors of a row and the weight of the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// First place.
    pub low: usize,
    /// The next place, or the same at the end of the row.
    pub high: usize,
    /// Weight of `high`, 0..=1.
    pub weight: f32,
}

impl Tap {
    /// What pixel `at` of the resized form of a row of `len` reads; `step` is places per pixel. The ends are repeated.
    pub fn new(at: f32, step: f32, len: usize) -> Self {
        let place = ((at + 0.5) * step - 0.5).max(0.0);
        let low = (place as usize).min(len - 1);
        let high = (low + 1).min(len - 1);
        Self { low, high, weight: (place - low as f32).clamp(0.0, 1.0) }
    }

    /// The taps of all `pixels` that show the first `covered` places of a row of `len`.
    pub fn row(pixels: u32, covered: f32, len: usize) -> Vec<Self> {
        let step = covered / pixels as f32;
        (0..pixels).map(|at| Self::new(at as f32, step, len)).collect()
    }

    /// Between two values.
    pub fn mix(self, low: f32, high: f32) -> f32 {
        low * (1.0 - self.weight) + high * self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_a_row_reads_quarters() {
        // By hand: pixel centers 0.25, 0.75, 1.25, 1.75 of a row of 2 are places -0.25 (repeated end), 0.25, 0.75, 1.25.
        let values: Vec<f32> = Tap::row(4, 2.0, 2)
            .iter()
            .map(|tap| tap.mix([10.0, 20.0][tap.low], [10.0, 20.0][tap.high]))
            .collect();
        assert_eq!(values, [10.0, 12.5, 17.5, 20.0]);
    }

    #[test]
    fn the_same_size_reads_every_place_once() {
        for (at, tap) in Tap::row(7, 7.0, 7).iter().enumerate() {
            assert_eq!((tap.low, tap.weight), (at, 0.0));
        }
    }
}
