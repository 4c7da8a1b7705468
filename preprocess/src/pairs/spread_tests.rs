//! Floor 1: pools are spread: over classes, over objects, over the picture, over the sizes of patches.

use std::collections::BTreeMap;
use std::fmt::Debug;

use suw_shared::image_size::ImageSize;
use suw_shared::pair::{Origin, Pair, PairKind, Rule};
use suw_shared::seed::Seed;

use crate::pairs::checker::Margins;
use crate::pairs::pool::{PoolInput, draw_pool};
use crate::pairs::tests::{PER_RULE, painted, rules};

/// Pools of one scene that are taken together, each from a seed of its own.
const POOLS: u64 = 40;

/// The pools of a scene without instance masks.
fn pools(size: ImageSize, semantic: &[u8], horizon: f64) -> Vec<Vec<Pair>> {
    let driving = rules(Margins::Driving);
    let horizon = Some(horizon);
    let input = PoolInput { size, semantic, instances: None, horizon, depth: None };
    (0..POOLS).map(|seed| draw_pool(&input, &driving, PER_RULE, Seed(seed))).collect()
}

/// The pairs of one rule, of both kinds.
fn of_rule(pools: &[Vec<Pair>], origin: Origin, rule: Rule) -> Vec<Pair> {
    let all = pools.iter().flatten().copied();
    all.filter(|pair| (pair.origin, pair.rule) == (origin, rule)).collect()
}

/// Whether just the expected keys come about, each about equally often.
fn assert_even<K: Copy + Debug + Ord>(
    what: &str,
    drawn: impl Iterator<Item = K>,
    expected: impl IntoIterator<Item = K>,
) {
    let mut counts: BTreeMap<K, u32> = BTreeMap::new();
    for key in drawn {
        *counts.entry(key).or_default() += 1;
    }
    let expected: Vec<K> = expected.into_iter().collect();
    assert_eq!(counts.keys().copied().collect::<Vec<K>>(), expected, "{what}");
    let total: u32 = counts.values().sum();
    let share = 1.0 / expected.len() as f64;
    let mean = f64::from(total) * share;
    // Of a binomial.
    let deviation = (mean * (1.0 - share)).sqrt();
    for (key, &count) in &counts {
        let off = (f64::from(count) - mean).abs();
        assert!(off < 6.0 * deviation, "{what}, {key:?}: {count} of {total}, expected {mean:.0}");
    }
}

const WOODS: ImageSize = ImageSize::new(704, 208);

/// Trees, and a twentieth of the picture for all else: some sky, a building, a car and a person above a road, a sidewalk
/// and a verge.
fn woods() -> Vec<u8> {
    painted(
        WOODS,
        &[
            (8, 0, 0, 208, 704),
            (10, 0, 300, 20, 360),
            (2, 30, 100, 50, 130),
            (0, 155, 400, 208, 450),
            (13, 110, 400, 130, 428),
            (11, 112, 430, 130, 450),
            (1, 160, 200, 208, 216),
            (9, 160, 250, 208, 266),
        ],
    )
}

#[test]
fn classes_take_equal_parts_whatever_their_areas() {
    let semantic = woods();
    let trees = semantic.iter().filter(|&&class| class == 8).count();
    assert!(trees as f64 > 0.95 * WOODS.area() as f64);
    let pools = pools(WOODS, &semantic, 104.0);
    let near = of_rule(&pools, Origin::DifferentClass, Rule::Sky);
    assert_even("near end of A", near.iter().map(|p| p.near_class), [0, 1, 2, 8, 9, 11, 13]);
    let far = of_rule(&pools, Origin::DifferentClass, Rule::Object);
    assert_even("far end of C", far.iter().map(|p| p.far_class), [11, 13]);
    let same = of_rule(&pools, Origin::SameClass, Rule::None);
    assert_even("same class", same.iter().map(|p| p.far_class), [0, 1, 9]);
}

#[test]
fn rule_b_draws_a_small_building_as_often_as_many_trees() {
    // 600 pixels of building beside 12,000 of trees, in a gap so that the trees end before the border; all above a road.
    let semantic = painted(
        AVENUE,
        &[
            (10, 0, 0, 64, 416),
            (8, 20, 70, 64, 400),
            (2, 30, 30, 50, 60),
            (0, 50, 0, 128, 70),
            (0, 64, 0, 128, 416),
        ],
    );
    let far =
        of_rule(&pools(AVENUE, &semantic, 40.0), Origin::DifferentClass, Rule::TreeOrBuilding);
    assert_eq!(far.len(), POOLS as usize * 2 * PER_RULE);
    assert_even("far end of B", far.iter().map(|p| p.far_class), [2, 8]);
}

