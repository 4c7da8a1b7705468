//! Floor 3: camera, depth and ordinal map of one picture of a data set that is no KITTI.

use suw_shared::depth_map::DepthMap;
use suw_shared::depth_source::DepthSource;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::problem::ProblemKind;
use suw_shared::sample::GtPoint;

use crate::datasets::manifest::{DataSetKind, DataSetManifest, FrameFiles, FrameId};
use crate::depth_cleaning::{keep_percentiles, keep_range, measured_share};
use crate::depth_file::read_depth;
use crate::machine_fault::names_machine;
use crate::pairs::ordinal_map::{SIDE_PIXELS_MIN, sides};
use crate::resize::{Fit, native_window, sample_depth, scatter_depth};
use crate::stages::listed::{
    Blame, Fault, LoadParams, Source, fault, gt_points, read_listed, size_of_frame, window_of,
};
use crate::stages::loaded::LoadedTarget;

/// A depth map of another size may be this much narrower or wider than its picture.
const ASPECT_TOLERANCE: f64 = 0.02;

/// Part of a picture that must have depth from multi-view stereo (Mannequin Challenge paper).
const SHARE_MIN: f64 = 0.2;

/// Frames of the data set that have depth of this source, and what that would be.
pub fn depth_files(
    dataset: DataSetKind,
    manifest: &DataSetManifest,
    source: DepthSource,
) -> (u64, &'static str) {
    let maps = manifest.counts.depth_maps;
    match (dataset, source) {
        (_, DepthSource::Lidar) => (0, "a laser scan"),
        (DataSetKind::Folder, _) => (maps, "a depth map in depth/"),
        (DataSetKind::Mannequin, DepthSource::Mvs) => (maps, "a COLMAP depth map"),
        (DataSetKind::Megadepth, DepthSource::Sfm) => (maps, "a depth map in depths/"),
        (DataSetKind::Mannequin, _) => (0, "\"mvs\" or \"none\", and depth of that source"),
        (DataSetKind::Megadepth, _) => (0, "\"sfm\" or \"none\", and depth of that source"),
        (DataSetKind::Kitti, _) => (0, "a depth map of this kind"),
    }
}

/// Reads camera and depth of one picture. A picture without a depth map has depth 0 everywhere.
pub fn load(source: Source, frame: FrameId, params: &LoadParams) -> Result<LoadedTarget, Fault> {
    let dataset = source.manifest.dataset;
    let native_size = size_of_frame(source, frame)?;
    let name = &source.manifest.image_file(frame).path;
    let window = window_of(params.fit, native_size, name)?;
    let files = source.manifest.frame(frame);
    let has_ordinal = dataset == DataSetKind::Megadepth;
    let wanted = has_ordinal || params.depth != DepthSource::None || params.gt != DepthSource::None;
    let mut map = match files.depth.filter(|_| wanted) {
        Some(position) => Some(depth_map(source, position)?),
        None => None,
    };
    let map_name = files.depth.map_or(name, |position| &source.manifest.file(position).path);
    let wrong = |kind, reason: String| fault(kind, map_name, &reason);
    // A map whose smallest value is negative holds foreground and background instead of depth.
    let signs = map.take_if(|map| has_ordinal && map.data().iter().any(|value| *value < 0.0));
    let ordinal = match &signs {
        Some(signs) => Some(ordinal_map(signs, native_size, params).map_err(|e| wrong(e.0, e.1))?),
        None => has_ordinal.then(|| vec![0; params.size.area()]),
    };
    if let Some(map) = &mut map {
        clean(map, dataset, files).map_err(|reason| wrong(ProblemKind::DepthSparse, reason))?;
    }
    let zeros = || Ok(vec![0.0; params.size.area()]);
    let depth = (params.depth != DepthSource::None)
        .then(|| map.as_ref().map_or_else(zeros, |map| at_network_size(map, native_size, params)))
        .transpose()
        .map_err(|reason| wrong(ProblemKind::DepthUnreadable, reason))?;
    let gt = (params.gt != DepthSource::None)
        .then(|| map.as_ref().map_or(Ok(Vec::new()), |map| native_points(map, native_size)))
        .transpose()
        .map_err(|reason| wrong(ProblemKind::DepthUnreadable, reason))?;
    let measured = depth.iter().flatten().filter(|value| **value > 0.0);
    let camera = source.manifest.frame_intrinsics(frame);
    Ok(LoadedTarget {
        native_size,
        native_window: window,
        intrinsics: camera.map(|c| c.cropped(window).resized(window.size(), params.size)),
        depth_pixels: measured.count(),
        depth,
        gt,
        ordinal,
    })
}

