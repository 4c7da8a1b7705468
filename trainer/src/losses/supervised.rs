//! Floor 1: the supervised loss of the encoder-decoder: soft classification over depth bins, and regression.
//!
//! L_s = L_cls + lambda_d L_depth. The paper names a soft classification loss on log-quantized depth; its form is our
//! reading (Cao et al. 2017, VNL): cross-entropy with a Gaussian around the measured bin, normalized to 1.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::regression::{Regression, regression_error};
use super::term::{LossTerm, sums_by_group};
use crate::depth_bins::DepthBins;
use crate::dims::{Axis, expect_dims};

/// The supervised loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SupervisedConfig {
    /// Width of the target over the bins.
    pub softness: Softness,
    /// Where the target's middle lies.
    pub center: BinCenter,
    /// Distance of the regression term.
    pub regression: Regression,
    /// lambda_d.
    pub weight_depth: f64,
}

impl Default for SupervisedConfig {
    fn default() -> Self {
        Self {
            softness: Softness::default(),
            center: BinCenter::default(),
            regression: Regression::default(),
            weight_depth: 0.1,
        }
    }
}

/// The target distribution over the bins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Softness {
    /// exp(-gamma (i - b)^2), normalized; holds gamma.
    Gaussian(f64),
    /// All weight on the measured bin: gamma to infinity.
    Hard,
}

impl Default for Softness {
    fn default() -> Self {
        Self::Gaussian(0.2)
    }
}

/// The middle of the Gaussian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinCenter {
    /// The measured depth's bin.
    #[default]
    Rounded,
    /// The measured depth itself on the scale of bins.
    Exact,
}

/// Soft classification: its value and the least value it could have.
pub struct Classification {
    /// Mean cross-entropy, nats.
    pub term: LossTerm,
    /// Mean entropy of the targets: the floor of the term.
    pub entropy: Tensor,
}

/// Cross-entropy of the bins at the measured pixels.
///
/// The logits are sampled there, bilinear with pixel centers at halves; B channels at full size never exist.
///
/// # Shapes
/// - `logits`: `[N, K, h, w]`
/// - `truth`: `[N, H, W]`, metres, 0 = not measured
/// - `measured`: `[V]`, where `truth` is measured ([`measured_pixels`])
pub fn classification_loss(
    logits: &Tensor,
    truth: &Tensor,
    measured: &Tensor,
    bins: &DepthBins,
    config: &SupervisedConfig,
) -> Classification {
    let n = logits.size()[0];
    let free = |letter| Axis::Free(letter);
    expect_dims("logits", logits, &[Axis::Is(n), Axis::Is(bins.n_bins()), free("h"), free("w")]);
    expect_dims("truth", truth, &[Axis::Is(n), free("H"), free("W")]);

    let places = Places::new(measured, (truth.size()[1], truth.size()[2]));
    let image = &places.image;
    let depth = truth.reshape([-1]).index_select(0, measured);
    let sampled = sample_logits(logits, &places); // [V, K]

    let target = target(&depth.to_kind(sampled.kind()), bins, config);
    let (chosen, entropy) = match target {
        Target::Bin(bin) => {
            let chosen = sampled.gather(1, &bin.unsqueeze(1), false).squeeze_dim(1);
            let none = chosen.detach().zeros_like();
            (chosen, none)
        }
        Target::Weights { weights, entropy } => {
            ((&sampled * weights).sum_dim_intlist(1, false, None), entropy)
        }
    };
    // The weights sum to 1, so the cross-entropy is logsumexp minus the weighted logit.
    let cross_entropy = sampled.logsumexp([1i64].as_slice(), false) - chosen;
    let counts = sums_by_group(&Tensor::ones_like(image), image, n);
    let term = LossTerm::mean_of_means(&sums_by_group(&cross_entropy, image, n), &counts);
    let floor = LossTerm::mean_of_means(&sums_by_group(&entropy, image, n), &counts).value;
    Classification { term, entropy: floor }
}

/// The measured pixels of `[N, H, W]`, flattened, rising: `[V]`. Waits for the device, which does not know how many they are.
pub fn measured_pixels(truth: &Tensor) -> Tensor {
    truth.reshape([-1]).gt(0.0).nonzero().squeeze_dim(1)
}

/// Distance of the depth from the measured one, clamped to the bins' range.
///
/// # Shapes
/// - `depth`: `[N, 1, H, W]`, metres
/// - `truth`: `[N, H, W]`, metres, 0 = not measured
pub fn depth_loss(depth: &Tensor, truth: &Tensor, bins: &DepthBins, kind: Regression) -> LossTerm {
    let depth = depth.squeeze_dim(1);
    let measured = truth.gt(0.0);
    let truth = truth.clamp(bins.alpha(), bins.beta());
    LossTerm::mean_over_images(&regression_error(&depth, &truth, &measured, kind), &measured)
}

/// What the bins should be at each of V pixels.
enum Target {
    /// `[V]`, all weight on one bin.
    Bin(Tensor),
    /// Weights `[V, K]` that sum to 1, and their entropy `[V]`.
    Weights { weights: Tensor, entropy: Tensor },
}

