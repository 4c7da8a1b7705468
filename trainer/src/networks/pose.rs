//! Floor 1: the pose network (paper 2.1.1): three frames to the motion of the camera or of one object.
//!
//! The encoder is the depth network's, except for the first layer (nine channels) and the running statistics; then four
//! plain 3x3 convolutions of 32 channels, a 1x1 convolution, and the mean over the picture or the object. Three frames
//! need two motions where the paper says six numbers; our reading is one vector per source, constant velocity a switch.

use serde::{Deserialize, Serialize};
use tch::Tensor;
use tch::nn::{Init, Path};

use super::blocks::{Conv, ConvBn, ConvSpec, Mode, RunningStats};
use super::encoder::{ENC5, Encoder, EncoderStats, stats_under};
use super::input::channels_last;
use crate::autocast::in_float32;
use crate::dims::{Axis, expect_dims};
use crate::geometry::rotation::{inverse_transform, transform_from_vector, vector_from_transform};

/// Variants of the pose network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoseConfig {
    /// How many vectors it gives.
    pub outputs: PoseOutputs,
    /// Stride of the four decoder layers: 1 as "plain" reads, 2 if learning stalls.
    pub stride: i64,
    /// Where an object's output is averaged.
    pub object_pooling: ObjectPooling,
    /// Factor on the three angles.
    pub rotation_scale: f64,
    /// Factor on the three translations; with 0.01 metres take very long to learn.
    pub translation_scale: f64,
}

impl Default for PoseConfig {
    fn default() -> Self {
        Self {
            outputs: PoseOutputs::default(),
            stride: 1,
            object_pooling: ObjectPooling::default(),
            rotation_scale: 0.01,
            translation_scale: 1.0,
        }
    }
}

/// How many vectors the network gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoseOutputs {
    /// One for t-1, one for t+1.
    #[default]
    PerSource,
    /// One for t+1; t-1 takes its inverse.
    ConstantVelocity,
}

/// Where an object's output is averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectPooling {
    /// Over the object's mask in the target frame, at the output's size.
    #[default]
    Mask,
    /// Over the whole frame.
    WholeFrame,
}

/// Channels of the decoder.
const DECODER: i64 = 32;
/// Deviation of the first output weights: small, so that training starts near no motion.
const OUTPUT_DEVIATION: f64 = 0.01;

/// The pose network: `pose.first`, `pose.decoder.0..3`, `pose.out`, `pose.stats.{ego,obj}`.
///
/// `pose.first` and `pose.decoder` keep the statistics of camera calls themselves, those of object calls under
/// `pose.stats.obj.pose`; the shared layers keep both under `pose.stats`, followed by their full name.
#[derive(Debug)]
pub struct PoseNetwork {
    first: ConvBn,
    decoder: Vec<ConvBn>,
    out: Conv,
    ego_stats: EncoderStats,
    object_stats: EncoderStats,
    object_first_stats: RunningStats,
    object_decoder_stats: Vec<RunningStats>,
    config: PoseConfig,
}

impl PoseNetwork {
    /// With its variables under the same root as the encoder's.
    pub fn new(root: &Path, encoder: &Encoder, config: &PoseConfig) -> Self {
        let vs = root / "pose";
        let first = Encoder::another_first(&(&vs / "first"), 9);
        let layer = |i: usize| {
            let c_in = if i == 0 { ENC5 } else { DECODER };
            let spec = ConvSpec::of_3x3(c_in, DECODER).stride(config.stride);
            ConvBn::new(&(&vs / "decoder" / i), spec)
        };
        let decoder: Vec<ConvBn> = (0..4).map(layer).collect();
        let numbers = match config.outputs {
            PoseOutputs::PerSource => 12,
            PoseOutputs::ConstantVelocity => 6,
        };
        let init = Init::Randn { mean: 0.0, stdev: OUTPUT_DEVIATION };
        let (ego, obj) = (&vs / "stats" / "ego", &vs / "stats" / "obj");
        Self {
            out: Conv::with_bias(&(&vs / "out"), ConvSpec::of_1x1(DECODER, numbers), Some(init)),
            ego_stats: EncoderStats::new(&ego, encoder),
            object_stats: EncoderStats::new(&obj, encoder),
            object_first_stats: stats_under(&obj, first.stats_place()),
            object_decoder_stats: decoder
                .iter()
                .map(|l| stats_under(&obj, l.stats_place()))
                .collect(),
            first,
            decoder,
            config: *config,
        }
    }

