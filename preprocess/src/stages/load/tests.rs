//! Tests of loading, on drives made and broken by the test.

use std::fs;

use suw_tests::kitti_drive::{KittiDrive, SCAN_PIXELS, color, depth_metres, kitti_drive};

use suw_shared::sample::GtPoint;

use super::*;
use crate::resize::Fit;
use crate::scan::{ScanPlan, scan};

const PARAMS: LoadParams = LoadParams {
    fit: Fit::Resize,
    size: KittiDrive::SMALL.size,
    depth: DepthSource::Lidar,
    gt: DepthSource::Exact,
};

struct World {
    folder: tempfile::TempDir,
    manifest: DataSetManifest,
}

impl World {
    fn new(drive: &KittiDrive, break_it: impl Fn(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        kitti_drive(folder.path(), drive);
        break_it(folder.path());
        let plan = ScanPlan {
            root: folder.path(),
            split: "all",
            targets: None,
            stride: 1,
            frames: 3,
            min_motion: None,
        };
        let manifest = scan(&plan, &|_, _| {}).unwrap().manifest;
        Self { folder, manifest }
    }

    fn load(&self, params: &LoadParams) -> Vec<Result<LoadedClip, Problem>> {
        let source = Source { manifest: &self.manifest, root: self.folder.path() };
        self.manifest.clips().iter().map(|clip| load_clip(source, clip, params)).collect()
    }

    /// Kind and frame number of the clips that cannot be loaded.
    fn faults(&self, params: &LoadParams) -> Vec<(ProblemKind, u32)> {
        let problems = self.load(params).into_iter().filter_map(Result::err);
        problems
            .inspect(|p| assert!(!p.reason.contains(&*self.folder.path().to_string_lossy())))
            .map(|p| (p.kind, p.item.rsplit('/').next().unwrap().parse().unwrap()))
            .collect()
    }
}

#[test]
fn a_clip_at_native_size_is_what_the_drive_holds() {
    let drive = KittiDrive::SMALL;
    let world = World::new(&drive, |_| {});
    let clips = world.load(&PARAMS);
    assert_eq!(clips.len(), 3);
    let clip = clips[1].as_ref().unwrap();
    let (width, area) = (drive.size.width, drive.size.area());
    for (at, frame) in [1, 2, 3].into_iter().enumerate() {
        for (y, x) in [(0, 0), (7, 20), (23, 63)] {
            let got = [0, 1, 2].map(|c| clip.image[(3 * at + c) * area + (y * width + x) as usize]);
            assert_eq!(got, color(frame, y, x));
        }
    }
    let depth = clip.depth.as_ref().unwrap();
    for (x, y, metres) in SCAN_PIXELS {
        assert!((depth[(y * width + x) as usize] - metres).abs() < 1e-4);
    }
    assert_eq!(clip.depth_pixels, SCAN_PIXELS.len());
    let gt = clip.gt.as_ref().unwrap();
    assert_eq!(gt.len(), 12 * 64);
    assert_eq!((gt[0].y, gt[0].x, gt[0].depth), (12, 0, depth_metres(drive.size, 12)));
    let camera = clip.intrinsics.unwrap();
    assert_eq!((camera.fx, camera.fy, camera.cx, camera.cy), (50.0, 50.0, 31.5, 8.0));
}

#[test]
fn half_size_keeps_the_nearest_point_and_moves_the_camera() {
    let world = World::new(&KittiDrive::SMALL, |_| {});
    let params = LoadParams { size: ImageSize::new(32, 12), ..PARAMS };
    let clip = world.load(&params).remove(0).unwrap();
    // (10, 12) at 8 m and (11, 12) at 20 m meet in (5, 6).
    let depth = clip.depth.unwrap();
    assert!((depth[6 * 32 + 5] - 8.0).abs() < 1e-4);
    assert_eq!(clip.depth_pixels, 3);
    let camera = clip.intrinsics.unwrap();
    assert_eq!((camera.fx, camera.cx, camera.cy), (25.0, 15.5, 3.75));
    let exact = LoadParams { depth: DepthSource::Exact, gt: DepthSource::Lidar, ..params };
    let clip = world.load(&exact).remove(0).unwrap();
    // Row 6 has its center on the edge of rows 12 and 13 and takes the lower one.
    assert_eq!(clip.depth.unwrap()[6 * 32], depth_metres(KittiDrive::SMALL.size, 13));
    let gt = clip.gt.unwrap();
    let place = |p: &GtPoint| (u32::from(p.x) + 1, u32::from(p.y) + 1);
    assert!(gt.iter().all(|p| SCAN_PIXELS.iter().any(|(x, y, _)| place(p) == (*x, *y))));
    assert_eq!(gt.len(), SCAN_PIXELS.len());
}

#[test]
fn frames_without_measurements_have_none_and_are_no_fault() {
    let drive = KittiDrive { scans: &[2], ground_truth: &[3], ..KittiDrive::SMALL };
    let world = World::new(&drive, |_| {});
    let pixels = |params: &LoadParams| -> Vec<_> {
        let counts = |clip: LoadedClip| (clip.depth_pixels, clip.gt.map(|gt| gt.len()));
        world.load(params).into_iter().map(|clip| counts(clip.unwrap())).collect()
    };
    assert_eq!(pixels(&PARAMS), [(0, Some(0)), (4, Some(0)), (0, Some(12 * 64))]);
    let none = LoadParams { depth: DepthSource::None, gt: DepthSource::None, ..PARAMS };
    assert_eq!(pixels(&none), [(0, None); 3]);
}

#[test]
fn faults_set_aside_just_the_clips_they_are_in() {
    let drive = KittiDrive { frames: 7, ..KittiDrive::SMALL };
    let cut = World::new(&drive, |root| {
        let path = drive.image(root, 2, 1);
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    });
    let kind = ProblemKind::ImageUnreadable;
    assert_eq!(cut.faults(&PARAMS), [(kind, 1), (kind, 2)]);

    let nan = World::new(&drive, |root| {
        let mut bytes = fs::read(drive.scan(root, 3)).unwrap();
        bytes[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(drive.scan(root, 3), bytes).unwrap();
    });
    assert_eq!(nan.faults(&PARAMS), [(ProblemKind::DepthUnreadable, 3)]);
    assert_eq!(nan.faults(&LoadParams { depth: DepthSource::None, ..PARAMS }), []);

    let size = World::new(&drive, |root| {
        let other = KittiDrive { name: "d/other", size: ImageSize::new(32, 24), ..drive };
        kitti_drive(root, &other);
        fs::copy(other.image(root, 2, 0), drive.image(root, 2, 6)).unwrap();
        fs::copy(other.depth(root, 2, 0), drive.depth(root, 2, 4)).unwrap();
        fs::remove_dir_all(root.join("d")).unwrap();
    });
    let expected = [(ProblemKind::DepthUnreadable, 4), (ProblemKind::ImageSize, 5)];
    assert_eq!(size.faults(&PARAMS), expected);

    for name in ["calib_cam_to_cam.txt", "calib_velo_to_cam.txt"] {
        let missing = World::new(&drive, |root| {
            fs::remove_file(drive.date_folder(root).join(name)).unwrap();
        });
        let faults = missing.faults(&PARAMS);
        assert!(faults.iter().all(|(kind, _)| *kind == ProblemKind::CalibrationUnreadable));
        // Frames 5 and 6 have no scan and need no scanner calibration.
        assert_eq!(faults.len(), if name.contains("cam_to_cam") { 5 } else { 4 });
    }
}

#[test]
fn files_that_changed_since_the_scan_are_noticed() {
    let drive = KittiDrive { frames: 7, ..KittiDrive::SMALL };
    let world = World::new(&drive, |_| {});
    let root = world.folder.path();
    fs::copy(drive.image(root, 2, 1), drive.image(root, 2, 0)).unwrap();
    fs::remove_file(drive.scan(root, 3)).unwrap();
    let mut bytes = fs::read(drive.depth(root, 2, 4)).unwrap();
    bytes.push(0);
    fs::write(drive.depth(root, 2, 4), bytes).unwrap();
    let kind = ProblemKind::InputChanged;
    assert_eq!(world.faults(&PARAMS), [(kind, 1), (kind, 3), (kind, 4)]);
}

#[test]
fn parameters_that_no_clip_can_have_are_refused_before_work() {
    let drive = KittiDrive { scans: &[], ..KittiDrive::SMALL };
    let world = World::new(&drive, |_| {});
    let refused = |params| check_params(&world.manifest, &params).unwrap_err();
    let message = refused(LoadParams { fit: Fit::Crop, ..PARAMS });
    assert!(message.contains("64x24") && message.contains("image_02"), "{message}");
    assert!(refused(PARAMS).contains("\"lidar\""));
    let message = refused(LoadParams { depth: DepthSource::Sfm, ..PARAMS });
    assert!(message.contains("training depth"), "{message}");
    let fine = LoadParams { depth: DepthSource::Exact, ..PARAMS };
    assert_eq!(check_params(&world.manifest, &fine), Ok(()));
}
