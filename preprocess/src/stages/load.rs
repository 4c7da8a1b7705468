//! Floor 3: frames and targets of clips from the files of a data set, at network size.
//!
//! A frame belongs to up to three clips: `load_frame` is called once for it, `assemble_clip` puts clips together. Every
//! file is compared with its length and checksum in the manifest before it is decoded. A frame without a laser scan or
//! depth picture has depth 0 everywhere; data sets are sparse in them and that is no fault.

use std::path::Path;

use suw_shared::depth_map::DepthMap;
use suw_shared::depth_source::DepthSource;
use suw_shared::image_size::ImageSize;
use suw_shared::pose::RigidTransform;
use suw_shared::problem::{Problem, ProblemKind};

use crate::datasets::calibration::{CameraCalibration, VelodyneCalibration};
use crate::datasets::kitti;
use crate::datasets::manifest::{Clip, DataSetKind, DataSetManifest, FrameId, Scene};
use crate::datasets::velodyne::{self, EvaluationDepth};
use crate::decode::{depth_from_bytes, rgb_from_bytes};
use crate::resize::{native_window, resize_rgb, sample_depth, scatter_depth};
pub use crate::stages::listed::{Blame, Fault, LoadParams, Source};
use crate::stages::listed::{fault, gt_points, read_listed, size_of_frame, window_of};
pub use crate::stages::loaded::{LoadedClip, LoadedFrame, LoadedTarget};
use crate::stages::picture_target;

/// Refuses parameters that no clip, or not every picture, can be loaded with. For the time before any work.
pub fn check_params(manifest: &DataSetManifest, params: &LoadParams) -> Result<(), String> {
    for scene in &manifest.scenes {
        if let Some(size) = scene.size {
            native_window(params.fit, size.into())
                .map_err(|error| format!("scene {:?}: {error}", scene.name))?;
        }
    }
    for (what, source) in [("training depth", params.depth), ("ground truth", params.gt)] {
        if source == DepthSource::None {
            continue;
        }
        let (frames, files) = match manifest.dataset {
            DataSetKind::Kitti => kitti_files(manifest, source),
            other => picture_target::depth_files(other, manifest, source),
        };
        if frames == 0 {
            let set = format!("{} {:?}", manifest.dataset.name(), manifest.split);
            return Err(format!(
                "cannot take {what} {:?} from {set}: expected {files} for some frames, got none",
                source.name()
            ));
        }
    }
    Ok(())
}

fn kitti_files(manifest: &DataSetManifest, source: DepthSource) -> (u64, &'static str) {
    match source {
        DepthSource::Lidar => (manifest.counts.lidar, "a laser scan"),
        DepthSource::LidarAccumulated | DepthSource::Exact => {
            (manifest.counts.ground_truth, "a 16-bit depth picture")
        }
        DepthSource::Sfm | DepthSource::Mvs | DepthSource::None => (0, "a depth map of this kind"),
    }
}

/// Reads, decodes and resizes one picture.
pub fn load_frame(
    source: Source,
    frame: FrameId,
    params: &LoadParams,
) -> Result<LoadedFrame, Fault> {
    let position = source.manifest.frame(frame).image;
    let bytes = read_listed(source, position)?;
    let name = &source.manifest.file(position).path;
    let image = rgb_from_bytes(Path::new(name), &bytes)
        .map_err(|error| fault(ProblemKind::ImageUnreadable, name, &error.cause()))?;
    let native_size = size_of_frame(source, frame)?;
    if image.size() != native_size {
        let reason = format!("expected {native_size} as in its scene, got {}", image.size());
        return Err(fault(ProblemKind::ImageSize, name, &reason));
    }
    let window = window_of(params.fit, native_size, name)?;
    Ok(LoadedFrame { native_size, planar: resize_rgb(&image, window, params.size) })
}

