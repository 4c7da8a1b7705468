//! Floor 1: how many pairs of each rule there are, and how many of them the stored depth confirms.
//!
//! A patch has the median of its measured pixels. Confirmed: far > near; contradicted: near > 1.02 far; a tie lies
//! between; without a measured pixel on one side: counted apart (contract, section 3, "Quality").

use suw_shared::image_size::ImageSize;
use suw_shared::pair::{Origin, Pair, PairKind, Rule};

/// The near end of a contradicted pair is farther than this many times the far end's depth.
const CONTRADICTED_ABOVE: f64 = 1.02;

/// A sample with fewer pairs, or fewer of one group, leaves training with little to draw from.
pub const PAIRS_ENOUGH: usize = 16;

/// Rules of which a sample of a street should have enough patches. Not A: where there is no sky there is no such pair.
pub const STREET_RULES: [&str; 3] = ["B", "C", "same"];

/// What pairs are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// As in the counts of a manifest: A, B, C, same, gt, ordinal.
    pub rule: &'static str,
    /// Pixel or patch.
    pub kind: PairKind,
}

const fn group(rule: &'static str, kind: PairKind) -> Group {
    Group { rule, kind }
}

/// All groups, in the order of a report.
pub const GROUPS: [Group; 10] = [
    group("A", PairKind::Pixel),
    group("A", PairKind::Patch),
    group("B", PairKind::Pixel),
    group("B", PairKind::Patch),
    group("C", PairKind::Pixel),
    group("C", PairKind::Patch),
    group("same", PairKind::Pixel),
    group("same", PairKind::Patch),
    group("gt", PairKind::Pixel),
    group("ordinal", PairKind::Pixel),
];

/// What the depth says about one pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Both ends are measured.
    Measured {
        /// Depth of the far end.
        far: f64,
        /// Depth of the near end.
        near: f64,
    },
    /// No measured pixel in one end.
    Unmeasured,
}

/// What a verdict says about the order of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighed {
    /// Far > near.
    Confirmed,
    /// Near > 1.02 far.
    Contradicted,
    /// Between the two.
    Tie,
    /// Without a measured pixel on one side.
    Unmeasured,
}

/// Holds the depth of both ends against the order.
pub fn weighed(verdict: Verdict) -> Weighed {
    match verdict {
        Verdict::Unmeasured => Weighed::Unmeasured,
        Verdict::Measured { far, near } if far > near => Weighed::Confirmed,
        Verdict::Measured { far, near } if near > CONTRADICTED_ABOVE * far => Weighed::Contradicted,
        Verdict::Measured { .. } => Weighed::Tie,
    }
}

/// What was counted in one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// All pairs.
    pub pairs: usize,
    /// Far > near.
    pub confirmed: usize,
    /// Near > 1.02 far.
    pub contradicted: usize,
    /// Between the two.
    pub tie: usize,
    /// Without a measured pixel on one side.
    pub unmeasured: usize,
    /// Samples with at least `PAIRS_ENOUGH` of these pairs.
    pub samples_with_enough: usize,
    /// Far minus near of every measured pair.
    gaps: Vec<f32>,
}

impl Tally {
    /// Pairs with a measured pixel on both sides.
    pub fn measured(&self) -> usize {
        self.confirmed + self.contradicted + self.tie
    }

    /// The part of the measured pairs that is `count`; `None` where none is measured.
    pub fn share(&self, count: usize) -> Option<f64> {
        (self.measured() > 0).then(|| count as f64 / self.measured() as f64)
    }

    /// Median of far minus near over the measured pairs; of an even number the mean of the middle two.
    pub fn median_gap(&self) -> Option<f64> {
        median(&mut self.gaps.clone())
    }

    fn add(&mut self, verdict: Verdict) {
        self.pairs += 1;
        if let Verdict::Measured { far, near } = verdict {
            self.gaps.push((far - near) as f32);
        }
        *match weighed(verdict) {
            Weighed::Confirmed => &mut self.confirmed,
            Weighed::Contradicted => &mut self.contradicted,
            Weighed::Tie => &mut self.tie,
            Weighed::Unmeasured => &mut self.unmeasured,
        } += 1;
    }
}

