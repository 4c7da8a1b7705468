//! Floor 5: `suw-preprocess run`: starts or resumes.

use std::sync::atomic::AtomicBool;

use clap::Args;
use suw_shared::exit::{Exit, Failure};
use suw_shared::manifest::{MANIFEST_FILE, ShardSetManifest};

use crate::commands::masks::Filling;
use crate::config::RunConfig;
use crate::launch::{LaunchArgs, loudness, set_aside, stop_flag, stopped, use_threads};
use crate::open_plan::{Opened, open_plan};
use crate::progress::{Loudness, Progress};
use crate::run::{Held, RunEnd, RunError, hold, run_shards};

/// Arguments of `run`.
#[derive(Args)]
#[command(
    after_help = "Example: suw-preprocess run data-manifests/runs/demo.toml --set seed=2 --threads 4"
)]
pub struct RunArgs {
    /// What starts a run.
    #[command(flatten)]
    pub launch: LaunchArgs,
    /// Print the closing figures as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let stop = stop_flag()?;
    let launch = &args.launch;
    let config = RunConfig::read(&launch.run, &launch.set)?;
    let opened = open_plan(&config, launch.share())?;
    let loudness = loudness(launch.quiet, launch.verbose);
    use_threads(launch.threads)?;
    match make(&opened, &stop, loudness)? {
        RunEnd::Complete(manifest) => {
            report(&opened.plan.out, &manifest, args, loudness)?;
            Ok(set_aside(manifest.quarantined.values().sum(), launch.allow_quarantine))
        }
        RunEnd::PartDone { shards, problems } => {
            println!(
                "part done: {shards} shards, {problems} inputs set aside; other parts are missing"
            );
            Ok(set_aside(problems as u64, launch.allow_quarantine))
        }
        RunEnd::Stopped { done, of } => {
            Err(stopped(&format!("with {done} of {of} shards complete")))
        }
    }
}

/// Networks opened and compared, the folder held, then masks, then shards.
fn make(opened: &Opened, stop: &AtomicBool, loudness: Loudness) -> anyhow::Result<RunEnd> {
    let plan = &opened.plan;
    let filling = match &opened.networks {
        Some(networks) if !plan.out.join(MANIFEST_FILE).exists() => {
            Some(Filling::open(plan, networks, loudness)?)
        }
        _ => None,
    };
    let held = match hold(plan) {
        Ok(Held::Finished(manifest)) => return Ok(RunEnd::Complete(manifest)),
        Ok(Held::Ours(held)) => held,
        // Nothing was started: a folder that cannot be written is for the operator to choose.
        Err(error @ RunError::Io { .. }) => {
            return Err(Failure { exit: Exit::Usage, ..error.into() }.into());
        }
        Err(error) => return Err(Failure::from(error).into()),
    };
    if let Some(filling) = filling
        && !filling.run(stop)?
    {
        return Err(stopped("while making masks; the masks made so far are kept"));
    }
    let progress = Progress::new("clips", loudness);
    let ended = run_shards(plan, &held, stop, &|done, total| progress.set(done, total));
    progress.finish();
    Ok(ended.map_err(Failure::from)?)
}

fn report(
    out: &std::path::Path,
    manifest: &ShardSetManifest,
    args: &RunArgs,
    loudness: Loudness,
) -> anyhow::Result<()> {
    if args.json {
        println!("{}", serde_json::to_string(manifest)?);
        return Ok(());
    }
    let counts = &manifest.counts;
    println!(
        "{}: {} samples in {} shards; objects: {} cars, {} persons, {} bicycles; \
         pairs: A {}, B {}, C {}, same {}, ground truth {}",
        out.join("manifest.json").display(),
        manifest.samples,
        manifest.shards.len(),
        counts.objects.car,
        counts.objects.person,
        counts.objects.bicycle,
        counts.pairs.sky,
        counts.pairs.tree_or_building,
        counts.pairs.object,
        counts.pairs.same_class,
        counts.pairs.ground_truth,
    );
    for (kind, n) in &manifest.quarantined {
        println!("set aside: {n} {kind}; see {}", out.join("quarantine.jsonl").display());
    }
    if loudness == Loudness::Verbose {
        eprint!("{}", std::fs::read_to_string(out.join("quarantine.jsonl"))?);
    }
    Ok(())
}
