//! Floor 5: `suw-preprocess run`: starts or resumes.

use std::path::PathBuf;

use clap::Args;
use suw_shared::exit::Exit;
use suw_shared::manifest::ShardSetManifest;

use crate::commands::masks::fill;
use crate::config::{RunConfig, usage};
use crate::launch::{loudness, set_aside, stop_flag, stopped, use_threads};
use crate::open_plan::open_plan;
use crate::plan::Partition;
use crate::progress::{Loudness, Progress};
use crate::run::{RunEnd, RunError, run_shards};

/// Arguments of `run`.
#[derive(Args)]
#[command(
    after_help = "Example: suw-preprocess run data-manifests/runs/demo.toml --set seed=2 --threads 4"
)]
pub struct RunArgs {
    /// Run file.
    pub run: PathBuf,
    /// Override a key of the run file; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Threads; 0 = as many as there are cores. The result does not depend on it.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Make share I of N (from 1); the one that finds all shares complete joins them.
    #[arg(long, value_name = "I/N")]
    pub partition: Option<Partition>,
    /// End with 0 instead of 3 when inputs were set aside.
    #[arg(long)]
    pub allow_quarantine: bool,
    /// Say more: each input that was set aside.
    #[arg(short, long)]
    pub verbose: bool,
    /// Say nothing but errors and the result.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print the closing figures as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let config = RunConfig::read(&args.run, &args.set)?;
    let opened = open_plan(&config, args.partition.unwrap_or(Partition::WHOLE))?;
    let loudness = loudness(args.quiet, args.verbose);
    let stop = stop_flag()?;
    use_threads(args.threads)?;
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
            Ok(set_aside(manifest.quarantined.values().sum(), args.allow_quarantine))
        }
        Ok(RunEnd::PartDone { shards, problems }) => {
            println!(
                "part done: {shards} shards, {problems} inputs set aside; other parts are missing"
            );
            Ok(set_aside(problems as u64, args.allow_quarantine))
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
