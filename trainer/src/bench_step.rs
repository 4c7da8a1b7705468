//! Floor 4: how long a training step takes, part by part.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tch::{Device, Kind};

use crate::batch::HostBatch;
use crate::optim::adam::Adam;
use crate::steps::model::Model;
use crate::steps::train::{NotFinite, StepParams, StepPhase, train_step_watched};

/// What is measured.
pub struct StepBench<'a> {
    /// The networks.
    pub model: &'a Model,
    /// Their optimizer.
    pub optimizer: Adam,
    /// Losses.
    pub params: &'a StepParams,
    /// Shown in turn.
    pub batches: &'a [HostBatch],
    /// Where.
    pub device: Device,
    /// Float, or Double for comparisons.
    pub kind: Kind,
    /// Steps that do not count.
    pub n_warmup: usize,
    /// Steps that count.
    pub n_steps: usize,
    /// Whether every step is waited for, to time its parts; else the numbers are read one step late, as in training.
    pub waits: bool,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepTimes {
    /// Milliseconds of every counted step.
    pub steps_ms: Vec<f64>,
    /// Milliseconds of every counted step's parts.
    pub parts_ms: BTreeMap<&'static str, Vec<f64>>,
    /// Total loss of all steps, those that do not count included.
    pub totals: Vec<f64>,
}

/// Runs the steps. A step's time goes from one step's end to the next one's.
pub fn bench_step(mut bench: StepBench) -> Result<StepTimes, NotFinite> {
    let mut times = StepTimes::default();
    let mut unread = None;
    let mut begun = Instant::now();
    for step in 0..bench.n_warmup + bench.n_steps {
        let host = &bench.batches[step % bench.batches.len()];
        let mut last = Instant::now();
        let mut parts: Vec<(&'static str, Duration)> = Vec::new();
        let mut mark = |name: &'static str| {
            let now = Instant::now();
            parts.push((name, now - last));
            last = now;
        };
        let batch = host.to_device(bench.device);
        let batch = if bench.kind == Kind::Float { batch } else { batch.to_kind(bench.kind) };
        mark("data");
        let report = train_step_watched(
            bench.model,
            &mut bench.optimizer,
            &batch,
            bench.params,
            &mut |phase| mark(name_of(phase)),
        )?;
        if bench.waits {
            times.totals.push(report.read()?.total);
        } else if let Some(before) = unread.replace(report) {
            times.totals.push(before.read()?.total);
        }
        let whole = begun.elapsed();
        begun = Instant::now();
        if step >= bench.n_warmup {
            let ms = |duration: Duration| 1000.0 * duration.as_secs_f64();
            times.steps_ms.push(ms(whole));
            for (name, duration) in parts {
                times.parts_ms.entry(name).or_default().push(ms(duration));
            }
        }
    }
    if let Some(last) = unread {
        times.totals.push(last.read()?.total);
    }
    Ok(times)
}

fn name_of(phase: StepPhase) -> &'static str {
    match phase {
        StepPhase::Forward => "forward",
        StepPhase::Losses => "losses",
        StepPhase::Backward => "backward",
        StepPhase::Optimizer => "optimizer",
    }
}

/// The middle value, of an even number the mean of the middle two; NaN for none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
