//! Floor 3: one reference case: every term and gradient computed here, and how far each is from the expected one.

use suw_shared::pair::Origin;
use tch::{Device, Kind, Tensor};

use crate::depth_bins::DepthBins;
use crate::geometry::rotation::transform_from_vector;
use crate::losses::hourglass::{HourglassInputs, HourglassLossConfig, hourglass_losses};
use crate::losses::ordinal::{DepthSpace, DrawnPair, PatchMode, WeakConfig, ordinal_loss};
use crate::losses::regression::Regression;
use crate::losses::supervised::depth_loss;
use crate::losses::total::{
    ClipInputs, LossConfig, LossInputs, Motion, ObjectInputs, encoder_decoder_losses,
};
use crate::reference_case::{HourglassCase, ReferenceCase};

/// Largest relative difference of anything in float64.
pub const TOLERANCE_FLOAT64: f64 = 1e-9;
/// Largest relative difference of a term in float32.
pub const TOLERANCE_FLOAT32: f64 = 1e-4;
/// Largest relative difference of a gradient in float32.
pub const TOLERANCE_FLOAT32_GRADIENT: f64 = 1e-3;

/// A scalar or the gradient of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermKind {
    /// A number.
    Scalar,
    /// A tensor; numbers given for it are Euclidean norms.
    Gradient,
}

/// One compared quantity.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Its key in the file.
    pub name: String,
    /// Number or gradient.
    pub kind: TermKind,
    /// The file's value; none where the file does not say.
    pub expected: Option<f64>,
    /// Computed in float64.
    pub float64: f64,
    /// Computed in float32.
    pub float32: f64,
    /// |got - expected| / |expected|, Euclidean norms for gradients; absolute where 0 is expected.
    pub difference64: Option<f64>,
    /// The same in float32.
    pub difference32: Option<f64>,
}

impl Comparison {
    /// Within the tolerances? A quantity that the file does not name always is; one that is not a number never.
    pub fn agrees(&self) -> bool {
        let tolerance32 = match self.kind {
            TermKind::Scalar => TOLERANCE_FLOAT32,
            TermKind::Gradient => TOLERANCE_FLOAT32_GRADIENT,
        };
        let within = |difference: Option<f64>, tolerance| difference.is_none_or(|d| d <= tolerance);
        within(self.difference64, TOLERANCE_FLOAT64) && within(self.difference32, tolerance32)
    }
}

/// All quantities of a case in a fixed order, computed where its inputs are.
///
/// # Panics
/// If the case was not checked by [`crate::reference_case::read_case`].
pub fn compare(case: &ReferenceCase) -> Vec<Comparison> {
    let float64 = quantities(case, Kind::Double);
    let float32 = quantities(case, Kind::Float);
    float64
        .into_iter()
        .zip(float32)
        .map(|((name, kind, in64), (_, _, in32))| {
            let expected = case.expected.get(&name).filter(|e| e.numel() == in64.numel());
            let norm = |t: &Tensor| match kind {
                TermKind::Scalar => t.double_value(&[]),
                TermKind::Gradient => t.norm().double_value(&[]),
            };
            let difference = |got: &Tensor| expected.map(|expected| relative(got, expected));
            Comparison {
                expected: expected.map(norm),
                float64: norm(&in64),
                float32: norm(&in32),
                difference64: difference(&in64),
                difference32: difference(&in32),
                name,
                kind,
            }
        })
        .collect()
}

/// Names in the file that no quantity here answers to.
pub fn unknown_names(case: &ReferenceCase, compared: &[Comparison]) -> Vec<String> {
    let known = |name: &str| compared.iter().any(|c| c.name == name);
    case.expected.keys().filter(|name| !known(name)).cloned().collect()
}

fn relative(got: &Tensor, expected: &Tensor) -> f64 {
    let expected = expected.reshape([-1]);
    let difference = (got.reshape([-1]) - &expected).norm().double_value(&[]);
    let size = expected.norm().double_value(&[]);
    if size == 0.0 { difference } else { difference / size }
}

type Quantity = (String, TermKind, Tensor);

fn quantities(case: &ReferenceCase, kind: Kind) -> Vec<Quantity> {
    let mut out = encoder_decoder(case, kind);
    if let Some(hourglass) = &case.hourglass {
        out.extend(hourglass_terms(case, hourglass, kind));
    }
    let on_host = |t: Tensor| t.detach().to_device(Device::Cpu).to_kind(Kind::Double);
    let detached = |(name, kind, t): Quantity| (name, kind, on_host(t));
    out.into_iter().map(detached).collect()
}

