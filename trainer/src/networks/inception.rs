//! Floor 1: the inception block of the hourglass (paper Figure 3, Table 2): four branches side by side, joined by channels.
//!
//! Branch 1 is a 1x1 convolution; branches 2 to 4 are a 1x1 convolution to the *Inter* channels, then one of the branch's
//! own size. Every convolution has a bias and is followed by batch normalization without affine parameters and ReLU.

use tch::Tensor;
use tch::nn::Path;

use super::blocks::{Conv, ConvSpec, Mode, RunningStats, normalize};

/// A row of Table 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InceptionSpec {
    /// Channels in.
    pub c_in: i64,
    /// Channels out, a quarter from each branch.
    pub c_out: i64,
    /// Channels between the two convolutions of branches 2 to 4.
    pub inter: i64,
    /// Kernels of branches 2 to 4.
    pub kernels: [i64; 3],
}

/// The block: `branch1.0`, `branch1.1`, and for K = 2 to 4 `branchK.0`, `.1`, `.3`, `.4` (ReLU has the numbers between).
#[derive(Debug)]
pub struct Inception {
    first: ConvNorm,
    others: Vec<[ConvNorm; 2]>,
}

/// Convolution with bias, normalization without affine parameters, ReLU.
#[derive(Debug)]
struct ConvNorm {
    conv: Conv,
    stats: RunningStats,
}

impl Inception {
    /// Under `vs`.
    pub fn new(vs: &Path, spec: &InceptionSpec) -> Self {
        let InceptionSpec { c_in, c_out, inter, kernels } = *spec;
        let width = c_out / 4;
        let layer = |branch: usize, at: usize, spec: ConvSpec| {
            ConvNorm::new(&(vs / format!("branch{branch}")), at, spec)
        };
        let two = |(branch, kernel): (usize, i64)| {
            [
                layer(branch, 0, ConvSpec::of_1x1(c_in, inter)),
                layer(branch, 3, ConvSpec { kernel, ..ConvSpec::of_3x3(inter, width) }),
            ]
        };
        Self {
            first: layer(1, 0, ConvSpec::of_1x1(c_in, width)),
            others: (2..).zip(kernels).map(two).collect(),
        }
    }

    /// `[N, c_in, H, W]` to `[N, c_out, H, W]`.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        let mut branches = vec![self.first.forward(x, mode)];
        for [inter, last] in &self.others {
            branches.push(last.forward(&inter.forward(x, mode), mode));
        }
        Tensor::cat(&branches, 1)
    }
}

impl ConvNorm {
    /// Convolution at place `at` of a branch, normalization at the next.
    fn new(branch: &Path, at: usize, spec: ConvSpec) -> Self {
        Self {
            conv: Conv::with_bias(&(branch / at), spec, None),
            stats: RunningStats::new(&(branch / (at + 1)), spec.c_out),
        }
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Tensor {
        normalize(&self.conv.forward(x), None, &self.stats, mode).relu_()
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn a_block_by_hand() {
        // All weights 1, biases 0, means 0, variances 1 (plus epsilon): branch 1 sums the input channels; a later branch
        // sums them, then sums `inter` such channels over its window, cut at the border.
        let vs = VarStore::new(Device::Cpu);
        let spec = InceptionSpec { c_in: 2, c_out: 4, inter: 3, kernels: [3, 5, 7] };
        let block = Inception::new(&vs.root(), &spec);
        tch::no_grad(|| {
            for (name, mut variable) in vs.variables() {
                let value =
                    if name.ends_with("weight") || name.ends_with("var") { 1.0 } else { 0.0 };
                let _ = variable.fill_(value);
            }
        });
        let x = Tensor::ones([1, 2, 4, 5], (Kind::Float, Device::Cpu));
        let y = tch::no_grad(|| block.forward(&x, Mode::Eval));
        assert_eq!(y.size(), [1, 4, 4, 5]);
        // Window areas at the corner: 2x2, 3x3, 4x4; in the middle of the second row: 3x3, 4x5, 4x5.
        let check = |row: i64, column: i64, expected: [f64; 4]| {
            for (channel, expected) in (0..).zip(expected) {
                let got = y.double_value(&[0, channel, row, column]);
                assert!((got - expected).abs() < 1e-3 * expected, "{channel}: {got} {expected}");
            }
        };
        check(0, 0, [2.0, 6.0 * 4.0, 6.0 * 9.0, 6.0 * 16.0]);
        check(1, 2, [2.0, 6.0 * 9.0, 6.0 * 20.0, 6.0 * 20.0]);
    }
}
