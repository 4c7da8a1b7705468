//! Floor 1: all terms of the hourglass on MegaDepth and Mannequin Challenge (M&M).
//!
//! Its output is log depth without a scale: L_s is scale-invariant, L_w compares log depth, and for L_u the depth is
//! brought to the unit of the given poses first. Objects do not move (paper, section 2.3): L_u is camera motion alone.

use tch::Tensor;

use super::clip::{Clip, ClipInputs};
use super::ordinal::{DepthSpace, DrawnPair, WeakConfig, ordinal_loss_in};
use super::scale_invariant::{data_loss, gradient_loss, scale_to_truth};
use super::term::LossTerm;
use super::total::{UnsupervisedConfig, unsupervised_terms_of};
use crate::networks::hourglass::depth_from_log;

/// An image with a smaller share of measured pixels has no reliable scale and no L_u.
const MEASURED_SHARE_MIN: f64 = 0.2;

/// What the terms are computed from.
pub struct HourglassInputs<'a> {
    /// `[N, 1, H, W]`, output of the network.
    pub log_depth: &'a Tensor,
    /// `[N, H, W]`, in the unit of the poses, 0 = not measured.
    pub gt: Option<&'a Tensor>,
    /// What L_u needs; its objects are not used.
    pub clip: Option<ClipInputs<'a>>,
    /// What L_w needs.
    pub pairs: &'a [DrawnPair],
}

/// The M&M loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HourglassLossConfig {
    /// L_s, and the weight of its gradient term.
    pub weight_gradient: Option<f64>,
    /// L_u; its object switches are not used.
    pub unsupervised: Option<UnsupervisedConfig>,
    /// L_w; compared in log depth whatever `space` says.
    pub weak: Option<WeakConfig>,
}

impl Default for HourglassLossConfig {
    fn default() -> Self {
        let weak = WeakConfig { space: DepthSpace::Log, tau: 0.25, ..WeakConfig::default() };
        Self {
            weight_gradient: Some(0.5),
            unsupervised: Some(UnsupervisedConfig::default()),
            weak: Some(weak),
        }
    }
}

/// Every raw term, and the weighted total.
pub struct HourglassReport {
    /// Scale-invariant data term.
    pub data: LossTerm,
    /// Multi-scale gradient term.
    pub grad: LossTerm,
    /// L_s = data + weight grad.
    pub supervised: LossTerm,
    /// Photometric, camera motion.
    pub ego: LossTerm,
    /// Smoothness.
    pub smooth: LossTerm,
    /// L_u = ego + lambda_sm smooth.
    pub unsupervised: LossTerm,
    /// L_w.
    pub weak: LossTerm,
    /// L, scalar.
    pub total: Tensor,
}

impl HourglassReport {
    /// The raw terms by their short names.
    pub fn terms(&self) -> [(&'static str, &LossTerm); 7] {
        [
            ("data", &self.data),
            ("grad", &self.grad),
            ("s", &self.supervised),
            ("ego", &self.ego),
            ("smooth", &self.smooth),
            ("u", &self.unsupervised),
            ("w", &self.weak),
        ]
    }
}

/// All terms of a batch.
///
/// # Panics
/// If a tensor has another shape than [`HourglassInputs`] says.
pub fn hourglass_losses(inputs: &HourglassInputs, config: &HourglassLossConfig) -> HourglassReport {
    let log_depth = inputs.log_depth;
    let absent = || LossTerm::absent(log_depth);
    let (data, grad) = match (inputs.gt, config.weight_gradient) {
        (Some(gt), Some(_)) => (data_loss(log_depth, gt), gradient_loss(log_depth, gt)),
        _ => (absent(), absent()),
    };
    let weight_gradient = config.weight_gradient.unwrap_or(0.0);
    let supervised = LossTerm::combined(&data.value + &grad.value * weight_gradient, &[&data]);
    let (ego, smooth, unsupervised) = match (&inputs.clip, inputs.gt, &config.unsupervised) {
        (Some(clip), Some(gt), Some(unsupervised)) => {
            let depth = depth_from_log(log_depth);
            let depth = depth * scale_to_truth(log_depth, gt).view([-1, 1, 1, 1]);
            let mut clip = Clip::new(clip, &depth);
            let share = gt.gt(0.0).to_kind(depth.kind()).mean_dim([1i64, 2].as_slice(), true, None);
            clip.known = clip.known.logical_and(&share.squeeze_dim(2).ge(MEASURED_SHARE_MIN));
            let terms = unsupervised_terms_of(&clip, None, &depth, unsupervised);
            (terms.ego, terms.smooth, terms.sum)
        }
        _ => (absent(), absent(), absent()),
    };
    let weak = match &config.weak {
        Some(weak) => {
            let depth = depth_from_log(log_depth);
            ordinal_loss_in(log_depth, Some(&depth), inputs.pairs, weak)
        }
        None => absent(),
    };
    let weight_u = config.unsupervised.map_or(0.0, |u| u.weight);
    let weight_w = config.weak.map_or(0.0, |w| w.weight);
    let total = &supervised.value + &unsupervised.value * weight_u + &weak.value * weight_w;
    HourglassReport { data, grad, supervised, ego, smooth, unsupervised, weak, total }
}
