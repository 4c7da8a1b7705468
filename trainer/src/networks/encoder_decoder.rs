//! Floor 1: the encoder-decoder network (paper Figure 1, Table 1): a picture to scores of depth bins at a quarter of its size.
//!
//! Which encoding block joins which decoding block is only in a figure; our reading: block 4 joins the first, block 3 the
//! second, block 2 the third, all at a quarter of the size, so nothing is resampled.

use serde::{Deserialize, Serialize};
use tch::Tensor;
use tch::nn::Path;

use super::blocks::{BatchNorm, Conv, ConvBn, ConvSpec, Mode, Residual, RunningStats};
use super::encoder::{ENC2, ENC3, ENC4, ENC5, Encoder, EncoderConfig};
use super::input::channels_last;
use super::sam::{Sam, SamConfig};
use crate::dims::{Axis, expect_dims};

/// Variants of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderDecoderConfig {
    /// Depth bins: B in the paper.
    pub n_bins: i64,
    /// Channels inside block 4: 32 as printed.
    pub enc4_channels: i64,
    /// Short-cuts around the encoder's separable layers.
    pub residual: Residual,
    /// Normalization of the scores.
    pub logits_norm: LogitsNorm,
    /// The last decoding block.
    pub sam: SamConfig,
}

impl Default for EncoderDecoderConfig {
    fn default() -> Self {
        let EncoderConfig { enc4_channels, residual } = EncoderConfig::default();
        Self {
            n_bins: 128,
            enc4_channels,
            residual,
            logits_norm: LogitsNorm::default(),
            sam: SamConfig::default(),
        }
    }
}

/// The output layer is printed as convolution with batch normalization, which is unusual for scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogitsNorm {
    /// A convolution with bias: `logits.weight`, `logits.bias`.
    #[default]
    Plain,
    /// As printed: `logits.weight`, `logits.bn`.
    BatchNorm,
}

/// Channels of the decoding blocks.
const DECODER: i64 = 32;

/// The encoder-decoder.
#[derive(Debug)]
pub struct EncoderDecoder {
    encoder: Encoder,
    dec1: [ConvBn; 2],
    dec2: [ConvBn; 2],
    sam: Sam,
    logits: Conv,
    logits_norm: Option<(BatchNorm, RunningStats)>,
}

impl EncoderDecoder {
    /// With its variables under the root.
    pub fn new(root: &Path, config: &EncoderDecoderConfig) -> Self {
        let EncoderDecoderConfig { n_bins, enc4_channels, residual, logits_norm, sam } = *config;
        let of = ConvSpec::of_3x3;
        let two = |name: &str, c_in: i64| {
            [
                ConvBn::new(&(root / name / 0), of(c_in, DECODER)),
                ConvBn::new(&(root / name / 1), of(DECODER, DECODER)),
            ]
        };
        let vs = root / "logits";
        let scores = of(sam.channels, n_bins);
        let (logits, logits_norm) = match logits_norm {
            LogitsNorm::Plain => (Conv::with_bias(&vs, scores, None), None),
            LogitsNorm::BatchNorm => {
                let bn = &vs / "bn";
                let norm = (BatchNorm::new(&bn, n_bins), RunningStats::new(&bn, n_bins));
                (Conv::new(&vs, scores), Some(norm))
            }
        };
        Self {
            encoder: Encoder::new(root, &EncoderConfig { enc4_channels, residual }),
            dec1: two("dec1", ENC5 + ENC4),
            dec2: two("dec2", DECODER + ENC3),
            sam: Sam::new(&(root / "sam"), DECODER + ENC2, &sam),
            logits,
            logits_norm,
        }
    }

