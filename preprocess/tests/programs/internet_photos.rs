//! MegaDepth and Mannequin Challenge: small data sets made here, from `scan` to a validated shard set.

use std::fmt::Write as _;
use std::fs;

use suw_shared::depth_source::DepthSource;
use suw_shared::pair::Origin;
use suw_shared::shard::DepthUnit;

use crate::kit::expect;
use crate::pictures::{World, keys};

/// A MegaDepth map of 24 x 16.
fn hdf5_map(world: &World, stem: &str, value: impl Fn(usize) -> f32) {
    let path = world.path(&format!("data/0001/dense0/depths/{stem}.h5"));
    let file = hdf5::File::create(path).unwrap();
    let dataset = file.new_dataset::<f32>().shape([16, 24]).create("depth").unwrap();
    dataset.write_raw(&(0..16 * 24).map(value).collect::<Vec<f32>>()).unwrap();
}

#[test]
fn megadepth_has_metric_and_ordinal_maps() {
    let world = World::new("megadepth");
    for stem in ["a", "b", "c", "d", "e"] {
        world.picture(&format!("0001/dense0/imgs/{stem}.jpg"), 24, 16, 0);
    }
    hdf5_map(&world, "a", |at| at as f32 + 1.0);
    // The left half is background; the right half foreground, written as 2 and 3 as in some published files.
    hdf5_map(&world, "b", |at| if at % 24 < 12 { -1.0 } else { (2 + at % 2) as f32 });
    hdf5_map(&world, "c", |at| if at < 99 { 1.0 } else { -1.0 });
    hdf5_map(&world, "d", |_| 0.0);
    assert!(world.scan(&[]).contains("depth maps: 4"));
    let (set, samples) = world.make(3, "size = \"24x16\"\n[depth]\nsource = \"sfm\"");
    assert_eq!(keys(&samples), ["0001/dense0/a", "0001/dense0/b"]);
    let header = set.header();
    assert_eq!((header.frames, header.depth_source), (1, DepthSource::Sfm));
    assert_eq!(header.depth_unit, DepthUnit::Scene);
    assert!(header.contents.ordinal && header.contents.pairs);
    assert!(!header.contents.intrinsics && !header.contents.semantic);
    // Of 1..=384, numpy.percentile(1) is 4.83 and (98) 376.34.
    let kept: Vec<f32> =
        samples[0].depth.iter().flatten().copied().filter(|value| *value > 0.0).collect();
    assert_eq!((kept[0], kept[kept.len() - 1], kept.len()), (5.0, 376.0, 372));
    assert!(samples[0].ordinal.as_ref().unwrap().iter().all(|sign| *sign == 0));
    assert_eq!(samples[0].pairs.as_ref().unwrap().len(), 0);
    let ordinal = samples[1].ordinal.as_ref().unwrap();
    assert_eq!((ordinal[11], ordinal[12], ordinal[13]), (-1, 1, 1));
    assert!(samples[1].depth.as_ref().unwrap().iter().all(|value| *value == 0.0));
    let pairs = samples[1].pairs.as_ref().unwrap();
    assert_eq!(pairs.len(), 32);
    for pair in pairs {
        assert_eq!((pair.origin, pair.far_class), (Origin::OrdinalMap, 255));
        assert!(pair.far_x < 12 && pair.near_x >= 12);
    }
    let quarantine = fs::read_to_string(world.path("out/quarantine.jsonl")).unwrap();
    for (item, kind) in
        [("dense0/c", "depth-sparse"), ("dense0/d", "depth-sparse"), ("dense0/e", "frame-missing")]
    {
        let told = quarantine.lines().any(|line| line.contains(item) && line.contains(kind));
        assert!(told, "{item}: {quarantine}");
    }
    let error = expect_scan_error(&world, &["--frames", "3"]);
    assert!(error.contains("no video"), "{error}");
}

fn expect_scan_error(world: &World, more: &[&str]) -> String {
    let (root, out) = (world.text("data"), world.text("no.json"));
    let mut words = vec!["scan", "--dataset", world.dataset, "--root", &root, "--out", &out];
    words.extend(more);
    expect(2, &words).1
}

/// Timestamps whose order as text is not their order in time.
const TIMES: [u32; 5] = [800, 900, 1000, 1100, 1200];

/// A camera that steps `step` to the right per frame, before a wall.
fn camera_file(world: &World, clip: &str, step: f64) {
    let mut text = "https://example.org/video\n".to_owned();
    for (number, time) in TIMES.iter().enumerate() {
        let t = -step * number as f64;
        writeln!(text, "{time} {} 1.25 0.5 0.5 0 0 1 0 0 {t} 0 1 0 0 0 0 1 0", 20.0 / 24.0)
            .unwrap();
    }
    fs::write(world.path(&format!("data/train/{clip}.txt")), text).unwrap();
}

