//! Floor 1: the blocks of Table 1: convolution with batch normalization, plain and depth-wise separable.
//!
//! Every convolution is without bias, padded by its dilation, and followed by normalization and (but for the last of a
//! short-cut) ReLU. Weights start Kaiming normal by fan-out, a depth-wise fan-out being one channel's; normalization at 1 and 0.

use tch::Tensor;
use tch::nn::{Init, Path};

use crate::torch_shim::{self, ConvArguments, NormArguments, Then};

const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// Whose statistics normalize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Those of the batch, which also move the running ones.
    Train,
    /// The running ones.
    Eval,
}

/// What follows the normalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// Nothing.
    Linear,
}

/// One convolution; the defaults are 3x3 with stride 1.
#[derive(Clone, Copy, Debug)]
pub struct ConvSpec {
    /// Channels in.
    pub c_in: i64,
    /// Channels out.
    pub c_out: i64,
    /// Side of the kernel, odd.
    pub kernel: i64,
    /// Stride.
    pub stride: i64,
    /// Dilation.
    pub dilation: i64,
    /// Groups; as many as channels for a depth-wise convolution.
    pub groups: i64,
}

impl ConvSpec {
    /// 3x3, stride 1, no dilation.
    pub const fn of_3x3(c_in: i64, c_out: i64) -> Self {
        Self { c_in, c_out, kernel: 3, stride: 1, dilation: 1, groups: 1 }
    }

    /// 1x1.
    pub const fn of_1x1(c_in: i64, c_out: i64) -> Self {
        Self { kernel: 1, ..Self::of_3x3(c_in, c_out) }
    }

    /// With another stride.
    pub const fn stride(self, stride: i64) -> Self {
        Self { stride, ..self }
    }

    /// With another dilation.
    pub const fn dilation(self, dilation: i64) -> Self {
        Self { dilation, ..self }
    }

    /// Shape of the weight.
    fn dims(&self) -> [i64; 4] {
        [self.c_out, self.c_in / self.groups, self.kernel, self.kernel]
    }

    /// Kaiming normal for ReLU by fan-out.
    fn init(&self) -> Init {
        let fan_out = (self.c_out / self.groups * self.kernel * self.kernel) as f64;
        Init::Randn { mean: 0.0, stdev: (2.0 / fan_out).sqrt() }
    }
}

/// A convolution.
#[derive(Debug)]
pub struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    spec: ConvSpec,
}

impl Conv {
    /// Without bias: `weight` under `vs`.
    pub fn new(vs: &Path, spec: ConvSpec) -> Self {
        Self { weight: vs.var("weight", &spec.dims(), spec.init()), bias: None, spec }
    }

    /// With a bias that starts at 0: `weight` and `bias` under `vs`.
    pub fn with_bias(vs: &Path, spec: ConvSpec, init: Option<Init>) -> Self {
        let weight = vs.var("weight", &spec.dims(), init.unwrap_or_else(|| spec.init()));
        Self { weight, bias: Some(vs.zeros("bias", &[spec.c_out])), spec }
    }

    /// `[N, c_in, H, W]` to `[N, c_out, H / stride, W / stride]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let ConvSpec { kernel, stride, dilation, groups, .. } = self.spec;
        let with = ConvArguments { stride, padding: dilation * (kernel / 2), dilation, groups };
        torch_shim::conv2d(x, &self.weight, self.bias.as_ref(), with)
    }
}

/// Running statistics of one normalization: `running_mean` and `running_var`.
#[derive(Debug)]
pub struct RunningStats {
    mean: Tensor,
    var: Tensor,
}

impl RunningStats {
    /// Means 0, variances 1, under `vs`.
    pub fn new(vs: &Path, channels: i64) -> Self {
        Self {
            mean: vs.zeros_no_train("running_mean", &[channels]),
            var: vs.ones_no_train("running_var", &[channels]),
        }
    }
}

/// Batch normalization with affine parameters; the running statistics are given at each call.
#[derive(Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
}

impl BatchNorm {
    /// Weights 1, biases 0, under `vs`.
    pub fn new(vs: &Path, channels: i64) -> Self {
        Self { weight: vs.ones("weight", &[channels]), bias: vs.zeros("bias", &[channels]) }
    }

    /// Normalizes each channel of `[N, C, H, W]`.
    pub fn forward(&self, x: &Tensor, stats: &RunningStats, mode: Mode) -> Tensor {
        self.forward_then(x, stats, mode, Activation::Linear)
    }

