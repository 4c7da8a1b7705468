//! The pose network learns the street world's camera motion from pictures and known depth, by the photometric loss alone.
//!
//! The drives are rendered by the other program, found beside the one under test, and read from their KITTI files here: nothing of
//! the trainer's own reading takes part, and the true motion is compared, never shown.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use suw_trainer::depth_bins::DepthBins;
use suw_trainer::losses::clip::{Clip, ClipInputs, Motion};
use suw_trainer::losses::ego_motion::ego_loss;
use suw_trainer::losses::photometric::PhotometricConfig;
use suw_trainer::networks::blocks::Mode;
use suw_trainer::networks::depth_network::DepthConfig;
use suw_trainer::networks::encoder_decoder::EncoderDecoderConfig;
use suw_trainer::networks::input::normalize_images;
use suw_trainer::networks::pose::PoseConfig;
use suw_trainer::optim::adam::{Adam, AdamConfig};
use suw_trainer::steps::model::{Model, ModelSpec};
use tch::{Device, Kind, Tensor};

const SIZE: (i64, i64) = (48, 160); // height, width
const DRIVES: usize = 3;
const FRAMES: usize = 8;
const STEPS: usize = 300;
const BATCH: usize = 6;

/// Clips of all drives.
struct World {
    frames: Tensor,     // [N, 3, 3, H, W]
    depth: Tensor,      // [N, 1, H, W], where it is known
    hidden: Tensor,     // [N, H, W]: what moves, and what has no depth
    intrinsics: Tensor, // [N, 3, 3]
    truth: Vec<[[f64; 3]; 2]>,
}

fn picture(path: &Path) -> Tensor {
    let image = image::open(path).unwrap().into_rgb8();
    let size = [i64::from(image.height()), i64::from(image.width()), 3];
    Tensor::from_slice(image.as_raw()).view(size).permute([2, 0, 1]).to_kind(Kind::Float) / 255.0
}

fn map(path: &Path) -> Tensor {
    let image = image::open(path).unwrap().into_luma16();
    let values: Vec<f32> = image.pixels().map(|p| f32::from(p.0[0])).collect();
    Tensor::from_slice(&values).view([i64::from(image.height()), i64::from(image.width())])
}

/// The rows of `poses/image_02.txt`: first camera from this camera.
fn poses(path: &Path) -> Vec<[f64; 12]> {
    let text = fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let numbers: Vec<f64> = line.split_whitespace().map(|n| n.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    };
    text.lines().map(row).collect()
}

/// Translation of source_from_target: R_s^T (t_t - t_s), where each camera is at t in the first one's coordinates.
fn translation(target: &[f64; 12], source: &[f64; 12]) -> [f64; 3] {
    let difference = [3, 7, 11].map(|i| target[i] - source[i]);
    [0, 1, 2].map(|column| (0..3).map(|row| source[4 * row + column] * difference[row]).sum())
}

fn intrinsics(day: &Path) -> Tensor {
    let text = fs::read_to_string(day.join("calib_cam_to_cam.txt")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("P_rect_02:")).unwrap();
    let p: Vec<f64> = line.split_whitespace().map(|n| n.parse().unwrap()).collect();
    let k = [p[0], p[1], p[2], p[4], p[5], p[6], p[8], p[9], p[10]];
    Tensor::from_slice(&k).view([3, 3]).to_kind(Kind::Float)
}

fn world(root: &Path) -> World {
    let day = root.join("2026_01_01");
    let k = intrinsics(&day);
    let (mut frames, mut depth, mut hidden, mut truth) = (vec![], vec![], vec![], vec![]);
    for drive in 1..=DRIVES {
        let folder = day.join(format!("2026_01_01_drive_{drive:04}_sync"));
        let file = |kind: &str, t: usize| folder.join(kind).join(format!("{t:010}.png"));
        let pictures: Vec<Tensor> =
            (0..FRAMES).map(|t| picture(&file("image_02/data", t))).collect();
        let poses = poses(&folder.join("poses/image_02.txt"));
        for t in 1..FRAMES - 1 {
            frames.push(Tensor::stack(&pictures[t - 1..=t + 1], 0));
            let metres = map(&file("proj_depth/groundtruth/image_02", t)) / 256.0;
            let unknown = metres.le(0.0);
            // Sky moves like what is far away.
            let sky = metres.where_scalarother(&metres.gt(0.0), 1000.0);
            depth.push(sky.unsqueeze(0));
            let moving = map(&file("instance/image_02", t)).remainder(256.0).gt(0.0);
            hidden.push(moving.logical_or(&unknown).to_kind(Kind::Uint8));
            truth.push([t - 1, t + 1].map(|s| translation(&poses[t], &poses[s])));
        }
    }
    let n = frames.len() as i64;
    World {
        frames: Tensor::stack(&frames, 0),
        depth: Tensor::stack(&depth, 0),
        hidden: Tensor::stack(&hidden, 0),
        intrinsics: k.unsqueeze(0).expand([n, 3, 3], false).contiguous(),
        truth,
    }
}

