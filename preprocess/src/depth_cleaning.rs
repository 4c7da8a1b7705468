//! Floor 1: dense depth maps cleaned: outliers by percentile, values outside a range, shares that are measured.
//!
//! MegaDepth's published loader drops what lies above the 98th or below the 1st percentile of a map; the depth of
//! Mannequin Challenge is cleaned in the same way.

/// Percentiles outside which depth is not believed.
pub const PERCENTILES: [f64; 2] = [1.0, 98.0];

/// Depth of at most this counts as not measured, as in MegaDepth's loader.
pub const DEPTH_MIN: f32 = 1e-8;

/// Sets depth outside `near..=far` to 0.
pub fn keep_range(depth: &mut [f32], [near, far]: [f64; 2]) {
    for value in depth {
        if !(near..=far).contains(&f64::from(*value)) {
            *value = 0.0;
        }
    }
}

/// Sets depth outside the 1st to 98th percentile of the measured pixels to 0.
pub fn keep_percentiles(depth: &mut [f32]) {
    let mut measured: Vec<f32> = depth.iter().copied().filter(|value| *value > DEPTH_MIN).collect();
    measured.sort_unstable_by(f32::total_cmp);
    let limits = PERCENTILES.map(|percent| percentile(&measured, percent));
    if let [Some(near), Some(far)] = limits {
        keep_range(depth, [near, far]);
    }
}

/// The value below which `percent` of 100 lie, with straight lines between ranks; `None` of nothing.
pub fn percentile(sorted: &[f32], percent: f64) -> Option<f64> {
    let rank = percent / 100.0 * sorted.len().checked_sub(1)? as f64;
    let (below, part) = (rank.floor() as usize, rank.fract());
    let low = f64::from(sorted[below]);
    let high = f64::from(sorted[(below + 1).min(sorted.len() - 1)]);
    Some(low + part * (high - low))
}

/// The part of the pixels that is measured; 0 of nothing.
pub fn measured_share(depth: &[f32]) -> f64 {
    let measured = depth.iter().filter(|value| **value > 0.0).count();
    measured as f64 / depth.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_those_of_numpy() {
        // numpy.percentile([1, 2, 4, 8], [0, 1, 50, 98, 100]) = 1, 1.03, 3, 7.76, 8
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (percent, expected) in
            [(0.0, 1.0), (1.0, 1.03), (50.0, 3.0), (98.0, 7.76), (100.0, 8.0)]
        {
            let found = percentile(&sorted, percent).unwrap();
            assert!((found - expected).abs() < 1e-12, "{percent} {found}");
        }
        assert_eq!(percentile(&[], 50.0), None);
        assert_eq!(percentile(&[3.0], 98.0), Some(3.0));
    }

    #[test]
    fn both_ends_of_a_map_are_cut() {
        // 201 measured values 1..=201: the 1st percentile is 3, the 98th 197.
        let mut depth: Vec<f32> = (0..=201).map(|value| value as f32).collect();
        keep_percentiles(&mut depth);
        let kept: Vec<usize> = (0..depth.len()).filter(|&at| depth[at] > 0.0).collect();
        assert_eq!(kept, (3..=197).collect::<Vec<_>>());
        assert!((measured_share(&depth) - 195.0 / 202.0).abs() < 1e-12);
        keep_range(&mut depth, [100.0, 101.5]);
        assert_eq!(depth.iter().filter(|value| **value > 0.0).count(), 2);
        let mut none = [0.0; 4];
        keep_percentiles(&mut none);
        assert_eq!((none, measured_share(&[])), ([0.0; 4], 0.0));
    }

    proptest! {
        #[test]
        fn cleaning_only_takes_away(
            depth in prop::collection::vec(prop_oneof![Just(0.0f32), 0.1f32..1e6], 1..80)
        ) {
            let mut cleaned = depth.clone();
            keep_percentiles(&mut cleaned);
            for (before, after) in depth.iter().zip(&cleaned) {
                prop_assert!(after == before || *after == 0.0);
            }
            let measured = |d: &[f32]| d.iter().filter(|v| **v > 0.0).count();
            // At most 1 of 100 below and 2 of 100 above go, and one value at each end.
            let most = (0.03 * measured(&depth) as f64).ceil() as usize + 2;
            prop_assert!(measured(&depth) - measured(&cleaned) <= most);
        }
    }
}