fn encoder_decoder(case: &ReferenceCase, kind: Kind) -> Vec<Quantity> {
    let (logits, ego_v, object_v) =
        (leaf(&case.logits, kind), leaf(&case.ego_v, kind), leaf(&case.object_v, kind));
    let (gt, frames) = (case.gt.to_kind(kind), case.frames.to_kind(kind));
    let intrinsics = case.intrinsics.to_kind(kind);
    let pairs = drawn_pairs(case);
    let objects = ObjectInputs {
        masks: &case.objects,
        image: &case.object_image,
        index: &case.object_index,
        motion: &object_v,
    };
    let clip = ClipInputs {
        frames: &frames,
        intrinsics: &intrinsics,
        ego: Motion::Vectors(&ego_v),
        objects: Some(objects),
    };
    let inputs = LossInputs {
        logits: &logits,
        gt: Some(&gt),
        measured: None,
        clip: Some(clip),
        pairs: &pairs,
    };
    let bins = DepthBins::new(1.0, 83.0, case.logits.size()[1].max(2))
        .expect("invariant: 1 to 83 m in two bins or more");
    let config = LossConfig { bins, ..LossConfig::default() };
    let report = encoder_decoder_losses(&inputs, &config);

    let mut out: Vec<Quantity> = Vec::new();
    let mut scalar = |name: String, value: &Tensor| {
        out.push((name, TermKind::Scalar, value.shallow_clone()));
    };
    for (name, term) in report.terms() {
        scalar(format!("term.{name}"), &term.value);
    }
    scalar("term.total".into(), &report.total);
    let depth = report.depth.detach();
    for (mode_name, patch_mode) in PATCH_MODES {
        for (space_name, space, tau) in SPACES {
            let config = WeakConfig { patch_mode, space, tau, ..WeakConfig::default() };
            let term = ordinal_loss(&depth, &pairs, &config);
            scalar(format!("weak.{mode_name}.{space_name}"), &term.value);
        }
    }
    for (name, regression) in REGRESSIONS {
        scalar(format!("depth_loss.{name}"), &depth_loss(&depth, &gt, &bins, regression).value);
    }
    report.total.backward();
    for (name, input) in [("logits", &logits), ("ego_v", &ego_v), ("object_v", &object_v)] {
        out.push((format!("grad.{name}"), TermKind::Gradient, gradient(input)));
    }
    out
}

fn hourglass_terms(case: &ReferenceCase, hourglass: &HourglassCase, kind: Kind) -> Vec<Quantity> {
    let log_depth = leaf(&hourglass.log_depth, kind);
    let (gt, frames) = (hourglass.gt.to_kind(kind), case.frames.to_kind(kind));
    let intrinsics = case.intrinsics.to_kind(kind);
    let poses = transform_from_vector(&case.ego_v.to_kind(kind));
    let clip = ClipInputs {
        frames: &frames,
        intrinsics: &intrinsics,
        ego: Motion::Known(&poses),
        objects: None,
    };
    let pairs = drawn_pairs(case);
    let inputs =
        HourglassInputs { log_depth: &log_depth, gt: Some(&gt), clip: Some(clip), pairs: &pairs };
    let report = hourglass_losses(&inputs, &HourglassLossConfig::default());
    let mut out: Vec<Quantity> = report
        .terms()
        .into_iter()
        .map(|(name, term)| {
            (format!("hourglass.term.{name}"), TermKind::Scalar, term.value.shallow_clone())
        })
        .collect();
    report.total.backward();
    out.push(("hourglass.term.total".into(), TermKind::Scalar, report.total));
    out.push(("hourglass.grad".into(), TermKind::Gradient, gradient(&log_depth)));
    out
}

const PATCH_MODES: [(&str, PatchMode); 4] = [
    ("aligned", PatchMode::Aligned),
    ("sorted", PatchMode::Sorted),
    ("all_pairs", PatchMode::AllPairs),
    ("mean", PatchMode::Mean),
];
const SPACES: [(&str, DepthSpace, f64); 2] =
    [("depth", DepthSpace::Depth, 1.0), ("log", DepthSpace::Log, 0.25)];
const REGRESSIONS: [(&str, Regression); 3] =
    [("l1", Regression::L1), ("berhu", Regression::Berhu), ("log", Regression::Log)];

fn leaf(of: &Tensor, kind: Kind) -> Tensor {
    of.to_kind(kind).detach().copy().set_requires_grad(true)
}

fn gradient(of: &Tensor) -> Tensor {
    let gradient = of.grad();
    if gradient.defined() { gradient } else { of.zeros_like() }
}

/// The file does not say where its pairs come from; no margin applies to pairs of different classes.
fn drawn_pairs(case: &ReferenceCase) -> Vec<DrawnPair> {
    case.pairs
        .iter()
        .map(|&[image, far_y, far_x, near_y, near_x, size]| DrawnPair {
            image,
            far_y,
            far_x,
            near_y,
            near_x,
            size,
            origin: Origin::DifferentClass,
        })
        .collect()
}
