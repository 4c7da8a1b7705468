//! Floor 1: pools of random scenes, of scenes made by hand and of the KITTI excerpt, held against the checker.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;
use suw_shared::class::InstanceClass;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::pair::{Origin, Pair, PairKind, Rule};
use suw_shared::rle::Rle;
use suw_shared::seed::Seed;

use crate::detected::Detection;
use crate::nearest::{NearestGrid, NetworkInstance, network_instances};
use crate::pairs::checker::{Checker, Margins};
use crate::pairs::pool::{PoolInput, draw_pool};
use crate::pairs::rules::Rules;
use crate::rules_file;

pub(super) const PER_RULE: usize = 32;
const ALL_RULES: [(Origin, Rule); 4] = [
    (Origin::DifferentClass, Rule::Sky),
    (Origin::DifferentClass, Rule::TreeOrBuilding),
    (Origin::DifferentClass, Rule::Object),
    (Origin::SameClass, Rule::None),
];

pub(super) fn rules(margins: Margins) -> Rules {
    let text = match margins {
        Margins::Driving => include_str!("../../../data-manifests/rules/driving.toml"),
        Margins::Literal => include_str!("../../../data-manifests/rules/literal.toml"),
    };
    rules_file::parse(Path::new("rules.toml"), text).unwrap()
}

fn count(pool: &[Pair], kind: PairKind, (origin, rule): (Origin, Rule)) -> usize {
    pool.iter().filter(|p| (p.kind, p.origin, p.rule) == (kind, origin, rule)).count()
}

/// A map painted with rectangles: class, top, left, bottom, right.
pub(super) fn painted(size: ImageSize, rectangles: &[(u8, u32, u32, u32, u32)]) -> Vec<u8> {
    let mut map = vec![255; size.area()];
    for &(class, top, left, bottom, right) in rectangles {
        for y in top..bottom.min(size.height) {
            let row = (y * size.width) as usize;
            map[row..][left.min(size.width) as usize..right.min(size.width) as usize].fill(class);
        }
    }
    map
}

fn instance(class: InstanceClass, window: Window) -> NetworkInstance {
    NetworkInstance { class, window, mask: vec![1; window.size().area()] }
}

const STREET: ImageSize = ImageSize::new(200, 100);

/// Sky, trees left and buildings right, grass and fence, a road, a car on it, a sign in the sky.
fn street() -> Vec<u8> {
    painted(
        STREET,
        &[
            (10, 0, 0, 30, 200),
            (8, 20, 0, 55, 80),
            (2, 15, 120, 55, 200),
            (0, 50, 0, 100, 200),
            (9, 55, 0, 100, 40),
            (4, 55, 180, 90, 200),
            (13, 45, 85, 62, 115),
            (7, 5, 95, 15, 105),
        ],
    )
}

fn input(semantic: &[u8]) -> PoolInput<'_> {
    PoolInput { size: STREET, semantic, instances: None, horizon: Some(48.0), depth: None }
}

#[test]
fn a_street_fills_every_rule_with_every_size_in_turn() {
    let semantic = street();
    for margins in [Margins::Driving, Margins::Literal] {
        let pool = draw_pool(&input(&semantic), &rules(margins), PER_RULE, Seed(1));
        Checker::new(input(&semantic), margins).check_pool(&pool, PER_RULE).unwrap();
        for rule in ALL_RULES {
            for kind in [PairKind::Pixel, PairKind::Patch] {
                assert_eq!(count(&pool, kind, rule), PER_RULE, "{margins:?} {rule:?}");
            }
            let patches = pool.iter().filter(|p| (p.origin, p.rule) == rule);
            for size in [3, 5, 7, 9] {
                let of_size = patches.clone().filter(|p| p.size == size).count();
                // The literal gap below the car has no room for the largest.
                let tight = margins == Margins::Literal && rule.1 == Rule::Object;
                assert!(tight || of_size == 8, "{margins:?} {rule:?} {size}: {of_size}");
            }
        }
        assert!(pool.is_sorted());
        // Every class that may be near in rule A, and both sides in rule B.
        let near: Vec<u8> =
            pool.iter().filter(|p| p.rule == Rule::Sky).map(|p| p.near_class).collect();
        assert!([0, 2, 4, 7, 8, 9, 13].iter().all(|class| near.contains(class)), "{near:?}");
        let sides = pool.iter().filter(|p| p.rule == Rule::TreeOrBuilding).map(|p| p.far_x < 100);
        assert!(sides.clone().any(|left| left) && sides.clone().any(|left| !left));
    }
}

