//! Switches of the pose network against plain convolutions written out here.

use std::collections::BTreeMap;

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use super::blocks::{Mode, Residual};
use super::encoder::{Encoder, EncoderConfig};
use super::pose::{ObjectPooling, PoseConfig, PoseNetwork};

struct Built {
    named: BTreeMap<String, Tensor>,
    encoder: Encoder,
    pose: PoseNetwork,
    _vs: VarStore,
}

fn built(config: &PoseConfig) -> Built {
    tch::set_num_threads(1);
    tch::manual_seed(3);
    let mut vs = VarStore::new(Device::Cpu);
    let encoder_config = EncoderConfig { enc4_channels: 32, residual: Residual::Off };
    let encoder = Encoder::new(&vs.root(), &encoder_config);
    let pose = PoseNetwork::new(&vs.root(), &encoder, config);
    vs.double();
    let named = vs.variables().into_iter().collect();
    Built { named, encoder, pose, _vs: vs }
}

fn waves(n: i64, height: i64, width: i64) -> Tensor {
    let count = n * 9 * height * width;
    Tensor::linspace(-90.0, 70.0, count, (Kind::Double, Device::Cpu))
        .sin()
        .view([n, 9, height, width])
}

#[test]
fn a_stride_of_two_halves_the_map_before_each_of_the_four_layers() {
    for stride in [1, 2] {
        let built = built(&PoseConfig { stride, ..PoseConfig::default() });
        let frames = waves(2, 64, 128);
        tch::no_grad(|| {
            let got = built.pose.ego(&built.encoder, &frames, Mode::Eval);
            // Up to the encoder's end it is the same network whatever the stride.
            let v = |name: &str| &built.named[name];
            let normed = |x: Tensor, path: &str| {
                let of = |what: &str| v(&format!("{path}.{what}")).view([1, -1, 1, 1]);
                let deviation = (of("running_var") + 1e-5).sqrt();
                ((x - of("running_mean")) / deviation * of("weight") + of("bias")).relu()
            };
            let first = frames.conv2d(
                v("pose.first.conv.weight"),
                None::<Tensor>,
                [2, 2],
                [1, 1],
                [1, 1],
                1,
            );
            let first = normed(first, "pose.first.bn");
            let features = built.encoder.after_first(&first, None, Mode::Eval).enc5;
            let mut x = features;
            let mut sizes = Vec::new();
            for layer in 0..4 {
                let weight = v(&format!("pose.decoder.{layer}.conv.weight"));
                x = x.conv2d(weight, None::<Tensor>, [stride, stride], [1, 1], [1, 1], 1);
                x = normed(x, &format!("pose.decoder.{layer}.bn"));
                sizes.push(x.size()[2]);
            }
            let expected_sizes = if stride == 1 { [16; 4] } else { [8, 4, 2, 1] };
            assert_eq!(sizes, expected_sizes);
            let x =
                x.conv2d(v("pose.out.weight"), Some(v("pose.out.bias")), [1, 1], [0, 0], [1, 1], 1);
            let vectors = x.mean_dim([2i64, 3].as_slice(), false, Kind::Double).view([2, 2, 6]);
            // Translation as it is, angles times 0.01.
            let scale = Tensor::from_slice(&[1.0, 1.0, 1.0, 0.01, 0.01, 0.01]);
            let off = (got - vectors * scale).abs().max().double_value(&[]);
            assert!(off < 1e-12, "stride {stride}: {off}");
        });
    }
}

#[test]
fn over_the_whole_frame_masks_do_not_matter_and_a_full_mask_is_the_whole_frame() {
    let frames = waves(1, 32, 32);
    let left = Tensor::zeros([1, 32, 32], (Kind::Bool, Device::Cpu));
    let _ = left.narrow(2, 0, 8).fill_(1);
    let full = left.ones_like();
    let vectors = |pooling: ObjectPooling, mask: &Tensor| {
        let built = built(&PoseConfig { object_pooling: pooling, ..PoseConfig::default() });
        tch::no_grad(|| built.pose.object(&built.encoder, &frames, mask, Mode::Eval))
    };
    let whole = vectors(ObjectPooling::WholeFrame, &left);
    let same = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]) < 1e-14;
    assert!(same(&whole, &vectors(ObjectPooling::WholeFrame, &full)));
    assert!(same(&whole, &vectors(ObjectPooling::Mask, &full)));
    assert!(!same(&whole, &vectors(ObjectPooling::Mask, &left)));
}