    /// Motion of the camera, source_from_target.
    ///
    /// # Shapes
    /// - `frames`: `[N, 9, H, W]`, t-1, t, t+1, normalized
    /// - returns: `[N, 2, 6]`: (tx, ty, tz, rx, ry, rz) to t-1 and t+1, metres and radians
    pub fn ego(&self, encoder: &Encoder, frames: &Tensor, mode: Mode) -> Tensor {
        expect_frames(frames);
        let x = self.first.forward(&channels_last(frames), mode);
        let x = encoder.after_first(&x, Some(&self.ego_stats), mode).enc5;
        let x = self.decoder.iter().fold(x, |x, layer| layer.forward(&x, mode));
        self.scaled(&in_float32(&x, |x| mean_over_frames(&self.out.forward(x))))
    }

    /// Motion of objects in the camera's frame, source_from_target.
    ///
    /// # Shapes
    /// - `frames`: `[M, 9, H, W]`, black outside the object's own mask, then normalized; M at least 1
    /// - `masks`: `[M, H, W]`, the object's pixels in the target frame
    /// - returns: `[M, 2, 6]`, as [`ego`](Self::ego)
    pub fn object(&self, encoder: &Encoder, frames: &Tensor, masks: &Tensor, mode: Mode) -> Tensor {
        expect_frames(frames);
        let size = frames.size();
        expect_dims("masks", masks, &[Axis::Is(size[0]), Axis::Is(size[2]), Axis::Is(size[3])]);
        let x = channels_last(frames);
        let x = self.first.forward_with(&x, Some(&self.object_first_stats), mode);
        let x = encoder.after_first(&x, Some(&self.object_stats), mode).enc5;
        let layers = self.decoder.iter().zip(&self.object_decoder_stats);
        let x = layers.fold(x, |x, (layer, stats)| layer.forward_with(&x, Some(stats), mode));
        self.scaled(&in_float32(&x, |x| {
            let out = self.out.forward(x);
            match self.config.object_pooling {
                ObjectPooling::WholeFrame => mean_over_frames(&out),
                ObjectPooling::Mask => mean_over_masks(&out, masks),
            }
        }))
    }

    /// `[N, 12]` or `[N, 6]` of the output layer to `[N, 2, 6]`.
    fn scaled(&self, pooled: &Tensor) -> Tensor {
        let PoseConfig { translation_scale: t, rotation_scale: r, outputs, .. } = self.config;
        let vectors = pooled.view([pooled.size()[0], -1, 6]);
        let vectors = Tensor::cat(&[vectors.narrow(2, 0, 3) * t, vectors.narrow(2, 3, 3) * r], 2);
        match outputs {
            PoseOutputs::PerSource => vectors,
            PoseOutputs::ConstantVelocity => {
                let back = inverse_transform(&transform_from_vector(&vectors));
                Tensor::cat(&[vector_from_transform(&back), vectors], 1)
            }
        }
    }
}

fn expect_frames(frames: &Tensor) {
    expect_dims(
        "frames",
        frames,
        &[Axis::Free("N"), Axis::Is(9), Axis::Free("H"), Axis::Free("W")],
    );
}

/// The mean of `[N, C, h, w]`: `[N, C]`.
fn mean_over_frames(of: &Tensor) -> Tensor {
    of.mean_dim([2i64, 3].as_slice(), false, None)
}