fn target(depth: &Tensor, bins: &DepthBins, config: &SupervisedConfig) -> Target {
    let gamma = match config.softness {
        Softness::Hard => return Target::Bin(bins.quantize(depth)),
        Softness::Gaussian(gamma) => gamma,
    };
    let index = Tensor::arange(bins.n_bins(), (depth.kind(), depth.device()));
    let gaussian = |center: &Tensor| {
        let log =
            ((index.unsqueeze(0) - center.unsqueeze(1)).square() * -gamma).log_softmax(1, None);
        let weights = log.exp();
        let entropy = -(&weights * log).sum_dim_intlist(1, false, None);
        (weights, entropy)
    };
    let (weights, entropy) = match config.center {
        BinCenter::Exact => gaussian(&bins.position(depth)),
        // One row for each bin, then rows for pixels.
        BinCenter::Rounded => {
            let (weights, entropy) = gaussian(&index);
            let bin = bins.quantize(depth);
            (weights.index_select(0, &bin), entropy.index_select(0, &bin))
        }
    };
    Target::Weights { weights, entropy }
}

/// Pixels of `[N, H, W]`, each `[V]`.
struct Places {
    image: Tensor,
    row: Tensor,
    column: Tensor,
    /// H, W.
    size: (i64, i64),
}

impl Places {
    /// From places in the flattened pictures.
    fn new(flat: &Tensor, size: (i64, i64)) -> Self {
        let (height, width) = size;
        let rows = flat.divide_scalar_mode(width, "floor"); // of all pictures
        let image = rows.divide_scalar_mode(height, "floor");
        Self { row: &rows - &image * height, column: flat - rows * width, image, size }
    }
}

