//! Tests of the scan on drives made by the test, and on the real excerpt.

use std::fs;
use std::path::PathBuf;

use suw_tests::kitti_drive::{KittiDrive, kitti_drive};

use super::*;
use crate::datasets::split;

const SCENE: &str = "2011_09_26/2011_09_26_drive_9999_sync/image_02";

fn plan(root: &Path) -> ScanPlan<'_> {
    ScanPlan { root, split: "all", targets: None, stride: 1, frames: 3, min_motion: None }
}

fn scanned(plan: &ScanPlan) -> DataSetManifest {
    let manifest = scan(plan, &|_, _| {}).unwrap().manifest;
    // What is written must read back, so every rule of the reader holds for every scan.
    assert_eq!(DataSetManifest::parse(&manifest.to_text()).unwrap(), manifest);
    manifest
}

fn keys(manifest: &DataSetManifest) -> Vec<String> {
    manifest.clips().iter().map(|clip| clip.key.stem().trim_start_matches('0').into()).collect()
}

fn kinds(manifest: &DataSetManifest) -> Vec<(&str, &str)> {
    manifest.problems.iter().map(|p| (p.kind.name(), p.item.as_str())).collect()
}

#[test]
fn the_real_excerpt_has_28_clips() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/kitti");
    if !root.exists() {
        println!("skipped: {} is absent", root.display());
        return;
    }
    let manifest = scanned(&plan(&root));
    let counts = manifest.counts;
    assert_eq!((counts.clips, counts.frames, counts.scenes), (28, 30, 1));
    assert_eq!((counts.lidar, counts.ground_truth), (5, 0));
    assert_eq!(manifest.problems, []);
    let scene = &manifest.scenes[0];
    assert_eq!(scene.size, Some(ImageSize::new(1242, 375).into()));
    let camera = scene.intrinsics.unwrap();
    assert_eq!((camera.fx, camera.cx, camera.cy), (721.5377, 609.5593, 172.854));
    assert!(!manifest.to_text().contains(env!("CARGO_MANIFEST_DIR")));
}

#[test]
fn clips_need_both_neighbors_at_the_stride() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let drive = KittiDrive { frames: 7, cameras: &[2, 3], ..KittiDrive::SMALL };
    kitti_drive(root, &drive);
    fs::remove_file(drive.image(root, 2, 3)).unwrap();
    let manifest = scanned(&plan(root));
    assert_eq!(keys(&manifest), ["1", "5", "1", "2", "3", "4", "5"]);
    let manifest = scanned(&ScanPlan { stride: 2, ..plan(root) });
    assert_eq!(keys(&manifest), ["2", "4", "2", "3", "4"]);
    let manifest = scanned(&ScanPlan { frames: 1, ..plan(root) });
    assert_eq!(manifest.counts.clips, 13);
    // Scans are shared by both cameras and listed once: 13 pictures, 5 scans, 4 + 5 depth pictures, 2 calibrations.
    assert_eq!(manifest.files.len(), 29);
    assert_eq!(manifest.counts.lidar, 4 + 5);
}

#[test]
fn checksums_are_those_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    kitti_drive(folder.path(), &KittiDrive::SMALL);
    let manifest = scanned(&plan(folder.path()));
    for file in &manifest.files {
        let bytes = fs::read(folder.path().join(&file.path)).unwrap();
        assert_eq!(file.bytes, bytes.len() as u64);
        assert_eq!(file.blake3, suw_shared::checksum::blake3_of_bytes(&bytes));
    }
    assert_eq!(manifest.files.len(), 17);
}

#[test]
fn a_split_takes_just_its_frames_and_lists_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let drive = KittiDrive { frames: 7, ..KittiDrive::SMALL };
    kitti_drive(root, &drive);
    let d = drive.name;
    let text = format!("{d} 4 l\n{d} 0 l\n{d} 2 r\n{d} 6 l\n{d} 9 l\nx/y 1 l\n");
    let targets = split::parse(&text).unwrap();
    let manifest = scanned(&ScanPlan { targets: Some(&targets), split: "few", ..plan(root) });
    assert_eq!(keys(&manifest), ["4"]);
    assert_eq!(manifest.counts.frames, 3);
    assert_eq!(manifest.split, "few");
    let item = |camera: u8, frame: u32| format!("{d}/image_{camera:02}/{frame:010}");
    let missing =
        [item(2, 0), item(2, 6), item(2, 9), item(3, 2), "x/y/image_02/0000000001".into()];
    let found: Vec<_> = manifest.problems.iter().map(|p| p.item.clone()).collect();
    assert_eq!(found, missing);
    assert!(manifest.problems[1].reason.contains("0000000007"), "{:?}", manifest.problems[1]);
    assert_eq!(manifest.problems_without_clip().len(), 5);
}