/// Counts over all samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// Samples counted.
    pub samples: usize,
    /// Samples with at least `PAIRS_ENOUGH` pairs.
    pub samples_with_enough: usize,
    /// Samples with at least `PAIRS_ENOUGH` patches of each of `STREET_RULES`.
    pub samples_with_enough_patches: usize,
    /// In the order of `GROUPS`.
    pub tallies: [Tally; GROUPS.len()],
}

impl Quality {
    /// Counts one sample; `depth` is `[H, W]`, 0 = not measured.
    ///
    /// # Panics
    /// If `depth` has another size, or a pair does not lie inside it.
    pub fn add(&mut self, size: ImageSize, pairs: &[Pair], depth: Option<&[f32]>) {
        self.samples += 1;
        self.samples_with_enough += usize::from(pairs.len() >= PAIRS_ENOUGH);
        let mut counts = [0_usize; GROUPS.len()];
        for pair in pairs {
            let group = group_of(pair);
            let position = GROUPS.iter().position(|other| *other == group);
            let verdict = depth.map_or(Verdict::Unmeasured, |depth| verdict(pair, size, depth));
            if let Some(position) = position {
                self.tallies[position].add(verdict);
                counts[position] += 1;
            }
        }
        let enough = counts.map(|count| count >= PAIRS_ENOUGH);
        for (tally, enough) in self.tallies.iter_mut().zip(enough) {
            tally.samples_with_enough += usize::from(enough);
        }
        let mut groups = GROUPS.iter().zip(enough);
        let has_patches = groups.all(|(group, enough)| enough || !is_street_patch(group));
        self.samples_with_enough_patches += usize::from(has_patches);
    }
}

/// What `depth`, `[H, W]`, says about a pair.
///
/// # Panics
/// If `depth` has another size, or the pair does not lie inside it.
pub fn verdict(pair: &Pair, size: ImageSize, depth: &[f32]) -> Verdict {
    assert_eq!(depth.len(), size.area(), "invariant: one depth a pixel at {size}");
    let half = usize::from(pair.size / 2);
    let end = |y: u16, x: u16| {
        let (y, x) = (usize::from(y), usize::from(x));
        let rows = (y - half..=y + half).map(|row| row * size.width as usize);
        let pixels = rows.flat_map(|row| &depth[row + x - half..=row + x + half]);
        median(&mut pixels.copied().filter(|depth| *depth > 0.0).collect::<Vec<f32>>())
    };
    match (end(pair.far_y, pair.far_x), end(pair.near_y, pair.near_x)) {
        (Some(far), Some(near)) => Verdict::Measured { far, near },
        _ => Verdict::Unmeasured,
    }
}

/// The group that a pair is counted in.
pub fn group_of(pair: &Pair) -> Group {
    let rule = match (pair.origin, pair.rule) {
        (Origin::DifferentClass, Rule::TreeOrBuilding) => "B",
        (Origin::DifferentClass, Rule::Object) => "C",
        (Origin::DifferentClass, Rule::Sky | Rule::None) => "A",
        (Origin::SameClass, _) => "same",
        (Origin::GroundTruth, _) => "gt",
        (Origin::OrdinalMap, _) => "ordinal",
    };
    Group { rule, kind: pair.kind }
}

/// Whether a sample of a street should have enough of these.
fn is_street_patch(group: &Group) -> bool {
    group.kind == PairKind::Patch && STREET_RULES.contains(&group.rule)
}