#[test]
fn every_size_of_patch_has_a_fourth_of_each_rule() {
    let semantic = woods();
    for pool in pools(WOODS, &semantic, 104.0) {
        for (origin, rule) in [
            (Origin::DifferentClass, Rule::Sky),
            (Origin::DifferentClass, Rule::Object),
            (Origin::SameClass, Rule::None),
        ] {
            let patches = pool
                .iter()
                .filter(|p| p.kind == PairKind::Patch && (p.origin, p.rule) == (origin, rule));
            let mut sizes: BTreeMap<u8, usize> = BTreeMap::new();
            patches.for_each(|p| *sizes.entry(p.size).or_default() += 1);
            let expected = [3_u8, 5, 7, 9].map(|size| (size, PER_RULE / 4));
            assert_eq!(sizes, BTreeMap::from(expected), "{origin:?} {rule:?}");
        }
    }
}

const AVENUE: ImageSize = ImageSize::new(416, 128);

#[test]
fn a_car_that_fills_the_picture_has_no_more_pairs_than_a_small_one() {
    // A bus of a car, 80 rows by 200 columns, and four of 16 by 16.
    let mut rectangles = vec![(8, 0, 0, 64, 416), (0, 64, 0, 128, 416), (13, 20, 20, 100, 220)];
    rectangles.extend([240_u32, 280, 320, 360].map(|left| (13, 60, left, 76, left + 16)));
    let pools = pools(AVENUE, &painted(AVENUE, &rectangles), 54.0);
    let car = |pair: &Pair| if pair.far_x < 220 { 0 } else { (pair.far_x - 240) / 40 + 1 };
    let pairs = of_rule(&pools, Origin::DifferentClass, Rule::Object);
    assert_eq!(pairs.len(), POOLS as usize * 2 * PER_RULE);
    assert_even("car", pairs.iter().map(car), 0..5);
}

/// Sky over the whole width, buildings below it, a road with one car in each eighth.
fn avenue() -> Vec<u8> {
    let mut rectangles = vec![(10, 0, 0, 30, 416), (2, 30, 0, 64, 416), (0, 64, 0, 128, 416)];
    rectangles.extend((0..8_u32).map(|eighth| (13, 60, 52 * eighth + 11, 76, 52 * eighth + 41)));
    painted(AVENUE, &rectangles)
}

#[test]
fn both_ends_of_every_rule_lie_over_the_whole_width() {
    let pools = pools(AVENUE, &avenue(), 54.0);
    for (origin, rule) in [
        (Origin::DifferentClass, Rule::Sky),
        (Origin::DifferentClass, Rule::TreeOrBuilding),
        (Origin::DifferentClass, Rule::Object),
        (Origin::SameClass, Rule::None),
    ] {
        let pairs = of_rule(&pools, origin, rule);
        assert_eq!(pairs.len(), POOLS as usize * 2 * PER_RULE, "{origin:?} {rule:?}");
        let what = |end: &str| format!("{end} end of {origin:?} {rule:?} by eighths of the width");
        assert_even(&what("far"), pairs.iter().map(|p| p.far_x / 52), 0..8);
        assert_even(&what("near"), pairs.iter().map(|p| p.near_x / 52), 0..8);
    }
}

#[test]
fn the_pixel_pairs_of_one_sample_crowd_no_part_of_it() {
    for pool in pools(AVENUE, &avenue(), 54.0) {
        // Four rows of eight cells, 32 by 52 pixels each.
        let mut cells: BTreeMap<(u16, u16), usize> = BTreeMap::new();
        for pair in pool.iter().filter(|p| p.kind == PairKind::Pixel) {
            for (y, x) in [(pair.far_y, pair.far_x), (pair.near_y, pair.near_x)] {
                *cells.entry((y / 32, x / 52)).or_default() += 1;
            }
        }
        // 32 pairs of each of four rules.
        assert_eq!(cells.values().sum::<usize>(), 256);
        // By chance a cell or two may be empty; 22 of 256 ends are the most in 40 pools of an independent simulation.
        assert!(cells.len() >= 28, "{} of 32 cells: {cells:?}", cells.len());
        assert!(cells.values().all(|&ends| ends <= 32), "{cells:?}");
    }
}