fn length(v: [f64; 3]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Median over all sources of |got - true| / |true|.
fn median_error(motion: &Tensor, truth: &[[[f64; 3]; 2]]) -> f64 {
    let mut errors = Vec::new();
    for (n, sources) in (0..).zip(truth) {
        for (s, expected) in (0..).zip(sources) {
            let got = [0, 1, 2].map(|i| motion.double_value(&[n, s, i]));
            let off = [0, 1, 2].map(|i| got[i] - expected[i]);
            errors.push(length(off) / length(*expected));
        }
    }
    errors.sort_by(f64::total_cmp);
    errors[errors.len() / 2]
}

#[test]
fn with_known_depth_the_pose_network_recovers_the_street_worlds_motion() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_suw-trainer"));
    let program = program.with_file_name("suw-preprocess");
    if !program.exists() {
        println!("skipped: {} is not built; `make test` builds it", program.display());
        assert!(std::env::var_os("SUW_REQUIRE_PYTHON").is_none(), "expected both programs");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("world");
    let size = format!("{}x{}", SIZE.1, SIZE.0);
    let (drives, n_frames) = (DRIVES.to_string(), FRAMES.to_string());
    let status = Command::new(&program)
        .args(["synth", "--drives", &drives, "--frames", &n_frames])
        .args(["--size", &size, "--seed", "11", "-q", "--out"])
        .arg(&root)
        .status();
    assert!(status.unwrap().success());
    let world = world(&root);
    let n = world.truth.len();
    assert_eq!(n, DRIVES * (FRAMES - 2));

    tch::set_num_threads(1);
    tch::manual_seed(1);
    let spec = ModelSpec {
        bins: DepthBins::KITTI,
        network: DepthConfig::EncoderDecoder(EncoderDecoderConfig::default()),
        pose: Some(PoseConfig::default()),
    };
    let model = Model::new(&spec, Device::Cpu);
    let (pose, encoder) = (model.pose.as_ref().unwrap(), model.depth.encoder().unwrap());
    let trainable = Adam::named_trainable(model.variables());
    let mut adam = Adam::new(trainable, AdamConfig { lr: 1e-3, ..AdamConfig::default() });
    let inputs = normalize_images(&world.frames).view([n as i64, 9, SIZE.0, SIZE.1]);
    let before = tch::no_grad(|| pose.ego(encoder, &inputs, Mode::Eval));
    let before = median_error(&before, &world.truth);
    for step in 0..STEPS {
        // Each clip as often as any other: a stride that has no factor in common with the number of clips.
        let index: Vec<i64> = (0..BATCH).map(|i| ((step * BATCH + i) * 7 % n) as i64).collect();
        let index = Tensor::from_slice(&index);
        let pick = |t: &Tensor| t.index_select(0, &index);
        let motion = pose.ego(encoder, &pick(&inputs), Mode::Train);
        let (frames, intrinsics) = (pick(&world.frames), pick(&world.intrinsics));
        let depth = pick(&world.depth);
        let clip = ClipInputs {
            frames: &frames,
            intrinsics: &intrinsics,
            ego: Motion::Vectors(&motion),
            objects: None,
        };
        let clip = Clip::new(&clip, &depth);
        let hidden = pick(&world.hidden);
        let loss = ego_loss(&clip, &depth, Some(&hidden), &PhotometricConfig::default());
        adam.zero_grad();
        loss.value.backward();
        adam.set_lr(if step < STEPS * 3 / 4 { 1e-3 } else { 2e-4 });
        adam.step();
        if step % 50 == 0 {
            println!("step {step}: L_ego {:.4}", loss.value_f64());
        }
    }
    let after = tch::no_grad(|| pose.ego(encoder, &inputs, Mode::Eval));
    let after = median_error(&after, &world.truth);
    println!("median translation error {before:.3} before, {after:.3} after {STEPS} steps");
    // Near no motion at first, so the error is the whole motion.
    assert!(before > 0.5, "{before}");
    assert!(after < 0.1, "{after}");
}
