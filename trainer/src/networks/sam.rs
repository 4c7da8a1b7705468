//! Floor 1: SAM, the stacked atrous multi-scale module (AMNet, Du et al. 2019), in two dimensions.
//!
//! Our reading: y0 = convbn3x3(x), y_k = relu(y_{k-1} + AM_k(y_{k-1})) for three stages; AM is nine 3x3 convbn of rising
//! dilation, then two 1x1 convbn, the last without ReLU. AMNet has an output per stage; here the last alone is used.

use tch::Tensor;
use tch::nn::Path;

use super::blocks::{Activation, ConvBn, ConvSpec, Mode};

/// Dilations of the nine 3x3 layers of a stage.
const DILATIONS: [i64; 9] = [1, 2, 2, 4, 4, 8, 8, 16, 16];

/// Variants of SAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamConfig {
    /// Channels throughout.
    pub channels: i64,
    /// How many AM modules are stacked.
    pub stages: usize,
}

impl Default for SamConfig {
    fn default() -> Self {
        Self { channels: 32, stages: 3 }
    }
}

/// SAM: `sam.project`, `sam.stage.S.atrous.I`, `sam.stage.S.fuse1`, `sam.stage.S.fuse2`.
#[derive(Debug)]
pub struct Sam {
    project: ConvBn,
    stages: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    atrous: Vec<ConvBn>,
    fuse1: ConvBn,
    fuse2: ConvBn,
}

impl Sam {
    /// Under `vs`, for `c_in` channels.
    pub fn new(vs: &Path, c_in: i64, config: &SamConfig) -> Self {
        let SamConfig { channels, stages } = *config;
        let stages = 0..stages;
        Self {
            project: ConvBn::new(&(vs / "project"), ConvSpec::of_3x3(c_in, channels)),
            stages: stages.map(|s| Stage::new(&(vs / "stage" / s), channels)).collect(),
        }
    }

    /// `[N, c_in, H, W]` to `[N, channels, H, W]`.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.stages.iter().fold(self.project.forward(x, mode), |y, stage| stage.forward(&y, mode))
    }
}

impl Stage {
    fn new(vs: &Path, channels: i64) -> Self {
        let of_1x1 = ConvSpec::of_1x1(channels, channels);
        let atrous = |(i, dilation)| {
            let spec = ConvSpec::of_3x3(channels, channels).dilation(dilation);
            ConvBn::new(&(vs / "atrous" / i), spec)
        };
        Self {
            atrous: DILATIONS.into_iter().enumerate().map(atrous).collect(),
            fuse1: ConvBn::new(&(vs / "fuse1"), of_1x1),
            fuse2: ConvBn::with_activation(&(vs / "fuse2"), of_1x1, Activation::Linear),
        }
    }

    fn forward(&self, y: &Tensor, mode: Mode) -> Tensor {
        let scales = self.atrous.iter().fold(y.shallow_clone(), |y, layer| layer.forward(&y, mode));
        let mut sum = self.fuse2.forward(&self.fuse1.forward(&scales, mode), mode);
        sum += y;
        sum.relu_()
    }
}
