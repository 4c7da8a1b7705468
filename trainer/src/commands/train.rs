//! Floor 5: `suw-trainer train`: a run file to weights.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use clap::Args;
use suw_shared::exit::{Exit, Failure};
use suw_shared::toml_file;

use crate::checkpoint::{self, Checkpoint};
use crate::commands::damage::as_failure;
use crate::config::TrainConfig;
use crate::config_plan::plan_from_config;
use crate::console::{Console, Verbosity};
use crate::initial_weights::{self, InitReport};
use crate::plan::TrainPlan;
use crate::run_lock::{self, RunLock};
use crate::run_log::LoggedStep;
use crate::train_loop::{Ended, Start, TrainEvent, train};

/// Arguments of `train`.
#[derive(Args)]
#[command(after_help = "Examples:
  suw-trainer train data-manifests/training/demo.toml
  suw-trainer train data-manifests/training/demo.toml --set run.dir=runs/mine --set train.lr=2e-4 --resume auto
  suw-trainer train data-manifests/training/kitti-suw.toml --init pytorch.safetensors

Stopped by SIGTERM or SIGINT it saves a checkpoint and ends with exit code 75; --resume auto goes on from there, or from the
one before where the newest is damaged.")]
pub struct TrainArgs {
    /// Run file.
    pub run: PathBuf,
    /// Override one key, e.g. train.lr=2e-4; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Go on from a checkpoint: `auto` takes the newest of the run directory, or starts afresh where there is none.
    #[arg(long, value_name = "auto|DIR")]
    pub resume: Option<PathBuf>,
    /// Start from weights made elsewhere, e.g. in PyTorch: what fits by name and shape is loaded, the rest is listed. Not
    /// used by a run that resumes.
    #[arg(long, value_name = "FILE.safetensors")]
    pub init: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)] // documented where it is defined
    pub verbosity: Verbosity,
}

/// Trains.
pub fn run(args: &TrainArgs) -> anyhow::Result<Exit> {
    let config: TrainConfig = toml_file::read(&args.run, &args.overrides)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let (plan, data) = plan_from_config(&config)?;
    // Before a checkpoint is looked for: another process may be about to replace it.
    let _lock = lock_of(&plan.run_dir)?;
    let resumed = checkpoint_to_resume(args.resume.as_deref(), &plan)?;
    let initial = args.init.as_deref().map(initial_weights::read).transpose();
    let initial = initial.map_err(|error| Failure::usage(error.to_string()))?;
    let start = match (&resumed, &initial) {
        (Some(checkpoint), _) => Start::Resume(checkpoint),
        (None, Some(weights)) => Start::From(weights),
        (None, None) => Start::Fresh,
    };
    let stop = stop_on_signals()?;
    let mut console = Console::new(args.verbosity, "step", 0, 0);
    console.say(&format!(
        "training on {} samples of {} on {}, validating on {}; run directory {}",
        data.train.len(),
        data.train.size(),
        crate::device::name(plan.device),
        data.validation.as_ref().map_or(0, |shards| shards.len()),
        plan.run_dir.display(),
    ));
    let mut pace = String::new();
    let ended = train(&plan, &data, start, &stop, &mut |event| {
        show(event, args.verbosity, &mut console, &mut pace);
    });
    console.finish();
    match ended.map_err(as_failure)? {
        Ended::Finished => Ok(Exit::Done),
        Ended::Stopped => Err(Failure::stopped(format!(
            "stopped with everything kept in {:?}; run again with --resume auto to go on",
            plan.run_dir
        ))
        .into()),
    }
}

/// `pace` is how fast it went up to the last log line.
fn show(event: TrainEvent, verbosity: Verbosity, console: &mut Console, pace: &mut String) {
    match event {
        TrainEvent::Initialized(report) => say_report(report, console),
        TrainEvent::BestForgotten(best) => console.warn(&format!(
            "the best validation so far, abs_rel {:.4} at step {}, was measured on other shard sets than data.validation: ranking starts anew",
            best.abs_rel, best.step
        )),
        TrainEvent::Begun { step, n_steps, per_epoch, n_parameters } => {
            *console = Console::new(verbosity, "step", step, n_steps);
            console.say(&format!(
                "{n_parameters} parameters; steps {step} to {n_steps}, {per_epoch} per epoch"
            ));
        }
        TrainEvent::Updated { step, outcome } => {
            console.advance(step, || format!("loss {:.4}{pace}", outcome.total));
        }
        TrainEvent::Logged(logged) => {
            *pace = format!(", {}", pace_text(logged));
            console.say_more(&logged_line(logged));
        }
        TrainEvent::Validated { step, result, is_best } => {
            let file = &result.file;
            console.say(&format!(
                "step {step}: validation abs_rel {:.4} rmse {:.3} a1 {:.4}{} ({})",
                file.abs_rel,
                file.rmse,
                file.a1,
                if is_best { ", best so far" } else { "" },
                file.header.line(),
            ));
        }
        TrainEvent::Saved(folder) => console.say_more(&format!("saved {}", folder.display())),
    }
}

