//! Small samples that keep every rule of the shard format: sky over a building and a tree, a road, one car.
//!
//! Everything is painted by plain loops, so that a test can say what is where:
//! rows 0..16 sky; rows 16..24 building (columns 0..32) and tree (32..64); rows 24..48 road; a car on rows 20..34,
//! columns 10..24 of the target frame, one column further left before and right after.

use suw_shared::class::{InstanceClass, SemanticClass, UNLABELLED};
use suw_shared::depth_source::DepthSource;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::object::AlignedObject;
use suw_shared::pair::{Origin, Pair, PairKind, Rule};
use suw_shared::sample::{GtPoint, Sample, SampleObjects};
use suw_shared::sample_key::SampleKey;
use suw_shared::shard::{Contents, DepthUnit, ShardHeader};

/// Size of all these samples.
pub const SIZE: ImageSize = ImageSize::new(64, 48);

/// A header with everything in it.
pub fn header() -> ShardHeader {
    ShardHeader {
        dataset: "street".to_owned(),
        split: "train".to_owned(),
        frames: 3,
        stride: 1,
        size: SIZE,
        depth_unit: DepthUnit::Metre,
        depth_source: DepthSource::Lidar,
        gt_source: DepthSource::LidarAccumulated,
        provenance: "{\"pairs\":{\"per_rule\":32}}".to_owned(),
        contents: Contents::ALL,
    }
}

/// A header of single pictures with nothing but the image.
pub fn bare_header() -> ShardHeader {
    ShardHeader {
        frames: 1,
        depth_source: DepthSource::None,
        gt_source: DepthSource::None,
        provenance: "{}".to_owned(),
        contents: Contents::default(),
        ..header()
    }
}

/// A header of clips with poses and dense depth without a unit, as of Mannequin Challenge.
pub fn posed_header() -> ShardHeader {
    ShardHeader {
        dataset: "posed".to_owned(),
        depth_unit: DepthUnit::Scene,
        depth_source: DepthSource::Mvs,
        gt_source: DepthSource::None,
        contents: Contents { depth: true, intrinsics: true, pose: true, ..Contents::default() },
        ..header()
    }
}

/// A header of single pictures with ordinal maps and their pairs, as of MegaDepth.
pub fn ordinal_header() -> ShardHeader {
    ShardHeader {
        dataset: "ordinal".to_owned(),
        frames: 1,
        depth_unit: DepthUnit::Scene,
        depth_source: DepthSource::Sfm,
        gt_source: DepthSource::None,
        contents: Contents { depth: true, pairs: true, ordinal: true, ..Contents::default() },
        ..header()
    }
}

/// A clip of `posed_header`: all poses known; the lower half measured, nearer below.
pub fn posed_sample(number: u32) -> Sample {
    let full = sample(number);
    Sample {
        key: SampleKey::new(format!("posed/{number:06}")).expect("invariant: plain words"),
        depth: Some(
            (0..SIZE.area())
                .map(|i| if i / 64 < 24 { 0.0 } else { 40.0 / (i / 64 - 20) as f32 })
                .collect(),
        ),
        intrinsics: Some([60.0, 0.0, 31.5, 0.0, 61.0, 23.5, 0.0, 0.0, 1.0]),
        pose: Some(vec![step(-0.25), step(0.25)]),
        semantic: None,
        objects: None,
        pairs: None,
        ordinal: None,
        gt: None,
        ..full
    }
}

/// A picture of `ordinal_header`: depth on the road, and one pair of the map.
pub fn ordinal_sample(number: u32) -> Sample {
    let full = sample(number);
    let from_map = |pair: &Pair| pair.origin == Origin::OrdinalMap;
    Sample {
        key: SampleKey::new(format!("ordinal/{number:06}")).expect("invariant: plain words"),
        image: full.image[..3 * SIZE.area()].to_vec(),
        intrinsics: None,
        pose: None,
        semantic: None,
        objects: None,
        pairs: Some(pairs().into_iter().filter(from_map).collect()),
        gt: None,
        ..full
    }
}