/// Takes away what is not believed.
///
/// # Errors
/// What is left is too little.
fn clean(map: &mut DepthMap, dataset: DataSetKind, files: &FrameFiles) -> Result<(), String> {
    let share_min = match dataset {
        DataSetKind::Mannequin => SHARE_MIN,
        DataSetKind::Megadepth => 0.0,
        DataSetKind::Folder | DataSetKind::Kitti => return Ok(()),
    };
    if let Some(range) = files.depth_range {
        keep_range(map.data_mut(), range);
    }
    keep_percentiles(map.data_mut());
    let share = measured_share(map.data());
    if share > 0.0 && share >= share_min {
        return Ok(());
    }
    Err(format!(
        "expected depth on more than {share_min} of the pixels after cleaning, got {share:.4}"
    ))
}

/// `[H, W]`: +1 foreground, -1 background, 0 none.
fn ordinal_map(
    signs: &DepthMap,
    native: ImageSize,
    params: &LoadParams,
) -> Result<Vec<i8>, (ProblemKind, String)> {
    let window = depth_window(signs.size(), native, params.fit)
        .map_err(|reason| (ProblemKind::DepthUnreadable, reason))?;
    let sign = |value: f32| i8::from(value > 0.0) - i8::from(value < 0.0);
    let ordinal: Vec<i8> = sample_depth(signs, window, params.size).into_iter().map(sign).collect();
    let [foreground, background] = sides(&ordinal);
    if foreground.min(background) >= SIDE_PIXELS_MIN {
        return Ok(ordinal);
    }
    let reason = format!(
        "expected at least {SIDE_PIXELS_MIN} pixels of foreground and of background at {}, got {foreground} and \
         {background}",
        params.size
    );
    Err((ProblemKind::DepthSparse, reason))
}

fn native_points(map: &DepthMap, native: ImageSize) -> Result<Vec<GtPoint>, String> {
    if map.size() == native {
        return Ok(gt_points(map));
    }
    Err(format!("expected ground truth of {native} as its picture, got {}", map.size()))
}

fn depth_map(source: Source, position: u32) -> Result<DepthMap, Fault> {
    let bytes = read_listed(source, position)?;
    let name = &source.manifest.file(position).path;
    read_depth(&source.root.join(name), &bytes).map_err(|reason| {
        // HDF5 opens the file itself.
        let blame = if names_machine(&reason) { Blame::Machine } else { Blame::Input };
        Fault { blame, ..fault(ProblemKind::DepthUnreadable, name, &reason) }
    })
}

/// `[H, W]`. Sparse measurements are moved, dense maps are sampled (decision 0004).
fn at_network_size(
    map: &DepthMap,
    native: ImageSize,
    params: &LoadParams,
) -> Result<Vec<f32>, String> {
    let window = depth_window(map.size(), native, params.fit)?;
    Ok(match params.depth {
        DepthSource::Lidar | DepthSource::LidarAccumulated => {
            scatter_depth(map, window, params.size)
        }
        _ => sample_depth(map, window, params.size),
    })
}

/// The part of a depth map that the network sees. A map of another size than its picture shows the same scene coarser
/// or finer; that is allowed where the whole picture is used.
fn depth_window(map: ImageSize, native: ImageSize, fit: Fit) -> Result<Window, String> {
    if map == native {
        return native_window(fit, native).map_err(|error| error.to_string());
    }
    let aspect = |size: ImageSize| f64::from(size.width) / f64::from(size.height);
    let alike = (aspect(map) / aspect(native) - 1.0).abs() <= ASPECT_TOLERANCE;
    if fit == Fit::Resize && alike {
        return Ok(map.window());
    }
    Err(format!("expected {native} as its picture, or its shape with fit = \"resize\", got {map}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_another_size_must_have_the_shape_of_their_picture() {
        let native = ImageSize::new(640, 480);
        let window = |width, height, fit| depth_window(ImageSize::new(width, height), native, fit);
        assert_eq!(window(640, 480, Fit::Resize), Ok(native.window()));
        assert_eq!(window(320, 240, Fit::Resize), Ok(ImageSize::new(320, 240).window()));
        assert_eq!(window(320, 239, Fit::Resize), Ok(ImageSize::new(320, 239).window()));
        assert!(window(320, 200, Fit::Resize).unwrap_err().contains("320x200"));
        assert!(window(320, 240, Fit::Crop).is_err());
        let kitti = ImageSize::new(1242, 375);
        assert_eq!(depth_window(kitti, kitti, Fit::Crop).unwrap().height, 352);
    }
}
