//! Floor 3: networks, gradients and ten updates on one device against the same on the CPU.
//!
//! Everything is in float64, where rounding is small beside any mistake: the plain encoder in training mode amplifies
//! rounding too much for float32 (a first-layer gradient is some 2,000 times that of the scores). Float32 is compared in
//! evaluation mode alone. Inputs are smooth waves, no data is needed.

use suw_shared::pair::{Origin, Pair, PairKind, Rule};
use suw_shared::sample_key::SampleKey;
use tch::{Device, Kind, Tensor, no_grad};

use crate::batch::Batch;
use crate::depth_bins::DepthBins;
use crate::losses::supervised::measured_pixels;
use crate::losses::total::LossConfig;
use crate::networks::blocks::Mode;
use crate::networks::depth_network::DepthConfig;
use crate::networks::encoder_decoder::EncoderDecoderConfig;
use crate::networks::hourglass::HourglassConfig;
use crate::networks::input::normalize_images;
use crate::networks::pose::PoseConfig;
use crate::optim::adam::{Adam, AdamConfig};
use crate::steps::model::{Model, ModelSpec};
use crate::steps::train::{CameraMotion, Precision, StepLosses, StepParams, train_step};

/// Outputs and gradients in float64.
const TOLERANCE: f64 = 1e-8;
/// Outputs in float32 by running statistics; cuDNN may round products to ten bits (TF32).
const TOLERANCE_FLOAT32: f64 = 5e-3;
/// The total after each of ten updates in float64; every update magnifies what differs.
const TOLERANCE_UPDATES: f64 = 1e-6;
/// Updates that are compared.
const N_UPDATES: usize = 10;

const HEIGHT: i64 = 32;
const WIDTH: i64 = 64;

/// How far a device is from the CPU in one respect.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// What was compared.
    pub name: String,
    /// Largest difference over the largest value.
    pub difference: f64,
    /// What is allowed.
    pub tolerance: f64,
}

impl Agreement {
    /// Within the tolerance; never where it is not a number.
    pub fn agrees(&self) -> bool {
        self.difference <= self.tolerance
    }
}

/// Every comparison, in a fixed order.
pub fn against_the_cpu(device: Device) -> Vec<Agreement> {
    let networks = [
        ("encoder-decoder", DepthConfig::EncoderDecoder(EncoderDecoderConfig::default())),
        ("hourglass", DepthConfig::Hourglass(HourglassConfig::default())),
    ];
    let mut out: Vec<Agreement> =
        networks.into_iter().flat_map(|(name, network)| outputs(name, network, device)).collect();
    out.extend(updates(device));
    out
}

/// The same networks twice, once on the CPU, with the same weights in float64.
fn twins(network: DepthConfig, pose: Option<PoseConfig>, device: Device) -> [Model; 2] {
    let spec = ModelSpec { bins: DepthBins::KITTI, network, pose };
    tch::manual_seed(1);
    let host = Model::new(&spec, Device::Cpu);
    let other = Model::new(&spec, device);
    let mut twins = [host, other];
    for model in &mut twins {
        model.make_double();
    }
    let other = twins[1].named();
    no_grad(|| {
        for (name, value) in twins[0].named() {
            other[&name].shallow_clone().copy_(&value);
        }
    });
    twins
}

fn outputs(name: &str, network: DepthConfig, device: Device) -> Vec<Agreement> {
    let models = twins(network, None, device);
    // A quarter of the picture: the hourglass in float64 is slow.
    let frames = batch(Device::Cpu).frames.select(1, 1);
    let frames = frames.narrow(2, 0, HEIGHT / 2).narrow(3, 0, WIDTH / 2);
    let forward = |model: &Model, mode: Mode| {
        let images = frames.to_device(model.device());
        model.depth.forward(&normalize_images(&images), mode)
    };
    let eval = models.each_ref().map(|model| no_grad(|| forward(model, Mode::Eval)));
    let train = models.each_ref().map(|model| forward(model, Mode::Train));
    for output in &train {
        output.square().mean(None).backward();
    }
    let gradients = models.each_ref().map(|model| {
        let defined = Adam::named_trainable(model.variables())
            .into_values()
            .map(|variable| variable.grad())
            .filter(Tensor::defined)
            .map(|gradient| gradient.flatten(0, -1).to_device(Device::Cpu));
        Tensor::cat(&defined.collect::<Vec<_>>(), 0)
    });
    let mut out = vec![
        agreement(&format!("{name}: outputs, running statistics"), &eval, TOLERANCE),
        agreement(&format!("{name}: outputs, training"), &train, TOLERANCE),
        agreement(&format!("{name}: gradients"), &gradients, TOLERANCE),
    ];
    let mut models = twins(network, None, device);
    for model in &mut models {
        model.make_float();
    }
    let single = models.each_ref().map(|model| {
        let images = frames.to_device(model.device()).to_kind(Kind::Float);
        no_grad(|| model.depth.forward(&normalize_images(&images), Mode::Eval))
    });
    let what = format!("{name}: outputs in float32, running statistics");
    out.push(agreement(&what, &single, TOLERANCE_FLOAT32));
    out
}