/// Reads camera, depth and ground truth of one target frame.
pub fn load_target(
    source: Source,
    frame: FrameId,
    params: &LoadParams,
) -> Result<LoadedTarget, Fault> {
    if source.manifest.dataset != DataSetKind::Kitti {
        return picture_target::load(source, frame, params);
    }
    let scene = source.manifest.scene(frame);
    let native_size = size_of_frame(source, frame)?;
    let window = window_of(params.fit, native_size, &scene.name)?;
    let camera = camera_of(source, scene, native_size)?;
    let wants = |kinds: &[DepthSource]| kinds.contains(&params.depth) || kinds.contains(&params.gt);
    let files = source.manifest.frame(frame);
    let scan = match files.lidar.filter(|_| wants(&[DepthSource::Lidar])) {
        Some(position) => Some(scan_of(source, position)?),
        None => None,
    };
    let projection = match &scan {
        Some(_) => Some(camera.from_velodyne(&velodyne_of(source, scene)?)),
        None => None,
    };
    let pictures = [DepthSource::LidarAccumulated, DepthSource::Exact];
    let picture = match files.ground_truth.filter(|_| wants(&pictures)) {
        Some(position) => Some(depth_picture(source, position, native_size)?),
        None => None,
    };
    let scan = scan.as_ref().zip(projection.as_ref());
    let zeros = || vec![0.0; params.size.area()];
    let depth = match params.depth {
        DepthSource::Lidar => Some(scan.map_or_else(zeros, |(points, projection)| {
            let native = velodyne::training_depth(points, projection, native_size);
            scatter_depth(&native, window, params.size)
        })),
        DepthSource::LidarAccumulated => {
            Some(picture.as_ref().map_or_else(zeros, |map| scatter_depth(map, window, params.size)))
        }
        DepthSource::Exact => {
            Some(picture.as_ref().map_or_else(zeros, |map| sample_depth(map, window, params.size)))
        }
        DepthSource::Sfm | DepthSource::Mvs | DepthSource::None => None,
    };
    let gt = match params.gt {
        DepthSource::Lidar => Some(scan.map_or_else(Vec::new, |(points, projection)| {
            let kind = EvaluationDepth::ScannerForward;
            gt_points(&velodyne::evaluation_depth(points, projection, native_size, kind))
        })),
        DepthSource::LidarAccumulated | DepthSource::Exact => {
            Some(picture.as_ref().map_or_else(Vec::new, gt_points))
        }
        DepthSource::Sfm | DepthSource::Mvs | DepthSource::None => None,
    };
    let measured = depth.iter().flatten().filter(|metres| **metres > 0.0);
    Ok(LoadedTarget {
        native_size,
        native_window: window,
        intrinsics: Some(camera.intrinsics().cropped(window).resized(window.size(), params.size)),
        depth_pixels: measured.count(),
        depth,
        gt,
        ordinal: None,
    })
}

/// source_from_target of each source; NaN where unknown; `None` where the whole data set knows none.
pub fn clip_poses(manifest: &DataSetManifest, clip: &Clip) -> Option<Vec<[f32; 16]>> {
    let known = |pose: Option<RigidTransform>| pose.map_or([f32::NAN; 16], |pose| pose.to_f32());
    let poses = || manifest.clip_poses(clip).into_iter().map(known).collect();
    (clip.frames.len() > 1 && manifest.has_poses()).then(poses)
}

/// A clip from its loaded parts.
///
/// # Panics
/// If there is no frame.
pub fn assemble_clip(
    frames: &[&LoadedFrame],
    target: LoadedTarget,
    pose: Option<Vec<[f32; 16]>>,
) -> Result<LoadedClip, Fault> {
    assert!(!frames.is_empty(), "invariant: a clip has frames");
    if let Some(other) = frames.iter().find(|frame| frame.native_size != target.native_size) {
        let reason =
            format!("expected frames of {}, got {}", target.native_size, other.native_size);
        return Err(Fault { blame: Blame::Input, kind: ProblemKind::ImageSize, reason });
    }
    let image = frames.iter().map(|frame| &frame.planar[..]).collect::<Vec<_>>().concat();
    Ok(LoadedClip {
        native_size: target.native_size,
        native_window: target.native_window,
        image,
        intrinsics: target.intrinsics,
        depth: target.depth,
        depth_pixels: target.depth_pixels,
        gt: target.gt,
        ordinal: target.ordinal,
        pose,
    })
}

