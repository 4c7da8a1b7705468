//! Floor 4: how fast shards become batches, without training, beside what copying the same bytes would take.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use suw_shared::shard::ShardError;

use crate::feed::{batch_maker, sampler_of};
use crate::plan::TrainPlan;
use crate::prefetch::prefetch;
use crate::shard_list::ShardList;

/// Bytes that are copied to learn the speed of memory: more than any cache holds.
const COPY_BYTES: usize = 256 << 20;
/// The best of so many copies counts.
const COPIES: usize = 3;

/// One pass over the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochRead {
    /// Samples handed over.
    pub n_samples: usize,
    /// Bytes of their batches.
    pub n_bytes: usize,
    /// Seconds from the first request to the last batch.
    pub seconds: f64,
    /// Memory of the program at its end, MiB.
    pub resident_mib: f64,
}

/// Reads whole epochs as training does.
pub fn bench_loader(
    plan: &TrainPlan,
    shards: &Arc<ShardList>,
    n_epochs: u32,
    observe: &mut dyn FnMut(&EpochRead),
) -> Result<Vec<EpochRead>, ShardError> {
    let sampler = sampler_of(plan, shards);
    let per_epoch = sampler.batches_per_epoch();
    let make = batch_maker(plan, Arc::clone(shards), sampler);
    let mut batches = prefetch(plan.prefetch, 0..u64::from(n_epochs) * per_epoch, make);
    let mut epochs = Vec::new();
    for _ in 0..n_epochs {
        let start = Instant::now();
        let (mut n_samples, mut n_bytes) = (0, 0);
        for _ in 0..per_epoch {
            let Some(batch) = batches.next() else { break };
            let batch = batch?;
            n_samples += batch.keys().len();
            n_bytes += batch.n_bytes();
        }
        let seconds = start.elapsed().as_secs_f64();
        let epoch = EpochRead { n_samples, n_bytes, seconds, resident_mib: memory_mib("VmRSS") };
        observe(&epoch);
        epochs.push(epoch);
    }
    Ok(epochs)
}

/// Bytes per second at which `n_threads` threads copy memory to memory, together.
pub fn copy_speed(n_threads: usize) -> f64 {
    let n_threads = n_threads.max(1);
    let part = COPY_BYTES / n_threads;
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> =
        (0..n_threads).map(|_| (vec![1; part], vec![2; part])).collect();
    let mut best = 0.0f64;
    for _ in 0..COPIES {
        let start = Instant::now();
        thread::scope(|scope| {
            for (from, to) in &mut pairs {
                scope.spawn(move || to.copy_from_slice(from));
            }
        });
        best = best.max((part * n_threads) as f64 / start.elapsed().as_secs_f64());
    }
    std::hint::black_box(&pairs);
    best
}

/// A line of the system's report on this program, in MiB: `VmRSS` (now) or `VmHWM` (most so far); NaN where there is none.
pub fn memory_mib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_copied_at_some_speed() {
        // Between 100 MB/s and 10 TB/s, or seconds and bytes are confused.
        let speed = copy_speed(1);
        assert!(speed > 1e8 && speed < 1e13, "{speed}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_most_memory_is_at_least_the_present() {
        let (now, most) = (memory_mib("VmRSS"), memory_mib("VmHWM"));
        assert!(now > 1.0 && most >= now * 0.9, "{now} {most}");
        assert!(memory_mib("VmNone").is_nan());
    }
}
