//! Every word of a run file turns the switch that it names, and the rarer ones run.

use std::fs;

use suw_shared::pair::{Origin, PairKind};
use suw_trainer::config::TrainConfig;
use suw_trainer::config_plan::plan_from_config;
use suw_trainer::losses::ordinal::{DepthSpace, PatchMode};
use suw_trainer::losses::photometric::{Automask, Reprojection};
use suw_trainer::losses::regression::Regression;
use suw_trainer::losses::supervised::{BinCenter, Softness};
use suw_trainer::losses::total::{LossConfig, ObjectLoss, ObjectPose};
use suw_trainer::networks::blocks::Residual;
use suw_trainer::networks::depth_network::DepthConfig;
use suw_trainer::networks::encoder_decoder::{EncoderDecoderConfig, LogitsNorm};
use suw_trainer::networks::hourglass::{HourglassConfig, Pooling, UpWidths, Upsampling};
use suw_trainer::networks::pose::{ObjectPooling, PoseConfig, PoseOutputs};
use suw_trainer::optim::schedule::Milestone;
use suw_trainer::plan::TrainPlan;
use suw_trainer::steps::train::{CameraMotion, Precision, StepLosses};

use crate::kit::{Toy, expect_code, stderr};

fn plan(toy: &Toy, sets: &[&str]) -> TrainPlan {
    let data = format!("data.train=[{:?}]", toy.path("train").to_str().unwrap());
    let mut all = vec![data, "data.validation=[]".to_owned(), "device=cpu".to_owned()];
    all.extend(sets.iter().map(|set| (*set).to_owned()));
    let config: TrainConfig = suw_shared::toml_file::read(&toy.path("run.toml"), &all).unwrap();
    plan_from_config(&config).unwrap().0
}

fn losses(plan: &TrainPlan) -> LossConfig {
    match plan.losses {
        StepLosses::EncoderDecoder(losses) => losses,
        StepLosses::Hourglass(_) => panic!("expected the encoder-decoder's losses"),
    }
}

fn network(plan: &TrainPlan) -> EncoderDecoderConfig {
    match &plan.model.network {
        DepthConfig::EncoderDecoder(network) => *network,
        DepthConfig::Hourglass(_) => panic!("expected the encoder-decoder"),
    }
}

/// Without a word of its own the demo means this; with one, that alone changes.
#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(
    toy: &Toy,
    key: &str,
    cases: &[(&str, T)],
    of: impl Fn(&TrainPlan) -> T,
) {
    for (word, expected) in cases {
        let set = format!("{key}={word}");
        assert_eq!(of(&plan(toy, &[&set])), *expected, "{set}");
    }
}

#[test]
fn words_of_the_losses() {
    let toy = Toy::new();
    let s = |plan: &TrainPlan| losses(plan).supervised.unwrap();
    let u = |plan: &TrainPlan| losses(plan).unsupervised.unwrap();
    let w = |plan: &TrainPlan| losses(plan).weak.unwrap();
    let softness = [("gaussian", Softness::Gaussian(0.2)), ("hard", Softness::Hard)];
    check(&toy, "losses.supervised.softness", &softness, |p| s(p).softness);
    check(&toy, "losses.supervised.gamma", &[("0.3", Softness::Gaussian(0.3))], |p| s(p).softness);
    let center = [("rounded", BinCenter::Rounded), ("exact", BinCenter::Exact)];
    check(&toy, "losses.supervised.center", &center, |p| s(p).center);
    let regression =
        [("l1", Regression::L1), ("berhu", Regression::Berhu), ("log", Regression::Log)];
    check(&toy, "losses.supervised.regression", &regression, |p| s(p).regression);
    check(&toy, "losses.supervised.weight_depth", &[("0.7", 0.7)], |p| s(p).weight_depth);

    check(&toy, "losses.weight_u", &[("0.5", 0.5)], |p| u(p).weight);
    check(&toy, "losses.unsupervised.weight_smooth", &[("0.5", 0.5)], |p| u(p).weight_smooth);
    let key = "losses.unsupervised.ssim_weight";
    check(&toy, key, &[("0.15", 0.15)], |p| u(p).photometric.ssim_weight);
    let key = "losses.unsupervised.reprojection";
    let cases = [("minimum", Reprojection::Minimum), ("mean", Reprojection::Mean)];
    check(&toy, key, &cases, |p| u(p).photometric.reprojection);
    let cases = [("off", Automask::Off), ("on", Automask::On)];
    check(&toy, "losses.unsupervised.automask", &cases, |p| u(p).photometric.automask);
    let cases = [("separate", ObjectLoss::Separate), ("composite", ObjectLoss::Composite)];
    check(&toy, "losses.unsupervised.object_loss", &cases, |p| u(p).object_loss);
    let cases = [("total", ObjectPose::Total), ("residual", ObjectPose::Residual)];
    check(&toy, "losses.unsupervised.object_pose", &cases, |p| u(p).object_pose);

    check(&toy, "losses.weight_w", &[("0.5", 0.5)], |p| w(p).weight);
    let cases = [
        ("aligned", PatchMode::Aligned),
        ("sorted", PatchMode::Sorted),
        ("all-pairs", PatchMode::AllPairs),
        ("mean", PatchMode::Mean),
    ];
    check(&toy, "losses.ordinal.patch_mode", &cases, |p| w(p).patch_mode);
    let cases = [("depth", DepthSpace::Depth), ("log", DepthSpace::Log)];
    check(&toy, "losses.ordinal.space", &cases, |p| w(p).space);
    check(&toy, "losses.ordinal.tau", &[("0.25", 0.25)], |p| w(p).tau);
    let key = "losses.ordinal.margin_same_m";
    check(&toy, key, &[("2.5", Some(2.5))], |p| w(p).margin_same_m);
    let key = "losses.ordinal.margin_different_m";
    check(&toy, key, &[("3.5", Some(3.5))], |p| w(p).margin_different_m);
    let pairs = |plan: &TrainPlan| plan.examples.pairs.clone().unwrap();
    let cases = [("pixel", PairKind::Pixel), ("patch", PairKind::Patch)];
    check(&toy, "losses.weak", &cases, |p| pairs(p).kind);
    let cases = [
        ("same", vec![Origin::SameClass]),
        ("different", vec![Origin::DifferentClass]),
        ("both", vec![Origin::DifferentClass, Origin::SameClass]),
        ("ground-truth", vec![Origin::GroundTruth]),
        ("ordinal", vec![Origin::OrdinalMap]),
    ];
    check(&toy, "losses.origin", &cases, |p| pairs(p).origins);
    for kinds in ["S", "U", "W", "S,U", "S,W", "U,W", "S,U,W"] {
        let list: Vec<String> = kinds.split(',').map(|kind| format!("{kind:?}")).collect();
        let plan = plan(&toy, &[&format!("losses.use=[{}]", list.join(","))]);
        let got = losses(&plan);
        let on = [got.supervised.is_some(), got.unsupervised.is_some(), got.weak.is_some()];
        assert_eq!(on, ["S", "U", "W"].map(|kind| kinds.contains(kind)), "{kinds}");
        assert_eq!(plan.model.pose.is_some(), kinds.contains('U'), "{kinds}");
        assert_eq!(plan.examples.pairs.is_some(), kinds.contains('W'), "{kinds}");
    }
}

