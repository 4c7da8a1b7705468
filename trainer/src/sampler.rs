//! Floor 1: the order of samples: a permutation that is a pure function of seed and epoch, and a position in it.
//!
//! Several sets are mixed in every batch as they come out of one shuffle; each may be shown more or less often than once an
//! epoch. All batches of an epoch have the same size; what remains at its end waits for the next epoch's permutation. A set
//! smaller than one batch gives one smaller batch.

use rand::seq::SliceRandom;
use suw_shared::seed::Seed;

/// The order of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampler {
    seed: Seed,
    shares: Vec<Share>,
    batch: usize,
}

/// How much of an epoch one set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Samples of the set.
    pub n_samples: usize,
    /// Samples shown per epoch: every one as often as that allows, the rest drawn anew each epoch.
    pub n_shown: usize,
}

impl Share {
    /// The whole set once.
    pub const fn once(n_samples: usize) -> Self {
        Self { n_samples, n_shown: n_samples }
    }

    /// `ratio` times the size of the set, rounded.
    pub fn of_ratio(n_samples: usize, ratio: f64) -> Self {
        Self { n_samples, n_shown: (n_samples as f64 * ratio).round() as usize }
    }
}

/// One showing of a sample in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    /// The sample, counted through all sets.
    pub index: usize,
    /// Which showing in this epoch, from 0: augmented anew each time.
    pub pass: usize,
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
    /// The order of sets in batches of `batch`.
    ///
    /// # Panics
    /// If nothing is shown, or `batch` is 0.
    pub fn new(seed: Seed, shares: Vec<Share>, batch: usize) -> Self {
        let sampler = Self { seed, shares, batch };
        assert!(sampler.n_shown() > 0 && batch > 0, "invariant: one sample, and one per batch");
        sampler
    }

    /// Samples shown per epoch, repetitions included.
    pub fn n_shown(&self) -> usize {
        self.shares.iter().map(|share| share.n_shown).sum()
    }

    /// Batches in every epoch; at least 1.
    pub fn batches_per_epoch(&self) -> u64 {
        (self.n_shown() / self.batch).max(1) as u64
    }

    /// Everything shown in one epoch.
    pub fn permutation(&self, epoch: u32) -> Vec<Shown> {
        let seed = self.seed.derive_number("sampler epoch", u64::from(epoch));
        let mut order = Vec::with_capacity(self.n_shown());
        let mut start = 0;
        for (number, share) in (0..).zip(&self.shares) {
            let all = start..start + share.n_samples;
            start = all.end;
            let n_whole = share.n_shown.checked_div(share.n_samples).unwrap_or(0);
            let shown = |pass| move |index| Shown { index, pass };
            for pass in 0..n_whole {
                order.extend(all.clone().map(shown(pass)));
            }
            let n_rest = share.n_shown - n_whole * share.n_samples;
            if n_rest > 0 {
                let mut some: Vec<usize> = all.collect();
                some.shuffle(&mut seed.derive_number("sampler set", number).rng());
                order.extend(some.into_iter().take(n_rest).map(shown(n_whole)));
            }
        }
        order.shuffle(&mut seed.rng());
        order
    }

    /// The samples of one batch of an epoch's permutation.
    ///
    /// # Panics
    /// If the epoch has no such batch.
    pub fn batch_of<'a>(&self, permutation: &'a [Shown], batch: u64) -> &'a [Shown] {
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
            let sampler = Sampler::new(Seed(seed), vec![Share::once(n)], 4);
            let order = sampler.permutation(epoch);
            let mut sorted: Vec<usize> = order.iter().map(|shown| shown.index).collect();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            prop_assert_eq!(order, sampler.permutation(epoch));
        }

        #[test]
        fn an_epoch_shows_no_sample_twice(n in 1usize..60, batch in 1usize..20) {
            let sampler = Sampler::new(Seed(3), vec![Share::once(n)], batch);
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
            let sampler = Sampler::new(Seed(1), vec![Share::once(n)], batch);
            let walked = (0..step).fold(Position::default(), |at, _| sampler.next(at));
            prop_assert_eq!(walked, sampler.position_of(step));
        }
    }

    /// Counts by brute force: set 0 half, set 1 twice and a half, set 2 not at all, set 3 once.
    #[test]
    fn sets_are_shown_as_often_as_their_ratios_say() {
        let ratios = [(8, 0.5), (4, 2.5), (3, 0.0), (5, 1.0)];
        let shares: Vec<Share> = ratios.iter().map(|&(n, r)| Share::of_ratio(n, r)).collect();
        let sampler = Sampler::new(Seed(5), shares, 6);
        assert_eq!((sampler.n_shown(), sampler.batches_per_epoch()), (4 + 10 + 5, 3));
        let mut ever = [0; 20];
        for epoch in 0..40 {
            let mut times = [0; 20];
            let mut order = sampler.permutation(epoch);
            for shown in &order {
                times[shown.index] += 1;
                ever[shown.index] += 1;
            }
            assert!(times[..8].iter().all(|&n| n <= 1));
            assert!(times[8..12].iter().all(|&n| n == 2 || n == 3));
            assert_eq!(times[12..15], [0; 3]);
            assert_eq!(times[15..], [1; 5]);
            // No two showings are alike, and passes are counted from 0.
            order.sort_unstable();
            order.dedup();
            assert_eq!(order.len(), 19);
            assert!(order.iter().all(|shown| shown.pass < times[shown.index]));
            // Mixed: the first half of an epoch is not all of one set.
            let first = sampler.permutation(epoch);
            assert!(first[..10].iter().any(|s| s.index >= 15 || s.index < 8));
        }
        assert!(ever[..8].iter().all(|&n| n > 5), "the half is another one each epoch: {ever:?}");
    }

    #[test]
    fn seeds_and_epochs_differ() {
        let order =
            |seed, epoch| Sampler::new(Seed(seed), vec![Share::once(50)], 5).permutation(epoch);
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), order(2, 0));
    }
}