/// A workspace of the same camera in another unit: steps of 1, the wall 4 away; `dense` is its depth in the maps.
fn workspace(world: &World, clip: &str, dense: f32) {
    let inside = |name: &str| world.path(&format!("data/colmap/train/{clip}/{name}"));
    fs::write(inside("sparse/cameras.txt"), "1 PINHOLE 24 16 20 20 12 8\n").unwrap();
    let seen: String = (0..12).map(|id| format!("1.5 1.5 {id} ")).collect();
    let mut images = String::new();
    for (number, time) in TIMES.iter().enumerate() {
        writeln!(images, "{number} 1 0 0 0 -{number} 0 0 1 {time}.png\n{seen}").unwrap();
        world.picture(&format!("colmap/train/{clip}/images/{time}.png"), 24, 16, number as u8);
        if number == 2 {
            continue; // COLMAP could not make this map
        }
        // The first row is far off, the second not measured; the fourth picture has little depth.
        let rows = if number == 3 { 4 } else { 16 };
        let value = |row: usize| [50.0, 0.0].get(row).copied().unwrap_or(dense);
        let rows = (0..16).map(|row| if row < rows { value(row) } else { 0.0 });
        let values = rows.flat_map(|value| [value; 24]).flat_map(f32::to_le_bytes);
        let bytes: Vec<u8> = b"24&16&1&".iter().copied().chain(values).collect();
        fs::write(inside(&format!("stereo/depth_maps/{time}.png.geometric.bin")), bytes).unwrap();
    }
    fs::write(inside("sparse/images.txt"), images).unwrap();
    let points: String =
        (0..12).map(|id| format!("{id} {} 0.1 4 1 2 3 0.5\n", 0.3 * f64::from(id))).collect();
    fs::write(inside("sparse/points3D.txt"), points).unwrap();
}

#[test]
fn mannequin_clips_have_poses_and_depth_in_one_unit() {
    let world = World::new("mannequin");
    camera_file(&world, "dense", 10.0);
    workspace(&world, "dense", 4.0);
    camera_file(&world, "plain", 10.0);
    for (number, time) in TIMES.iter().enumerate().filter(|(number, _)| *number != 3) {
        world.picture(&format!("frames/train/plain/{time}.jpg"), 24, 16, number as u8);
    }
    camera_file(&world, "nothing", 10.0);
    // Maps three times as far as the points: not to be believed, and there are no other pictures.
    camera_file(&world, "wrong", 10.0);
    workspace(&world, "wrong", 12.0);
    fs::write(world.path("data/train/broken.txt"), "https://example.org/video\n1 2 3\n").unwrap();
    world.scan(&[]);
    let (set, samples) = world.make(3, "size = \"12x8\"\n[depth]\nsource = \"mvs\"");
    // "1000" and "900" are the second and third frame; of "plain" just 800, 900, 1000 are neighbors.
    assert_eq!(keys(&samples), ["train/dense/1000", "train/dense/900", "train/plain/900"]);
    let header = set.header();
    assert_eq!((header.frames, header.depth_source), (3, DepthSource::Mvs));
    assert_eq!(header.depth_unit, DepthUnit::Scene);
    assert!(header.contents.pose && header.contents.intrinsics && !header.contents.pairs);
    let steps = |sample: usize| {
        let poses = samples[sample].pose.as_ref().unwrap();
        assert!(poses.iter().all(|pose| pose[0] == 1.0 && pose[7] == 0.0 && pose[11] == 0.0));
        (poses[0][3], poses[1][3])
    };
    // A point seen from the target lies one step further right in the earlier picture.
    assert_eq!(steps(1), (1.0, -1.0), "COLMAP's unit");
    assert_eq!(steps(2), (10.0, -10.0), "the camera file's unit");
    let depth = |sample: usize| samples[sample].depth.as_ref().unwrap();
    // Rows 1, 3, 5, ... of the map: the second is not measured; the far row is gone before.
    assert!(depth(1)[..12].iter().all(|value| *value == 0.0));
    assert!(depth(1)[12..].iter().all(|value| *value == 4.0));
    assert!(depth(0).iter().chain(depth(2)).all(|value| *value == 0.0), "no map");
    for sample in [1, 2] {
        let k = samples[sample].intrinsics.unwrap();
        let close = |value: f32, expected: f32| (value - expected).abs() < 1e-5;
        assert!(close(k[0], 10.0) && close(k[2], 5.5) && close(k[4], 10.0) && close(k[5], 3.5));
    }
    let quarantine = fs::read_to_string(world.path("out/quarantine.jsonl")).unwrap();
    for (kind, item, word) in [
        ("depth-sparse", "train/dense/1100", "0.2"),
        ("frame-missing", "train/plain", "1100"),
        ("scene-empty", "train/nothing", "frames/train/nothing"),
        ("scene-empty", "train/wrong", "frames/train/wrong"),
        ("calibration-unreadable", "train/wrong", "median ratio of 3.000"),
        ("calibration-unreadable", "train/broken", "line 2"),
    ] {
        let words = [kind, &format!("\"{item}\""), word];
        let told = quarantine.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(told, "{words:?}: {quarantine}");
    }
    assert_eq!(quarantine.lines().count(), 6, "{quarantine}");
}

/// Depth, poses and cameras of a real workspace, compared by NumPy and h5py.
#[test]
fn a_real_workspace_becomes_what_numpy_says() {
    let workspace = suw_tests::root().join("../shared/data/colmap/dense_workspace");
    if !workspace.exists() {
        println!("skipped: {} is absent", workspace.display());
        return;
    }
    let world = World::new("mannequin");
    let witness = |command: &str, folder: &str| {
        let mut python = suw_tests::python()?;
        python.arg("tests/python/mannequin_witness.py").arg(command).arg(&workspace);
        let output = python.arg(world.path(folder)).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        Some(text)
    };
    if witness("make", "data").is_none() {
        println!("skipped: no Python");
        return;
    }
    world.scan(&[]);
    let (_, samples) = world.make(0, "size = \"160x120\"\n[depth]\nsource = \"mvs\"");
    assert_eq!(samples.len(), 13);
    let told = witness("check", "out").unwrap_or_default();
    assert!(told.starts_with("13 samples"), "{told}");
}
