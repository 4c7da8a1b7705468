//! Floor 3: one batch to losses to updated weights.

use std::collections::BTreeMap;

use suw_shared::sample_key::SampleKey;
use tch::{Kind, Tensor};

use crate::batch::Batch;
use crate::losses::total::{
    ClipInputs, DrawnPair, LossConfig, LossInputs, LossReport, Motion, ObjectInputs,
    encoder_decoder_losses,
};
use crate::networks::blocks::Mode;
use crate::networks::input::{normalize_images, object_frames, target_masks};
use crate::networks::pose::PoseNetwork;
use crate::optim::adam::Adam;
use crate::run_log::LoggedTerm;
use crate::steps::model::Model;

/// Where camera motion comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraMotion {
    /// The pose network.
    Predicted,
    /// The poses of the shards.
    Stored,
}

/// How one update is made.
#[derive(Clone, Debug)]
pub struct StepParams {
    /// The losses, lambda_u as it is at this step.
    pub losses: LossConfig,
    /// Where camera motion comes from.
    pub camera: CameraMotion,
    /// Longest gradient; infinite = any.
    pub clip_norm: f64,
}

/// What one update saw.
#[derive(Clone, Debug, PartialEq)]
pub struct StepOutcome {
    /// What was minimized.
    pub total: f64,
    /// Every term by name.
    pub terms: BTreeMap<String, LoggedTerm>,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Mean length of the predicted camera translation.
    pub translation_m: Option<f64>,
}

/// A term that is not a number; nothing was updated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("cannot update the weights: term {term:?} is not finite; samples {keys:?}")]
pub struct NotFinite {
    /// The first one, in the order S, U, W, total, gradient.
    pub term: String,
    /// The batch.
    pub keys: Vec<String>,
    /// All of them.
    pub terms: BTreeMap<String, LoggedTerm>,
}

/// Motions of one batch as the networks predict them.
struct PredictedMotion {
    ego: Option<Tensor>,            // [N, 2, 6]
    target_objects: Option<Tensor>, // [N, H, W] u8
    objects: Option<Tensor>,        // [M, 2, 6]
}

/// One update. The weights stay as they are where a term is not finite.
pub fn train_step(
    model: &Model,
    optimizer: &mut Adam,
    batch: &Batch,
    params: &StepParams,
) -> Result<StepOutcome, NotFinite> {
    let inputs = normalize_images(&batch.jittered); // [N, F, 3, H, W]
    let logits = model.depth.forward(&inputs.select(1, batch.target), Mode::Train);
    let motion = match (&model.pose, params.losses.unsupervised.is_some()) {
        (Some(pose), true) => predict_motion(model, pose, batch, &inputs, params.camera),
        _ => PredictedMotion { ego: None, target_objects: None, objects: None },
    };
    let pairs: Vec<DrawnPair> = batch.pairs.iter().map(drawn_pair).collect();
    let ego = motion.ego.as_ref().map_or(Motion::Known(&batch.motion), Motion::Vectors);
    let objects = match (&motion.target_objects, &motion.objects) {
        (Some(masks), Some(motion)) => Some(ObjectInputs {
            masks,
            image: &batch.object_image,
            index: &batch.object_index,
            motion,
        }),
        _ => None,
    };
    let clip = params.losses.unsupervised.is_some().then_some(ClipInputs {
        frames: &batch.frames,
        intrinsics: &batch.intrinsics,
        ego,
        objects,
    });
    let losses = LossInputs { logits: &logits, gt: Some(&batch.depth), clip, pairs: &pairs };
    let report = encoder_decoder_losses(&losses, &params.losses);
    let terms = logged_terms(&report, &params.losses);
    let not_finite = |term: &str| NotFinite {
        term: term.to_owned(),
        keys: batch.keys.iter().map(SampleKey::to_string).collect(),
        terms: terms.clone(),
    };
    if let Some(term) = report.first_not_finite() {
        return Err(not_finite(term));
    }
    optimizer.zero_grad();
    report.total.backward();
    let gradient_norm = optimizer.clip_grad_norm(params.clip_norm);
    if !gradient_norm.is_finite() {
        return Err(not_finite("gradient"));
    }
    optimizer.step();
    Ok(StepOutcome {
        total: report.total.double_value(&[]),
        terms,
        gradient_norm,
        translation_m: motion.ego.as_ref().map(mean_translation),
    })
}

fn predict_motion(
    model: &Model,
    pose: &PoseNetwork,
    batch: &Batch,
    inputs: &Tensor,
    camera: CameraMotion,
) -> PredictedMotion {
    let size = inputs.size();
    let (n, h, w) = (size[0], size[3], size[4]);
    let encoder = model.depth.encoder();
    let ego = (camera == CameraMotion::Predicted)
        .then(|| pose.ego(encoder, &inputs.view([n, 9, h, w]), Mode::Train));
    let m = batch.object_image.size()[0];
    let Some(objects) = batch.objects.as_ref().filter(|_| m > 0) else {
        return PredictedMotion { ego, target_objects: None, objects: None };
    };
    let (image, index) = (&batch.object_image, &batch.object_index);
    let masked = object_frames(&batch.jittered, objects, image, index); // [M, 3, 3, H, W]
    let masked = normalize_images(&masked).view([m, 9, h, w]);
    let target = objects.select(1, batch.target); // [N, H, W]
    let mask = target_masks(objects, image, index); // [M, H, W]
    let motion = pose.object(encoder, &masked, &mask, Mode::Train);
    PredictedMotion { ego, target_objects: Some(target.contiguous()), objects: Some(motion) }
}

fn drawn_pair((image, pair): &(i64, suw_shared::pair::Pair)) -> DrawnPair {
    DrawnPair {
        image: *image,
        far_y: i64::from(pair.far_y),
        far_x: i64::from(pair.far_x),
        near_y: i64::from(pair.near_y),
        near_x: i64::from(pair.near_x),
        size: i64::from(pair.size),
        origin: pair.origin,
    }
}

/// Mean length of the translations.
///
/// # Shapes
/// - `vectors`: `[N, 2, 6]`, translation first
fn mean_translation(vectors: &Tensor) -> f64 {
    let translation = vectors.detach().narrow(2, 0, 3);
    translation
        .square()
        .sum_dim_intlist(2, false, Kind::Float)
        .sqrt()
        .mean(Kind::Float)
        .double_value(&[])
}

/// Raw and weighted terms; `cls_excess` is the classification loss above the entropy of its target.
fn logged_terms(report: &LossReport, config: &LossConfig) -> BTreeMap<String, LoggedTerm> {
    let weight_depth = config.supervised.map_or(0.0, |s| s.weight_depth);
    let weight_u = config.unsupervised.map_or(0.0, |u| u.weight);
    let weight_smooth = config.unsupervised.map_or(0.0, |u| u.weight_smooth);
    let weight_w = config.weak.map_or(0.0, |w| w.weight);
    let mut logged = BTreeMap::new();
    for (name, term) in report.terms() {
        let weight = match name {
            "depth" => weight_depth,
            "ego" | "obj" | "u" => weight_u,
            "smooth" => weight_u * weight_smooth,
            "w" => weight_w,
            _ => 1.0,
        };
        let raw = term.value_f64();
        let count = term.count();
        logged.insert(name.to_owned(), LoggedTerm { raw, weighted: weight * raw, count });
    }
    let excess = report.cls.value_f64() - report.cls_entropy.double_value(&[]);
    let count = report.cls.count();
    logged.insert("cls_excess".to_owned(), LoggedTerm { raw: excess, weighted: excess, count });
    logged
}
