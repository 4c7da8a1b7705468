//! Floor 5: `suw-preprocess masks`: fills the mask store and makes no shards.

use std::sync::atomic::AtomicBool;

use clap::Args;
use suw_shared::exit::{Exit, Failure};

use crate::config::{RunConfig, usage};
use crate::launch::{LaunchArgs, loudness, set_aside, stop_flag, stopped, use_threads};
use crate::masks_run::{fill_store, missing_frames};
use crate::onnx::{Models, Runtime, SessionOptions};
use crate::open_plan::open_plan;
use crate::plan::Plan;
use crate::progress::{Loudness, Progress};

/// Arguments of `masks`.
#[derive(Args)]
#[command(after_help = "Example: suw-preprocess masks data-manifests/runs/demo.toml")]
pub struct MasksArgs {
    /// What starts a run.
    #[command(flatten)]
    pub launch: LaunchArgs,
}

/// Runs it.
pub fn run(args: &MasksArgs) -> anyhow::Result<Exit> {
    let args = &args.launch;
    let config = RunConfig::read(&args.run, &args.set)?;
    let opened = open_plan(&config, args.share())?;
    let (Some(networks), Some(store)) = (&opened.networks, &opened.plan.store) else {
        return Err(usage(format!(
            "cannot make masks: masks.source = {:?} runs no network; expected \"models\"",
            config.masks.source.name()
        )));
    };
    let loudness = loudness(args.quiet, args.verbose);
    let stop = stop_flag()?;
    use_threads(args.threads)?;
    if !fill(&opened.plan, networks, &stop, loudness)? {
        return Err(stopped("with the masks made so far kept"));
    }
    let frames = opened.plan.mask_frames();
    let missing = missing_frames(store, &frames).len();
    println!("{}: {} frames, {missing} set aside", store.root().display(), frames.len());
    Ok(set_aside(missing as u64, args.allow_quarantine))
}

/// Runs the networks on the frames that the store lacks; false when told to stop.
///
/// Frames that fail stay missing: each clip that needs one is set aside when shards are made.
pub(crate) fn fill(
    plan: &Plan,
    (models, options): &(Models, SessionOptions),
    stop: &AtomicBool,
    loudness: Loudness,
) -> anyhow::Result<bool> {
    let Some(store) = &plan.store else { return Ok(true) };
    let frames = plan.mask_frames();
    let missing = missing_frames(store, &frames).len();
    if missing == 0 {
        return Ok(true);
    }
    let runtime = Runtime::load().map_err(Failure::from)?;
    let threads = rayon::current_num_threads();
    let sessions = (threads / options.intra_threads.max(1)).clamp(1, missing);
    if loudness != Loudness::Quiet {
        eprintln!(
            "masks: {missing} of {} frames to make; {} on {}, {sessions} sessions",
            frames.len(),
            runtime.library().file_name().unwrap_or_default().to_string_lossy(),
            options.device
        );
    }
    let workers = models.segmenters(&runtime, *options, sessions).map_err(Failure::from)?;
    let progress = Progress::new("masks", loudness);
    let report =
        fill_store(store, &frames, workers, stop, &|done, total| progress.set(done, total));
    progress.finish();
    let report = report.map_err(Failure::from)?;
    for problem in &report.problems {
        if loudness != Loudness::Quiet {
            eprintln!("masks: set aside {}: {}", problem.item, problem.reason);
        }
    }
    Ok(!report.stopped)
}
