//! Floor 3: the parts of one clip to one sample: frames, depth, aligned objects, semantics, pairs.
//!
//! Does not read files: frames and masks come in decoded. Objects: paper 2.1.1; pairs: paper 2.1.2.

use suw_shared::camera::Intrinsics;
use suw_shared::class::InstanceClass;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::pair::Pair;
use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::sample::{Sample, SampleObjects};
use suw_shared::sample_key::SampleKey;
use suw_shared::seed::Seed;

use crate::align::{AlignParams, align, resize_mask};
use crate::detected::{Detection, FrameMasks};
use crate::pairs::{PoolInput, draw_pool};
use crate::resize::resize_labels;
use crate::rules::Rules;
use crate::stages::load::LoadedClip;

/// What is the same for all clips of a run.
#[derive(Clone, Debug)]
pub struct AssembleParams {
    /// Network size.
    pub size: ImageSize,
    /// Alignment over three frames.
    pub align: AlignParams,
    /// Rules of the weak labels.
    pub rules: Rules,
    /// At most so many pairs of each kind for each rule.
    pub per_rule: usize,
    /// The run's seed.
    pub seed: Seed,
}

/// A sample from the parts of one clip; `masks` in the order of the clip's frames.
///
/// # Errors
/// The target frame has no semantic map.
pub fn assemble(
    key: SampleKey,
    loaded: LoadedClip,
    masks: &[&FrameMasks],
    params: &AssembleParams,
) -> Result<Sample, Problem> {
    let target = masks[masks.len() / 2];
    let Some(semantic) = &target.semantic else {
        return Err(Problem {
            kind: ProblemKind::MaskMissing,
            item: key.as_str().to_owned(),
            reason: "the target frame has no semantic map".to_owned(),
        });
    };
    let window = loaded.native_window;
    let semantic = resize_labels(semantic, window, params.size);
    let objects = aligned_objects(masks, window, params);
    let pairs = pool(&key, &semantic, target, &loaded, params);
    Ok(Sample {
        key,
        native_size: loaded.native_size,
        native_window: window,
        image: loaded.image,
        depth: loaded.depth,
        intrinsics: Some(loaded.intrinsics.map_or([f32::NAN; 9], |camera| camera.matrix().map(|v| v as f32))),
        pose: loaded.pose,
        semantic: Some(semantic),
        objects,
        pairs: Some(pairs),
        ordinal: None,
        gt: loaded.gt,
    })
}

/// The objects of a three-frame clip; single pictures have none.
fn aligned_objects(
    masks: &[&FrameMasks],
    window: Window,
    params: &AssembleParams,
) -> Option<SampleObjects> {
    let [before, target, after] = masks else { return None };
    let frames = [&before.detections[..], &target.detections[..], &after.detections[..]];
    Some(align(frames, window, params.size, &params.align))
}

/// The pool of pairs of the target frame.
fn pool(
    key: &SampleKey,
    semantic: &[u8],
    target: &FrameMasks,
    loaded: &LoadedClip,
    params: &AssembleParams,
) -> Vec<Pair> {
    let kept = |detection: &&Detection| detection.score >= params.align.score_min;
    let instances: Vec<(InstanceClass, Vec<u8>)> = target
        .detections
        .iter()
        .filter(kept)
        .map(|d| (d.class, resize_mask(&d.mask, loaded.native_window, params.size)))
        .collect();
    let input = PoolInput {
        size: params.size,
        semantic,
        instances: &instances,
        horizon: horizon(loaded.intrinsics, params.size),
        depth: loaded.depth.as_deref(),
    };
    draw_pool(&input, &params.rules, params.per_rule, params.seed.derive("pairs", key.as_str()))
}

/// The row of the horizon at network size: that of the principal point; half the height without a camera.
fn horizon(camera: Option<Intrinsics>, size: ImageSize) -> f64 {
    camera.map_or(f64::from(size.height) / 2.0, |camera| camera.cy)
}