#[test]
fn the_seed_decides_and_nothing_else() {
    let semantic = street();
    let rules = rules(Margins::Driving);
    let pool = |seed| draw_pool(&input(&semantic), &rules, PER_RULE, Seed(seed));
    assert_eq!(pool(1), pool(1));
    assert_ne!(pool(1), pool(2));
    assert_eq!(draw_pool(&input(&semantic), &rules, 0, Seed(1)), []);
}

#[test]
fn near_ends_of_an_object_begin_at_the_clear_row() {
    // The car's lowest row is 61, the horizon 48: 48 + 1.2 * 13 = 63.6, so tops from row 64 on; columns 85 to 114.
    let semantic = street();
    let driving = rules(Margins::Driving);
    let cars: Vec<Pair> = (0..40)
        .flat_map(|seed| draw_pool(&input(&semantic), &driving, PER_RULE, Seed(seed)))
        .filter(|p| p.rule == Rule::Object && p.far_class == 13)
        .collect();
    let half = |p: &Pair| u16::from(p.size / 2);
    assert_eq!(cars.iter().map(|p| p.near_y - half(p)).min(), Some(64));
    assert_eq!(cars.iter().map(|p| p.near_x - half(p)).min(), Some(85));
    assert_eq!(cars.iter().map(|p| p.near_x + half(p)).max(), Some(114));
    assert_eq!(cars.iter().map(|p| p.near_y + half(p)).max(), Some(99));
}

#[test]
fn near_ends_below_a_building_keep_clear_of_where_it_stands() {
    // Building 15..55 above road from row 55: contact 55, 48 + 1.15 * 7 = 56.05, so tops from row 57 on. Purity asks for
    // two rows of road above: 57 too.
    let semantic = painted(STREET, &[(2, 0, 0, 55, 200), (0, 55, 0, 100, 200)]);
    let driving = rules(Margins::Driving);
    let pool: Vec<Pair> = (0..40)
        .flat_map(|seed| draw_pool(&input(&semantic), &driving, PER_RULE, Seed(seed)))
        .filter(|p| p.rule == Rule::TreeOrBuilding)
        .collect();
    assert_eq!(pool.iter().map(|p| p.near_y - u16::from(p.size / 2)).min(), Some(57));
    assert_eq!(pool.iter().map(|p| p.far_y).max(), Some(49));
    // With the horizon at row 0: 1.15 * 55 = 63.25.
    let low = PoolInput { horizon: Some(0.0), ..input(&semantic) };
    let pool = draw_pool(&low, &driving, PER_RULE, Seed(1));
    let tops = pool.iter().filter(|p| p.rule == Rule::TreeOrBuilding);
    assert!(
        tops.clone().count() == 64
            && tops.map(|p| p.near_y - u16::from(p.size / 2)).min() >= Some(64)
    );
    // Without intrinsics the horizon is H/2.
    let half = PoolInput { horizon: Some(50.0), ..input(&semantic) };
    let none = PoolInput { horizon: None, ..input(&semantic) };
    let pool = |input: &PoolInput| draw_pool(input, &driving, PER_RULE, Seed(1));
    assert_eq!(pool(&half), pool(&none));
}

#[test]
fn a_column_without_ground_near_the_far_end_makes_no_pair() {
    // A wall (no ground class) fills columns 60 to 140 below the building; 0.02 W is 4 columns.
    let semantic =
        painted(STREET, &[(2, 0, 0, 55, 200), (0, 55, 0, 100, 200), (3, 55, 60, 100, 140)]);
    let pool = draw_pool(&input(&semantic), &rules(Margins::Driving), PER_RULE, Seed(1));
    let far: Vec<(u16, u16)> = pool
        .iter()
        .filter(|p| p.rule == Rule::TreeOrBuilding)
        .map(|p| (p.far_x, u16::from(p.size / 2)))
        .collect();
    assert!(!far.is_empty());
    assert!(far.iter().all(|&(x, half)| x + half + 4 < 60 || x >= 140 + half + 4), "{far:?}");
}

