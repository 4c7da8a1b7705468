//! The networks and Adam against PyTorch code written straight from the paper's tables.
//!
//! `tests/python/make_network_fixtures.py` made the files in `tests/fixtures`; weights and inputs come from the same
//! formula on both sides, by name. In float64 outputs and gradients agree to 1e-8 relative: the plain encoder in
//! training mode amplifies rounding too much for float32. In evaluation mode float32 agrees to 1e-5 of the largest logit.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop where it stands

use std::collections::BTreeMap;
use std::path::Path;

use suw_trainer::networks::blocks::{Mode, Residual};
use suw_trainer::networks::encoder_decoder::{EncoderDecoder, EncoderDecoderConfig, LogitsNorm};
use suw_trainer::networks::hourglass::{Hourglass, HourglassConfig, Pooling, UpWidths, Upsampling};
use suw_trainer::networks::pose::{PoseConfig, PoseNetwork};
use suw_trainer::optim::adam::{Adam, AdamConfig};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};

const TOLERANCE: f64 = 1e-8;

/// `count` numbers in [-1, 1): FNV-1a of the name seeds a counter that splitmix64 scrambles.
fn uniform(name: &str, count: usize) -> Vec<f64> {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    let scramble = |i: u64| {
        let z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (1..=count as u64).map(|i| (scramble(i) >> 11) as f64 / 2f64.powi(53) * 2.0 - 1.0).collect()
}

/// The value of a variable or input called `name`.
fn fill(name: &str, dims: &[i64]) -> Tensor {
    let count: i64 = dims.iter().product();
    let u = Tensor::from_slice(&uniform(name, count as usize)).view(dims);
    if name.ends_with("running_mean") || name.ends_with("bias") {
        return u * 0.1;
    }
    if name.ends_with("running_var") {
        return u * 0.5 + 1.0;
    }
    if name.ends_with("bn.weight") {
        return u * 0.2 + 1.0;
    }
    if name.ends_with("weight") {
        return u * (6.0 / dims[1..].iter().product::<i64>() as f64).sqrt();
    }
    u
}

/// Everything in a store by the formula, float64.
fn fill_all(vs: &mut VarStore) {
    vs.double();
    no_grad(|| {
        for (name, mut variable) in vs.variables() {
            variable.copy_(&fill(&name, &variable.size()));
        }
    });
}

fn fixture(name: &str) -> BTreeMap<String, Tensor> {
    tch::set_num_threads(1);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let tensors = Tensor::read_safetensors(folder.join(name)).expect("the fixture is committed");
    tensors.into_iter().collect()
}

#[track_caller]
fn check_close(got: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(got.size(), expected.size());
    let largest = expected.abs().max().double_value(&[]);
    let off = (got - expected).abs().max().double_value(&[]) / largest;
    assert!(off <= tolerance, "off by {off:e} of the largest value {largest}");
}

/// Norm by norm, in the order of the names.
#[track_caller]
fn check_norms(named: BTreeMap<String, Tensor>, expected: &Tensor) {
    assert_eq!(named.len() as i64, expected.size()[0]);
    for (i, (name, tensor)) in (0..).zip(named) {
        let (got, expected) = (tensor.norm().double_value(&[]), expected.double_value(&[i]));
        let off = (got - expected).abs() / expected.max(1e-12);
        assert!(off <= TOLERANCE, "{name}: {got} is not {expected}");
    }
}

fn gradients(vs: &VarStore) -> BTreeMap<String, Tensor> {
    let gradients = Adam::named_trainable(vs).into_iter().map(|(name, v)| (name, v.grad()));
    gradients.filter(|(_, gradient)| gradient.defined()).collect()
}

fn running(vs: &VarStore, prefix: &str) -> BTreeMap<String, Tensor> {
    let fits = |name: &str| name.starts_with(prefix) && name.contains(".running_");
    vs.variables().into_iter().filter(|(name, _)| fits(name)).collect()
}

fn every_eighth_bin(logits: &Tensor) -> Tensor {
    logits.slice(1, None, None, 8)
}

#[test]
fn the_encoder_decoder_equals_pytorch() {
    let expected = fixture("depth-network.safetensors");
    let mut vs = VarStore::new(Device::Cpu);
    let network = EncoderDecoder::new(&vs.root(), &EncoderDecoderConfig::default());
    fill_all(&mut vs);
    let images = fill("images", &[2, 3, 32, 64]) * 2.0;
    let target = fill("target", &[2, 128, 8, 16]);
    let eval = no_grad(|| network.forward(&images, Mode::Eval));
    check_close(&every_eighth_bin(&eval), &expected["eval.logits"], TOLERANCE);
    vs.float();
    let float32 = no_grad(|| network.forward(&images.to_kind(Kind::Float), Mode::Eval));
    let float32 = every_eighth_bin(&float32).to_kind(Kind::Double);
    check_close(&float32, &expected["eval.logits"], 1e-5);
    fill_all(&mut vs);

    let config = AdamConfig { lr: 1e-3, ..AdamConfig::default() };
    let mut adam = Adam::new(Adam::named_trainable(&vs), config);
    for step in 0..3 {
        let logits = network.forward(&images, Mode::Train);
        let loss = (&logits - &target).square().mean(None);
        adam.zero_grad();
        loss.backward();
        if step == 0 {
            check_close(&every_eighth_bin(&logits), &expected["train.logits"], TOLERANCE);
            let gradients = gradients(&vs);
            for (name, gradient) in &gradients {
                if let Some(expected) = expected.get(&format!("train.gradient.{name}")) {
                    check_close(gradient, expected, TOLERANCE);
                }
            }
            check_norms(gradients, &expected["train.gradient_norms"]);
            check_norms(running(&vs, ""), &expected["train.running_norms"]);
        }
        adam.step();
        let loss = loss.double_value(&[]);
        let expected = expected["trained.losses"].double_value(&[step]);
        // Each step multiplies rounding, even a sum in another order, by some thousands.
        let tolerance = [1e-12, 1e-7, 1e-4][step as usize];
        assert!((loss / expected - 1.0).abs() < tolerance, "step {step}: {loss}, {expected}");
    }
}

#[test]
fn its_switches_equal_pytorch() {
    let expected = fixture("depth-network.safetensors");
    let mut vs = VarStore::new(Device::Cpu);
    let config = EncoderDecoderConfig {
        n_bins: 16,
        enc4_channels: 48,
        residual: Residual::On,
        logits_norm: LogitsNorm::BatchNorm,
        ..EncoderDecoderConfig::default()
    };
    let network = EncoderDecoder::new(&vs.root(), &config);
    fill_all(&mut vs);
    let image = (fill("images", &[2, 3, 32, 64]) * 2.0).narrow(0, 0, 1);
    let logits = no_grad(|| network.forward(&image, Mode::Eval));
    check_close(&logits, &expected["variant.logits"], TOLERANCE);
}

#[test]
fn the_hourglass_equals_pytorch() {
    let expected = fixture("hourglass.safetensors");
    let mut vs = VarStore::new(Device::Cpu);
    let network = Hourglass::new(&vs.root(), &HourglassConfig::default());
    fill_all(&mut vs);
    let images = fill("images", &[2, 3, 32, 48]) * 2.0;
    let target = fill("target", &[2, 1, 32, 48]);
    let eval = no_grad(|| network.forward(&images, Mode::Eval));
    check_close(&eval, &expected["eval.log_depth"], TOLERANCE);
    vs.float();
    let float32 = no_grad(|| network.forward(&images.to_kind(Kind::Float), Mode::Eval));
    check_close(&float32.to_kind(Kind::Double), &expected["eval.log_depth"], 1e-4);
    fill_all(&mut vs);

    let log_depth = network.forward(&images, Mode::Train);
    check_close(&log_depth, &expected["train.log_depth"], TOLERANCE);
    (&log_depth - &target).square().mean(None).backward();
    let mut gradients = gradients(&vs);
    for name in ["stem.1.weight", "body.inner.inner.inner.down.2.branch1.0.weight", "head.weight"] {
        let rows = gradients[name].slice(0, None, 8, 1);
        check_close(&rows, &expected[&format!("train.gradient.{name}")], TOLERANCE);
    }
    gradients.retain(|name, _| name.ends_with("weight"));
    check_norms(gradients, &expected["train.gradient_norms"]);
    check_norms(running(&vs, ""), &expected["train.running_norms"]);
}

#[test]
fn the_switches_of_the_hourglass_equal_pytorch() {
    let expected = fixture("hourglass.safetensors");
    let image = (fill("images", &[2, 3, 32, 48]) * 2.0).narrow(0, 0, 1);
    let table = HourglassConfig::default();
    let public = HourglassConfig {
        pooling: Pooling::MaxOutside,
        upsampling: Upsampling::Nearest,
        up_widths: UpWidths::Swapped,
        ..table
    };
    let corners =
        HourglassConfig { pooling: Pooling::Max, upsampling: Upsampling::BilinearCorners, ..table };
    let small_stem = HourglassConfig { stem_kernel: 3, ..table };
    for (name, config) in [("public", public), ("corners", corners), ("small_stem", small_stem)] {
        let mut vs = VarStore::new(Device::Cpu);
        let network = Hourglass::new(&vs.root(), &config);
        fill_all(&mut vs);
        let log_depth = no_grad(|| network.forward(&image, Mode::Eval));
        check_close(&log_depth, &expected[&format!("{name}.log_depth")], TOLERANCE);
    }
}

#[test]
fn the_pose_network_equals_pytorch() {
    let expected = fixture("pose-network.safetensors");
    let mut vs = VarStore::new(Device::Cpu);
    let network = EncoderDecoder::new(&vs.root(), &EncoderDecoderConfig::default());
    let pose = PoseNetwork::new(&vs.root(), network.encoder(), &PoseConfig::default());
    fill_all(&mut vs);
    let encoder = network.encoder();
    let frames = fill("frames", &[2, 9, 32, 64]) * 2.0;
    let objects = fill("object frames", &[2, 9, 32, 64]) * 2.0;
    let masks = fill("masks", &[2, 32, 64]).gt(0.5);
    no_grad(|| {
        check_close(&pose.ego(encoder, &frames, Mode::Eval), &expected["eval.ego"], TOLERANCE);
        let object = pose.object(encoder, &objects, &masks, Mode::Eval);
        check_close(&object, &expected["eval.object"], TOLERANCE);
    });

    let ego = pose.ego(encoder, &frames, Mode::Train);
    let object = pose.object(encoder, &objects, &masks, Mode::Train);
    check_close(&ego, &expected["train.ego"], TOLERANCE);
    check_close(&object, &expected["train.object"], TOLERANCE);
    (ego.square().sum(None) + object.square().sum(None)).backward();
    let gradients = gradients(&vs);
    check_close(
        &gradients["pose.out.weight"],
        &expected["train.gradient.pose.out.weight"],
        TOLERANCE,
    );
    check_norms(gradients, &expected["train.gradient_norms"]);
    check_norms(running(&vs, "pose."), &expected["train.running_norms"]);
}

#[test]
fn adam_equals_torch_optim() {
    let expected = fixture("adam.safetensors");
    for (name, weight_decay) in [("plain", 0.0), ("decay", 0.1)] {
        let x = fill("x", &[7]).set_requires_grad(true);
        let config = AdamConfig { lr: 0.01, beta1: 0.8, beta2: 0.99, eps: 1e-6, weight_decay };
        let variables = BTreeMap::from([("x".to_string(), x.shallow_clone())]);
        let mut adam = Adam::new(variables, config);
        for step in 0..5 {
            adam.zero_grad();
            (fill(&format!("slope {step}"), &[7]) * x.exp()).sum(None).backward();
            adam.step();
            check_close(&x.detach(), &expected[&format!("{name}.x")].get(step), 1e-14);
        }
        for (moment, value) in adam.state().into_iter().filter(|(name, _)| name.starts_with("exp"))
        {
            let moment = moment.trim_end_matches(".x");
            check_close(&value, &expected[&format!("{name}.{moment}")], 1e-14);
        }
    }
}
