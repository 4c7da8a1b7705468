//! Floor 5: `suw-preprocess run`: starts or resumes.

use clap::Args;
use suw_shared::exit::Exit;
use suw_shared::manifest::ShardSetManifest;

use crate::commands::masks::fill;
use crate::config::{RunConfig, usage};
use crate::launch::{LaunchArgs, loudness, set_aside, stop_flag, stopped, use_threads};
use crate::open_plan::open_plan;
use crate::progress::{Loudness, Progress};
use crate::run::{RunEnd, RunError, run_shards};

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
    let launch = &args.launch;
    let config = RunConfig::read(&launch.run, &launch.set)?;
    let opened = open_plan(&config, launch.share())?;
    let loudness = loudness(launch.quiet, launch.verbose);
    let stop = stop_flag()?;
    use_threads(launch.threads)?;
    if let Some(networks) = &opened.networks
        && !fill(&opened.plan, networks, &stop, loudness)?
    {
        return Err(stopped("while making masks; the masks made so far are kept"));
    }
    let progress = Progress::new("clips", loudness);
    let ended = run_shards(&opened.plan, &stop, &|done, total| progress.set(done, total));
    progress.finish();
    match ended {
        Ok(RunEnd::Complete(manifest)) => {
            report(&opened.plan.out, &manifest, args, loudness)?;
            Ok(set_aside(manifest.quarantined.values().sum(), launch.allow_quarantine))
        }
        Ok(RunEnd::PartDone { shards, problems }) => {
            println!(
                "part done: {shards} shards, {problems} inputs set aside; other parts are missing"
            );
            Ok(set_aside(problems as u64, launch.allow_quarantine))
        }
        Ok(RunEnd::Stopped { done, of }) => {
            Err(stopped(&format!("with {done} of {of} shards complete")))
        }
        Err(RunError::Refused(message)) => Err(usage(message)),
        Err(error) => Err(error.into()),
    }
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