#[test]
fn words_of_the_networks_and_of_the_optimizer() {
    let toy = Toy::new();
    let pose = |plan: &TrainPlan| -> PoseConfig { plan.model.pose.unwrap() };
    let cases = [("network", CameraMotion::Predicted), ("shards", CameraMotion::Stored)];
    check(&toy, "pose.camera", &cases, |p| p.camera);
    let cases = [
        ("per-source", PoseOutputs::PerSource),
        ("constant-velocity", PoseOutputs::ConstantVelocity),
    ];
    check(&toy, "pose.outputs", &cases, |p| pose(p).outputs);
    check(&toy, "pose.stride", &[("1", 1), ("2", 2)], |p| pose(p).stride);
    let cases = [("mask", ObjectPooling::Mask), ("whole-frame", ObjectPooling::WholeFrame)];
    check(&toy, "pose.object_pooling", &cases, |p| pose(p).object_pooling);
    check(&toy, "pose.rotation_scale", &[("0.5", 0.5)], |p| pose(p).rotation_scale);
    check(&toy, "pose.translation_scale", &[("0.5", 0.5)], |p| pose(p).translation_scale);
    check(&toy, "pose.max_objects", &[("0", 0), ("3", 3)], |p| p.examples.n_objects_max);
    check(&toy, "network.bins", &[("80", 80)], |p| network(p).n_bins);
    check(&toy, "network.enc4_channels", &[("256", 256)], |p| network(p).enc4_channels);
    let cases = [("off", Residual::Off), ("on", Residual::On)];
    check(&toy, "network.residual", &cases, |p| network(p).residual);
    let cases = [("off", LogitsNorm::Plain), ("on", LogitsNorm::BatchNorm)];
    check(&toy, "network.logits_norm", &cases, |p| network(p).logits_norm);
    let cases = [("once", Milestone::Once(4)), ("every", Milestone::Every(4))];
    check(&toy, "train.lr_drop", &cases, |p| p.schedule.milestone);
    check(&toy, "train.clip_norm", &[("0.0", f64::INFINITY), ("2.0", 2.0)], |p| p.clip_norm);
    check(&toy, "train.weight_decay", &[("0.1", 0.1)], |p| p.adam.weight_decay);
    let cases = [("float32", Precision::Float32), ("bf16", Precision::Bfloat16)];
    check(&toy, "train.precision", &cases, |p| p.precision);
    check(&toy, "train.beta1", &[("0.5", 0.5)], |p| p.adam.beta1);
    check(&toy, "train.beta2", &[("0.99", 0.99)], |p| p.adam.beta2);
    check(&toy, "augment.flip", &[("0.25", 0.25)], |p| p.examples.augment.flip);
    check(&toy, "augment.hue", &[("0.25", 0.25)], |p| p.examples.augment.hue);
}

