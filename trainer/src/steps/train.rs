//! Floor 3: one batch to losses to updated weights.

use std::collections::BTreeMap;

use suw_shared::sample_key::SampleKey;
use tch::{Device, Kind, Tensor};

use crate::autocast::in_bfloat16;
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

/// Numbers that the networks compute in; losses and weights are always float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// float32.
    #[default]
    Float32,
    /// bfloat16 where libtorch's autocast thinks it safe.
    Bfloat16,
}

impl Precision {
    /// What the networks make of their input, in this precision.
    fn compute(self, device: Device, networks: impl FnOnce() -> Tensor) -> Tensor {
        match self {
            Self::Float32 => networks(),
            Self::Bfloat16 => in_bfloat16(device, networks).to_kind(Kind::Float),
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
    /// Numbers of the networks.
    pub precision: Precision,
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

/// What one update computed, as it lies on its device. Reading it waits for the device.
#[derive(Debug)]
pub struct StepReport {
    keys: Vec<SampleKey>,
    losses: StepLosses,
    names: Vec<&'static str>,
    /// Raw terms in the order of `names`, then the least value of `cls`, then the total: f64.
    values: Tensor,
    /// Of each term, i64.
    counts: Tensor,
    gradient_norm: Option<Tensor>,
    translation_m: Option<Tensor>,
}

impl StepReport {
    /// The numbers, unless one is not finite.
    pub fn read(&self) -> Result<StepOutcome, NotFinite> {
        let values = numbers::<f64>(&self.values);
        let counts = numbers::<i64>(&self.counts);
        let (raw, entropy, total) =
            (&values[..self.names.len()], values[counts.len()], values[counts.len() + 1]);
        let mut terms: BTreeMap<String, LoggedTerm> = (self.names.iter().zip(raw).zip(&counts))
            .map(|((name, &raw), &count)| {
                let weighted = self.losses.weight_of(name) * raw;
                ((*name).to_owned(), LoggedTerm { raw, weighted, count })
            })
            .collect();
        if let Some(cls) = terms.get("cls") {
            // Above the entropy of its targets.
            let raw = cls.raw - entropy;
            let excess = LoggedTerm { raw, weighted: raw, count: cls.count };
            terms.insert("cls_excess".to_owned(), excess);
        }
        let scalar = |tensor: &Tensor| tensor.double_value(&[]);
        let gradient_norm = self.gradient_norm.as_ref().map_or(0.0, scalar);
        let not_finite = if !total.is_finite() {
            let term = self.names.iter().zip(raw).find(|(_, raw)| !raw.is_finite());
            Some(term.map_or("total", |(name, _)| *name))
        } else {
            (!gradient_norm.is_finite()).then_some("gradient")
        };
        match not_finite {
            Some(term) => Err(NotFinite {
                term: term.to_owned(),
                keys: self.keys.iter().map(SampleKey::to_string).collect(),
                terms,
            }),
            None => Ok(StepOutcome {
                total,
                terms,
                gradient_norm,
                translation_m: self.translation_m.as_ref().map(scalar),
            }),
        }
    }
}

fn numbers<T: tch::kind::Element + Copy>(tensor: &Tensor) -> Vec<T>
where
    Vec<T>: TryFrom<Tensor>,
{
    let on_host = tensor.to_device(Device::Cpu).contiguous();
    Vec::try_from(on_host).unwrap_or_else(|_| panic!("invariant: numbers of the stated kind"))
}

/// Motions of one batch as the networks predict them.
struct PredictedMotion {
    ego: Option<Tensor>, // [N, 2, 6]
    objects: Option<ObjectMotion>,
}

/// All aligned objects of a batch, and the motion of the chosen ones.
struct ObjectMotion {
    masks: Tensor,   // [N, H, W] u8
    vectors: Tensor, // [M, 2, 6]
}

/// One update; a batch without any label makes none. On the CPU the weights stay as they are where a term is not finite, and
/// that is the answer. A GPU is not waited for: it leaves the weights alone by itself, and [`StepReport::read`] tells.
pub fn train_step(
    model: &Model,
    optimizer: &mut Adam,
    batch: &Batch,
    params: &StepParams,
) -> Result<StepReport, NotFinite> {
    train_step_watched(model, optimizer, batch, params, &mut |_| {})
}

/// [`train_step`]; `after` is called at the end of each part.
pub fn train_step_watched(
    model: &Model,
    optimizer: &mut Adam,
    batch: &Batch,
    params: &StepParams,
    after: &mut dyn FnMut(StepPhase),
) -> Result<StepReport, NotFinite> {
    let device = batch.frames.device();
    let waits = !device.is_cuda();
    let inputs = normalize_images(&batch.jittered); // [N, F, 3, H, W]
    let output = params
        .precision
        .compute(device, || model.depth.forward(&inputs.select(1, batch.target), Mode::Train));
    let learns_motion = params.losses.unsupervised().is_some();
    let motion = match (&model.pose, model.depth.encoder()) {
        (Some(pose), Some(encoder)) if learns_motion => {
            predict_motion(pose, encoder, batch, &inputs, params)
        }
        _ => PredictedMotion { ego: None, objects: None },
    };
    after(StepPhase::Forward);
    let (total, mut report) = judge(&output, batch, &motion, &params.losses);
    if waits {
        report.read()?;
    }
    after(StepPhase::Losses);
    if !total.requires_grad() {
        // No label in the whole batch: a total of nothing, from which there is nothing to learn.
        return Ok(report);
    }
    optimizer.zero_grad();
    total.backward();
    after(StepPhase::Backward);
    let norm = optimizer.clip_grad_norm(params.clip_norm);
    let skip = (!waits).then(|| {
        let finite = (&norm + total.detach().to_kind(Kind::Double)).isfinite();
        finite.logical_not().to_kind(Kind::Float).view([1])
    });
    report.gradient_norm = Some(norm);
    if waits {
        report.read()?;
    }
    optimizer.step_unless(skip.as_ref());
    after(StepPhase::Optimizer);
    Ok(report)
}

/// The losses of one batch.
fn judge(
    output: &Tensor,
    batch: &Batch,
    motion: &PredictedMotion,
    losses: &StepLosses,
) -> (Tensor, StepReport) {
    let pairs: Vec<DrawnPair> = batch.pairs.iter().map(drawn_pair).collect();
    let ego = motion.ego.as_ref().map_or(Motion::Known(&batch.motion), Motion::Vectors);
    let objects = motion.objects.as_ref().map(|objects| ObjectInputs {
        masks: &objects.masks,
        image: &batch.object_image,
        index: &batch.object_index,
        motion: &objects.vectors,
    });
    let clip = losses.unsupervised().is_some().then_some(ClipInputs {
        frames: &batch.frames,
        intrinsics: &batch.intrinsics,
        ego,
        objects,
    });
    let gt = Some(&batch.depth);
    let translation = motion.ego.as_ref().map(mean_translation);
    let report = |terms: &[(&'static str, &LossTerm)], entropy: &Tensor, total: &Tensor| {
        let scalar = |of: &Tensor| of.detach().to_kind(Kind::Double);
        let values = terms.iter().map(|(_, term)| scalar(&term.value));
        let values: Vec<Tensor> = values.chain([scalar(entropy), scalar(total)]).collect();
        let counts: Vec<&Tensor> = terms.iter().map(|(_, term)| term.count_tensor()).collect();
        StepReport {
            keys: batch.keys.clone(),
            losses: *losses,
            names: terms.iter().map(|(name, _)| *name).collect(),
            values: Tensor::stack(&values, 0),
            counts: Tensor::stack(&counts, 0),
            gradient_norm: None,
            translation_m: translation.as_ref().map(Tensor::shallow_clone),
        }
    };
    match losses {
        StepLosses::EncoderDecoder(config) => {
            let measured = Some(&batch.measured);
            let inputs = LossInputs { logits: output, gt, measured, clip, pairs: &pairs };
            let judged = encoder_decoder_losses(&inputs, config);
            let told = report(&judged.terms(), &judged.cls_entropy, &judged.total);
            (judged.total, told)
        }
        StepLosses::Hourglass(config) => {
            let inputs = HourglassInputs { log_depth: output, gt, clip, pairs: &pairs };
            let judged = hourglass_losses(&inputs, config);
            let told = report(&judged.terms(), &judged.total.zeros_like(), &judged.total);
            (judged.total, told)
        }
    }
}

fn predict_motion(
    pose: &PoseNetwork,
    encoder: &Encoder,
    batch: &Batch,
    inputs: &Tensor,
    params: &StepParams,
) -> PredictedMotion {
    let device = inputs.device();
    let size = inputs.size();
    let (n, h, w) = (size[0], size[3], size[4]);
    let ego = (params.camera == CameraMotion::Predicted).then(|| {
        let frames = inputs.view([n, 9, h, w]);
        params.precision.compute(device, || pose.ego(encoder, &frames, Mode::Train))
    });
    // Where none is chosen the masks still say which pixels are not the camera's.
    let objects = batch.objects.as_ref().map(|objects| ObjectMotion {
        masks: objects.select(1, batch.target).contiguous(),
        vectors: predict_objects(pose, encoder, batch, objects, params),
    });
    PredictedMotion { ego, objects }
}

/// Motions of the chosen objects, `[M, 2, 6]`; `objects` are `[N, 3, H, W]`.
fn predict_objects(
    pose: &PoseNetwork,
    encoder: &Encoder,
    batch: &Batch,
    objects: &Tensor,
    params: &StepParams,
) -> Tensor {
    let (image, index) = (&batch.object_image, &batch.object_index);
    let (m, size) = (image.size()[0], objects.size());
    let device = batch.jittered.device();
    if m == 0 {
        return Tensor::zeros([0, 2, 6], (batch.jittered.kind(), device));
    }
    let masked = object_frames(&batch.jittered, objects, image, index); // [M, 3, 3, H, W]
    let masked = normalize_images(&masked).view([m, 9, size[2], size[3]]);
    let mask = target_masks(objects, image, index); // [M, H, W]
    params.precision.compute(device, || pose.object(encoder, &masked, &mask, Mode::Train))
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

/// Mean length of the translations: f64.
///
/// # Shapes
/// - `vectors`: `[N, 2, 6]`, translation first
fn mean_translation(vectors: &Tensor) -> Tensor {
    let translation = vectors.detach().narrow(2, 0, 3);
    let lengths = translation.square().sum_dim_intlist(2, false, Kind::Float).sqrt();
    lengths.mean(Kind::Float).to_kind(Kind::Double)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::total::LossConfig;

    fn report(values: [f64; 4], gradient_norm: f64) -> StepReport {
        StepReport {
            keys: vec![SampleKey::new("a/0".to_owned()).unwrap()],
            losses: StepLosses::EncoderDecoder(LossConfig::default()),
            names: vec!["cls", "depth"],
            values: Tensor::from_slice(&values),
            counts: Tensor::from_slice(&[7i64, 9]),
            gradient_norm: Some(Tensor::from(gradient_norm)),
            translation_m: None,
        }
    }

    #[test]
    fn numbers_are_read_by_name() {
        // cls 3 of which 2 are its targets' entropy, depth 4 at weight 0.1, total 3.4.
        let outcome = report([3.0, 4.0, 2.0, 3.4], 0.5).read().unwrap();
        assert_eq!((outcome.total, outcome.gradient_norm, outcome.translation_m), (3.4, 0.5, None));
        let term = |name: &str| {
            let LoggedTerm { raw, weighted, count } = outcome.terms[name];
            (raw, weighted, count)
        };
        assert_eq!(term("cls"), (3.0, 3.0, 7));
        assert_eq!(term("cls_excess"), (1.0, 1.0, 7));
        assert_eq!(term("depth"), (4.0, 0.4, 9));
        assert_eq!(outcome.terms.len(), 3);
    }

    #[test]
    fn what_is_not_finite_is_named() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        for (values, norm, term) in [
            ([nan, nan, 0.0, nan], 1.0, "cls"),
            ([1.0, inf, 0.0, inf], 1.0, "depth"),
            ([1.0, 2.0, 0.0, inf], 1.0, "total"),
            ([1.0, 2.0, 0.0, 3.0], nan, "gradient"),
        ] {
            let told = report(values, norm).read().unwrap_err();
            assert_eq!((told.term.as_str(), &told.keys[..]), (term, &["a/0".to_owned()][..]));
        }
    }
}