#[test]
fn broken_inputs_are_listed_and_their_clips_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let drive = KittiDrive::SMALL;
    kitti_drive(root, &drive);
    fs::write(drive.image(root, 2, 1), b"\x89PNG").unwrap();
    let small = KittiDrive { name: "d/small", size: ImageSize::new(8, 8), ..drive };
    kitti_drive(root, &small);
    fs::copy(small.image(root, 2, 0), drive.image(root, 2, 3)).unwrap();
    fs::remove_dir_all(root.join("d")).unwrap();
    fs::write(drive.scan(root, 2), [0; 17]).unwrap();
    fs::remove_file(root.join("2011_09_26/calib_velo_to_cam.txt")).unwrap();
    fs::create_dir_all(root.join("2011_09_26/2011_09_26_drive_0001_sync")).unwrap();
    let manifest = scanned(&plan(root));
    let frame = |number: u32| format!("{SCENE}/{number:010}");
    assert_eq!(
        kinds(&manifest),
        [
            ("scene-empty", "2011_09_26/2011_09_26_drive_0001_sync"),
            ("calibration-unreadable", SCENE),
            ("image-unreadable", &frame(1)),
            ("depth-unreadable", &frame(2)),
            ("image-size", &frame(3)),
        ]
    );
    assert_eq!(manifest.counts.clips, 3);
    assert_eq!(manifest.problems_without_clip().len(), 1);
}

#[test]
fn a_calibration_for_other_pictures_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    kitti_drive(root, &KittiDrive::SMALL);
    let path = root.join("2011_09_26/calib_cam_to_cam.txt");
    let text = fs::read_to_string(&path).unwrap().replace("S_rect_02: 64", "S_rect_02: 128");
    fs::write(&path, text).unwrap();
    let manifest = scanned(&plan(root));
    assert_eq!(kinds(&manifest), [("calibration-unreadable", SCENE)]);
    assert!(manifest.problems[0].reason.contains("128x24"), "{:?}", manifest.problems);
    assert_eq!(manifest.scenes[0].intrinsics, None);
    assert!(manifest.scenes[0].calibration.is_some());
}

#[test]
fn a_data_set_without_clips_says_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let message = scan(&plan(root), &|_, _| {}).unwrap_err().to_string();
    assert!(message.contains("got 0 frames in 0 scenes"), "{message}");
    kitti_drive(root, &KittiDrive { frames: 2, scans: &[], ..KittiDrive::SMALL });
    fs::create_dir_all(root.join("2011_09_26/2011_09_26_drive_0001_sync/image_02/data")).unwrap();
    let error = scan(&plan(root), &|_, _| {}).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("got 2 frames in 1 scenes; 1 problems"), "{message}");
    let ScanError::NoClips { problems, .. } = error else { panic!("{message}") };
    assert!(problems[0].item.ends_with("drive_0001_sync/image_02"), "{problems:?}");
}

#[test]
fn clips_of_a_standing_car_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let drive = KittiDrive { frames: 7, ..KittiDrive::SMALL };
    kitti_drive(root, &drive);
    let oxts = root.join("2011_09_26/2011_09_26_drive_9999_sync/oxts/data");
    fs::create_dir_all(&oxts).unwrap();
    // One meter between frames is 1 / 111319.49 degrees; the car stands from frame 2 to frame 5.
    for (frame, meters) in [0.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0].into_iter().enumerate() {
        let text = format!("{} 8.4 110 {}", 49.0 + meters / 111_319.49, ["0"; 27].join(" "));
        fs::write(oxts.join(format!("{frame:010}.txt")), text).unwrap();
    }
    let moving = ScanPlan { min_motion: Some(0.5), ..plan(root) };
    let scanned = scan(&moving, &|_, _| {}).unwrap();
    assert_eq!(
        (keys(&scanned.manifest), scanned.left_out),
        (vec!["1".into(), "2".into(), "5".into()], 2)
    );
    // The frames of clips that are left out are no part of the manifest.
    assert_eq!(scanned.manifest.counts.frames, 7);
    let far = scan(&ScanPlan { min_motion: Some(1.5), ..plan(root) }, &|_, _| {}).unwrap();
    assert_eq!(
        (keys(&far.manifest), far.left_out, far.manifest.counts.frames),
        (vec!["1".into()], 4, 3)
    );

    // Without the record of frame 3 nobody knows how far clips 2 (frames 1 to 3) and 4 (3 to 5) went: 4 is back.
    let path = oxts.join("0000000003.txt");
    for (broken, cause) in [(Some("49 8"), "got 2"), (None, "No such file")] {
        match broken {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let scanned = scan(&moving, &|_, _| {}).unwrap();
        let kept: Vec<String> = ["1", "2", "4", "5"].map(str::to_owned).into();
        assert_eq!((keys(&scanned.manifest), scanned.left_out), (kept, 1));
        let [problem] = &scanned.manifest.problems[..] else { panic!("{:?}", scanned.manifest) };
        assert_eq!(problem.kind, ProblemKind::FrameMissing);
        for words in ["2 of 5 clips", "0000000003.txt", cause] {
            assert!(problem.reason.contains(words), "{} should say {words:?}", problem.reason);
        }
    }
}