#[test]
fn instances_part_what_the_map_merges_and_must_be_confirmed() {
    // Two cars side by side, one region of the map; the left one ends higher.
    let semantic = painted(
        STREET,
        &[(0, 0, 0, 100, 200), (13, 40, 40, 60, 80), (13, 40, 80, 75, 120), (7, 5, 5, 15, 15)],
    );
    let window = |y, x, height, width| Window { y, x, height, width };
    let instances = [
        instance(InstanceClass::Car, window(40, 40, 20, 40)),
        // The detector says bicycle where the map says car: no object.
        instance(InstanceClass::Bicycle, window(40, 80, 35, 40)),
    ];
    let input = PoolInput { instances: Some(&instances), ..input(&semantic) };
    let driving = rules(Margins::Driving);
    let pool = draw_pool(&input, &driving, PER_RULE, Seed(3));
    Checker::new(input, Margins::Driving).check_pool(&pool, PER_RULE).unwrap();
    let objects: Vec<&Pair> = pool.iter().filter(|p| p.rule == Rule::Object).collect();
    assert_eq!(objects.len(), 64);
    // 48 + 1.2 * 11 = 61.2: road between the left car and row 75 counts; signs make no pairs.
    assert!(objects.iter().any(|p| p.near_y < 70));
    assert!(objects.iter().all(|p| p.far_class == 13 && p.far_x < 80 && p.near_x < 80));
    // No instances in this frame of a data set that has them: no pairs.
    let none = PoolInput { instances: Some(&[]), ..input };
    assert!(draw_pool(&none, &driving, PER_RULE, Seed(3)).iter().all(|p| p.rule != Rule::Object));
    // A data set without: the map's region, signs too, as long as they have road below.
    let map = PoolInput { instances: None, ..input };
    let pool = draw_pool(&map, &driving, PER_RULE, Seed(3));
    let objects = pool.iter().filter(|p| p.rule == Rule::Object);
    assert!(objects.clone().any(|p| p.far_class == 7));
    // 48 + 1.2 * 26 = 79.2.
    assert!(objects.filter(|p| p.far_class == 13).all(|p| p.near_y - u16::from(p.size / 2) >= 80));
}

#[test]
fn by_columns_the_near_end_may_be_beside_the_object_but_not_above_the_far_end() {
    // A car whose right half ends 30 rows higher: road under it lies beside the left half.
    let car = [(13, 40, 40, 80, 80), (13, 40, 80, 50, 120)];
    let semantic = painted(STREET, &[&[(0, 0, 0, 100, 200)], car.as_slice()].concat());
    let pool = draw_pool(&input(&semantic), &rules(Margins::Literal), PER_RULE, Seed(1));
    Checker::new(input(&semantic), Margins::Literal).check_pool(&pool, PER_RULE).unwrap();
    let objects: Vec<&Pair> = pool.iter().filter(|p| p.rule == Rule::Object).collect();
    assert!(objects.iter().any(|p| p.near_y < 80));
    assert!(objects.iter().all(|p| p.near_y > p.far_y));
}

#[test]
fn the_rider_is_part_of_the_person() {
    let semantic =
        painted(STREET, &[(0, 0, 0, 100, 200), (12, 30, 90, 50, 110), (11, 50, 90, 70, 110)]);
    let pool = draw_pool(&input(&semantic), &rules(Margins::Driving), PER_RULE, Seed(1));
    let objects: Vec<&Pair> = pool.iter().filter(|p| p.rule == Rule::Object).collect();
    assert!(objects.iter().any(|p| p.far_class == 12) && objects.iter().any(|p| p.far_class == 11));
    // The lowest row of both is 69: 48 + 1.2 * 21 = 73.2.
    assert!(objects.iter().all(|p| p.near_y - u16::from(p.size / 2) >= 74));
}

