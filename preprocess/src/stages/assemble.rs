//! Floor 3: the parts of one clip to one sample: frames, depth, aligned objects, semantics, pairs.
//!
//! Does not read files: frames and masks come in decoded. Objects: paper 2.1.1; pairs: paper 2.1.2.

use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;
use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::sample::Sample;
use suw_shared::sample_key::SampleKey;
use suw_shared::seed::Seed;

use crate::align::{AlignInput, AlignParams, align};
use crate::detected::FrameMasks;
use crate::nearest::{NearestGrid, network_instances};
use crate::pairs::pool::{PoolInput, draw_pool};
use crate::pairs::rules::Rules;
use crate::resize::resize_labels;
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
    let (native, window) = (loaded.native_size, loaded.native_window);
    let semantic = resize_labels(semantic, window, params.size);
    let objects = match masks {
        [before, target, after] => {
            let frames = [&before.detections[..], &target.detections[..], &after.detections[..]];
            let input = AlignInput { frames, native, window, size: params.size };
            Some(align(&input, &params.align).map_err(|error| Problem {
                kind: ProblemKind::MaskUnreadable,
                item: key.as_str().to_owned(),
                reason: error.to_string(),
            })?)
        }
        _ => None, // single pictures have no motion
    };
    let grid = NearestGrid::new(native, window, params.size);
    let instances = network_instances(&target.detections, params.align.score_min, &grid);
    let input = PoolInput {
        size: params.size,
        semantic: &semantic,
        instances: Some(&instances),
        horizon: loaded.intrinsics.map(|camera| f64::from(camera.cy as f32)),
        depth: loaded.depth.as_deref(),
    };
    let seed = params.seed.derive("pairs", key.as_str());
    let pairs = draw_pool(&input, &params.rules, params.per_rule, seed);
    let matrix = |camera: Intrinsics| camera.matrix().map(|value| value as f32);
    Ok(Sample {
        native_size: native,
        native_window: window,
        image: loaded.image,
        depth: loaded.depth,
        intrinsics: Some(loaded.intrinsics.map_or([f32::NAN; 9], matrix)),
        pose: loaded.pose,
        semantic: Some(semantic),
        objects,
        pairs: Some(pairs),
        ordinal: None,
        gt: loaded.gt,
        key,
    })
}