/// The mean of `[M, C, h, w]` weighted by how much of each cell a mask covers; over the whole frame for an empty mask.
fn mean_over_masks(of: &Tensor, masks: &Tensor) -> Tensor {
    let size = of.size();
    let covered = masks.to_kind(of.kind()).unsqueeze(1).adaptive_avg_pool2d([size[2], size[3]]);
    let both = [2i64, 3];
    let total = covered.sum_dim_intlist(both.as_slice(), true, None);
    let weights = covered.where_self(&total.gt(0.0), &covered.ones_like());
    let sum = (of * &weights).sum_dim_intlist(both.as_slice(), false, None);
    sum / weights.sum_dim_intlist(both.as_slice(), false, None)
}

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    use super::super::blocks::Residual;
    use super::super::encoder::EncoderConfig;
    use super::*;
    use crate::autocast::in_bfloat16;

    fn built(config: &PoseConfig) -> (VarStore, Encoder, PoseNetwork) {
        tch::set_num_threads(1);
        let vs = VarStore::new(Device::Cpu);
        let encoder_config = EncoderConfig { enc4_channels: 32, residual: Residual::Off };
        let encoder = Encoder::new(&vs.root(), &encoder_config);
        let pose = PoseNetwork::new(&vs.root(), &encoder, config);
        (vs, encoder, pose)
    }

    fn frames() -> Tensor {
        Tensor::linspace(-1.0, 1.0, 2 * 9 * 16 * 16, (Kind::Float, Device::Cpu))
            .sin()
            .view([2, 9, 16, 16])
    }

    fn left_half() -> Tensor {
        let columns = Tensor::arange(16, (Kind::Float, Device::Cpu)).view([1, 1, 16]);
        columns.lt(8.0).expand([2, 16, 16], false)
    }

    #[test]
    fn names_are_those_of_the_checkpoint() {
        let (vs, ..) = built(&PoseConfig::default());
        let variables = vs.variables();
        for (name, dims) in [
            ("pose.first.conv.weight", vec![32, 9, 3, 3]),
            ("pose.first.bn.running_mean", vec![32]),
            ("pose.decoder.0.conv.weight", vec![32, 128, 3, 3]),
            ("pose.decoder.3.bn.weight", vec![32]),
            ("pose.out.weight", vec![12, 32, 1, 1]),
            ("pose.out.bias", vec![12]),
            ("pose.stats.ego.encoder.enc1.1.bn.running_mean", vec![64]),
            ("pose.stats.obj.encoder.enc4.12.pw.bn.running_var", vec![256]),
            ("pose.stats.obj.encoder.enc5.1.bn.running_var", vec![128]),
            ("pose.stats.obj.pose.first.bn.running_var", vec![32]),
        ] {
            let variable = variables.get(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert_eq!(variable.size(), dims, "{name}");
        }
        // Every statistic under `pose.stats.ego` is that of a layer that exists.
        for name in variables.keys().filter_map(|name| name.strip_prefix("pose.stats.ego.")) {
            assert!(variables.contains_key(name), "{name}");
        }
    }

    #[test]
    fn each_kind_of_call_moves_its_own_statistics() {
        let (vs, encoder, pose) = built(&PoseConfig::default());
        let _guard = tch::no_grad_guard();
        let moved = || -> Vec<&str> {
            let variables = vs.variables();
            let has_moved = |name: &&str| variables[*name].abs().sum(None).double_value(&[]) > 0.0;
            [
                "encoder.enc3.0.dw.bn.running_mean",
                "pose.stats.ego.encoder.enc3.0.dw.bn.running_mean",
                "pose.first.bn.running_mean",
                "pose.stats.obj.encoder.enc3.0.dw.bn.running_mean",
                "pose.stats.obj.pose.decoder.2.bn.running_mean",
            ]
            .into_iter()
            .filter(has_moved)
            .collect()
        };
        let _ = pose.ego(&encoder, &frames(), Mode::Train);
        let ego =
            ["pose.stats.ego.encoder.enc3.0.dw.bn.running_mean", "pose.first.bn.running_mean"];
        assert_eq!(moved(), ego);
        let _ = pose.object(&encoder, &frames(), &left_half(), Mode::Train);
        assert_eq!(moved().len(), 4);
        let _ = encoder.forward(&frames().narrow(1, 0, 3), Mode::Train);
        assert_eq!(moved().len(), 5);
    }

    #[test]
    fn outputs_are_two_small_vectors_whatever_the_stride() {
        for stride in [1, 2] {
            let (_vs, encoder, pose) = built(&PoseConfig { stride, ..PoseConfig::default() });
            let vectors = pose.ego(&encoder, &frames(), Mode::Train);
            assert_eq!(vectors.size(), [2, 2, 6]);
            assert!(vectors.abs().max().double_value(&[]) < 1.0);
            let moved = pose.object(&encoder, &frames(), &left_half(), Mode::Train);
            assert_eq!(moved.size(), [2, 2, 6]);
        }
    }

    #[test]
    fn scales_are_factors() {
        let (_vs, encoder, mut pose) = built(&PoseConfig::default());
        let one = pose.ego(&encoder, &frames(), Mode::Train);
        pose.config.rotation_scale = 0.02;
        pose.config.translation_scale = 0.5;
        let other = pose.ego(&encoder, &frames(), Mode::Train);
        assert!(other.narrow(2, 0, 3).allclose(&(one.narrow(2, 0, 3) * 0.5), 1e-5, 1e-8, false));
        assert!(other.narrow(2, 3, 3).allclose(&(one.narrow(2, 3, 3) * 2.0), 1e-5, 1e-8, false));
    }

    #[test]
    fn constant_velocity_goes_back_as_it_came() {
        let config = PoseConfig { outputs: PoseOutputs::ConstantVelocity, ..PoseConfig::default() };
        let (_vs, encoder, pose) = built(&config);
        let vectors = pose.ego(&encoder, &frames(), Mode::Train);
        let motion = transform_from_vector(&vectors.to_kind(Kind::Double));
        let there_and_back = motion.select(1, 0).matmul(&motion.select(1, 1));
        let identity = Tensor::eye(4, (Kind::Double, Device::Cpu)).expand([2, 4, 4], false);
        assert!(there_and_back.allclose(&identity, 1e-5, 1e-6, false));
    }

    #[test]
    fn vectors_have_more_than_eight_bits_where_features_have_not() {
        for object_pooling in [ObjectPooling::Mask, ObjectPooling::WholeFrame] {
            let config =
                PoseConfig { object_pooling, rotation_scale: 1.0, ..PoseConfig::default() };
            let (_vs, encoder, pose) = built(&config);
            for vectors in in_bfloat16(Device::Cpu, || {
                [
                    pose.ego(&encoder, &frames(), Mode::Train),
                    pose.object(&encoder, &frames(), &left_half(), Mode::Train),
                ]
            }) {
                assert_eq!(vectors.kind(), Kind::Float);
                let rounded = vectors.to_kind(Kind::BFloat16).to_kind(Kind::Float);
                let same = rounded.eq_tensor(&vectors).to_kind(Kind::Float).sum(None);
                assert!(same.double_value(&[]) < 12.0, "half of 24 need no more than eight bits");
            }
        }
    }

    #[test]
    fn an_objects_output_is_averaged_over_its_mask() {
        let of = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0]).view([1, 1, 1, 4]);
        let mask = |bits: [bool; 8]| Tensor::from_slice(&bits).view([1, 1, 8]);
        let mean = |m: &Tensor| f64::try_from(mean_over_masks(&of, m)).unwrap();
        // All of cell 0 and half of cell 1: (2 * 1 + 1 * 2) / 3.
        let some = mask([true, true, true, false, false, false, false, false]);
        assert!((mean(&some) - 4.0 / 3.0).abs() < 1e-6);
        assert!((mean(&mask([false; 8])) - 2.5).abs() < 1e-6);
    }
}