#[test]
fn ground_truth_pairs_differ_by_two_percent() {
    let semantic = street();
    let depth: Vec<f32> = (0..STREET.area())
        .map(|p| if p % 7 == 0 { 10.0 + (p % 90) as f32 / 100.0 } else { 0.0 })
        .collect();
    let input = PoolInput { depth: Some(&depth), ..input(&semantic) };
    let pool = draw_pool(&input, &rules(Margins::Driving), PER_RULE, Seed(1));
    Checker::new(input, Margins::Driving).check_pool(&pool, PER_RULE).unwrap();
    assert_eq!(count(&pool, PairKind::Pixel, (Origin::GroundTruth, Rule::None)), PER_RULE);
    // Depths within 2 percent of each other say nothing.
    let flat = vec![10.0; STREET.area()];
    let pool = draw_pool(
        &PoolInput { depth: Some(&flat), ..input },
        &rules(Margins::Driving),
        PER_RULE,
        Seed(1),
    );
    assert_eq!(count(&pool, PairKind::Pixel, (Origin::GroundTruth, Rule::None)), 0);
}

#[test]
fn frames_too_small_or_unlabelled_give_nothing() {
    let driving = rules(Margins::Driving);
    for (width, height) in [(0, 0), (1, 1), (4, 1), (1, 40), (3, 3)] {
        let size = ImageSize::new(width, height);
        let semantic = vec![0; size.area()];
        let input =
            PoolInput { size, semantic: &semantic, instances: None, horizon: None, depth: None };
        let pool = draw_pool(&input, &driving, PER_RULE, Seed(1));
        Checker::new(input, Margins::Driving).check_pool(&pool, PER_RULE).unwrap();
    }
    assert_eq!(draw_pool(&input(&vec![255; STREET.area()]), &driving, PER_RULE, Seed(1)), []);
}

