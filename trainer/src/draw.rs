//! Floor 1: draws one stored pair per image and iteration (the paper draws one at random; the pool is stored).
//!
//! Uniform over the allowed origins that have a pair wholly inside the crop, then over their rules, then over the pairs.

use rand::seq::IndexedRandom;
use suw_shared::image_size::Window;
use suw_shared::pair::{Origin, Pair, PairKind, Rule};
use suw_shared::seed::Seed;

/// Which pairs may be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairChoice {
    /// Pixel or patch.
    pub kind: PairKind,
    /// At least one.
    pub origins: Vec<Origin>,
}

/// One pair of the pool, or `None` where none is allowed and wholly inside `crop`.
///
/// Coordinates stay those of the sample at network size.
pub fn draw_pair(pool: &[Pair], choice: &PairChoice, crop: Window, seed: Seed) -> Option<Pair> {
    let allowed: Vec<&Pair> = pool
        .iter()
        .filter(|pair| pair.kind == choice.kind && choice.origins.contains(&pair.origin))
        .filter(|pair| lies_inside(pair, crop))
        .collect();
    let mut rng = seed.rng();
    let mut origins: Vec<Origin> = allowed.iter().map(|pair| pair.origin).collect();
    origins.sort_unstable();
    origins.dedup();
    let origin = *origins.choose(&mut rng)?;
    let mut rules: Vec<Rule> =
        allowed.iter().filter(|pair| pair.origin == origin).map(|pair| pair.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let rule = *rules.choose(&mut rng)?;
    let last: Vec<&Pair> =
        allowed.into_iter().filter(|pair| pair.origin == origin && pair.rule == rule).collect();
    last.choose(&mut rng).map(|pair| **pair)
}

/// Whether every pixel of both ends lies in the window.
pub fn lies_inside(pair: &Pair, window: Window) -> bool {
    let half = u32::from(pair.size / 2);
    let inside = |center: u16, start: u32, length: u32| {
        let center = u32::from(center);
        center >= start + half && center + half < start + length
    };
    [(pair.far_y, pair.far_x), (pair.near_y, pair.near_x)]
        .into_iter()
        .all(|(y, x)| inside(y, window.y, window.height) && inside(x, window.x, window.width))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROP: Window = Window { y: 0, x: 10, height: 20, width: 20 };

    fn patch(origin: Origin, rule: Rule, x: u16) -> Pair {
        Pair {
            kind: PairKind::Patch,
            origin,
            rule,
            size: 3,
            far_y: 5,
            far_x: x,
            near_y: 15,
            near_x: x,
            far_class: 255,
            near_class: 255,
        }
    }

    fn both() -> PairChoice {
        PairChoice {
            kind: PairKind::Patch,
            origins: vec![Origin::DifferentClass, Origin::SameClass],
        }
    }

    #[test]
    fn a_patch_must_lie_wholly_inside() {
        for (x, inside) in [(10, false), (11, true), (28, true), (29, false)] {
            let pair = patch(Origin::SameClass, Rule::None, x);
            assert_eq!(lies_inside(&pair, CROP), inside, "center {x}");
            assert_eq!(draw_pair(&[pair], &both(), CROP, Seed(1)).is_some(), inside);
        }
    }

    #[test]
    fn other_kinds_and_origins_are_never_drawn() {
        let truth = patch(Origin::GroundTruth, Rule::None, 15);
        let pixel = Pair { kind: PairKind::Pixel, size: 1, ..truth };
        assert_eq!(draw_pair(&[truth, pixel], &both(), CROP, Seed(1)), None);
        assert_eq!(draw_pair(&[], &both(), CROP, Seed(1)), None);
    }

    #[test]
    fn origins_then_rules_then_pairs_are_equally_likely() {
        // 1 pair of the same class, 1 of rule A, 6 of rule B: expected shares 1/2, 1/4, 6 times 1/24.
        let mut pool = vec![
            patch(Origin::SameClass, Rule::None, 12),
            patch(Origin::DifferentClass, Rule::Sky, 13),
        ];
        pool.extend((0..6).map(|i| patch(Origin::DifferentClass, Rule::TreeOrBuilding, 20 + i)));
        let n = 4800;
        let mut counts = [0; 8];
        for i in 0..n {
            let drawn = draw_pair(&pool, &both(), CROP, Seed(7).derive_number("draw", i)).unwrap();
            counts[pool.iter().position(|pair| *pair == drawn).unwrap()] += 1;
        }
        let expected = [2400, 1200, 200, 200, 200, 200, 200, 200];
        for (count, expected) in counts.iter().zip(expected) {
            // Five standard deviations of a binomial count.
            let slack = 5.0 * (f64::from(expected) * (1.0 - f64::from(expected) / 4800.0)).sqrt();
            assert!((f64::from(*count) - f64::from(expected)).abs() < slack, "{counts:?}");
        }
    }
}
