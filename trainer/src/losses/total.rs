//! Floor 1: all terms of the encoder-decoder: L = L_s + lambda_u L_u + lambda_w L_w, learned jointly.
//!
//! A kind of learning that is off, and a term whose labels are missing, contributes nothing and says so.

use tch::{Kind, Tensor};

pub use super::clip::{ClipInputs, Motion, ObjectInputs};
pub use super::object_motion::{ObjectLoss, ObjectPose};
pub use super::ordinal::{DrawnPair, WeakConfig};
pub use super::photometric::PhotometricConfig;
pub use super::supervised::SupervisedConfig;
pub use super::term::LossTerm;

use super::clip::Clip;
use super::ego_motion::ego_loss;
use super::object_motion::{composite_loss, object_loss};
use super::ordinal::ordinal_loss;
use super::smoothness::smoothness_loss;
use super::supervised::{classification_loss, depth_loss, measured_pixels};
use crate::depth_bins::DepthBins;
use crate::dims::{Axis, expect_dims};

/// What the terms are computed from; all on one device.
pub struct LossInputs<'a> {
    /// `[N, K, H/4, W/4]`, output of the network.
    pub logits: &'a Tensor,
    /// `[N, H, W]`, metres, 0 = not measured.
    pub gt: Option<&'a Tensor>,
    /// `[V]`: the measured pixels of `gt` ([`measured_pixels`]); `None` = they are looked for.
    pub measured: Option<&'a Tensor>,
    /// What L_u needs.
    pub clip: Option<ClipInputs<'a>>,
    /// What L_w needs.
    pub pairs: &'a [DrawnPair],
}

impl LossInputs<'_> {
    /// (H, W) of the network's input: four times its output.
    pub fn size(&self) -> (i64, i64) {
        let size = self.logits.size();
        (4 * size[2], 4 * size[3])
    }
}

/// Which kinds of learning are on, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossConfig {
    /// Bins of the network.
    pub bins: DepthBins,
    /// L_s.
    pub supervised: Option<SupervisedConfig>,
    /// L_u.
    pub unsupervised: Option<UnsupervisedConfig>,
    /// L_w.
    pub weak: Option<WeakConfig>,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            bins: DepthBins::KITTI,
            supervised: Some(SupervisedConfig::default()),
            unsupervised: Some(UnsupervisedConfig::default()),
            weak: Some(WeakConfig::default()),
        }
    }
}

/// The unsupervised loss: L_u = L_ego + L_obj + lambda_sm L_sm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnsupervisedConfig {
    /// lambda_u.
    pub weight: f64,
    /// lambda_sm.
    pub weight_smooth: f64,
    /// The photometric error.
    pub photometric: PhotometricConfig,
    /// How objects enter.
    pub object_loss: ObjectLoss,
    /// What an object's pose vector says.
    pub object_pose: ObjectPose,
}

impl Default for UnsupervisedConfig {
    fn default() -> Self {
        Self {
            weight: 1.0,
            weight_smooth: 1e-3,
            photometric: PhotometricConfig::default(),
            object_loss: ObjectLoss::default(),
            object_pose: ObjectPose::default(),
        }
    }
}

/// Every raw term, and the weighted total.
pub struct LossReport {
    /// Soft classification, nats.
    pub cls: LossTerm,
    /// The least value `cls` could have: the entropy of its targets.
    pub cls_entropy: Tensor,
    /// Regression.
    pub depth_term: LossTerm,
    /// L_s = cls + lambda_d depth.
    pub supervised: LossTerm,
    /// Photometric, camera motion; with `ObjectLoss::Composite` all pixels.
    pub ego: LossTerm,
    /// Photometric, object motion.
    pub object: LossTerm,
    /// Smoothness.
    pub smooth: LossTerm,
    /// L_u = ego + obj + lambda_sm smooth.
    pub unsupervised: LossTerm,
    /// L_w.
    pub weak: LossTerm,
    /// L, scalar.
    pub total: Tensor,
    /// The depth that was judged: `[N, 1, H, W]`, metres.
    pub depth: Tensor,
}

