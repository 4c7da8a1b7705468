//! Floor 5: what commands share: threads, signals, loudness, exit codes, finished shard sets.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use clap::Args;
use suw_shared::exit::{Exit, Failure};
use suw_shared::manifest::{MANIFEST_FILE, ShardSetManifest};
use suw_shared::shard::ShardSet;

use crate::plan::Partition;
use crate::progress::Loudness;

/// What starts a run, whole or its masks alone.
#[derive(Args)]
pub struct LaunchArgs {
    /// Run file.
    pub run: PathBuf,
    /// Override a key of the run file; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Threads; 0 = as many as there are cores. The result does not depend on it.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
    /// Share I of N (from 1) only. The run that finds all shares complete joins them.
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
}

impl LaunchArgs {
    /// The share to make.
    pub(crate) fn share(&self) -> Partition {
        self.partition.unwrap_or(Partition::WHOLE)
    }
}

/// 3 where inputs were set aside, unless that was allowed.
pub(crate) fn set_aside(n: u64, allowed: bool) -> Exit {
    if n > 0 && !allowed { Exit::SetAside } else { Exit::Done }
}

/// What `-q` and `-v` ask for.
pub(crate) fn loudness(quiet: bool, verbose: bool) -> Loudness {
    match (quiet, verbose) {
        (true, _) => Loudness::Quiet,
        (_, true) => Loudness::Verbose,
        _ => Loudness::Normal,
    }
}

/// A flag that SIGTERM and SIGINT raise; the work then stops at the next safe place. A second signal ends the process at
/// once, with the same exit code: whatever lies under a final name is whole at any time.
pub(crate) fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let stopped = i32::from(Exit::Stopped as u8);
        signal_hook::flag::register_conditional_shutdown(signal, stopped, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot listen for signals")?;
    }
    Ok(stop)
}

/// Gives rayon its threads.
pub(crate) fn use_threads(threads: usize) -> anyhow::Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .with_context(|| format!("cannot start {threads} threads"))
}

/// The error of a run that was told to stop: exit code 75.
pub(crate) fn stopped(how: &str) -> anyhow::Error {
    Failure::stopped(format!("stopped by a signal {how}; run the same command again to resume"))
        .into()
}

/// A finished shard set; without shards (which is legal: all of its inputs were set aside) there is only the manifest.
pub(crate) fn open_finished(folder: &Path) -> anyhow::Result<(ShardSetManifest, Option<ShardSet>)> {
    let path = folder.join(MANIFEST_FILE);
    if !path.is_file() {
        let message = format!(
            "cannot read shard set {folder:?}: expected a finished set with {MANIFEST_FILE}, got none"
        );
        return Err(Failure::usage(message).into());
    }
    let broken = |error: &dyn std::fmt::Display| Failure::integrity(error.to_string());
    let manifest = ShardSetManifest::read(&path).map_err(|error| broken(&error))?;
    let set = match manifest.shards.is_empty() {
        true => None,
        false => Some(ShardSet::open(folder).map_err(|error| broken(&error))?),
    };
    Ok((manifest, set))
}