#[test]
fn words_of_the_hourglass() {
    let toy = Toy::new();
    let table = [
        ("pooling", "average"),
        ("upsampling", "bilinear"),
        ("stem_kernel", "7"),
        ("up_widths", "table"),
    ];
    let with = |key: &str, word: &str| -> HourglassConfig {
        let words = table.map(|(name, default)| {
            format!("network.hourglass.{name}={}", if name == key { word } else { default })
        });
        let mut sets = vec!["network.kind=hourglass", "losses.use=[\"S\"]"];
        sets.extend(words.iter().map(String::as_str));
        match plan(&toy, &sets).model.network {
            DepthConfig::Hourglass(network) => network,
            DepthConfig::EncoderDecoder(_) => panic!("expected the hourglass"),
        }
    };
    let printed = HourglassConfig::default();
    assert_eq!(with("", ""), printed);
    let pooling = [
        ("average", Pooling::Average),
        ("max", Pooling::Max),
        ("max-outside", Pooling::MaxOutside),
    ];
    for (word, pooling) in pooling {
        assert_eq!(with("pooling", word), HourglassConfig { pooling, ..printed });
    }
    let upsampling = [
        ("bilinear", Upsampling::Bilinear),
        ("bilinear-corners", Upsampling::BilinearCorners),
        ("nearest", Upsampling::Nearest),
    ];
    for (word, upsampling) in upsampling {
        assert_eq!(with("upsampling", word), HourglassConfig { upsampling, ..printed });
    }
    assert_eq!(with("stem_kernel", "3"), HourglassConfig { stem_kernel: 3, ..printed });
    for (word, up_widths) in [("table", UpWidths::Table), ("swapped", UpWidths::Swapped)] {
        assert_eq!(with("up_widths", word), HourglassConfig { up_widths, ..printed });
    }
}

fn first_line(toy: &Toy, dir: &str) -> serde_json::Value {
    let log = fs::read_to_string(toy.path(dir).join("metrics.jsonl")).unwrap();
    serde_json::from_str(log.lines().next().unwrap()).unwrap()
}

#[test]
fn stored_poses_replace_the_camera_call_and_no_objects_leave_their_term_out() {
    let toy = Toy::new();
    let u = ["--set", "losses.use=[\"U\"]", "--set", "train.max_steps=1"];
    let count = |dir: &str, term: &str| first_line(&toy, dir)["terms"][term]["count"].clone();
    expect_code(&toy.train("network", &u), 0);
    assert!(first_line(&toy, "network")["translation_m"].is_f64());
    assert!(count("network", "obj").as_i64().unwrap() > 0);

    let shards = [&u[..], &["--set", "pose.camera=shards"]].concat();
    expect_code(&toy.train("shards", &shards), 0);
    assert!(first_line(&toy, "shards")["translation_m"].is_null());
    assert!(count("shards", "ego").as_i64().unwrap() > 0);
    assert!(count("shards", "obj").as_i64().unwrap() > 0);

    let none = [&u[..], &["--set", "pose.max_objects=0"]].concat();
    expect_code(&toy.train("none", &none), 0);
    assert_eq!(count("none", "obj"), 0);
    // The object's pixels are judged by the camera's motion instead.
    let more = count("none", "ego").as_i64().unwrap() - count("network", "ego").as_i64().unwrap();
    assert!(more > 0, "{more}");
}

#[test]
fn every_variant_of_object_motion_and_pose_makes_an_update() {
    let toy = Toy::new();
    for (name, sets) in [
        ("composite", &["losses.unsupervised.object_loss=composite"][..]),
        ("residual", &["losses.unsupervised.object_pose=residual"]),
        ("velocity", &["pose.outputs=constant-velocity", "pose.stride=2"]),
        ("frame", &["pose.object_pooling=whole-frame", "losses.unsupervised.automask=on"]),
        ("network", &["network.residual=on", "network.logits_norm=on"]),
        ("bf16", &["train.precision=bf16"]),
    ] {
        let mut args = vec!["--set", "train.max_steps=1"];
        args.extend(sets.iter().flat_map(|set| ["--set", *set]));
        let output = toy.train(name, &args);
        expect_code(&output, 0);
        let line = first_line(&toy, name);
        assert!(line["gradient_norm"].as_f64().unwrap() > 0.0, "{name}");
        // A composed picture has one term for all.
        let has_objects = line["terms"]["obj"]["count"].as_i64().unwrap() > 0;
        assert_eq!(has_objects, name != "composite", "{name}");
    }
}

#[test]
fn what_is_not_finite_stops_the_run_with_its_term_and_samples() {
    let toy = Toy::new();
    let output = toy.train("run", &["--set", "train.lr=1e30", "--set", "train.max_steps=5"]);
    expect_code(&output, 1);
    let text = stderr(&output);
    assert!(text.contains("is not finite") && text.contains("street/drive"), "{text}");
    let told = fs::read_to_string(toy.path("run/not-finite.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["samples"].as_array().unwrap().len(), 2);
    assert!(text.contains(told["term"].as_str().unwrap()), "{text}");
    // The weights of the last checkpoint are those of before.
    assert!(!toy.path("run/checkpoints").join("step-00000005").exists());
}
