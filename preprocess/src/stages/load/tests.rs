//! Tests of loading, on drives made and broken by the test.

use std::fs;

use suw_tests::kitti_drive::{KittiDrive, SCAN_PIXELS, color, depth_metres, kitti_drive};

use suw_shared::image_size::Window;
use suw_shared::sample::GtPoint;

use super::*;
use crate::decode::depth_png16;
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
fn a_file_that_is_gone_is_the_inputs_fault_and_a_data_set_that_is_gone_the_machines() {
    let drive = KittiDrive { frames: 7, ..KittiDrive::SMALL };
    let world = World::new(&drive, |_| {});
    let root = world.folder.path();
    let frame = world.manifest.clips()[0].target();
    let source = Source { manifest: &world.manifest, root };
    let refused = || load_frame(source, frame, &PARAMS).unwrap_err();
    fs::remove_dir_all(drive.image(root, 2, 0).parent().unwrap()).unwrap();
    assert_eq!(refused().blame, Blame::Input);
    fs::remove_dir_all(drive.date_folder(root)).unwrap();
    let fault = refused();
    assert_eq!(fault.blame, Blame::Machine);
    assert!(fault.reason.contains("is the disk of input.root there?"), "{}", fault.reason);
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

/// Row, column and metres of every measured pixel.
fn measured(depth: &[f32], width: usize) -> Vec<(usize, usize, f32)> {
    let found = depth.iter().enumerate().filter(|(_, metres)| **metres > 0.0);
    found.map(|(at, &metres)| (at / width, at % width, metres)).collect()
}

/// Row, column and metres of ground truth.
fn places(gt: &[GtPoint]) -> Vec<(usize, usize, f32)> {
    gt.iter().map(|point| (usize::from(point.y), usize::from(point.x), point.depth)).collect()
}

/// fx, fy, cx, cy of a clip.
fn lens(clip: &LoadedClip) -> [f64; 4] {
    let camera = clip.intrinsics.unwrap();
    [camera.fx, camera.fy, camera.cx, camera.cy]
}

#[test]
fn kittis_five_sizes_are_cropped_and_resized_as_worked_out_by_hand() {
    // The drive's cameras have f = 50, cx = (W - 1) / 2 and cy = H / 3 without its fraction: 125, 125, 123, 123, 124.
    // Crop: y = H - 352, x = (W - 1216) / 2 without its half; cx - x, cy - y. Of the scan it keeps what lies at or below row
    // y: (column 30, row 20) at 5 m and (63, 23) at 40 m come to (column - x, row - y).
    // Resize: (cx + 0.5) 1216 / W - 0.5 is 607.5 for every W; (cy + 0.5) 352 / H - 0.5; column 63 comes to the one that holds
    // 63.5 * 1216 / W, row 23 to 22 for every H.
    for ((width, height), (y, x), center, kept, resized_cy, resized_column) in [
        (
            (1242, 375),
            (23, 13),
            [607.5, 102.0],
            vec![(0_usize, 50_usize, 40.0_f32)],
            117.302_667,
            62,
        ),
        ((1241, 376), (24, 12), [608.0, 101.0], vec![], 116.989_362, 62),
        ((1226, 370), (18, 5), [607.5, 105.0], vec![(2, 25, 5.0), (5, 58, 40.0)], 116.991_892, 62),
        ((1224, 370), (18, 4), [607.5, 105.0], vec![(2, 26, 5.0), (5, 59, 40.0)], 116.991_892, 63),
        ((1238, 374), (22, 11), [607.5, 102.0], vec![(1, 52, 40.0)], 116.676_471, 62),
    ] {
        let size = ImageSize::new(width, height);
        let drive =
            KittiDrive { frames: 3, size, scans: &[1], ground_truth: &[], ..KittiDrive::SMALL };
        let world = World::new(&drive, |_| {});
        let network = ImageSize::new(1216, 352);
        let none = DepthSource::None;
        let crop = LoadParams { fit: Fit::Crop, size: network, gt: none, ..PARAMS };
        let clip = world.load(&crop).remove(0).unwrap();
        assert_eq!(clip.native_window, Window { y, x, height: 352, width: 1216 }, "{size}");
        assert_eq!((clip.native_size, lens(&clip)), (size, [50.0, 50.0, center[0], center[1]]));
        assert_eq!(measured(clip.depth.as_deref().unwrap(), 1216), kept, "{size}");
        for (row, column) in [(0_u32, 0_u32), (100, 700), (351, 1215)] {
            let at = |plane: usize| plane * network.area() + (row * 1216 + column) as usize;
            // Frame 2, the last of three.
            let got = [6, 7, 8].map(|plane| clip.image[at(plane)]);
            assert_eq!(got, color(2, y + row, x + column), "{size}: {row}, {column}");
        }
        let clip = world.load(&LoadParams { fit: Fit::Resize, ..crop }).remove(0).unwrap();
        assert_eq!(clip.native_window, Window { y: 0, x: 0, height, width }, "{size}");
        let (w, h) = (f64::from(width), f64::from(height));
        let expected = [50.0 * 1216.0 / w, 50.0 * 352.0 / h, 607.5, resized_cy];
        let close = |(a, b): (f64, f64)| (a - b).abs() < 1e-6;
        assert!(lens(&clip).into_iter().zip(expected).all(close), "{size}: {:?}", lens(&clip));
        let depth = measured(clip.depth.as_deref().unwrap(), 1216);
        assert_eq!((depth.len(), depth[3]), (4, (22, resized_column, 40.0)), "{size}");
    }
}

/// Both cameras of a day, each with numbers of its own. The right one is shifted along all three axes.
const TWO_CAMERAS: &str = "R_rect_00: 1 0 0 0 1 0 0 0 1\n\
    S_rect_02: 64 24\nP_rect_02: 50 0 31.5 0 0 50 8 0 0 0 1 0\n\
    S_rect_03: 64 24\nP_rect_03: 40 0 30 -20 0 45 10 9 0 0 1 0.25\n";

/// A drive of both cameras with two points in its scan, and depth pictures that say 7 m for the right one alone.
fn two_cameras() -> World {
    let drive = KittiDrive {
        cameras: &[2, 3],
        frames: 3,
        scans: &[1],
        ground_truth: &[1],
        ..KittiDrive::SMALL
    };
    World::new(&drive, |root| {
        fs::write(drive.date_folder(root).join("calib_cam_to_cam.txt"), TWO_CAMERAS).unwrap();
        // The scanner has x forward, y left, z up: in camera 0 these are (0.6875, 0.5, 9.75) and (-2, 1, 19.75).
        let points = [[9.75_f32, -0.6875, -0.5, 0.0], [19.75, 2.0, -1.0, 0.0]];
        let bytes: Vec<u8> = points.as_flattened().iter().flat_map(|v| v.to_le_bytes()).collect();
        fs::write(drive.scan(root, 1), bytes).unwrap();
        let seven = DepthMap::new(drive.size, vec![7.0; drive.size.area()]);
        fs::write(drive.depth(root, 3, 1), depth_png16(&seven)).unwrap();
    })
}

#[test]
fn a_scan_is_seen_through_the_projection_of_each_camera() {
    let world = two_cameras();
    let params = LoadParams { gt: DepthSource::Lidar, ..PARAMS };
    let clips: Vec<LoadedClip> = world.load(&params).into_iter().map(Result::unwrap).collect();
    let [left, right] = &clips[..] else { panic!("{} clips", clips.len()) };
    // P_rect_02: depth 9.75, column 50 * 0.6875 / 9.75 + 31.5 = 35.03, row 50 * 0.5 / 9.75 + 8 = 10.56; and depth 19.75,
    // column -100 / 19.75 + 31.5 = 26.44, row 50 / 19.75 + 8 = 10.53.
    assert_eq!(lens(left), [50.0, 50.0, 31.5, 8.0]);
    let depth = |clip: &LoadedClip, width| measured(clip.depth.as_deref().unwrap(), width);
    assert_eq!(depth(left, 64), [(11, 26, 19.75), (11, 35, 9.75)]);
    // P_rect_03: depth 9.75 + 0.25 = 10, column (40 * 0.6875 + 30 * 9.75 - 20) / 10 = 30, row (45 * 0.5 + 10 * 9.75 + 9) / 10
    // = 12.9; and depth 20, column (-80 + 592.5 - 20) / 20 = 24.625, row (45 + 197.5 + 9) / 20 = 12.575.
    assert_eq!(lens(right), [40.0, 45.0, 30.0, 10.0]);
    assert_eq!(depth(right, 64), [(13, 25, 20.0), (13, 30, 10.0)]);
    // Ground truth of raw scans: a pixel up and left, the scanner's forward distance.
    let gt = |clip: &LoadedClip| places(clip.gt.as_deref().unwrap());
    assert_eq!(gt(left), [(10, 25, 19.75), (10, 34, 9.75)]);
    assert_eq!(gt(right), [(12, 24, 19.75), (12, 29, 9.75)]);
    // At half the size: 25.5 / 2 lies in column 12, 30.5 / 2 in 15, 13.5 / 2 in row 6; (30 + 0.5) / 2 - 0.5 = 14.75.
    let half = LoadParams { size: ImageSize::new(32, 12), ..params };
    let clip = world.load(&half).remove(1).unwrap();
    assert_eq!(lens(&clip), [20.0, 22.5, 14.75, 4.75]);
    assert_eq!(depth(&clip, 32), [(6, 12, 20.0), (6, 15, 10.0)]);
    // What the scan of the data set writes down.
    let cameras: Vec<_> = world.manifest.scenes.iter().map(|s| s.intrinsics.unwrap()).collect();
    let numbers: Vec<_> = cameras.iter().map(|k| [k.fx, k.fy, k.cx, k.cy]).collect();
    assert_eq!(numbers, [[50.0, 50.0, 31.5, 8.0], [40.0, 45.0, 30.0, 10.0]]);
}

#[test]
fn each_camera_has_depth_pictures_of_its_own() {
    let world = two_cameras();
    let params =
        LoadParams { depth: DepthSource::LidarAccumulated, gt: DepthSource::Exact, ..PARAMS };
    let clips: Vec<LoadedClip> = world.load(&params).into_iter().map(Result::unwrap).collect();
    assert_eq!(clips.len(), 2);
    let size = KittiDrive::SMALL.size;
    let everywhere = |metres: &dyn Fn(u32) -> f32| -> Vec<f32> {
        (0..size.height).flat_map(|y| vec![metres(y); size.width as usize]).collect()
    };
    let expected = [everywhere(&|y| depth_metres(size, y)), everywhere(&|_| 7.0)];
    for (clip, expected) in clips.iter().zip(&expected) {
        assert_eq!(clip.depth.as_ref(), Some(expected));
        let gt = places(clip.gt.as_deref().unwrap());
        assert_eq!(gt, measured(expected, size.width as usize));
    }
}
