//! Floor 1: the order of samples: a permutation that is a pure function of seed and epoch, and a position in it.
//!
//! All batches of an epoch have the same size; what remains at its end waits for the next epoch's permutation. A set
//! smaller than one batch gives one smaller batch.

use rand::seq::SliceRandom;
use suw_shared::seed::Seed;

/// The order of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    seed: Seed,
    n_samples: usize,
    batch: usize,
}

/// What comes next: an epoch, counted from 0, and a batch in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Epoch, from 0.
    pub epoch: u32,
    /// Batch in the epoch, from 0.
    pub batch: u64,
}

impl Sampler {
    /// The order of `n_samples` samples in batches of `batch`.
    ///
    /// # Panics
    /// If one of the two is 0.
    pub fn new(seed: Seed, n_samples: usize, batch: usize) -> Self {
        assert!(n_samples > 0 && batch > 0, "invariant: at least one sample and one per batch");
        Self { seed, n_samples, batch }
    }

    /// Batches in every epoch; at least 1.
    pub fn batches_per_epoch(&self) -> u64 {
        (self.n_samples / self.batch).max(1) as u64
    }

    /// All samples of one epoch, each once.
    pub fn permutation(&self, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.n_samples).collect();
        let mut rng = self.seed.derive_number("sampler epoch", u64::from(epoch)).rng();
        order.shuffle(&mut rng);
        order
    }

    /// The samples of one batch of an epoch's permutation.
    ///
    /// # Panics
    /// If the epoch has no such batch.
    pub fn batch_of<'a>(&self, permutation: &'a [usize], batch: u64) -> &'a [usize] {
        assert!(batch < self.batches_per_epoch(), "invariant: batch {batch} is past its epoch");
        let start = batch as usize * self.batch;
        &permutation[start..(start + self.batch).min(permutation.len())]
    }

    /// The position after this one.
    pub fn next(&self, at: Position) -> Position {
        if at.batch + 1 < self.batches_per_epoch() {
            Position { batch: at.batch + 1, ..at }
        } else {
            Position { epoch: at.epoch + 1, batch: 0 }
        }
    }

    /// The position before the step numbered `step`, from 0.
    pub fn position_of(&self, step: u64) -> Position {
        let per_epoch = self.batches_per_epoch();
        Position { epoch: (step / per_epoch) as u32, batch: step % per_epoch }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_epoch_is_a_permutation(seed: u64, n in 1usize..200, epoch in 0u32..50) {
            let sampler = Sampler::new(Seed(seed), n, 4);
            let order = sampler.permutation(epoch);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            prop_assert_eq!(order, sampler.permutation(epoch));
        }

        #[test]
        fn an_epoch_shows_no_sample_twice(n in 1usize..60, batch in 1usize..20) {
            let sampler = Sampler::new(Seed(3), n, batch);
            let order = sampler.permutation(0);
            let mut seen = Vec::new();
            for at in 0..sampler.batches_per_epoch() {
                seen.extend_from_slice(sampler.batch_of(&order, at));
            }
            prop_assert_eq!(seen.len(), if n < batch { n } else { n / batch * batch });
            seen.sort_unstable();
            seen.dedup();
            prop_assert!(seen.len() >= n.min(n / batch * batch));
        }

        #[test]
        fn positions_follow_the_step_number(n in 1usize..40, batch in 1usize..9, step in 0u64..99) {
            let sampler = Sampler::new(Seed(1), n, batch);
            let walked = (0..step).fold(Position::default(), |at, _| sampler.next(at));
            prop_assert_eq!(walked, sampler.position_of(step));
        }
    }

    #[test]
    fn seeds_and_epochs_differ() {
        let order = |seed, epoch| Sampler::new(Seed(seed), 50, 5).permutation(epoch);
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), order(2, 0));
    }
}
