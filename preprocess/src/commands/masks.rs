//! Floor 5: `suw-preprocess masks`: fills the mask store and makes no shards.

use std::sync::atomic::AtomicBool;

use clap::Args;
use suw_shared::exit::{Exit, Failure};

use crate::config::{RunConfig, usage};
use crate::launch::{LaunchArgs, loudness, set_aside, stop_flag, stopped, use_threads};
use crate::masks_run::{FrameRef, fill_store, missing_frames};
use crate::onnx::{Device, Models, Runtime, SessionOptions};
use crate::open_plan::open_plan;
use crate::plan::Plan;
use crate::progress::{Loudness, Progress};
use crate::segmenter::Segmenters;

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
    let stop = stop_flag()?;
    let config = RunConfig::read(&args.run, &args.set)?;
    let opened = open_plan(&config, args.share())?;
    let (Some(networks), Some(store)) = (&opened.networks, &opened.plan.store) else {
        return Err(usage(format!(
            "cannot make masks: masks.source = {:?} runs no network; expected \"models\"",
            config.masks.source.name()
        )));
    };
    let loudness = loudness(args.quiet, args.verbose);
    use_threads(args.threads)?;
    let filling = Filling::open(&opened.plan, networks, loudness)?;
    if !filling.run(&stop)? {
        return Err(stopped("with the masks made so far kept"));
    }
    let frames = opened.plan.mask_frames();
    let missing = missing_frames(store, &frames).len();
    println!("{}: {} frames, {missing} set aside", store.root().display(), frames.len());
    Ok(set_aside(missing as u64, args.allow_quarantine))
}

/// Each holds its networks in the memory of the GPU. Two: while one waits for the GPU, the other reads and pastes.
const SESSIONS_ON_A_GPU: usize = 2;

/// The networks, opened for the frames that the store lacks.
pub(crate) struct Filling<'a> {
    plan: &'a Plan,
    frames: Vec<FrameRef>,
    workers: Vec<Segmenters>,
    loudness: Loudness,
}

impl<'a> Filling<'a> {
    /// Opens as many sessions as fit the threads; none where nothing is missing. Compares models with their specs.
    pub(crate) fn open(
        plan: &'a Plan,
        (models, options): &(Models, SessionOptions),
        loudness: Loudness,
    ) -> anyhow::Result<Self> {
        let frames = plan.mask_frames();
        let missing = plan.store.as_ref().map_or(0, |store| missing_frames(store, &frames).len());
        if missing == 0 {
            return Ok(Self { plan, frames: Vec::new(), workers: Vec::new(), loudness });
        }
        let runtime = Runtime::load().map_err(Failure::from)?;
        let threads = rayon::current_num_threads();
        let most = match options.device {
            Device::Cpu => missing,
            Device::Cuda(_) => missing.min(SESSIONS_ON_A_GPU),
        };
        let sessions = (threads / options.intra_threads.max(1)).clamp(1, most);
        if loudness != Loudness::Quiet {
            let identity = models.identity();
            eprintln!(
                "masks: {missing} of {} frames to make; {} and {} on {} by {}, {sessions} sessions of each",
                frames.len(),
                identity.instance.name,
                identity.semantic.name,
                options.device,
                runtime.library().file_name().unwrap_or_default().to_string_lossy(),
            );
        }
        let workers = models.segmenters(&runtime, *options, sessions).map_err(Failure::from)?;
        Ok(Self { plan, frames, workers, loudness })
    }

    /// Runs the networks; false when told to stop.
    ///
    /// Frames that cannot be read or that a network makes nothing of stay missing: each clip that needs one is set aside
    /// when shards are made.
    pub(crate) fn run(self, stop: &AtomicBool) -> anyhow::Result<bool> {
        let Some(store) = &self.plan.store else { return Ok(true) };
        if self.workers.is_empty() {
            return Ok(true);
        }
        let progress = Progress::new("masks", self.loudness);
        let report = fill_store(store, &self.frames, self.workers, stop, &|done, total| {
            progress.set(done, total);
        });
        progress.finish();
        let report = report.map_err(Failure::from)?;
        // Said even where progress is not wanted: the quarantine knows only that the masks are missing.
        for problem in &report.problems {
            eprintln!("masks: set aside {}: {}", problem.item, problem.reason);
        }
        Ok(!report.stopped)
    }
}