    /// The same, then an activation, in one pass over memory while training.
    fn forward_then(
        &self,
        x: &Tensor,
        stats: &RunningStats,
        mode: Mode,
        activation: Activation,
    ) -> Tensor {
        if mode == Mode::Train {
            let then = match activation {
                Activation::Relu => Then::Relu,
                Activation::Linear => Then::Nothing,
            };
            let with = NormArguments {
                running_mean: &stats.mean,
                running_var: &stats.var,
                momentum: MOMENTUM,
                epsilon: EPSILON,
                then,
            };
            return torch_shim::normalize(x, &self.weight, &self.bias, &with);
        }
        let mut y = normalize(x, Some((&self.weight, &self.bias)), stats, mode);
        match activation {
            Activation::Relu => y.relu_(),
            Activation::Linear => y,
        }
    }
}

/// Normalizes each channel of `[N, C, H, W]`, with weights and biases or without.
pub fn normalize(
    x: &Tensor,
    affine: Option<(&Tensor, &Tensor)>,
    stats: &RunningStats,
    mode: Mode,
) -> Tensor {
    x.batch_norm(
        affine.map(|(weight, _)| weight),
        affine.map(|(_, bias)| bias),
        Some(&stats.mean),
        Some(&stats.var),
        mode == Mode::Train,
        MOMENTUM,
        EPSILON,
        true,
    )
}

/// Convolution, normalization, activation: `conv` and `bn`.
#[derive(Debug)]
pub struct ConvBn {
    conv: Conv,
    bn: BatchNorm,
    stats: RunningStats,
    activation: Activation,
    stats_place: StatsPlace,
}

/// Where running statistics stand in a checkpoint, so that others can be kept for the same layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsPlace {
    /// Names from the root, ending in `bn`.
    pub path: Vec<String>,
    /// How many channels.
    pub channels: i64,
}

impl ConvBn {
    /// With ReLU.
    pub fn new(vs: &Path, spec: ConvSpec) -> Self {
        Self::with_activation(vs, spec, Activation::Relu)
    }

    /// With the activation given.
    pub fn with_activation(vs: &Path, spec: ConvSpec, activation: Activation) -> Self {
        let bn = vs / "bn";
        let path = bn.components().map(str::to_owned).collect();
        Self {
            conv: Conv::new(&(vs / "conv"), spec),
            bn: BatchNorm::new(&bn, spec.c_out),
            stats: RunningStats::new(&bn, spec.c_out),
            activation,
            stats_place: StatsPlace { path, channels: spec.c_out },
        }
    }

    /// Where its own running statistics stand.
    pub fn stats_place(&self) -> &StatsPlace {
        &self.stats_place
    }

    /// With its own running statistics.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.forward_with(x, None, mode)
    }

    /// With other running statistics, if any are given.
    pub fn forward_with(&self, x: &Tensor, stats: Option<&RunningStats>, mode: Mode) -> Tensor {
        let stats = stats.unwrap_or(&self.stats);
        self.bn.forward_then(&self.conv.forward(x), stats, mode, self.activation)
    }
}

/// Whether blocks whose input fits their output add it before the last activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Residual {
    /// As printed in Table 1.
    #[default]
    Off,
    /// x + block(x), where channels and size are the same.
    On,
}

/// Depth-wise 3x3 convolution `dw`, then point-wise 1x1 convolution `pw`, each normalized and activated.
#[derive(Debug)]
pub struct Separable {
    dw: ConvBn,
    pw: ConvBn,
    adds_input: bool,
}

impl Separable {
    /// Stride and dilation of `spec` belong to the depth-wise part.
    pub fn new(vs: &Path, spec: ConvSpec, residual: Residual) -> Self {
        let adds_input = residual == Residual::On && spec.stride == 1 && spec.c_in == spec.c_out;
        let depthwise = ConvSpec { c_out: spec.c_in, groups: spec.c_in, ..spec };
        let pointwise = ConvSpec::of_1x1(spec.c_in, spec.c_out);
        let last = if adds_input { Activation::Linear } else { Activation::Relu };
        Self {
            dw: ConvBn::new(&(vs / "dw"), depthwise),
            pw: ConvBn::with_activation(&(vs / "pw"), pointwise, last),
            adds_input,
        }
    }

    /// The two layers in order.
    pub fn layers(&self) -> [&ConvBn; 2] {
        [&self.dw, &self.pw]
    }

    /// With two other running statistics, if any are given.
    pub fn forward_with(
        &self,
        x: &Tensor,
        stats: Option<&[RunningStats; 2]>,
        mode: Mode,
    ) -> Tensor {
        let y = self.dw.forward_with(x, stats.map(|s| &s[0]), mode);
        let mut y = self.pw.forward_with(&y, stats.map(|s| &s[1]), mode);
        if self.adds_input {
            y += x;
            return y.relu_();
        }
        y
    }
}
