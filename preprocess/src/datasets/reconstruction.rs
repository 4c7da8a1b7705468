//! Floor 2: whether a COLMAP reconstruction of a clip can be believed, and the range of depth in each of its pictures.
//!
//! A reconstruction is refused whole where it has fewer than two pictures of the clip, where its cameras do not move,
//! and where its depth maps disagree with its own sparse points.

use std::path::Path;

use crate::datasets::colmap::depth_map::depth_map;
use crate::datasets::colmap::depth_map_path;
use crate::datasets::colmap::model::{ColmapCamera, ColmapImage, Model};
use crate::depth_cleaning::percentile;
use crate::resize::nearest_index;

/// Fewest sparse points that say anything about a picture's range of depth.
const POINTS_MIN: usize = 10;

/// Depth may be this much nearer than the 1st, or farther than the 99th, percentile of the sparse points.
const RANGE_MARGIN: f64 = 2.0;

/// Cameras move, if the farthest two are this far apart, as a part of the median sparse depth.
const BASELINE_MIN: f64 = 1e-3;

/// The median of dense over sparse depth must lie between 1 / this and this.
const RATIO_MAX: f64 = 1.5;

/// Depth maps that are compared with the sparse points, spread over the clip.
const MAPS_COMPARED: usize = 8;

/// A reconstruction that passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconstruction {
    /// By number.
    pub frames: Vec<ReconstructedFrame>,
}

/// A registered picture of the clip.
#[derive(Clone, Debug, PartialEq)]
pub struct ReconstructedFrame {
    /// Position in the clip.
    pub number: u64,
    /// File name in the workspace.
    pub name: String,
    /// Of the undistorted picture.
    pub camera: ColmapCamera,
    /// `[3, 4]`, row-major: camera_from_world.
    pub pose: [f64; 12],
    /// Depth that is believed; `None` where no point says anything.
    pub depth_range: Option<[f64; 2]>,
}

/// Looks at the pictures that `number` knows the place of.
///
/// # Errors
/// Why the reconstruction is refused.
pub fn examine(
    workspace: &Path,
    model: &Model,
    number: &dyn Fn(&str) -> Option<u64>,
) -> Result<Reconstruction, String> {
    let mut images: Vec<(u64, &ColmapImage)> =
        model.images().filter_map(|image| Some((number(&image.name)?, image))).collect();
    images.sort_by_key(|(number, _)| *number);
    images.dedup_by_key(|(number, _)| *number);
    if images.len() < 2 {
        return Err(format!(
            "expected at least 2 pictures <timestamp>.jpg of this clip in the model, got {}",
            images.len()
        ));
    }
    let sparse: Vec<Vec<(u32, u32, f64)>> =
        images.iter().map(|(_, image)| model.sparse_depths(image)).collect();
    let pooled = sorted(sparse.iter().flatten().map(|(_, _, depth)| *depth));
    let median = percentile(&pooled, 50.0)
        .filter(|_| pooled.len() >= POINTS_MIN)
        .ok_or_else(|| format!("expected at least {POINTS_MIN} points, got {}", pooled.len()))?;
    let moved = baseline(&images);
    // Numbers that are finite in the files, and too large to compute with.
    let farthest = pooled.last().copied().unwrap_or_default();
    if !farthest.is_finite() || !moved.is_finite() {
        return Err(format!(
            "expected depths and distances below 1e38, got points up to {farthest} away and cameras {moved} apart"
        ));
    }
    if moved < BASELINE_MIN * median {
        return Err(format!(
            "expected cameras that move by {BASELINE_MIN} of the median depth {median:.4}, got {moved:.6}"
        ));
    }
    compare_with_maps(workspace, model, &images, &sparse)?;
    let frames = images.iter().zip(&sparse).map(|(&(number, image), sparse)| {
        let own = sorted(sparse.iter().map(|(_, _, depth)| *depth));
        let points = if own.len() >= POINTS_MIN { &own } else { &pooled };
        let depth_range = percentile(points, 1.0).zip(percentile(points, 99.0));
        ReconstructedFrame {
            number,
            name: image.name.clone(),
            camera: model.camera(image),
            pose: image.pose,
            depth_range: depth_range.map(|(near, far)| [near / RANGE_MARGIN, far * RANGE_MARGIN]),
        }
    });
    Ok(Reconstruction { frames: frames.collect() })
}

fn sorted(depths: impl Iterator<Item = f64>) -> Vec<f32> {
    let mut depths: Vec<f32> = depths.map(|depth| depth as f32).collect();
    depths.sort_unstable_by(f32::total_cmp);
    depths
}

/// Distance of the camera that is farthest from the first.
fn baseline(images: &[(u64, &ColmapImage)]) -> f64 {
    // The camera's place in the world: -R^T t.
    let center = |m: &[f64; 12]| -> [f64; 3] {
        std::array::from_fn(|k| -(m[k] * m[3] + m[4 + k] * m[7] + m[8 + k] * m[11]))
    };
    let first = center(&images[0].1.pose);
    let away = |(_, image): &(u64, &ColmapImage)| {
        let at = center(&image.pose);
        (0..3).map(|k| (at[k] - first[k]).powi(2)).sum::<f64>().sqrt()
    };
    images.iter().map(away).fold(0.0, f64::max)
}

/// Dense over sparse depth at the sparse points of some pictures. Maps that are missing or broken say nothing here;
/// whoever loads them finds out.
fn compare_with_maps(
    workspace: &Path,
    model: &Model,
    images: &[(u64, &ColmapImage)],
    sparse: &[Vec<(u32, u32, f64)>],
) -> Result<(), String> {
    let mut ratios = Vec::new();
    for at in 0..images.len().min(MAPS_COMPARED) {
        let at = at * images.len() / images.len().min(MAPS_COMPARED);
        let path = workspace.join(depth_map_path(&images[at].1.name));
        let Ok(bytes) = std::fs::read(path) else { continue };
        let Ok(map) = depth_map(&bytes) else { continue };
        // A map may be smaller than its picture.
        let (picture, map_size) = (model.camera(images[at].1).size, map.size());
        let dense = |x, y| {
            let x = nearest_index(x, map_size.width, picture.width);
            map.at(nearest_index(y, map_size.height, picture.height), x)
        };
        let ratio = |&(x, y, depth): &(u32, u32, f64)| f64::from(dense(x, y)) / depth;
        ratios.extend(sparse[at].iter().map(ratio).filter(|ratio| *ratio > 0.0));
    }
    let ratios = sorted(ratios.into_iter());
    match percentile(&ratios, 50.0).filter(|_| ratios.len() >= POINTS_MIN) {
        Some(ratio) if !(1.0 / RATIO_MAX..=RATIO_MAX).contains(&ratio) => Err(format!(
            "expected depth maps that agree with the sparse points to a factor of {RATIO_MAX}, got a median ratio of \
             {ratio:.3} at {} points",
            ratios.len()
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