/// What of the weights fits; names of what does not with `-v`.
fn say_report(report: &InitReport, console: &Console) {
    console.say(&format!(
        "weights: {} tensors loaded, {} missing, {} unexpected, {} of another shape",
        report.loaded.len(),
        report.missing.len(),
        report.unexpected.len(),
        report.misshapen.len()
    ));
    for name in &report.missing {
        console.say_more(&format!("missing: {name}"));
    }
    for name in &report.unexpected {
        console.say_more(&format!("unexpected: {name}"));
    }
    for (name, expected, got) in &report.misshapen {
        console.say(&format!("another shape: {name}: expected {expected:?}, got {got:?}"));
    }
}

fn logged_line(logged: &LoggedStep) -> String {
    let terms: Vec<String> =
        logged.terms.iter().map(|(name, term)| format!("{name} {:.4}", term.raw)).collect();
    format!(
        "step {} epoch {} total {:.4} [{}] lr {:.1e} {}",
        logged.step,
        logged.epoch,
        logged.total,
        terms.join(", "),
        logged.lr,
        pace_text(logged),
    )
}

/// Speed, and the share of time that went by waiting for data.
fn pace_text(logged: &LoggedStep) -> String {
    format!("{:.1} samples/s, {:.0}% waiting", logged.samples_per_s, 100.0 * logged.waiting)
}

/// The run directory, held against other processes.
fn lock_of(run_dir: &Path) -> anyhow::Result<RunLock> {
    let lock = run_lock::take(run_dir)
        .with_context(|| format!("cannot hold run directory {run_dir:?}"))?;
    Ok(lock.ok_or_else(|| {
        Failure::usage(format!(
            "cannot use run directory {run_dir:?}: expected it free, got one in which another process trains; wait for that one or stop it, or choose another run.dir"
        ))
    })?)
}

/// The checkpoint to go on from, compared with the plan.
fn checkpoint_to_resume(
    resume: Option<&Path>,
    plan: &TrainPlan,
) -> anyhow::Result<Option<Checkpoint>> {
    let newest = plan.run_dir.join("latest");
    // A link that points nowhere is damage, not a fresh start.
    let is_there = newest.symlink_metadata().is_ok();
    let folder = match resume {
        None if is_there => {
            return Err(Failure::usage(format!(
                "cannot start a run in {:?}: it holds checkpoints of another one; pass --resume auto to go on with it, or choose another run.dir",
                plan.run_dir
            ))
            .into());
        }
        None => return Ok(None),
        Some(word) if word == Path::new("auto") => {
            if !is_there {
                return Ok(None);
            }
            let (checkpoint, damaged) =
                checkpoint::newest_whole(&plan.run_dir).map_err(as_failure)?;
            // Said on standard error even where -q wants silence.
            for error in &damaged {
                eprintln!("suw-trainer: warning: {error}");
            }
            if !damaged.is_empty() {
                let (folder, step) = (checkpoint.folder(), checkpoint.state().step);
                eprintln!("suw-trainer: warning: going on from {folder:?}, step {step}");
            }
            return same_run(checkpoint, plan).map(Some);
        }
        Some(folder) if folder.join(checkpoint::STATE_FILE).is_file() => folder.to_owned(),
        Some(folder) => folder.join("latest"),
    };
    let checkpoint = checkpoint::open(&folder).map_err(as_failure)?;
    same_run(checkpoint, plan).map(Some)
}

/// The checkpoint, if it belongs to this configuration and data.
fn same_run(checkpoint: Checkpoint, plan: &TrainPlan) -> anyhow::Result<Checkpoint> {
    let expected = &checkpoint.state().config_fingerprint;
    if *expected != plan.fingerprint {
        let folder = checkpoint.folder();
        return Err(Failure::usage(format!(
            "cannot resume from {folder:?}: it belongs to another configuration or other data; expected fingerprint {expected}, got {}; compare config.toml of its run directory",
            plan.fingerprint
        ))
        .into());
    }
    Ok(checkpoint)
}

/// A flag that SIGTERM and SIGINT raise; a second signal ends the program at once.
pub fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let code = Exit::Stopped as i32;
        signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot watch for signals")?;
    }
    Ok(stop)
}