/// The sample with this number; keys rise with it.
pub fn sample(number: u32) -> Sample {
    let area = SIZE.area();
    Sample {
        key: SampleKey::new(format!("street/drive_{:02}/image_02/{number:010}", number / 4))
            .expect("invariant: a key of plain words"),
        native_size: ImageSize::new(130, 100),
        native_window: Window { y: 2, x: 1, height: 96, width: 128 },
        image: (0..9 * area).map(|i| ((i * 7 + number as usize * 13) % 251) as u8).collect(),
        depth: Some(depth(number)),
        intrinsics: Some(if number % 3 == 2 {
            [f32::NAN; 9]
        } else {
            [60.0, 0.0, 31.5, 0.0, 61.0, 23.5, 0.0, 0.0, 1.0]
        }),
        pose: Some(vec![step(-1.25), if number % 2 == 1 { [f32::NAN; 16] } else { step(1.5) }]),
        semantic: Some(semantic()),
        objects: Some(objects()),
        pairs: Some(pairs()),
        ordinal: Some(
            (0..area).map(|i| [-1, 0, 1][(i / SIZE.width as usize / 4).min(11) * 3 / 12]).collect(),
        ),
        gt: Some(
            (0..number % 3 + 1)
                .map(|i| GtPoint { y: 60 + i as u16, x: 2 * i as u16, depth: 4.5 + i as f32 })
                .collect(),
        ),
    }
}

/// A sample of single pictures with nothing but the image.
pub fn bare_sample(number: u32) -> Sample {
    let full = sample(number);
    Sample {
        image: full.image[..3 * SIZE.area()].to_vec(),
        depth: None,
        intrinsics: None,
        pose: None,
        semantic: None,
        objects: None,
        pairs: None,
        ordinal: None,
        gt: None,
        ..full
    }
}

/// Measured on every fifth column of the road: nearer below.
fn depth(number: u32) -> Vec<f32> {
    let mut depth = vec![0.0; SIZE.area()];
    for y in 24..48 {
        for x in (0..64).step_by(5) {
            depth[y * 64 + x] = (2.0 + number as f32) * 30.0 / (y - 20) as f32;
        }
    }
    depth
}

fn semantic() -> Vec<u8> {
    let mut map = vec![UNLABELLED; SIZE.area()];
    fill(&mut map, (0..16, 0..64), SemanticClass::Sky.id());
    fill(&mut map, (16..24, 0..32), SemanticClass::Building.id());
    fill(&mut map, (16..24, 32..64), SemanticClass::Vegetation.id());
    fill(&mut map, (24..48, 0..64), SemanticClass::Road.id());
    fill(&mut map, (20..34, 10..24), SemanticClass::Car.id());
    map
}

fn objects() -> SampleObjects {
    let area = SIZE.area();
    let mut map = vec![0; 3 * area];
    for (frame, left) in [9, 10, 11].into_iter().enumerate() {
        fill(&mut map[frame * area..(frame + 1) * area], (20..34, left..left + 14), 1);
    }
    let mut movable = vec![0; area];
    fill(&mut movable, (20..34, 10..24), 1);
    // A person that was seen in this frame only.
    fill(&mut movable, (30..36, 50..52), 1);
    SampleObjects {
        map,
        rows: vec![AlignedObject {
            index: 1,
            class: InstanceClass::Car,
            score: [0.75, 0.875, 0.5],
            iou_prev: 0.8125,
            iou_next: 0.90625,
        }],
        movable,
    }
}

fn fill(map: &mut [u8], area: (std::ops::Range<usize>, std::ops::Range<usize>), value: u8) {
    for y in area.0 {
        map[y * 64..(y + 1) * 64][area.1.clone()].fill(value);
    }
}

/// One pair of every sort: A, B, C, same class, ground truth, ordinal map.
pub fn pairs() -> Vec<Pair> {
    use SemanticClass::{Building, Car, Road, Sky, Vegetation};
    let pair = |origin, rule, size, far: (u16, u16, u8), near: (u16, u16, u8)| Pair {
        kind: if size == 1 { PairKind::Pixel } else { PairKind::Patch },
        origin,
        rule,
        size,
        far_y: far.0,
        far_x: far.1,
        near_y: near.0,
        near_x: near.1,
        far_class: far.2,
        near_class: near.2,
    };
    use Origin::{DifferentClass, GroundTruth, OrdinalMap, SameClass};
    vec![
        pair(DifferentClass, Rule::Sky, 3, (5, 10, Sky.id()), (20, 40, Vegetation.id())),
        pair(DifferentClass, Rule::TreeOrBuilding, 1, (18, 28, Building.id()), (30, 28, Road.id())),
        pair(DifferentClass, Rule::Object, 3, (27, 17, Car.id()), (40, 17, Road.id())),
        pair(SameClass, Rule::None, 5, (29, 50, Road.id()), (43, 50, Road.id())),
        pair(GroundTruth, Rule::None, 1, (26, 40, UNLABELLED), (46, 40, UNLABELLED)),
        pair(OrdinalMap, Rule::None, 1, (2, 2, UNLABELLED), (46, 2, UNLABELLED)),
    ]
}

/// A step along the optical axis.
fn step(z: f32) -> [f32; 16] {
    [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, z, 0.0, 0.0, 0.0, 1.0]
}
