//! Floor 5: `suw-trainer bench`: how long a training step takes, and how fast shards are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use suw_shared::exit::{Exit, Failure};
use suw_shared::image_size::ImageSize;
use suw_shared::seed::Seed;
use suw_shared::toml_file;
use tch::{Device, Kind};

use crate::batch::{HostBatch, collate};
use crate::bench_batch::{BenchBatch, made_up_examples};
use crate::bench_dump::{CaseInfo, write_case};
use crate::bench_loader::{EpochRead, bench_loader, copy_speed, memory_mib};
use crate::bench_step::{StepBench, StepTimes, bench_step, median};
use crate::config::TrainConfig;
use crate::config_plan::plan_from_config;
use crate::device;
use crate::example::Frames;
use crate::feed::{batch_maker, sampler_of};
use crate::initial_weights::{self, InitialWeightsError};
use crate::losses::total::{LossConfig, SupervisedConfig, UnsupervisedConfig, WeakConfig};
use crate::networks::depth_network::DepthConfig;
use crate::networks::encoder_decoder::EncoderDecoderConfig;
use crate::networks::pose::PoseConfig;
use crate::optim::adam::{Adam, AdamConfig};
use crate::plan::TrainPlan;
use crate::steps::model::{Model, ModelSpec};
use crate::steps::train::{CameraMotion, Precision, StepLosses, StepParams};
use crate::torch_shim;
use crate::train_loop::TrainData;

/// Arguments of `bench`.
#[derive(Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Time of a training step, part by part: data, forward, losses, backward, optimizer.
    Step(StepArgs),
    /// Samples per second from shards to batches, without training.
    Loader(LoaderArgs),
}

/// Kinds of learning of a made-up step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Learn {
    /// Supervised.
    S,
    /// Supervised, unsupervised and weak.
    Suw,
}

/// Numbers a step is computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NumberKind {
    /// As in training.
    Float32,
    /// For comparisons with other software.
    Float64,
}

/// Numbers that the networks compute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NetworkNumbers {
    /// As everything else.
    Float32,
    /// bfloat16 as far as libtorch's autocast thinks it safe.
    Bf16,
}

/// Arguments of `bench step`.
#[derive(Args)]
#[command(after_help = "Examples:
  suw-trainer bench step --learn suw --steps 20
  suw-trainer bench step data-manifests/training/demo.toml --json