/// Everything about one clip in one go; reads each of its frames anew.
pub fn load_clip(source: Source, clip: &Clip, params: &LoadParams) -> Result<LoadedClip, Problem> {
    let load = || -> Result<LoadedClip, Fault> {
        let frames = clip
            .frames
            .iter()
            .map(|&frame| load_frame(source, frame, params))
            .collect::<Result<Vec<_>, _>>()?;
        let target = load_target(source, clip.target(), params)?;
        let pose = clip_poses(source.manifest, clip);
        assemble_clip(&frames.iter().collect::<Vec<_>>(), target, pose)
    };
    load().map_err(|fault| fault.of(&clip.key))
}

fn camera_of(
    source: Source,
    scene: &Scene,
    native_size: ImageSize,
) -> Result<CameraCalibration, Fault> {
    let kind = ProblemKind::CalibrationUnreadable;
    let (name, text) = calibration_text(source, scene, scene.calibration)?;
    let camera = kitti::camera_of_scene(&scene.name)
        .ok_or_else(|| fault(kind, &scene.name, "expected image_02 or image_03"))?;
    let calibration = CameraCalibration::parse(&text, camera)
        .map_err(|error| fault(kind, &name, &error.to_string()))?;
    match calibration.size.filter(|size| *size != native_size) {
        Some(size) => {
            let reason =
                format!("expected pictures of {size} for camera {camera}, got {native_size}");
            Err(fault(kind, &name, &reason))
        }
        None => Ok(calibration),
    }
}

fn velodyne_of(source: Source, scene: &Scene) -> Result<VelodyneCalibration, Fault> {
    let (name, text) = calibration_text(source, scene, scene.velodyne_calibration)?;
    VelodyneCalibration::parse(&text)
        .map_err(|error| fault(ProblemKind::CalibrationUnreadable, &name, &error.to_string()))
}

fn calibration_text(
    source: Source,
    scene: &Scene,
    position: Option<u32>,
) -> Result<(String, String), Fault> {
    let kind = ProblemKind::CalibrationUnreadable;
    let reason = "expected calib_cam_to_cam.txt and calib_velo_to_cam.txt for its date, got none";
    let position = position.ok_or_else(|| fault(kind, &scene.name, reason))?;
    let name = source.manifest.file(position).path.clone();
    String::from_utf8(read_listed(source, position)?)
        .map_err(|_| fault(kind, &name, "expected a text, got bytes that are no UTF-8"))
        .map(|text| (name, text))
}

fn scan_of(source: Source, position: u32) -> Result<Vec<[f32; 3]>, Fault> {
    velodyne::scan_from_bytes(&read_listed(source, position)?).map_err(|error| {
        let name = &source.manifest.file(position).path;
        fault(ProblemKind::DepthUnreadable, name, &error.to_string())
    })
}

fn depth_picture(source: Source, position: u32, native_size: ImageSize) -> Result<DepthMap, Fault> {
    let name = &source.manifest.file(position).path;
    let wrong = |reason: &str| fault(ProblemKind::DepthUnreadable, name, reason);
    let map = depth_from_bytes(Path::new(name), &read_listed(source, position)?)
        .map_err(|error| wrong(&error.cause()))?;
    if map.size() == native_size {
        return Ok(map);
    }
    Err(wrong(&format!("expected {native_size} as its picture, got {}", map.size())))
}

#[cfg(test)]
mod tests;
