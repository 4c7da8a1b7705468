//! Floor 1: pairs as SVG marks over the target frame: far end hollow, near end filled, colored by rule, with what depth says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use suw_shared::class::SemanticClass;
use suw_shared::image_size::ImageSize;
use suw_shared::pair::{Origin, Pair, PairKind};

use crate::page::html::escaped;
use crate::quality::{Verdict, Weighed, group_of, verdict, weighed};

/// Marks of one rule and kind that are shown at first; the rest is a click away.
pub const FIRST: usize = 6;

/// Every group of marks a page can hide: class name, word on its button, what it is.
pub const RULES: [(&str, &str, &str); 6] = [
    ("A", "A", "sky is farther than anything"),
    ("B", "B", "a tree or building is farther than the ground below it on the same side"),
    ("C", "C", "an object is farther than the road below it"),
    ("same", "same class", "higher on one piece of ground is farther"),
    ("gt", "ground truth", "two measured pixels"),
    ("ordinal", "ordinal map", "background is farther than foreground"),
];

/// What depth says about a pair, as class names and words.
pub const VERDICTS: [&str; 4] = ["confirmed", "contradicted", "tie", "unmeasured"];

/// Class name of an origin.
pub const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::DifferentClass => "different",
        Origin::SameClass => "same",
        Origin::GroundTruth => "truth",
        Origin::OrdinalMap => "map",
    }
}

/// Class name of a kind.
pub const fn kind_name(kind: PairKind) -> &'static str {
    match kind {
        PairKind::Pixel => "pixel",
        PairKind::Patch => "patch",
    }
}

/// One `<g>` a pair; its classes are `r-`rule, `k-`kind, `o-`origin, `v-`verdict, and `more` beyond the first few.
///
/// # Panics
/// If `depth` has another size, or a pair does not lie inside it.
pub fn marks(pairs: &[Pair], size: ImageSize, depth: Option<&[f32]>, unit: &str) -> String {
    let mut counts: BTreeMap<(&str, PairKind), usize> = BTreeMap::new();
    for pair in pairs {
        *counts.entry((group_of(pair).rule, pair.kind)).or_insert(0) += 1;
    }
    let mut seen: BTreeMap<(&str, PairKind), usize> = BTreeMap::new();
    let mut out = String::new();
    for pair in pairs {
        let rule = group_of(pair).rule;
        let nth = seen.entry((rule, pair.kind)).or_insert(0);
        // Evenly out of the pool, so that the first few show how the many are spread.
        let every = counts[&(rule, pair.kind)].div_ceil(FIRST).max(1);
        let more = if nth.is_multiple_of(every) { "" } else { " more" };
        *nth += 1;
        let found = depth.map_or(Verdict::Unmeasured, |depth| verdict(pair, size, depth));
        let word = verdict_name(found);
        let _ = write!(
            out,
            "<g class=\"pair r-{rule} k-{} o-{} v-{word}{more}\" data-told=\"{}\">",
            kind_name(pair.kind),
            origin_name(pair.origin),
            escaped(&told(pair, rule, found, unit)),
        );
        let middle = |v: u16| f32::from(v) + 0.5;
        let _ = write!(
            out,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            middle(pair.far_x),
            middle(pair.far_y),
            middle(pair.near_x),
            middle(pair.near_y)
        );
        for (end, y, x) in [("far", pair.far_y, pair.far_x), ("near", pair.near_y, pair.near_x)] {
            let half = u16::from(pair.size / 2);
            let _ = write!(
                out,
                "<rect class=\"{end}\" x=\"{}\" y=\"{}\" width=\"{2}\" height=\"{2}\"/>",
                x - half,
                y - half,
                pair.size
            );
        }
        out.push_str("</g>");
    }
    out
}

/// See `VERDICTS`.
fn verdict_name(found: Verdict) -> &'static str {
    match weighed(found) {
        Weighed::Confirmed => "confirmed",
        Weighed::Contradicted => "contradicted",
        Weighed::Tie => "tie",
        Weighed::Unmeasured => "unmeasured",
    }
}

fn told(pair: &Pair, rule: &str, found: Verdict, unit: &str) -> String {
    let class = |id| SemanticClass::from_id(id).map_or("no class", SemanticClass::name);
    let kind = match pair.kind {
        PairKind::Pixel => "pixel pair".to_owned(),
        PairKind::Patch => format!("patch pair {0}x{0}", pair.size),
    };
    let rule = RULES.iter().find(|known| known.0 == rule).map_or(rule, |known| known.1);
    let depth = match found {
        Verdict::Unmeasured => "not measured at both ends".to_owned(),
        Verdict::Measured { far, near } => {
            format!("depth {far:.1} and {near:.1} {unit}: {}", verdict_name(found))
        }
    };
    format!(
        "{rule}, {kind}: {} (row {}, column {}) is farther than {} (row {}, column {}); {depth}",
        class(pair.far_class),
        pair.far_y,
        pair.far_x,
        class(pair.near_class),
        pair.near_y,
        pair.near_x,
    )
}

#[cfg(test)]
mod tests {
    use suw_tests::samples;

    use super::*;

    #[test]
    fn every_pair_is_a_mark_with_its_groups() {
        let sample = samples::sample(0);
        let pairs = samples::pairs();
        let svg = marks(&pairs, samples::SIZE, sample.depth.as_deref(), "m");
        assert_eq!(svg.matches("<g ").count(), 6);
        for class in [
            "r-A k-patch o-different v-unmeasured\"",
            "r-B k-pixel o-different v-unmeasured\"",
            // Both ends lie on measured columns: 60/(26-20) = 10 m and 60/(46-20) = 2.3 m.
            "r-gt k-pixel o-truth v-confirmed\"",
            "r-same k-patch o-same v-confirmed\"",
            "r-ordinal k-pixel o-map",
        ] {
            assert!(svg.contains(class), "{class}: {svg}");
        }
        assert!(svg.contains("depth 10.0 and 2.3 m: confirmed"), "{svg}");
        // A patch of 3 around row 5, column 10 begins one pixel before.
        assert!(
            svg.contains("<rect class=\"far\" x=\"9\" y=\"4\" width=\"3\" height=\"3\"/>"),
            "{svg}"
        );
    }

    #[test]
    fn only_the_first_few_of_many_are_shown_at_first() {
        let many = vec![samples::pairs()[0]; 32];
        let svg = marks(&many, samples::SIZE, None, "m");
        let shown = svg.matches("<g ").count() - svg.matches(" more\"").count();
        assert_eq!((svg.matches("<g ").count(), shown), (32, FIRST));
    }
}