/// Random street-like maps: rectangles of the classes that matter.
fn random_map() -> impl Strategy<Value = (ImageSize, Vec<u8>)> {
    let class = prop::sample::select(vec![0, 0, 0, 1, 2, 4, 7, 8, 9, 10, 11, 12, 13, 18, 255]);
    let rectangle = (class, 0..40_u32, 0..60_u32, 5..30_u32, 5..40_u32)
        .prop_map(|(c, top, left, h, w)| (c, top, left, top + h, left + w));
    (20..60_u32, 16..40_u32, 0..19_u8, prop::collection::vec(rectangle, 0..14)).prop_map(
        |(w, h, base, rectangles)| {
            let size = ImageSize::new(w, h);
            let mut all = vec![(base, 0, 0, h, w)];
            all.extend(rectangles);
            (size, painted(size, &all))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_pools_keep_the_contract(
        (size, semantic) in random_map(),
        boxes in prop::collection::vec((0..3_usize, 0..12_u32, 0..20_u32, 4..24_u32, 4..30_u32), 0..5),
        horizon in prop::option::of(-10.0..50.0_f64),
        with_instances in any::<bool>(),
        literal in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let instances: Vec<NetworkInstance> = boxes
            .iter()
            .map(|&(class, y, x, h, w)| {
                let (height, width) = (h.min(size.height - y.min(size.height - 1)), w.min(size.width - x.min(size.width - 1)));
                let window = Window { y: y.min(size.height - height), x: x.min(size.width - width), height, width };
                instance(InstanceClass::ALL[class], window)
            })
            .collect();
        let margins = if literal { Margins::Literal } else { Margins::Driving };
        let depth: Vec<f32> = (0..size.area()).map(|p| (p * 7919 % 97) as f32 / 10.0).collect();
        let input = PoolInput {
            size,
            semantic: &semantic,
            instances: with_instances.then_some(&instances),
            horizon,
            depth: Some(&depth),
        };
        let pool = draw_pool(&input, &rules(margins), 6, Seed(seed));
        let checker = Checker::new(input, margins);
        prop_assert_eq!(checker.check_pool(&pool, 6), Ok(()));
        // Where single pixels of a rule exist at all, the pool has some: every pair of pixels is tried. (Rule B is left
        // out, and C by columns: their draws may miss the last few.)
        let tried = [
            Some((Origin::DifferentClass, Rule::Sky)),
            (!literal).then_some((Origin::DifferentClass, Rule::Object)),
            Some((Origin::SameClass, Rule::None)),
        ];
        for rule in tried.into_iter().flatten() {
            if count(&pool, PairKind::Pixel, rule) == 0 {
                prop_assert_eq!(first_pixel_pair(&checker, &input, rule), None);
            }
        }
    }
}

/// The first pair of pixels of a rule that the checker lets pass.
fn first_pixel_pair(checker: &Checker, input: &PoolInput, rule: (Origin, Rule)) -> Option<Pair> {
    let width = input.size.width as usize;
    let (far_classes, near_classes): (&[u8], &[u8]) = match rule.1 {
        Rule::Sky => (&[10], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18]),
        Rule::Object => (&[7, 11, 12, 13, 18], &[0]),
        _ => (&[0, 1, 9], &[0, 1, 9]),
    };
    let of = |classes: &[u8]| -> Vec<usize> {
        (0..input.semantic.len()).filter(|&p| classes.contains(&input.semantic[p])).collect()
    };
    let (far, near) = (of(far_classes), of(near_classes));
    // One in so many, so that a case stays quick.
    let step = (far.len() * near.len() / 20_000).max(1) | 1;
    (0..far.len() * near.len()).step_by(step).find_map(|index| {
        let (far, near) = (far[index / near.len()], near[index % near.len()]);
        let pair = Pair {
            kind: PairKind::Pixel,
            origin: rule.0,
            rule: rule.1,
            size: 1,
            far_y: (far / width) as u16,
            far_x: (far % width) as u16,
            near_y: (near / width) as u16,
            near_x: (near % width) as u16,
            far_class: input.semantic[far],
            near_class: input.semantic[near],
        };
        checker.check(&pair).is_ok().then_some(pair)
    })
}

/// `shared/data/kitti-labels` beside the repository, if it is there.
fn kitti_labels() -> Option<PathBuf> {
    let drive = "../../shared/data/kitti-labels/2011_09_26/2011_09_26_drive_9001_sync/image_02";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(drive);
    if !folder.is_dir() {
        println!("skipped: no {}", folder.display());
        return None;
    }
    Some(folder)
}

#[test]
fn pools_of_the_kitti_excerpt_keep_the_contract() {
    let Some(folder) = kitti_labels() else { return };
    let rows: Vec<Value> =
        serde_json::from_slice(&fs::read(folder.join("instances.json")).unwrap()).unwrap();
    let native = ImageSize::new(1242, 375);
    let window = Window { y: 23, x: 13, height: 352, width: 1216 };
    let size = ImageSize::new(416, 128);
    let grid = NearestGrid::new(native, window, size);
    let mut full = [0; 4];
    for frame in (0..30).step_by(6) {
        let picture = image::open(folder.join(format!("semantic/{frame:010}.png"))).unwrap();
        let native_map = picture.to_luma8().into_raw();
        let mut semantic = vec![0; size.area()];
        for (at, class) in semantic.iter_mut().enumerate() {
            let (y, x) = (at / 416, at % 416);
            let (row, column) = (23 + (2 * y + 1) * 352 / 256, 13 + (2 * x + 1) * 1216 / 832);
            *class = native_map[row * 1242 + column];
        }
        let detections: Vec<Detection> = rows
            .iter()
            .filter(|row| row["image_id"] == frame)
            .map(|row| Detection {
                class: InstanceClass::from_coco(row["category_id"].as_u64().unwrap() as u32)
                    .unwrap(),
                score: row["score"].as_f64().unwrap() as f32,
                mask: Rle::from_coco_string(
                    native,
                    row["segmentation"]["counts"].as_str().unwrap(),
                )
                .unwrap(),
            })
            .collect();
        let instances = network_instances(&detections, 0.5, &grid);
        for margins in [Margins::Driving, Margins::Literal] {
            let input = PoolInput {
                size,
                semantic: &semantic,
                instances: Some(&instances),
                horizon: Some(54.2),
                depth: None,
            };
            let pool = draw_pool(&input, &rules(margins), PER_RULE, Seed(frame));
            Checker::new(input, margins).check_pool(&pool, PER_RULE).unwrap();
            for (full, rule) in full.iter_mut().zip(ALL_RULES) {
                *full += usize::from(count(&pool, PairKind::Patch, rule) == PER_RULE);
            }
        }
    }
    println!("full patch pools of 10 by rule: {full:?}");
    assert!(full[3] == 10, "road has room for every pair: {full:?}");
}