/// Logits at pixels of the full size: `[V, K]`. The four neighbors are rows of a channels-last copy.
fn sample_logits(logits: &Tensor, places: &Places) -> Tensor {
    let shape = logits.size();
    let (n_bins, h, w) = (shape[1], shape[2], shape[3]);
    let table = logits.permute([0, 2, 3, 1]).reshape([-1, n_bins]);
    // Pixel centers at halves: (x + 0.5) w / W - 0.5, clamped to the border.
    let low = |at: &Tensor, small: i64, large: i64| {
        let position = (at.to_kind(Kind::Double) + 0.5) * (small as f64 / large as f64) - 0.5;
        let position = position.clamp(0.0, (small - 1) as f64);
        let low = position.floor().clamp_max((small - 2).max(0) as f64);
        let weight = (position - &low).to_kind(logits.kind()).unsqueeze(1);
        (low.to_kind(Kind::Int64), weight)
    };
    let (row, down) = low(&places.row, h, places.size.0);
    let (column, right) = low(&places.column, w, places.size.1);
    let first = (&places.image * h + row) * w + column;
    let (step_down, step_right) = (if h > 1 { w } else { 0 }, i64::from(w > 1));
    let at = |offset: i64| table.index_select(0, &(&first + offset));
    let top = at(0) * (1.0 - &right) + at(step_right) * &right;
    let bottom = at(step_down) * (1.0 - &right) + at(step_down + step_right) * &right;
    top * (1.0 - &down) + bottom * down
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Two decades in four bins: centers 0, 0.5, 1, 1.5 in log10 metres.
    fn bins() -> DepthBins {
        DepthBins::new(1.0, 100.0, 4).unwrap()
    }

    fn cls(
        logits: &Tensor,
        truth: &Tensor,
        softness: Softness,
        center: BinCenter,
    ) -> Classification {
        let config = SupervisedConfig { softness, center, ..SupervisedConfig::default() };
        classification_loss(logits, truth, &measured_pixels(truth), &bins(), &config)
    }

    #[track_caller]
    fn check_close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
    }

    fn one_pixel(logits: [f64; 4], depth: f64) -> (Tensor, Tensor) {
        (
            Tensor::from_slice(&logits).view([1, 4, 1, 1]),
            Tensor::from_slice(&[depth]).view([1, 1, 1]),
        )
    }

    #[test]
    fn hard_is_the_plain_cross_entropy() {
        // 10 m is bin 2; uniform probabilities after the logit 1 on bin 2: -ln(e / (e + 3)).
        let (logits, truth) = one_pixel([0.0, 0.0, 1.0, 0.0], 10.0);
        let loss = cls(&logits, &truth, Softness::Hard, BinCenter::Rounded);
        let e = std::f64::consts::E;
        check_close(loss.term.value_f64(), -(e / (e + 3.0)).ln());
        check_close(f64::try_from(loss.entropy).unwrap(), 0.0);
        assert_eq!(loss.term.count(), 1);
    }

    #[test]
    fn soft_spreads_the_target_and_has_its_entropy_as_a_floor() {
        // Weights around bin 2 at gamma 0.2: e^-0.8, e^-0.2, 1, e^-0.2 over their sum.
        let raw = [(-0.8f64).exp(), (-0.2f64).exp(), 1.0, (-0.2f64).exp()];
        let sum: f64 = raw.iter().sum();
        let w = raw.map(|r| r / sum);
        let entropy: f64 = -w.iter().map(|w| w * w.ln()).sum::<f64>();
        let (logits, truth) = one_pixel([0.0; 4], 10.0);
        let uniform = cls(&logits, &truth, Softness::default(), BinCenter::Rounded);
        check_close(uniform.term.value_f64(), 4f64.ln());
        check_close(f64::try_from(&uniform.entropy).unwrap(), entropy);
        let (logits, truth) = one_pixel(w.map(f64::ln), 10.0);
        let best = cls(&logits, &truth, Softness::default(), BinCenter::Rounded);
        check_close(best.term.value_f64(), entropy);
    }

    #[test]
    fn the_floor_away_from_the_ends_is_1_877_nats() {
        let truth = Tensor::from_slice(&[10.0]).view([1, 1, 1]);
        let logits = Tensor::zeros([1, 128, 1, 1], (Kind::Double, Device::Cpu));
        let config = SupervisedConfig::default();
        let measured = measured_pixels(&truth);
        let loss = classification_loss(&logits, &truth, &measured, &DepthBins::KITTI, &config);
        assert!((f64::try_from(loss.entropy).unwrap() - 1.877).abs() < 5e-4);
        check_close(loss.term.value_f64(), 128f64.ln());
    }

    #[test]
    fn an_exact_center_lies_between_bins() {
        // 10^0.75 m lies at 1.5: bins 1 and 2 weigh alike, 0 and 3 too.
        let depth = 10f64.powf(0.75);
        let (near, far) = ((-0.2f64 * 0.25).exp(), (-0.2f64 * 2.25).exp());
        let w = near / (2.0 * (near + far));
        let (logits, truth) = one_pixel([0.0, 1.0, 0.0, 0.0], depth);
        let loss = cls(&logits, &truth, Softness::default(), BinCenter::Exact);
        let log_sum = (3.0 + std::f64::consts::E).ln();
        check_close(loss.term.value_f64(), log_sum - w);
    }

    #[test]
    fn logits_are_sampled_between_their_cells() {
        // Two cells over four columns: column 1 (center 1.5 of 4) lies at 0.25 between the cells, column 0 on the border.
        let logits =
            Tensor::from_slice(&[0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0f64]).view([1, 4, 1, 2]);
        for (column, expected_logit) in [(0, 0.0), (1, 1.0), (2, 3.0), (3, 4.0)] {
            let mut depths = [0.0f64; 4];
            depths[column] = 1.0;
            let truth = Tensor::from_slice(&depths).view([1, 1, 4]);
            let loss = cls(&logits, &truth, Softness::Hard, BinCenter::Rounded);
            let expected = (3.0 + f64::exp(expected_logit)).ln() - expected_logit;
            check_close(loss.term.value_f64(), expected);
        }
    }

    #[test]
    fn sampling_equals_libtorchs_grid_sampler() {
        let logits = Tensor::linspace(-3.0, 5.0, 2 * 4 * 3 * 5, (Kind::Double, Device::Cpu)).sin();
        let logits = logits.view([2, 4, 3, 5]);
        let ones = Tensor::ones([2, 12, 20], (Kind::Double, Device::Cpu));
        let at = Places::new(&measured_pixels(&ones), (12, 20));
        let got = sample_logits(&logits, &at).view([2, 240, 4]).transpose(1, 2);
        let places = ones.nonzero();
        let scaled = |axis: i64, n: f64| {
            (places.select(1, axis).to_kind(Kind::Double) * 2.0 + 1.0) / n - 1.0
        };
        let grid = Tensor::stack(&[scaled(2, 20.0), scaled(1, 12.0)], -1).view([2, 1, 240, 2]);
        let expected = logits.grid_sampler_2d(&grid, 0, 1, false).squeeze_dim(2);
        assert!(f64::try_from((got - expected).abs().max()).unwrap() < 1e-12);
    }

    #[test]
    fn depth_outside_the_bins_counts_as_their_ends() {
        let depth = Tensor::from_slice(&[50.0, 5.0, 7.0]).view([1, 1, 1, 3]);
        let truth = Tensor::from_slice(&[500.0, 0.5, 0.0]).view([1, 1, 3]);
        // |50 - 100| and |5 - 1|.
        let term = depth_loss(&depth, &truth, &bins(), Regression::L1);
        check_close(term.value_f64(), 27.0);
        assert_eq!(term.count(), 2);
    }

    #[test]
    fn an_image_without_measurements_is_left_out() {
        let logits = Tensor::zeros([2, 4, 1, 1], (Kind::Double, Device::Cpu));
        let truth = Tensor::from_slice(&[0.0, 10.0]).view([2, 1, 1]);
        let loss = cls(&logits, &truth, Softness::Hard, BinCenter::Rounded);
        check_close(loss.term.value_f64(), 4f64.ln());
        let none = cls(&logits, &truth.zeros_like(), Softness::default(), BinCenter::Rounded);
        check_close(none.term.value_f64(), 0.0);
        assert!(none.term.is_empty());
    }
}
