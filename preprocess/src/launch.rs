//! Floor 5: what commands that run for a while share: threads, signals, loudness, exit codes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use suw_shared::exit::{Exit, Failure};

use crate::progress::Loudness;

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

/// A flag that SIGTERM and SIGINT raise; the work then stops at the next safe place.
pub(crate) fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
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