    /// Scores of the bins.
    ///
    /// # Shapes
    /// - `images`: `[N, 3, H, W]`, normalized, H and W multiples of 4
    /// - returns: `[N, K, H/4, W/4]`
    ///
    /// # Panics
    /// If H or W is no multiple of 4.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Tensor {
        expect_dims(
            "images",
            images,
            &[Axis::Free("N"), Axis::Is(3), Axis::Free("H"), Axis::Free("W")],
        );
        let size = images.size();
        assert!(
            size[2] % 4 == 0 && size[3] % 4 == 0,
            "cannot encode images of {}x{}: expected multiples of 4",
            size[3],
            size[2]
        );
        let two = |layers: &[ConvBn; 2], x: &Tensor, skip: &Tensor| {
            let x = Tensor::cat(&[x, skip], 1);
            layers[1].forward(&layers[0].forward(&x, mode), mode)
        };
        let features = self.encoder.forward(&channels_last(images), mode);
        let dec1 = two(&self.dec1, &features.enc5, &features.enc4); // 384 to 32 at 1/4
        let dec2 = two(&self.dec2, &dec1, &features.enc3); // 288 to 32 at 1/4
        let dec3 = self.sam.forward(&Tensor::cat(&[dec2, features.enc2], 1), mode); // 160 to 32 at 1/4
        let logits = self.logits.forward(&dec3); // K at 1/4
        match &self.logits_norm {
            None => logits,
            Some((norm, stats)) => norm.forward(&logits, stats, mode),
        }
    }

    /// The part shared with the pose network.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    use super::*;

    fn built(config: &EncoderDecoderConfig) -> (VarStore, EncoderDecoder) {
        let vs = VarStore::new(Device::Cpu);
        let network = EncoderDecoder::new(&vs.root(), config);
        (vs, network)
    }

    fn parameters(vs: &VarStore) -> usize {
        vs.trainable_variables().iter().map(Tensor::numel).sum()
    }

    #[test]
    fn parameters_are_those_of_table_1() {
        let default = EncoderDecoderConfig::default();
        // Encoder 270,112; decoder and output 552,448 with 128 bins, 538,528 with 80.
        assert_eq!(parameters(&built(&default).0), 822_560);
        let few = EncoderDecoderConfig { n_bins: 80, ..default };
        assert_eq!(parameters(&built(&few).0), 822_560 - 48 * (9 * 32 + 1));
        // Normalized scores: a weight and a bias per bin instead of a bias.
        let printed = EncoderDecoderConfig { logits_norm: LogitsNorm::BatchNorm, ..default };
        assert_eq!(parameters(&built(&printed).0), 822_560 + 128);
        // Short-cuts have no parameters.
        let residual = EncoderDecoderConfig { residual: Residual::On, ..default };
        assert_eq!(parameters(&built(&residual).0), 822_560);
    }

    #[test]
    fn a_wide_block_4_has_the_parameters_counted_by_hand() {
        // Per layer: depth-wise 9 c_in + 2 c_in, point-wise c_in c_out + 2 c_out.
        let layer = |c_in: i64, c_out: i64| 11 * c_in + c_in * c_out + 2 * c_out;
        let block = |c: i64| layer(256, c) + 11 * layer(c, c) + layer(c, 256);
        let wide = EncoderDecoderConfig { enc4_channels: 256, ..EncoderDecoderConfig::default() };
        let difference = parameters(&built(&wide).0) as i64 - 822_560;
        assert_eq!(difference, block(256) - block(32));
    }

    #[test]
    fn outputs_have_the_sizes_of_table_1() {
        tch::set_num_threads(1);
        let (_vs, network) = built(&EncoderDecoderConfig::default());
        let images = Tensor::zeros([1, 3, 16, 24], (Kind::Float, Device::Cpu));
        let _guard = tch::no_grad_guard();
        let features = network.encoder().forward(&images, Mode::Eval);
        assert_eq!(features.enc2.size(), [1, 128, 4, 6]);
        assert_eq!(features.enc3.size(), [1, 256, 4, 6]);
        assert_eq!(features.enc4.size(), [1, 256, 4, 6]);
        assert_eq!(features.enc5.size(), [1, 128, 4, 6]);
        assert_eq!(network.forward(&images, Mode::Eval).size(), [1, 128, 4, 6]);
    }

    #[test]
    fn names_are_those_of_the_checkpoint() {
        let (vs, _network) = built(&EncoderDecoderConfig::default());
        let variables = vs.variables();
        for (name, dims) in [
            ("encoder.enc1.0.conv.weight", vec![32, 3, 3, 3]),
            ("encoder.enc1.1.bn.running_var", vec![64]),
            ("encoder.enc2.0.dw.conv.weight", vec![64, 1, 3, 3]),
            ("encoder.enc2.3.pw.conv.weight", vec![128, 64, 1, 1]),
            ("encoder.enc3.3.pw.bn.weight", vec![256]),
            ("encoder.enc4.0.pw.conv.weight", vec![32, 256, 1, 1]),
            ("encoder.enc4.12.pw.bn.bias", vec![256]),
            ("encoder.enc5.0.dw.bn.running_mean", vec![256]),
            ("encoder.enc5.1.conv.weight", vec![128, 256, 1, 1]),
            ("dec1.0.conv.weight", vec![32, 384, 3, 3]),
            ("dec2.0.conv.weight", vec![32, 288, 3, 3]),
            ("dec2.1.bn.weight", vec![32]),
            ("sam.project.conv.weight", vec![32, 160, 3, 3]),
            ("sam.stage.2.atrous.8.conv.weight", vec![32, 32, 3, 3]),
            ("sam.stage.0.fuse1.bn.weight", vec![32]),
            ("sam.stage.1.fuse2.conv.weight", vec![32, 32, 1, 1]),
            ("logits.weight", vec![128, 32, 3, 3]),
            ("logits.bias", vec![128]),
        ] {
            let variable = variables.get(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(variable.size(), dims, "{name}");
        }
    }

    #[test]
    fn weights_start_kaiming_normal_by_fan_out() {
        let (vs, _network) = built(&EncoderDecoderConfig::default());
        let variables = vs.variables();
        for (name, fan_out) in [
            ("encoder.enc5.1.conv.weight", 128.0),
            ("dec1.0.conv.weight", 32.0 * 9.0),
            ("encoder.enc5.0.dw.conv.weight", 9.0),
        ] {
            let deviation = f64::try_from(variables[name].std(false)).unwrap();
            let expected = (2.0f64 / fan_out).sqrt();
            assert!((deviation / expected - 1.0).abs() < 0.1, "{name}: {deviation}, {expected}");
        }
    }

    #[test]
    fn short_cuts_and_normalized_scores_change_the_output() {
        tch::set_num_threads(1);
        let images =
            Tensor::linspace(-2.0, 2.0, 3 * 8 * 8, (Kind::Float, Device::Cpu)).view([1, 3, 8, 8]);
        let default = EncoderDecoderConfig::default();
        let (weights, plain) = built(&default);
        let _guard = tch::no_grad_guard();
        let plain = plain.forward(&images, Mode::Eval);
        // The same weights in another network.
        let output = |config: &EncoderDecoderConfig| {
            let (vs, network) = built(config);
            for (name, mut variable) in vs.variables() {
                if let Some(weight) = weights.variables().get(&name) {
                    variable.copy_(weight);
                }
            }
            network.forward(&images, Mode::Eval)
        };
        assert!(plain.equal(&output(&default)));
        let residual = EncoderDecoderConfig { residual: Residual::On, ..default };
        assert!(!plain.allclose(&output(&residual), 1e-3, 1e-3, false));
        // At 0 and 1 the statistics of the scores change nothing but by epsilon; the bias is 0 too.
        let printed = EncoderDecoderConfig { logits_norm: LogitsNorm::BatchNorm, ..default };
        assert!(plain.allclose(&output(&printed), 1e-4, 1e-5, false));
    }

    #[test]
    fn training_moves_the_running_statistics_and_evaluation_does_not() {
        tch::set_num_threads(1);
        let (vs, network) = built(&EncoderDecoderConfig::default());
        let images = Tensor::randn([2, 3, 8, 8], (Kind::Float, Device::Cpu));
        let _guard = tch::no_grad_guard();
        let mean =
            || f64::try_from(vs.variables()["dec2.1.bn.running_mean"].abs().sum(None)).unwrap();
        let _ = network.forward(&images, Mode::Eval);
        assert_eq!(mean(), 0.0);
        let _ = network.forward(&images, Mode::Train);
        assert!(mean() > 0.0);
    }
}
