//! Where the depth of KITTI's shards comes from: one scan, the official depth pictures, or nothing, for training and for
//! ground truth alike. The shards say so, and what one source lacks is never taken from another.

use suw_shared::depth_source::DepthSource;
use suw_shared::sample::Sample;
use suw_shared::shard::DepthUnit;
use suw_tests::kitti_drive::{KittiDrive, SCAN_PIXELS, depth_metres, kitti_drive};

use crate::pictures::{World, keys};

/// Frame 1 has a scan and no depth picture, frame 2 has both, frame 3 a depth picture and no scan.
const DRIVE: KittiDrive = KittiDrive { scans: &[1, 2], ground_truth: &[2, 3], ..KittiDrive::SMALL };

/// Sources of `/depth` and `/gt` that shards are made of.
const SOURCES: [(DepthSource, DepthSource); 8] = [
    (DepthSource::Lidar, DepthSource::LidarAccumulated),
    (DepthSource::LidarAccumulated, DepthSource::Lidar),
    (DepthSource::Lidar, DepthSource::Lidar),
    (DepthSource::LidarAccumulated, DepthSource::LidarAccumulated),
    (DepthSource::Exact, DepthSource::Lidar),
    (DepthSource::Lidar, DepthSource::None),
    (DepthSource::None, DepthSource::LidarAccumulated),
    (DepthSource::None, DepthSource::None),
];

fn drive() -> World {
    let world = World::new("kitti");
    kitti_drive(&world.path("data"), &DRIVE);
    world
}

/// Row, column and metres, by rows.
type Places = Vec<(u32, u32, f32)>;

/// What the scan of a frame says, each point moved by so many pixels.
fn of_scan(frame: u32, shift: u32) -> Places {
    let there = DRIVE.scans.contains(&frame);
    let points = SCAN_PIXELS.iter().filter(|_| there);
    points.map(|&(x, y, metres)| (y - shift, x - shift, metres)).collect()
}

/// What the depth picture of a frame says: rows from the middle down.
fn of_picture(frame: u32) -> Places {
    let size = DRIVE.size;
    let rows = (size.height / 2..size.height).filter(|_| DRIVE.ground_truth.contains(&frame));
    rows.flat_map(|y| (0..size.width).map(move |x| (y, x, depth_metres(size, y)))).collect()
}

/// `/depth` of a frame.
fn training(source: DepthSource, frame: u32) -> Option<Places> {
    match source {
        DepthSource::Lidar => Some(of_scan(frame, 0)),
        DepthSource::LidarAccumulated | DepthSource::Exact => Some(of_picture(frame)),
        _ => None,
    }
}

/// `/gt` of a frame. That of scans follows the public tool, a pixel up and left.
fn ground_truth(source: DepthSource, frame: u32) -> Option<Places> {
    match source {
        DepthSource::Lidar => Some(of_scan(frame, 1)),
        other => training(other, frame),
    }
}

/// The measured pixels of `/depth` and the points of `/gt` of a sample.
fn found(sample: &Sample) -> [Option<Places>; 2] {
    let width = DRIVE.size.width;
    let depth = sample.depth.as_ref().map(|depth| {
        let measured = (0_u32..).zip(depth).filter(|(_, metres)| **metres > 0.0);
        measured.map(|(at, &metres)| (at / width, at % width, metres)).collect()
    });
    let point = |y: u16, x: u16, metres: f32| (u32::from(y), u32::from(x), metres);
    let gt = sample.gt.as_ref().map(|gt| gt.iter().map(|p| point(p.y, p.x, p.depth)).collect());
    [depth, gt]
}

#[test]
fn shards_say_where_their_depth_comes_from_and_hold_no_other() {
    // The two sources differ wherever both measure.
    assert!(of_scan(2, 0).iter().chain(&of_scan(2, 1)).all(|point| !of_picture(2).contains(point)));
    for (depth, gt) in SOURCES {
        let world = drive();
        world.scan(&[]);
        let lines = format!("size = \"64x24\"\n[depth]\nsource = \"{depth}\"\ngt = \"{gt}\"");
        let (set, samples) = world.make(0, &lines);
        let header = set.header();
        assert_eq!((header.depth_source, header.gt_source), (depth, gt));
        let there = (header.contents.depth, header.contents.gt);
        assert_eq!(there, (depth != DepthSource::None, gt != DepthSource::None));
        assert_eq!(header.depth_unit, DepthUnit::Metre);
        let frames: Vec<String> =
            [1, 2, 3].map(|frame| format!("{}/image_02/{frame:010}", DRIVE.name)).into();
        assert_eq!(keys(&samples), frames);
        for (frame, sample) in (1..).zip(&samples) {
            let expected = [training(depth, frame), ground_truth(gt, frame)];
            assert!(found(sample) == expected, "{depth} and {gt}, frame {frame}: {sample:?}");
        }
        check_attributes(&world, depth, gt);
    }
}

/// The attributes of every shard, read by h5py.
fn check_attributes(world: &World, depth: DepthSource, gt: DepthSource) {
    for file in ["kitti-all-00000.h5", "kitti-all-00001.h5"] {
        let Some(mut python) = suw_tests::python() else { return };
        let script = suw_tests::root().join("tests/python/read_shard.py");
        let output = python.arg(script).arg(world.path("out").join(file)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let attributes = &read["attributes"];
        assert_eq!(attributes["depth_source"], depth.name(), "{file}");
        assert_eq!(attributes["gt_source"], gt.name(), "{file}");
        for (name, source) in [("depth", depth), ("gt", gt)] {
            let there = read["digests"].get(name).is_some();
            assert_eq!(there, source != DepthSource::None, "/{name} of {file}");
        }
    }
}
