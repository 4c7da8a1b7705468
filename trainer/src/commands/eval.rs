//! Floor 5: `suw-trainer eval`: a checkpoint, or a constant baseline, measured by the Eigen protocol.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{ArgGroup, Args};
use suw_shared::exit::{Exit, Failure};

use crate::checkpoint;
use crate::commands::damage::as_failure;
use crate::commands::train::stop_on_signals;
use crate::config_plan::{EVAL_BATCH, open_shards};
use crate::console::{Console, Verbosity};
use crate::device::DeviceChoice;
use crate::eval_csv::EvalCsv;
use crate::eval_loop::{EvalParams, Evaluated, EvaluatedImage, Predictor, evaluate, values};
use crate::median_depth::median_depth;
use crate::metrics::depth::{Crop, DEPTH_M_MIN, DepthErrors, DepthProtocol, Scaling};
use crate::picture_file::{npy_of_depth, write};
use crate::steps::evaluate::to_native;
use crate::steps::model::Model;

/// Point pairs drawn per image with `--sdr`.
const POINT_PAIRS: usize = 1000;

/// Arguments of `eval`.
#[derive(Args)]
#[command(group(ArgGroup::new("predictor").required(true)))]
#[command(after_help = "Examples:
  suw-trainer eval --checkpoint runs/demo/best --shards shards/demo-test --crop none
  suw-trainer eval --baseline shards/demo-train --shards shards/demo-test --crop none

  suw-trainer eval --checkpoint runs/mm-suw/best --shards megadepth/shards/test --crop none --cap 1e6 --median-scale --sdr

Ground truth is taken at native size where the shards hold it (/gt), else from /depth at network size; the first line says
which. Only results with the same first line can be compared.")]
pub struct EvalArgs {
    /// Checkpoint folder.
    #[arg(long, group = "predictor", value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,
    /// Instead of a network, predict the median measured depth of these training shards everywhere.
    #[arg(long, group = "predictor", value_name = "SHARDS")]
    pub baseline: Option<PathBuf>,
    /// Shard set to measure on.
    #[arg(long, value_name = "SHARDS")]
    pub shards: PathBuf,
    /// Part of the picture that counts: garg, eigen or none.
    #[arg(long, default_value = "garg")]
    pub crop: Crop,
    /// Ground truth from here on does not count; predictions are clamped to it. Metres.
    #[arg(long, default_value_t = 80.0)]
    pub cap: f64,
    /// Scale every prediction by the ratio of medians (a diagnostic: it hides errors of scale).
    #[arg(long)]
    pub median_scale: bool,
    /// Write every prediction to `DIR/<key>.npy`, float32 metres at native size of the window.
    #[arg(long, value_name = "DIR")]
    pub predictions: Option<PathBuf>,
    /// Write one line of errors per image: key, pixels, the nine errors.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Errors without a unit too, as for MegaDepth: si-RMSE, the share of 1000 drawn point pairs per image whose order is
    /// not the measured one (SDR), and the share of stored pixel pairs that are predicted the wrong way round.
    #[arg(long)]
    pub sdr: bool,
    /// `auto`, `cpu` or `cuda:N`.
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Print one JSON object; the line on ground truth then goes to standard error.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[allow(missing_docs)] // documented where it is defined
    pub verbosity: Verbosity,
}

