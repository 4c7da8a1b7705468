//! Floor 3: the parts of one clip to one sample: frames, depth, aligned objects, semantics, pairs.
//!
//! Does not read files: frames and masks come in decoded. Objects: paper 2.1.1; pairs: paper 2.1.2.

use std::collections::BTreeSet;

use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;
use suw_shared::pair::Pair;
use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::sample::Sample;
use suw_shared::sample_key::SampleKey;
use suw_shared::seed::Seed;
use suw_shared::shard::Contents;

use crate::align::{AlignInput, AlignParams, align};
use crate::detected::FrameMasks;
use crate::nearest::{NearestGrid, network_instances};
use crate::pairs::ordinal_map::draw_ordinal_pairs;
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
    /// The parts that samples of this set have.
    pub contents: Contents,
    /// Rules of the weak labels; `None` where no masks are used.
    pub rules: Option<Rules>,
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
    let (native, window) = (loaded.native_size, loaded.native_window);
    let contents = params.contents;
    let semantic = match &target.semantic {
        Some(map) => Some(resize_labels(map, window, params.size)),
        None if contents.semantic => {
            return Err(Problem {
                kind: ProblemKind::MaskMissing,
                item: key.as_str().to_owned(),
                reason: "the target frame has no semantic map".to_owned(),
            });
        }
        None => None,
    };
    let objects = match masks {
        [before, target, after] if contents.objects => {
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
    let seed = params.seed.derive("pairs", key.as_str());
    let mut pairs = match (&params.rules, &semantic) {
        (Some(rules), Some(semantic)) => {
            let grid = NearestGrid::new(native, window, params.size);
            let instances = network_instances(&target.detections, params.align.score_min, &grid);
            let input = PoolInput {
                size: params.size,
                semantic,
                instances: Some(&instances),
                horizon: loaded.intrinsics.map(|camera| f64::from(camera.cy as f32)),
                depth: loaded.depth.as_deref(),
            };
            draw_pool(&input, rules, params.per_rule, seed)
        }
        _ => Vec::new(),
    };
    let ordinal = loaded.ordinal.as_deref().unwrap_or_default();
    if !ordinal.is_empty() {
        let drawn = draw_ordinal_pairs(ordinal, params.size, params.per_rule, seed);
        let known: BTreeSet<_> = pairs.iter().map(ends_of).collect();
        pairs.extend(drawn.into_iter().filter(|pair| !known.contains(&ends_of(pair))));
        pairs.sort_unstable();
    }
    let matrix = |camera: Intrinsics| camera.matrix().map(|value| value as f32);
    let intrinsics = loaded.intrinsics.map_or([f32::NAN; 9], matrix);
    Ok(Sample {
        native_size: native,
        native_window: window,
        image: loaded.image,
        depth: loaded.depth,
        intrinsics: contents.intrinsics.then_some(intrinsics),
        pose: loaded.pose,
        semantic,
        objects,
        pairs: contents.pairs.then_some(pairs),
        ordinal: loaded.ordinal,
        gt: loaded.gt,
        key,
    })
}

/// What no two pairs of a sample share.
fn ends_of(pair: &Pair) -> [u16; 5] {
    [u16::from(pair.size), pair.far_y, pair.far_x, pair.near_y, pair.near_x]
}