/// S+U+W with camera and object motion, ten times.
fn updates(device: Device) -> Vec<Agreement> {
    let network = DepthConfig::EncoderDecoder(EncoderDecoderConfig::default());
    let models = twins(network, Some(PoseConfig::default()), device);
    let params = StepParams {
        losses: StepLosses::EncoderDecoder(LossConfig::default()),
        camera: CameraMotion::Predicted,
        clip_norm: f64::INFINITY,
        precision: Precision::Float32,
    };
    let totals = models.each_ref().map(|model| {
        let trainable = Adam::named_trainable(model.variables());
        let mut adam = Adam::new(trainable, AdamConfig { lr: 1e-4, ..AdamConfig::default() });
        let batch = batch(model.device());
        let step = |_| {
            let outcome = train_step(model, &mut adam, &batch, &params).and_then(|r| r.read());
            outcome.map_or(f64::NAN, |outcome| outcome.total)
        };
        Tensor::from_slice(&(0..N_UPDATES).map(step).collect::<Vec<f64>>())
    });
    vec![agreement("S+U+W: totals of ten updates", &totals, TOLERANCE_UPDATES)]
}

fn agreement(name: &str, [expected, got]: &[Tensor; 2], tolerance: f64) -> Agreement {
    let on_host = |t: &Tensor| t.detach().to_device(Device::Cpu).to_kind(Kind::Double);
    let (expected, got) = (on_host(expected), on_host(got));
    let largest = expected.abs().max().double_value(&[]);
    let off = (got - expected).abs().max().double_value(&[]);
    Agreement { name: name.to_owned(), difference: off / largest, tolerance }
}

/// Two clips of waves that move sideways, depth on every third row, one object and one pair in each.
fn batch(device: Device) -> Batch {
    let options = (Kind::Double, device);
    let column = Tensor::arange(WIDTH, options).view([1, 1, 1, 1, WIDTH]);
    let row = Tensor::arange(HEIGHT, options).view([1, 1, 1, HEIGHT, 1]);
    let color = Tensor::arange(3, options).view([1, 1, 3, 1, 1]);
    let time = Tensor::arange(3, options).view([1, 3, 1, 1, 1]);
    let image = Tensor::arange(2, options).view([2, 1, 1, 1, 1]);
    let wave = (column * 0.37 + &row * 0.11 + time * 0.5 + &image + &color).sin() * 0.25;
    let frames = wave + (row * 0.53 - color * 0.7 + image).cos() * 0.2 + 0.5;
    let depth = Tensor::zeros([2, HEIGHT, WIDTH], options);
    let measured = Tensor::linspace(40.0, 4.0, HEIGHT, options).view([1, HEIGHT, 1]);
    let rows = depth.slice(1, None, None, 3);
    rows.shallow_clone().copy_(&measured.slice(1, None, None, 3).expand_as(&rows));
    let objects = Tensor::zeros([2, 3, HEIGHT, WIDTH], (Kind::Uint8, device));
    let _ = objects.narrow(2, 12, 10).narrow(3, 20, 16).fill_(1);
    let k = [40.0, 0.0, 31.5, 0.0, 40.0, 15.5, 0.0, 0.0, 1.0];
    let pair = Pair {
        kind: PairKind::Patch,
        origin: Origin::DifferentClass,
        rule: Rule::Sky,
        size: 5,
        far_y: 4,
        far_x: 20,
        near_y: 25,
        near_x: 30,
        far_class: 10,
        near_class: 0,
    };
    let key = |text: &str| {
        SampleKey::new(text.to_owned()).expect("invariant: a scene, a slash and a stem")
    };
    Batch {
        keys: vec![key("waves/0"), key("waves/1")],
        target: 1,
        jittered: frames.copy(),
        frames,
        measured: measured_pixels(&depth),
        depth,
        intrinsics: Tensor::from_slice(&k).view([1, 3, 3]).repeat([2, 1, 1]).to_device(device),
        motion: Tensor::full([2, 2, 4, 4], f64::NAN, options),
        objects: Some(objects),
        object_image: Tensor::from_slice(&[0i64, 1]).to_device(device),
        object_index: Tensor::from_slice(&[1i64, 1]).to_device(device),
        pairs: vec![(0, pair), (1, pair)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself() {
        tch::set_num_threads(1);
        // The hourglass and the updates take half a minute in float64; tests/gpu/run.sh makes them.
        let network = DepthConfig::EncoderDecoder(EncoderDecoderConfig::default());
        let all = outputs("encoder-decoder", network, Device::Cpu);
        assert_eq!(all.len(), 4);
        for agreement in &all {
            assert!(agreement.agrees(), "{agreement:?}");
        }
    }

    #[test]
    fn what_differs_or_is_no_number_does_not_agree() {
        let of = |values: &[f64]| Tensor::from_slice(values);
        let check = |got: &[f64]| agreement("x", &[of(&[1.0, 4.0]), of(got)], 1e-3);
        assert!(check(&[1.003, 4.0]).agrees());
        assert!((check(&[1.0, 3.0]).difference - 0.25).abs() < 1e-15);
        assert!(!check(&[1.005, 4.0]).agrees());
        assert!(!check(&[f64::NAN, 4.0]).agrees());
    }
}
