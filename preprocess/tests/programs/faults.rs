//! Broken inputs: each gives the error or the quarantine entry that the contract promises.

use std::fs;

use crate::kit::{DRIVE, Place, expect, run};

const IMAGE: &str = "image_02/data/0000000004.png";

/// Keys of the clips that frame 4 belongs to.
fn clips_of_frame_4() -> [String; 3] {
    [3, 4, 5].map(|frame| format!("{DRIVE}/image_02/{frame:010}"))
}

fn set_aside(place: &Place, kind: &str, clips: &[String]) {
    place.make(3, "out", &[]);
    let expected: Vec<_> = clips.iter().map(|key| (kind.to_owned(), key.clone())).collect();
    assert_eq!(place.quarantine("out"), expected);
    expect(0, &["validate", "--deep", &place.text("out/manifest.json")]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("out/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["quarantined"][kind], clips.len());
    assert_eq!(manifest["samples"], 8 - clips.len());
    place.make(0, "out", &["--allow-quarantine"]);
}

#[test]
fn a_cut_picture_sets_its_clips_aside() {
    let place = Place::new();
    let path = place.of_drive(IMAGE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    place.scan();
    set_aside(&place, "image-unreadable", &clips_of_frame_4());
}

#[test]
fn a_picture_of_another_size_sets_its_clips_aside() {
    let place = Place::new();
    image::RgbImage::new(100, 64).save(place.of_drive(IMAGE)).unwrap();
    place.scan();
    set_aside(&place, "image-size", &clips_of_frame_4());
}

#[test]
fn a_file_changed_after_the_scan_is_noticed() {
    let place = Place::new();
    image::RgbImage::new(208, 64).save(place.of_drive(IMAGE)).unwrap();
    set_aside(&place, "input-changed", &clips_of_frame_4());
}

#[test]
fn not_a_number_in_a_scan_sets_its_clip_aside() {
    let place = Place::new();
    let path = place.of_drive("velodyne_points/data/0000000004.bin");
    let mut bytes = fs::read(&path).unwrap();
    bytes[16..20].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    place.scan();
    set_aside(&place, "depth-unreadable", &clips_of_frame_4()[1..2]);
}

#[test]
fn missing_calibration_sets_every_clip_aside() {
    let place = Place::new();
    fs::remove_file(place.path("world/2026_01_01/calib_cam_to_cam.txt")).unwrap();
    place.scan();
    let error = place.make(1, "out", &[]);
    for words in ["every clip was set aside", "8 problems", "calib_cam_to_cam.txt"] {
        assert!(error.contains(words), "{error} should say {words:?}");
    }
    let lines = place.quarantine("out");
    assert_eq!(lines.len(), 8);
    assert!(lines.iter().all(|(kind, _)| kind == "calibration-unreadable"), "{lines:?}");
    // A shard left empty is not written, and a set without a sample has no manifest: it is not finished.
    let files: Vec<_> = place.files("out").into_keys().collect();
    assert_eq!(files, ["quarantine.jsonl"]);
}

#[test]
fn masks_that_come_back_are_found_by_the_same_command() {
    let place = Place::new();
    let (masks, away) = (place.path(&format!("world/masks/{DRIVE}")), place.path("away"));
    place.make(0, "usual", &[]);
    fs::create_dir_all(&away).unwrap();
    for entry in fs::read_dir(masks.join("image_02/instances")).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), away.join(entry.file_name())).unwrap();
    }
    let error = place.make(1, "out", &[]);
    assert!(error.contains("8 problems, first mask-missing"), "{error}");
    for entry in fs::read_dir(&away).unwrap() {
        let entry = entry.unwrap();
        fs::rename(entry.path(), masks.join("image_02/instances").join(entry.file_name())).unwrap();
    }
    place.make(0, "out", &[]);
    assert_eq!(place.files("out"), place.files("usual"));
}

#[test]
fn a_root_that_is_not_the_data_set_is_refused_before_any_work() {
    let place = Place::new();
    fs::create_dir_all(place.path("mount-point/lost+found")).unwrap();
    let root = format!("input.root={:?}", place.text("mount-point"));
    let error = place.make(2, "out", &["--set", &root]);
    assert!(error.contains("mount-point") && error.contains("2026_01_01/"), "{error}");
    assert!(!place.path("out").exists());
    place.make(0, "out", &[]);
}

#[test]
fn a_frame_without_masks_sets_its_clips_aside() {
    let place = Place::new();
    let stem = format!("world/masks/{DRIVE}/image_02/instances/0000000004.json");
    fs::remove_file(place.path(&stem)).unwrap();
    set_aside(&place, "mask-missing", &clips_of_frame_4());
}

