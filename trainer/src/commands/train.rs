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
use crate::plan::TrainPlan;
use crate::run_log::LoggedStep;
use crate::train_loop::{Ended, TrainEvent, train};

/// Arguments of `train`.
#[derive(Args)]
#[command(after_help = "Examples:
  suw-trainer train data-manifests/training/demo.toml
  suw-trainer train data-manifests/training/demo.toml --set run.dir=runs/mine --set train.lr=2e-4 --resume auto

Stopped by SIGTERM or SIGINT it saves a checkpoint and ends with exit code 75; --resume auto goes on from there.")]
pub struct TrainArgs {
    /// Run file.
    pub run: PathBuf,
    /// Override one key, e.g. train.lr=2e-4; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Go on from a checkpoint: `auto` takes the newest of the run directory, or starts afresh where there is none.
    #[arg(long, value_name = "auto|DIR")]
    pub resume: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)] // documented where it is defined
    pub verbosity: Verbosity,
}

/// Trains.
pub fn run(args: &TrainArgs) -> anyhow::Result<Exit> {
    let config: TrainConfig = toml_file::read(&args.run, &args.overrides)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let (plan, data) = plan_from_config(&config)?;
    let resumed = checkpoint_to_resume(args.resume.as_deref(), &plan)?;
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
    let ended = train(&plan, &data, resumed.as_ref(), &stop, &mut |event| {
        show(event, args.verbosity, &mut console);
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

fn show(event: TrainEvent, verbosity: Verbosity, console: &mut Console) {
    match event {
        TrainEvent::Begun { step, n_steps, per_epoch, n_parameters } => {
            *console = Console::new(verbosity, "step", step, n_steps);
            console.say(&format!(
                "{n_parameters} parameters; steps {step} to {n_steps}, {per_epoch} per epoch"
            ));
        }
        TrainEvent::Updated { step, outcome } => {
            console.advance(step, || format!("loss {:.4}", outcome.total));
        }
        TrainEvent::Logged(logged) => console.say_more(&logged_line(logged)),
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

fn logged_line(logged: &LoggedStep) -> String {
    let terms: Vec<String> =
        logged.terms.iter().map(|(name, term)| format!("{name} {:.4}", term.raw)).collect();
    format!(
        "step {} epoch {} total {:.4} [{}] lr {:.1e} {:.1} samples/s, {:.0}% waiting",
        logged.step,
        logged.epoch,
        logged.total,
        terms.join(", "),
        logged.lr,
        logged.samples_per_s,
        100.0 * logged.waiting,
    )
}

/// The checkpoint to go on from, compared with the plan.
fn checkpoint_to_resume(
    resume: Option<&Path>,
    plan: &TrainPlan,
) -> anyhow::Result<Option<Checkpoint>> {
    let newest = plan.run_dir.join("latest");
    let folder = match resume {
        None if newest.exists() => {
            return Err(Failure::usage(format!(
                "cannot start a run in {:?}: it holds checkpoints of another one; pass --resume auto to go on with it, or choose another run.dir",
                plan.run_dir
            ))
            .into());
        }
        None => return Ok(None),
        Some(word) if word == Path::new("auto") => {
            if !newest.exists() {
                return Ok(None);
            }
            newest
        }
        Some(folder) if folder.join(checkpoint::STATE_FILE).is_file() => folder.to_owned(),
        Some(folder) => folder.join("latest"),
    };
    let checkpoint = checkpoint::open(&folder).map_err(as_failure)?;
    let expected = &checkpoint.state().config_fingerprint;
    if *expected != plan.fingerprint {
        return Err(Failure::usage(format!(
            "cannot resume from {folder:?}: it belongs to another configuration or other data; expected fingerprint {expected}, got {}; compare config.toml of its run directory",
            plan.fingerprint
        ))
        .into());
    }
    Ok(Some(checkpoint))
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
