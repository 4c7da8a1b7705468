//! Floor 4: the median of all measured depths of a shard set, exactly and in little memory.
//!
//! Positive float32 numbers sort like their bits, so two passes with a histogram over the upper and then the lower half of
//! the bits find the median without keeping the depths.

use suw_shared::sample::Sample;
use suw_shared::shard::ShardError;

use crate::shard_list::ShardList;

/// The lower middle of all measured depths between `above` and `below` (exclusive), metres; `None` where there is none.
pub fn median_depth(shards: &ShardList, above: f32, below: f32) -> Result<Option<f64>, ShardError> {
    let pass = |visit: &mut dyn FnMut(u32)| -> Result<(), ShardError> {
        for index in 0..shards.len() {
            let sample: Sample = shards.read(index)?;
            for &depth in sample.depth.iter().flatten() {
                if depth > above && depth < below {
                    visit(depth.to_bits());
                }
            }
        }
        Ok(())
    };
    median_of_bits(pass)
}

/// The lower middle of the numbers that `pass` visits, the same in both of its calls.
fn median_of_bits<E>(
    mut pass: impl FnMut(&mut dyn FnMut(u32)) -> Result<(), E>,
) -> Result<Option<f64>, E> {
    let mut upper = vec![0u64; 1 << 16];
    pass(&mut |bits| upper[(bits >> 16) as usize] += 1)?;
    let n: u64 = upper.iter().sum();
    if n == 0 {
        return Ok(None);
    }
    let (high, rank) = bin_of_rank(&upper, (n - 1) / 2);
    let mut lower = vec![0u64; 1 << 16];
    pass(&mut |bits| {
        if bits >> 16 == high {
            lower[(bits & 0xFFFF) as usize] += 1;
        }
    })?;
    let (low, _) = bin_of_rank(&lower, rank);
    Ok(Some(f64::from(f32::from_bits(high << 16 | low))))
}

/// The bin that holds the number with this rank, from 0, and its rank inside the bin.
fn bin_of_rank(counts: &[u64], mut rank: u64) -> (u32, u64) {
    for (bin, &count) in counts.iter().enumerate() {
        if rank < count {
            return (bin as u32, rank);
        }
        rank -= count;
    }
    unreachable!("invariant: the rank is below the sum of the counts")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn median(values: &[f32]) -> Option<f64> {
        median_of_bits(|visit| {
            values.iter().for_each(|value| visit(value.to_bits()));
            Ok::<(), ()>(())
        })
        .unwrap()
    }

    proptest! {
        #[test]
        fn it_is_the_middle_of_the_sorted_list(values in prop::collection::vec(0.001f32..90.0, 1..80)) {
            let mut sorted = values.clone();
            sorted.sort_by(f32::total_cmp);
            prop_assert_eq!(median(&values), Some(f64::from(sorted[(values.len() - 1) / 2])));
        }
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(median(&[]), None);
    }
}