/// Of an even number the mean of the middle two; `None` of none.
fn median(values: &mut [f32]) -> Option<f64> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    let (below, upper, _) = values.select_nth_unstable_by(count / 2, f32::total_cmp);
    let upper = f64::from(*upper);
    if count % 2 == 1 {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f32::total_cmp)?;
    Some((f64::from(lower) + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ImageSize = ImageSize::new(8, 4);

    fn pair(size: u8, far: (u16, u16), near: (u16, u16)) -> Pair {
        Pair {
            kind: if size == 1 { PairKind::Pixel } else { PairKind::Patch },
            origin: Origin::SameClass,
            rule: Rule::None,
            size,
            far_y: far.0,
            far_x: far.1,
            near_y: near.0,
            near_x: near.1,
            far_class: 0,
            near_class: 0,
        }
    }

    /// Rows 0 to 2: a patch at (1, 1) and one at (1, 5).
    #[rustfmt::skip]
    const DEPTH: [f32; 32] = [
        9.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0,
        0.0, 0.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0,
        0.0, 11.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.0,
        10.0, 10.0, 10.2, 10.3, 0.0, 0.0, 0.0, 0.0,
    ];

    #[test]
    fn a_patch_has_the_median_of_its_measured_pixels() {
        let found = verdict(&pair(3, (1, 1), (1, 5)), SIZE, &DEPTH);
        assert_eq!(found, Verdict::Measured { far: 11.0, near: 6.0 });
        assert_eq!(verdict(&pair(1, (1, 1), (3, 0)), SIZE, &DEPTH), Verdict::Unmeasured);
    }

    #[test]
    fn verdicts_are_counted_by_group() {
        let pairs = [
            pair(3, (1, 1), (1, 5)),
            pair(1, (3, 3), (3, 0)), // 10.3 > 10
            pair(1, (3, 0), (3, 2)), // 10 and 10.2: a tie, exactly 1.02
            pair(1, (3, 0), (3, 1)), // equal: a tie
            pair(1, (3, 0), (3, 3)), // 10.3 > 1.02 * 10
            pair(1, (3, 0), (3, 7)),
            Pair { origin: Origin::DifferentClass, rule: Rule::Object, ..pair(1, (3, 3), (3, 0)) },
        ];
        let mut quality = Quality::default();
        quality.add(SIZE, &pairs, Some(&DEPTH));
        quality.add(SIZE, &[pairs[1]; 16], None);
        assert_eq!((quality.samples, quality.samples_with_enough), (2, 1));
        let tally = |rule: &str, kind: PairKind| {
            let position = GROUPS.iter().position(|g| g.rule == rule && g.kind == kind).unwrap();
            &quality.tallies[position]
        };
        let pixels = tally("same", PairKind::Pixel);
        assert_eq!((pixels.pairs, pixels.unmeasured, pixels.measured()), (21, 17, 4));
        assert_eq!((pixels.confirmed, pixels.contradicted, pixels.tie), (1, 1, 2));
        assert_eq!(pixels.share(pixels.confirmed), Some(0.25));
        // Gaps 0.3, -0.2, 0, -0.3.
        assert!((pixels.median_gap().unwrap() + 0.1).abs() < 1e-6);
        assert_eq!(tally("same", PairKind::Patch).median_gap(), Some(5.0));
        assert_eq!(tally("C", PairKind::Pixel).confirmed, 1);
        let empty = tally("A", PairKind::Patch);
        assert_eq!((empty.pairs, empty.share(0), empty.median_gap()), (0, None, None));
    }

    #[test]
    fn samples_are_counted_by_what_they_have_enough_of() {
        let patch = |origin, rule| Pair { origin, rule, ..pair(3, (1, 1), (1, 5)) };
        let tree = patch(Origin::DifferentClass, Rule::TreeOrBuilding);
        let object = patch(Origin::DifferentClass, Rule::Object);
        let same = patch(Origin::SameClass, Rule::None);
        let pool = |counts: [usize; 3]| -> Vec<Pair> {
            let all = [tree, object, same].into_iter().zip(counts);
            all.flat_map(|(pair, count)| vec![pair; count]).collect()
        };
        let mut quality = Quality::default();
        for counts in [[16, 16, 16], [16, 15, 16], [5, 40, 5], [32, 0, 20]] {
            quality.add(SIZE, &pool(counts), None);
        }
        // As many pixels are no patches.
        quality.add(SIZE, &[pair(1, (3, 3), (3, 0)); 48], None);
        let with_enough = |rule: &str, kind: PairKind| {
            let position = GROUPS.iter().position(|g| g.rule == rule && g.kind == kind).unwrap();
            quality.tallies[position].samples_with_enough
        };
        assert_eq!(
            ["B", "C", "same"].map(|rule| with_enough(rule, PairKind::Patch)),
            [3, 2, 3],
            "of five samples"
        );
        assert_eq!(with_enough("same", PairKind::Pixel), 1);
        assert_eq!((quality.samples_with_enough, quality.samples_with_enough_patches), (5, 1));
    }
}