Without a run file: the encoder-decoder with default losses on a made-up batch. With --dump DIR the first batch, the weights
and the settings are written before the first step, for tests/bench/step_torch.py. A GPU is asked for the numbers of a step
after the next one has begun, as in training; its parts are the times that the host takes to ask for them.")]
pub struct StepArgs {
    /// Run file; its first batches are shown in turn.
    pub run: Option<PathBuf>,
    /// Override one key of the run file; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "run")]
    pub overrides: Vec<String>,
    /// Kinds of learning of the made-up step.
    #[arg(long, value_enum, default_value = "suw", conflicts_with = "run")]
    pub learn: Learn,
    /// Size of the made-up pictures.
    #[arg(long, value_name = "WxH", default_value = "416x128", conflicts_with = "run")]
    pub size: String,
    /// Images of the made-up batch.
    #[arg(long, value_name = "N", default_value_t = 4, conflicts_with = "run")]
    pub batch: usize,
    /// Objects of the made-up batch, all images together.
    #[arg(long, value_name = "N", default_value_t = 2, conflicts_with = "run")]
    pub objects: usize,
    /// Steps that count.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub steps: usize,
    /// Steps before them that do not.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub warmup: usize,
    /// Threads of libtorch; 0 = one per core, or as the run file says.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Numbers.
    #[arg(long, value_enum, default_value = "float32")]
    pub kind: NumberKind,
    /// Numbers of the networks alone, of a made-up step.
    #[arg(long, value_enum, default_value = "float32", conflicts_with = "run")]
    pub precision: NetworkNumbers,
    /// Where a made-up step runs.
    #[arg(long, value_name = "DEVICE", default_value = "auto", conflicts_with = "run")]
    pub device: String,
    /// Weights to begin with, such as RUN/best/model.safetensors; else those of the seed.
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    /// Write what other programs need to make the same steps.
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bench loader`.
#[derive(Args)]
#[command(after_help = "Examples:
  suw-trainer bench loader data-manifests/training/kitti-suw.toml
  suw-trainer bench loader data-manifests/training/demo.toml --epochs 20 --json

Reads data.train as training would: same order, same augmentation, same reader threads. The share of memory speed compares
the bytes of the batches with a plain copy by as many threads, measured in the same run.")]
pub struct LoaderArgs {
    /// Run file.
    pub run: PathBuf,
    /// Override one key; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Passes over the data; the first warms up and does not count unless it is the only one.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: u32,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Measures.
pub fn run(args: &BenchArgs) -> anyhow::Result<Exit> {
    match &args.what {
        What::Step(args) => step(args),
        What::Loader(args) => loader(args),
    }
}

fn open(run: &Path, overrides: &[String]) -> anyhow::Result<(TrainPlan, TrainData)> {
    let config: TrainConfig =
        toml_file::read(run, overrides).map_err(|error| Failure::usage(error.to_string()))?;
    plan_from_config(&config)
}

/// Everything a measured step needs.
struct Setup {
    model: ModelSpec,
    params: StepParams,
    adam: AdamConfig,
    batches: Vec<HostBatch>,
    device: Device,
    n_threads: usize,
    learn: String,
}

fn step(args: &StepArgs) -> anyhow::Result<Exit> {
    let setup = match &args.run {
        Some(run) => setup_of_run(run, args)?,
        None => made_up_setup(args)?,
    };
    let n_threads = if args.threads > 0 { args.threads } else { setup.n_threads };
    if n_threads > 0 {
        tch::set_num_threads(i32::try_from(n_threads).unwrap_or(i32::MAX));
    }
    if setup.device == Device::Cpu {
        let _ = torch_shim::keep_memory();
    }
    tch::manual_seed(1);
    let mut model = Model::new(&setup.model, setup.device);
    if let Some(file) = &args.init {
        let failed = |error: InitialWeightsError| Failure::usage(error.to_string());
        let weights = initial_weights::read(file).map_err(failed)?;
        let report = weights.load_into(&model.named()).map_err(failed)?;
        if !report.missing.is_empty() || !report.misshapen.is_empty() {
            let (missing, misshapen) = (&report.missing, &report.misshapen);
            return Err(Failure::usage(format!(
                "cannot begin with {file:?}: expected all weights of the networks, got none for {missing:?} and others for {misshapen:?}"
            ))
            .into());
        }
    }
    if let Some(folder) = &args.dump {
        let info = CaseInfo { learn: setup.learn.clone(), lr: setup.adam.lr };
        write_case(folder, &setup.batches[0], &model.to_host(), &info)?;
    }
    let kind = match args.kind {
        NumberKind::Float32 => Kind::Float,
        NumberKind::Float64 => Kind::Double,
    };
    if kind == Kind::Double {
        model.make_double();
    }
    let optimizer = Adam::new(Adam::named_trainable(model.variables()), setup.adam);
    let times = bench_step(StepBench {
        model: &model,
        optimizer,
        params: &setup.params,
        batches: &setup.batches,
        device: setup.device,
        kind,
        n_warmup: args.warmup,
        n_steps: args.steps.max(1),
        waits: !setup.device.is_cuda(),
    })?;
    let report = step_report(&setup, &times);
    if args.json {
        println!("{report}");
    } else {
        print_step(&report);
    }
    Ok(Exit::Done)
}

fn setup_of_run(run: &Path, args: &StepArgs) -> anyhow::Result<Setup> {
    let (plan, data) = open(run, &args.overrides)?;
    let sampler = sampler_of(&plan, &data.train);
    let n_batches = sampler.batches_per_epoch().min(8);
    let make = batch_maker(&plan, Arc::clone(&data.train), sampler);
    let batches = (0..n_batches).map(make).collect::<Result<_, _>>().context("nothing measured")?;
    Ok(Setup {
        learn: "run".to_owned(),
        params: StepParams {
            losses: plan.losses,
            camera: plan.camera,
            clip_norm: plan.clip_norm,
            precision: plan.precision,
        },
        model: plan.model,
        adam: plan.adam,
        batches,
        device: plan.device,
        n_threads: plan.n_threads,
    })
}

fn made_up_setup(args: &StepArgs) -> anyhow::Result<Setup> {
    let usage = |message: String| Failure::usage(message);
    let size: Option<(u32, u32)> =
        args.size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let (width, height) = size
        .filter(|(w, h)| *w >= 64 && *h >= 32 && w % 4 == 0 && h % 4 == 0)
        .ok_or_else(|| {
            usage(format!(
                "cannot make pictures of size {:?}: expected WxH, multiples of 4, at least 64x32",
                args.size
            ))
        })?;
    if args.batch == 0 || args.objects > 4 * args.batch {
        return Err(usage(format!(
            "cannot make a batch of {} images with {} objects: expected an image, and at most 4 objects each",
            args.batch, args.objects
        ))
        .into());
    }
    let everything = args.learn == Learn::Suw;
    let of = BenchBatch {
        n_images: args.batch,
        size: ImageSize::new(width, height),
        frames: if everything { Frames::Clip } else { Frames::Target },
        n_objects: args.objects,
    };
    let losses = LossConfig {
        supervised: Some(SupervisedConfig::default()),
        unsupervised: everything.then(UnsupervisedConfig::default),
        weak: everything.then(WeakConfig::default),
        ..LossConfig::default()
    };
    Ok(Setup {
        model: ModelSpec {
            bins: losses.bins,
            network: DepthConfig::EncoderDecoder(EncoderDecoderConfig::default()),
            pose: everything.then(PoseConfig::default),
        },
        params: StepParams {
            losses: StepLosses::EncoderDecoder(losses),
            camera: CameraMotion::Predicted,
            clip_norm: f64::INFINITY,
            precision: match args.precision {
                NetworkNumbers::Float32 => Precision::Float32,
                NetworkNumbers::Bf16 => Precision::Bfloat16,
            },
        },
        adam: AdamConfig::default(),
        batches: vec![collate(made_up_examples(&of, Seed(1)), of.frames)],
        device: device_of(&args.device)?,
        n_threads: 0,
        learn: if everything { "suw" } else { "s" }.to_owned(),
    })
}

fn device_of(text: &str) -> anyhow::Result<Device> {
    let choice = device::DeviceChoice::parse(text).ok_or_else(|| {
        Failure::usage(format!("cannot use device {text:?}: expected auto, cpu or cuda:N"))
    })?;
    Ok(choice.open().map_err(|error| Failure::usage(error.to_string()))?)
}

fn step_report(setup: &Setup, times: &StepTimes) -> Value {
    let whole = median(&times.steps_ms);
    let n_images = setup.batches[0].keys().len();
    let parts: serde_json::Map<String, Value> =
        times.parts_ms.iter().map(|(name, ms)| ((*name).to_owned(), json!(median(ms)))).collect();
    json!({
        "learn": setup.learn,
        "device": device::name(setup.device),
        "threads": tch::get_num_threads(),
        "images": n_images,
        "steps": times.steps_ms.len(),
        "median_ms": whole,
        "min_ms": times.steps_ms.iter().copied().fold(f64::INFINITY, f64::min),
        "images_per_s": 1000.0 * n_images as f64 / whole,
        "peak_mib": memory_mib("VmHWM"),
        "parts_ms": parts,
        "totals": times.totals,
    })
}

fn print_step(report: &Value) {
    let number = |name: &str| report[name].as_f64().unwrap_or(f64::NAN);
    println!(
        "{}: median {:.1} ms, least {:.1} ms a step, {:.2} images/s, {} threads, at most {:.0} MiB",
        report["device"].as_str().unwrap_or_default(),
        number("median_ms"),
        number("min_ms"),
        number("images_per_s"),
        report["threads"],
        number("peak_mib"),
    );
    for (name, ms) in report["parts_ms"].as_object().into_iter().flatten() {
        let ms = ms.as_f64().unwrap_or(f64::NAN);
        println!("  {name:<10} {ms:8.1} ms  {:4.1} %", 100.0 * ms / number("median_ms"));
    }
}

fn loader(args: &LoaderArgs) -> anyhow::Result<Exit> {
    let (plan, data) = open(&args.run, &args.overrides)?;
    if plan.device == Device::Cpu {
        // As training does.
        let _ = torch_shim::keep_memory();
    }
    let readers = plan.prefetch.n_threads.max(1);
    let copy = copy_speed(readers);
    let mut epoch = 0;
    let epochs = bench_loader(&plan, &data.train, args.epochs, &mut |read| {
        epoch += 1;
        if !args.json {
            println!(
                "epoch {epoch}: {:.0} samples/s, {:.0} MB/s, {:.0} MiB resident",
                read.n_samples as f64 / read.seconds,
                read.n_bytes as f64 / read.seconds / 1e6,
                read.resident_mib
            );
        }
    })?;
    let counted = if epochs.len() > 1 { &epochs[1..] } else { &epochs[..] };
    let rates = |of: &dyn Fn(&EpochRead) -> f64| -> Vec<f64> {
        counted.iter().map(|read| of(read) / read.seconds).collect()
    };
    let samples = median(&rates(&|read| read.n_samples as f64));
    let bytes = median(&rates(&|read| read.n_bytes as f64));
    let (first, last) = (counted[0].resident_mib, counted[counted.len() - 1].resident_mib);
    if args.json {
        let report = json!({
            "samples": epochs[0].n_samples,
            "epochs": epochs.len(),
            "readers": readers,
            "samples_per_s": samples,
            "bytes_per_s": bytes,
            "copy_bytes_per_s": copy,
            "share_of_copy": bytes / copy,
            "resident_mib": epochs.iter().map(|read| read.resident_mib).collect::<Vec<_>>(),
        });
        println!("{report}");
        return Ok(Exit::Done);
    }
    println!(
        "{samples:.0} samples/s, {:.0} MB/s by {readers} reader threads; a copy makes {:.0} MB/s, so {:.1} % of it; memory {first:.0} to {last:.0} MiB",
        bytes / 1e6,
        copy / 1e6,
        100.0 * bytes / copy
    );
    Ok(Exit::Done)
}
