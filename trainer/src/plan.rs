//! Floor 4: what a training run will do: complete and checked; no text, no defaults.

use std::path::PathBuf;

use suw_shared::seed::Seed;
use tch::Device;

use crate::eval_loop::EvalParams;
use crate::example::ExampleParams;
use crate::optim::adam::AdamConfig;
use crate::optim::schedule::StepSchedule;
use crate::prefetch::PrefetchParams;
use crate::steps::model::ModelSpec;
use crate::steps::train::{CameraMotion, Precision, StepLosses};

/// Reader threads at most: more only wait for the shard library's lock.
pub const READERS_MAX: usize = 64;
/// Batches at most that wait ready per reader thread; each holds a whole batch in memory.
pub const QUEUE_MAX: usize = 64;

/// One run.
#[derive(Clone, Debug)]
pub struct TrainPlan {
    /// Where everything goes.
    pub run_dir: PathBuf,
    /// Configuration as resolved, to be kept beside the results.
    pub config_text: String,
    /// Digest of what decides the weights: configuration and training data.
    pub fingerprint: String,
    /// Seed of everything drawn.
    pub seed: Seed,
    /// Where the networks run.
    pub device: Device,
    /// Threads of libtorch; 0 = one per core.
    pub n_threads: usize,
    /// The networks.
    pub model: ModelSpec,
    /// The losses; lambda_u as it is after the first epoch.
    pub losses: StepLosses,
    /// Where camera motion comes from.
    pub camera: CameraMotion,
    /// How samples become examples.
    pub examples: ExampleParams,
    /// How often each training set is shown per epoch, in multiples of its size; one number per set.
    pub ratio: Vec<f64>,
    /// Images per update.
    pub batch: usize,
    /// Passes over the data.
    pub n_epochs: u32,
    /// Updates at most.
    pub n_steps_max: Option<u64>,
    /// The optimizer.
    pub adam: AdamConfig,
    /// Its learning rate.
    pub schedule: StepSchedule,
    /// Longest gradient; infinite = any.
    pub clip_norm: f64,
    /// Numbers that the networks compute in.
    pub precision: Precision,
    /// Reading ahead.
    pub prefetch: PrefetchParams,
    /// A log line every so many steps.
    pub log_every: u64,
    /// A checkpoint every so many steps besides one per epoch; 0 = only those.
    pub checkpoint_every: u64,
    /// Older checkpoints kept.
    pub n_keep: usize,
    /// Validation pictures per epoch.
    pub n_pictures: usize,
    /// How validation compares.
    pub validation: EvalParams,
}

/// Updates of the whole run.
pub fn steps_in_total(plan: &TrainPlan, batches_per_epoch: u64) -> u64 {
    let all = u64::from(plan.n_epochs) * batches_per_epoch;
    plan.n_steps_max.map_or(all, |most| most.min(all))
}
