//! One update on batches made by hand: what it counts, what stops it, and what it leaves alone.

use suw_shared::image_size::ImageSize;
use suw_shared::sample_key::SampleKey;
use tch::{Device, Tensor};

use super::model::{Model, ModelSpec};
use super::train::{
    CameraMotion, NotFinite, Precision, StepLosses, StepOutcome, StepParams, train_step,
};
use crate::batch::collate;
use crate::depth_bins::DepthBins;
use crate::example::{Example, Frames};
use crate::losses::hourglass::HourglassLossConfig;
use crate::losses::object_motion::ObjectLoss;
use crate::losses::total::{LossConfig, UnsupervisedConfig};
use crate::networks::depth_network::DepthConfig;
use crate::networks::encoder_decoder::EncoderDecoderConfig;
use crate::networks::hourglass::HourglassConfig;
use crate::networks::pose::PoseConfig;
use crate::optim::adam::{Adam, AdamConfig};

const SIZE: ImageSize = ImageSize::new(32, 16);
const AREA: i64 = 32 * 16;
const IDENTITY: [f32; 16] =
    [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];

/// A clip whose camera stands still, so that every pixel is seen by both sources, whatever the depth. Object 1 covers the first
/// `n_pixels` of all frames.
fn clip(n_pixels: usize, chosen: &[u8]) -> Example {
    let area = AREA as usize;
    let mut frame = vec![0u8; area];
    frame[..n_pixels].fill(1);
    Example {
        key: SampleKey::new(format!("a/{n_pixels}")).unwrap(),
        size: SIZE,
        image: (0..9 * area).map(|i| (i * 7 % 251) as u8).collect(),
        color: [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        depth: vec![0.0; area],
        intrinsics: [30.0, 0.0, 15.5, 0.0, 30.0, 7.5, 0.0, 0.0, 1.0],
        motion: [IDENTITY; 2],
        objects: frame.repeat(3),
        object_list: chosen.to_vec(),
        pair: None,
    }
}

fn model(network: DepthConfig) -> Model {
    tch::set_num_threads(1);
    let is_hourglass = matches!(network, DepthConfig::Hourglass(_));
    let pose = (!is_hourglass).then(PoseConfig::default);
    Model::new(&ModelSpec { bins: DepthBins::KITTI, network, pose }, Device::Cpu)
}

fn encoder_decoder() -> Model {
    model(DepthConfig::EncoderDecoder(EncoderDecoderConfig::default()))
}

fn adam(model: &Model) -> Adam {
    Adam::new(Adam::named_trainable(model.variables()), AdamConfig::default())
}

fn step(
    model: &Model,
    adam: &mut Adam,
    examples: Vec<Example>,
    losses: StepLosses,
    camera: CameraMotion,
) -> Result<StepOutcome, NotFinite> {
    let batch = collate(examples, Frames::Clip).to_device(Device::Cpu);
    let params =
        StepParams { losses, camera, clip_norm: f64::INFINITY, precision: Precision::Float32 };
    train_step(model, adam, &batch, &params)?.read()
}

fn unsupervised(object_loss: ObjectLoss) -> StepLosses {
    StepLosses::EncoderDecoder(LossConfig {
        supervised: None,
        unsupervised: Some(UnsupervisedConfig { object_loss, ..UnsupervisedConfig::default() }),
        weak: None,
        ..LossConfig::default()
    })
}

#[test]
fn aligned_objects_are_never_the_cameras_pixels_whoever_else_is_in_the_batch() {
    let model = encoder_decoder();
    let count = |examples: Vec<Example>, object_loss: ObjectLoss| {
        let losses = unsupervised(object_loss);
        let mut adam = adam(&model);
        let outcome = step(&model, &mut adam, examples, losses, CameraMotion::Stored).unwrap();
        (outcome.terms["ego"].count, outcome.terms["obj"].count)
    };
    // Nobody's motion is predicted: the crop, say, has cut the object out of a source.
    let separate = |examples| count(examples, ObjectLoss::Separate);
    assert_eq!(separate(vec![clip(20, &[])]), (AREA - 20, 0));
    assert_eq!(separate(vec![clip(20, &[]), clip(0, &[])]), (2 * AREA - 20, 0));
    let (ego, _) = separate(vec![clip(20, &[]), clip(30, &[1])]);
    assert_eq!(ego, 2 * AREA - 20 - 30);
    // One picture for all has no pixel of nobody.
    let composite = |examples| count(examples, ObjectLoss::Composite);
    assert_eq!(composite(vec![clip(20, &[])]), (AREA, 0));
}

#[test]
fn a_predicted_motion_that_is_not_finite_stops_the_run_and_a_stored_one_is_unknown() {
    let losses = || unsupervised(ObjectLoss::Separate);
    let broken = || {
        let model = encoder_decoder();
        let bias = &model.named()["pose.out.bias"];
        let _ = tch::no_grad(|| bias.shallow_clone().fill_(f64::NAN));
        model
    };
    for (camera, term) in [(CameraMotion::Predicted, "ego"), (CameraMotion::Stored, "obj")] {
        let model = broken();
        let told = step(&model, &mut adam(&model), vec![clip(30, &[1])], losses(), camera);
        assert_eq!(told.unwrap_err().term, term);
    }
    let model = encoder_decoder();
    let unknown = Example { motion: [[f32::NAN; 16]; 2], ..clip(0, &[]) };
    let examples = vec![unknown, clip(0, &[])];
    let outcome = step(&model, &mut adam(&model), examples, losses(), CameraMotion::Stored);
    assert_eq!(outcome.unwrap().terms["ego"].count, AREA);
}

#[test]
fn a_batch_without_any_pair_teaches_weak_learning_nothing() {
    let weak = LossConfig { supervised: None, unsupervised: None, ..LossConfig::default() };
    let weak_hourglass = HourglassLossConfig {
        weight_gradient: None,
        unsupervised: None,
        ..HourglassLossConfig::default()
    };
    for (model, losses) in [
        (encoder_decoder(), StepLosses::EncoderDecoder(weak)),
        (
            model(DepthConfig::Hourglass(HourglassConfig::default())),
            StepLosses::Hourglass(weak_hourglass),
        ),
    ] {
        let mut adam = adam(&model);
        let weights = || -> Vec<Tensor> {
            let learned = Adam::named_trainable(model.variables());
            learned.into_values().map(|weight| weight.detach().copy()).collect()
        };
        let before = weights();
        let outcome = step(&model, &mut adam, vec![clip(0, &[])], losses, CameraMotion::Stored);
        let outcome = outcome.unwrap();
        assert_eq!((outcome.total, outcome.gradient_norm), (0.0, 0.0));
        assert_eq!((outcome.terms["w"].raw, outcome.terms["w"].count), (0.0, 0));
        assert!(before.iter().zip(weights()).all(|(before, after)| before.equal(&after)));
        let mut counted = adam.state().into_iter().filter(|(name, _)| name.starts_with("step."));
        assert!(counted.all(|(_, steps)| steps.int64_value(&[0]) == 0));
    }
}