#[test]
fn an_empty_drive_is_listed_and_nothing_but_it_is_an_error() {
    let place = Place::new();
    let empty = "2026_01_01/2026_01_01_drive_0099_sync/image_02/data";
    fs::create_dir_all(place.path("world").join(empty)).unwrap();
    place.scan();
    place.make(3, "out", &[]);
    let lines = place.quarantine("out");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].0, "scene-empty");
    assert!(lines[0].1.contains("drive_0099"), "{lines:?}");

    fs::remove_dir_all(place.path("world/2026_01_01/2026_01_01_drive_0001_sync")).unwrap();
    let (root, out) = (place.text("world"), place.text("none.json"));
    let (_, error) = expect(2, &["scan", "--dataset", "kitti", "--root", &root, "--out", &out]);
    assert!(error.contains("cannot"), "{error}");
}

#[test]
fn an_unknown_key_names_its_neighbor() {
    let place = Place::new();
    let error = place.make(2, "out", &["--set", "pairs.per_rul=3"]);
    assert!(error.contains("\"per_rul\"") && error.contains("\"per_rule\""), "{error}");
    assert!(!place.path("out").exists(), "nothing was started");
}

#[test]
fn a_missing_model_is_refused_before_any_work() {
    let place = Place::new();
    let spec = place.text("spec.toml");
    let text = fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../data-manifests/models/demo-mask-rcnn.toml"),
    )
    .unwrap();
    fs::write(&spec, text).unwrap();
    let set = format!("masks.instance={spec}");
    let models = ["--set", "masks.source=models", "--set", &set];
    let error = place.make(2, "out", &models);
    assert!(error.contains("demo-mask-rcnn.onnx"), "{error}");
    assert!(!place.path("out").exists(), "nothing was started");
}

#[test]
fn a_model_with_other_tensors_is_refused_with_both_sides() {
    let place = Place::new();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let model = fixtures.join("instance-other-names.onnx");
    let digest = blake3::hash(&fs::read(&model).unwrap()).to_hex().to_string();
    let shipped = fixtures.join("../../../data-manifests/models/demo-mask-rcnn.toml");
    let spec: String = fs::read_to_string(shipped)
        .unwrap()
        .lines()
        .map(|line| match line.split(' ').next() {
            Some("file") => format!("file = {model:?}\n"),
            Some("blake3") => format!("blake3 = \"{digest}\"\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(place.path("spec.toml"), spec).unwrap();
    let set = format!("masks.instance={}", place.text("spec.toml"));
    let store = format!("masks.root={}", place.text("fresh"));
    let models = ["--set", "masks.source=models", "--set", &set, "--set", &store];
    let error = place.make(2, "out", &models);
    assert!(error.contains("spec says") && error.contains("model has"), "{error}");
    assert!(!place.path("out").exists(), "no shard was begun");
}

#[test]
fn a_picture_too_small_to_crop_is_a_configuration_error() {
    let place = Place::new();
    let error = place.make(2, "out", &["--set", "fit=crop"]);
    assert!(error.contains("1216x352") && error.contains("208x64"), "{error}");
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    assert_eq!(run(&["runn"]).status.code(), Some(2));
    assert_eq!(run(&["run"]).status.code(), Some(2));
    let commands = [
        ["synth", "scan", "plan", "masks"],
        ["import-masks", "run", "merge", "validate"],
        ["inspect", "quality", "export-coco", "report"],
    ];
    for command in commands.into_iter().flatten() {
        let (help, _) = expect(0, &[command, "--help"]);
        assert!(help.contains("Example"), "{command}: {help}");
    }
}

#[test]
fn a_data_set_of_which_every_clip_lacks_something_is_told_so_clip_by_clip() {
    let folder = tempfile::tempdir().unwrap();
    let text = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let images = folder.path().join("md/0001/dense0/imgs");
    fs::create_dir_all(&images).unwrap();
    for name in ["a.jpg", "b.jpg"] {
        fs::write(images.join(name), b"x").unwrap();
    }
    let arguments =
        ["scan", "--dataset", "megadepth", "--root", &text("md"), "--out", &text("md.json")];
    let (_, error) = expect(2, &arguments);
    for words in ["0001/dense0/a: ", "0001/dense0/b: ", "scene-empty", "3 problems"] {
        assert!(error.contains(words), "{error} should say {words:?}");
    }
    assert!(!folder.path().join("md.json").exists());
}