/// Measures and prints.
pub fn run(args: &EvalArgs) -> anyhow::Result<Exit> {
    if !(args.cap.is_finite() && args.cap > DEPTH_M_MIN) {
        return Err(Failure::usage(format!(
            "cannot use --cap: expected metres above {DEPTH_M_MIN}, got {}",
            args.cap
        ))
        .into());
    }
    let shards = open_shards(std::slice::from_ref(&args.shards))?;
    let device = device_of(&args.device)?;
    let model;
    let predictor = match (&args.checkpoint, &args.baseline) {
        (Some(folder), _) => {
            let checkpoint = checkpoint::open(folder).map_err(as_failure)?;
            model = Model::open_depth(&checkpoint, device).map_err(as_failure)?;
            Predictor::Network(&model)
        }
        (None, Some(folder)) => Predictor::Constant(baseline_depth(folder, args)?),
        (None, None) => unreachable!("invariant: the argument group is required"),
    };
    let params = EvalParams {
        protocol: DepthProtocol {
            crop: args.crop,
            cap_m: args.cap,
            scaling: if args.median_scale { Scaling::Median } else { Scaling::None },
        },
        n_images_max: 0,
        batch: EVAL_BATCH,
        n_point_pairs: if args.sdr { POINT_PAIRS } else { 0 },
    };
    let stop = stop_on_signals()?;
    let mut console = Console::new(args.verbosity, "image", 0, shards.len() as u64);
    let mut csv = EvalCsv::default();
    let result = evaluate(predictor, &shards, &params, &stop, |image| {
        console.advance(image.number as u64 + 1, String::new);
        csv.add(image.sample.key.as_str(), image.n_pixels, image.errors);
        match &args.predictions {
            Some(folder) => store(folder, image),
            None => Ok(()),
        }
    });
    console.finish();
    let result = result.map_err(as_failure)?;
    if let Some(path) = &args.csv {
        csv.write(path).with_context(|| format!("cannot write {path:?}"))?;
    }
    if !args.median_scale && matches!(predictor, Predictor::Network(model) if !model.is_metric()) {
        console.say("depth of this network has no unit: pass --median-scale to compare it");
    }
    if args.json {
        console.say(&result.file.header.line());
        print!("{}", result.file.json());
    } else {
        print_table(&result, predictor);
    }
    if result.n_left_out > 0 {
        console.say(&format!(
            "{} images without ground truth to compare were left out",
            result.n_left_out
        ));
    }
    Ok(Exit::Done)
}

/// The device of a `--device` argument.
pub fn device_of(text: &str) -> Result<tch::Device, Failure> {
    DeviceChoice::parse(text)
        .ok_or_else(|| {
            Failure::usage(format!(
                "cannot use --device: expected auto, cpu or cuda:N, got {text:?}"
            ))
        })?
        .open()
        .map_err(|error| Failure::usage(error.to_string()))
}

fn baseline_depth(folder: &Path, args: &EvalArgs) -> anyhow::Result<f64> {
    let train = open_shards(&[folder.to_owned()])?;
    let median = median_depth(&train, DEPTH_M_MIN as f32, args.cap as f32)
        .map_err(|error| Failure::integrity(error.to_string()))?;
    Ok(median.ok_or_else(|| {
        Failure::usage(format!("cannot use baseline {folder:?}: expected measured depth, got none"))
    })?)
}

fn store(folder: &Path, image: &EvaluatedImage) -> Result<(), String> {
    let window = image.sample.native_window;
    let native = to_native(image.depth, window);
    let path = folder.join(format!("{}.npy", image.sample.key));
    write(&path, &npy_of_depth(&values(&native), window.size())).map_err(|error| error.to_string())
}

fn print_table(result: &Evaluated, predictor: Predictor) {
    println!("{}", result.file.header.line());
    if let Predictor::Constant(depth_m) = predictor {
        println!("predictor: {depth_m:.3} m everywhere");
    }
    for (name, value) in DepthErrors::NAMES.iter().zip(result.file.errors().to_array()) {
        println!("{name:<9}{value:>10.4}");
    }
    let Some(relative) = &result.file.relative else { return };
    let lines = [
        ("si_rmse", relative.si_rmse, String::new()),
        ("sdr=", relative.sdr_equal, String::new()),
        ("sdr!=", relative.sdr_unequal, String::new()),
        ("sdr", relative.sdr, format!("  {} point pairs", relative.point_pairs)),
        ("stored", relative.stored_wrong, format!("  {} stored pairs", relative.stored_pairs)),
    ];
    for (name, value, note) in lines {
        let value = value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        println!("{name:<9}{value:>10}{note}");
    }
}