impl LossReport {
    /// The raw terms by their short names.
    pub fn terms(&self) -> [(&'static str, &LossTerm); 8] {
        [
            ("cls", &self.cls),
            ("depth", &self.depth_term),
            ("s", &self.supervised),
            ("ego", &self.ego),
            ("obj", &self.object),
            ("smooth", &self.smooth),
            ("u", &self.unsupervised),
            ("w", &self.weak),
        ]
    }
}

/// All terms of a batch.
///
/// # Panics
/// If a tensor has another shape than [`LossInputs`] says.
pub fn encoder_decoder_losses(inputs: &LossInputs, config: &LossConfig) -> LossReport {
    let logits = match inputs.logits.kind() {
        Kind::Half | Kind::BFloat16 => inputs.logits.to_kind(Kind::Float),
        _ => inputs.logits.shallow_clone(),
    };
    let depth = config.bins.depth(&logits, inputs.size());
    let s = supervised_terms(inputs, &logits, &depth, config);
    let u = unsupervised_terms(inputs.clip.as_ref(), &depth, config.unsupervised.as_ref());
    let weak = match &config.weak {
        Some(weak) => ordinal_loss(&depth, inputs.pairs, weak),
        None => LossTerm::absent(&depth),
    };
    let weight_u = config.unsupervised.map_or(0.0, |u| u.weight);
    let weight_w = config.weak.map_or(0.0, |w| w.weight);
    LossReport {
        total: &s.sum.value + &u.sum.value * weight_u + &weak.value * weight_w,
        cls: s.cls,
        cls_entropy: s.cls_entropy,
        depth_term: s.depth,
        supervised: s.sum,
        ego: u.ego,
        object: u.object,
        smooth: u.smooth,
        unsupervised: u.sum,
        weak,
        depth,
    }
}

struct SupervisedTerms {
    cls: LossTerm,
    cls_entropy: Tensor,
    depth: LossTerm,
    sum: LossTerm,
}

fn supervised_terms(
    inputs: &LossInputs,
    logits: &Tensor,
    depth: &Tensor,
    config: &LossConfig,
) -> SupervisedTerms {
    let (Some(gt), Some(supervised)) = (inputs.gt, &config.supervised) else {
        let absent = || LossTerm::absent(depth);
        let cls_entropy = absent().value;
        return SupervisedTerms { cls: absent(), cls_entropy, depth: absent(), sum: absent() };
    };
    let (n, (height, width)) = (depth.size()[0], inputs.size());
    expect_dims("gt", gt, &[Axis::Is(n), Axis::Is(height), Axis::Is(width)]);
    let gt = gt.to_kind(depth.kind());
    let found;
    let measured = match inputs.measured {
        Some(measured) => measured,
        None => {
            found = measured_pixels(&gt);
            &found
        }
    };
    let cls = classification_loss(logits, &gt, measured, &config.bins, supervised);
    let depth = depth_loss(depth, &gt, &config.bins, supervised.regression);
    let value = &cls.term.value + &depth.value * supervised.weight_depth;
    // Both stand on the same pixels.
    let sum = LossTerm::combined(value, &[&depth]);
    SupervisedTerms { cls: cls.term, cls_entropy: cls.entropy, depth, sum }
}

pub(super) struct UnsupervisedTerms {
    pub ego: LossTerm,
    pub object: LossTerm,
    pub smooth: LossTerm,
    pub sum: LossTerm,
}

pub(super) fn unsupervised_terms(
    inputs: Option<&ClipInputs>,
    depth: &Tensor,
    config: Option<&UnsupervisedConfig>,
) -> UnsupervisedTerms {
    let absent = || LossTerm::absent(depth);
    let (Some(inputs), Some(config)) = (inputs, config) else {
        return UnsupervisedTerms {
            ego: absent(),
            object: absent(),
            smooth: absent(),
            sum: absent(),
        };
    };
    let clip = Clip::new(inputs, depth);
    unsupervised_terms_of(&clip, inputs.objects.as_ref(), depth, config)
}

pub(super) fn unsupervised_terms_of(
    clip: &Clip,
    objects: Option<&ObjectInputs>,
    depth: &Tensor,
    config: &UnsupervisedConfig,
) -> UnsupervisedTerms {
    let photometric = &config.photometric;
    let (ego, object) = match objects {
        None => (ego_loss(clip, depth, None, photometric), LossTerm::absent(depth)),
        Some(objects) => match config.object_loss {
            ObjectLoss::Separate => (
                ego_loss(clip, depth, Some(objects.masks), photometric),
                object_loss(clip, depth, objects, config.object_pose, photometric),
            ),
            ObjectLoss::Composite => (
                composite_loss(clip, depth, objects, config.object_pose, photometric),
                LossTerm::absent(depth),
            ),
        },
    };
    let smooth = smoothness_loss(depth, &clip.target.image, &clip.images());
    let value = &ego.value + &object.value + &smooth.value * config.weight_smooth;
    let sum = LossTerm::combined(value, &[&ego, &object]);
    UnsupervisedTerms { ego, object, smooth, sum }
}
