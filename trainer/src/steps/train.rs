//! Floor 3: one batch to losses to updated weights.

use std::collections::BTreeMap;

use suw_shared::sample_key::SampleKey;
use tch::{Kind, Tensor};

use crate::batch::Batch;
use crate::losses::hourglass::{HourglassInputs, HourglassLossConfig, hourglass_losses};
use crate::losses::total::{
    ClipInputs, DrawnPair, LossConfig, LossInputs, LossTerm, Motion, ObjectInputs,
    UnsupervisedConfig, encoder_decoder_losses,
};
use crate::networks::blocks::Mode;
use crate::networks::encoder::Encoder;
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

/// The losses of the network that is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepLosses {
    /// On scores of depth bins.
    EncoderDecoder(LossConfig),
    /// On log depth.
    Hourglass(HourglassLossConfig),
}

impl StepLosses {
    /// L_u, where it is on.
    pub fn unsupervised(&self) -> Option<&UnsupervisedConfig> {
        match self {
            Self::EncoderDecoder(config) => config.unsupervised.as_ref(),
            Self::Hourglass(config) => config.unsupervised.as_ref(),
        }
    }

    /// The same with lambda_u multiplied by `factor`.
    pub fn with_weight_u_times(mut self, factor: f64) -> Self {
        let unsupervised = match &mut self {
            Self::EncoderDecoder(config) => config.unsupervised.as_mut(),
            Self::Hourglass(config) => config.unsupervised.as_mut(),
        };
        if let Some(unsupervised) = unsupervised {
            unsupervised.weight *= factor;
        }
        self
    }

    /// What a raw term is multiplied by.
    fn weight_of(&self, term: &str) -> f64 {
        let u = self.unsupervised();
        let (weight_u, smooth) = u.map_or((0.0, 0.0), |u| (u.weight, u.weight_smooth));
        let (s, weak) = match self {
            Self::EncoderDecoder(c) => (c.supervised.map_or(0.0, |s| s.weight_depth), c.weak),
            Self::Hourglass(c) => (c.weight_gradient.unwrap_or(0.0), c.weak),
        };
        match term {
            "depth" | "grad" => s,
            "ego" | "obj" | "u" => weight_u,
            "smooth" => weight_u * smooth,
            "w" => weak.map_or(0.0, |w| w.weight),
            _ => 1.0,
        }
    }
}

/// How one update is made.
#[derive(Clone, Debug)]
pub struct StepParams {
    /// The losses, lambda_u as it is at this step.
    pub losses: StepLosses,
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

/// A part of a step, for those who measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepPhase {
    /// Networks.
    Forward,
    /// Loss terms and their numbers.
    Losses,
    /// Gradients.
    Backward,
    /// Norm of the gradient, and the update.
    Optimizer,
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
    train_step_watched(model, optimizer, batch, params, &mut |_| {})
}

/// [`train_step`]; `after` is called at the end of each part.
pub fn train_step_watched(
    model: &Model,
    optimizer: &mut Adam,
    batch: &Batch,
    params: &StepParams,
    after: &mut dyn FnMut(StepPhase),
) -> Result<StepOutcome, NotFinite> {
    let inputs = normalize_images(&batch.jittered); // [N, F, 3, H, W]
    let output = model.depth.forward(&inputs.select(1, batch.target), Mode::Train);
    let learns_motion = params.losses.unsupervised().is_some();
    let motion = match (&model.pose, model.depth.encoder()) {
        (Some(pose), Some(encoder)) if learns_motion => {
            predict_motion(pose, encoder, batch, &inputs, params.camera)
        }
        _ => PredictedMotion { ego: None, target_objects: None, objects: None },
    };
    after(StepPhase::Forward);
    let judged = judge(&output, batch, &motion, &params.losses);
    let not_finite = |term: &str| NotFinite {
        term: term.to_owned(),
        keys: batch.keys.iter().map(SampleKey::to_string).collect(),
        terms: judged.terms.clone(),
    };
    if let Some(term) = judged.not_finite {
        return Err(not_finite(term));
    }
    after(StepPhase::Losses);
    optimizer.zero_grad();
    judged.total.backward();
    after(StepPhase::Backward);
    let gradient_norm = optimizer.clip_grad_norm(params.clip_norm);
    if !gradient_norm.is_finite() {
        return Err(not_finite("gradient"));
    }
    optimizer.step();
    let outcome = StepOutcome {
        total: judged.total.double_value(&[]),
        terms: judged.terms,
        gradient_norm,
        translation_m: motion.ego.as_ref().map(mean_translation),
    };
    after(StepPhase::Optimizer);
    Ok(outcome)
}

/// The losses of one batch.
struct Judged {
    total: Tensor,
    terms: BTreeMap<String, LoggedTerm>,
    not_finite: Option<&'static str>,
}

fn judge(output: &Tensor, batch: &Batch, motion: &PredictedMotion, losses: &StepLosses) -> Judged {
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
    let clip = losses.unsupervised().is_some().then_some(ClipInputs {
        frames: &batch.frames,
        intrinsics: &batch.intrinsics,
        ego,
        objects,
    });
    let gt = Some(&batch.depth);
    match losses {
        StepLosses::EncoderDecoder(config) => {
            let inputs = LossInputs { logits: output, gt, clip, pairs: &pairs };
            let report = encoder_decoder_losses(&inputs, config);
            let mut terms = logged_terms(&report.terms(), losses);
            let excess = report.cls.value_f64() - report.cls_entropy.double_value(&[]);
            let count = report.cls.count();
            let excess = LoggedTerm { raw: excess, weighted: excess, count };
            terms.insert("cls_excess".to_owned(), excess);
            Judged { not_finite: report.first_not_finite(), total: report.total, terms }
        }
        StepLosses::Hourglass(config) => {
            let inputs = HourglassInputs { log_depth: output, gt, clip, pairs: &pairs };
            let report = hourglass_losses(&inputs, config);
            let terms = logged_terms(&report.terms(), losses);
            Judged { not_finite: report.first_not_finite(), total: report.total, terms }
        }
    }
}

fn predict_motion(
    pose: &PoseNetwork,
    encoder: &Encoder,
    batch: &Batch,
    inputs: &Tensor,
    camera: CameraMotion,
) -> PredictedMotion {
    let size = inputs.size();
    let (n, h, w) = (size[0], size[3], size[4]);
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

/// Raw and weighted terms. The encoder-decoder's `cls_excess` is the classification loss above the entropy of its target.
fn logged_terms(
    terms: &[(&'static str, &LossTerm)],
    losses: &StepLosses,
) -> BTreeMap<String, LoggedTerm> {
    let logged = |(name, term): &(&'static str, &LossTerm)| {
        let raw = term.value_f64();
        let weighted = losses.weight_of(name) * raw;
        ((*name).to_owned(), LoggedTerm { raw, weighted, count: term.count() })
    };
    terms.iter().map(logged).collect()
}
