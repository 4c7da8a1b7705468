//! Floor 4: epochs, validation, checkpoints, resuming, and the reasons to stop.
//!
//! The order of samples, every draw, the learning rate and lambda_u are functions of the step number and the seed, so a run
//! that is stopped and resumed makes the same updates as one that never stopped; on the CPU, bit for bit.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use suw_shared::atomic_file;
use suw_shared::shard::ShardError;
use tch::Device;

use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::checkpoint_state::BestSoFar;
use crate::eval_loop::{EvalError, Evaluated};
use crate::feed::{batch_maker, sampler_of};
use crate::initial_weights::{InitReport, InitialWeights, InitialWeightsError};
use crate::motion_run::{MotionRun, draw_motion};
use crate::optim::adam::{Adam, AdamStateError};
use crate::optim::schedule::ramp;
use crate::plan::{TrainPlan, steps_in_total};
use crate::prefetch::prefetch;
use crate::run_log::{LoggedStep, RunLog, RunLogError};
use crate::sampler::Position;
use crate::shard_list::ShardList;
use crate::steps::model::{Model, to_host};
use crate::steps::train::{NotFinite, StepOutcome, StepParams, StepReport, train_step};
use crate::tensorboard::{EventFile, EventFileError};
use crate::torch_shim;
use crate::train_state::{StateParts, state_of};
use crate::validation::{ValidationError, ValidationRun, result_path, validate};

/// The data of a run, opened.
#[derive(Debug)]
pub struct TrainData {
    /// To learn from.
    pub train: Arc<ShardList>,
    /// To validate on.
    pub validation: Option<ShardList>,
}

/// What a caller may want to show.
#[derive(Debug)]
pub enum TrainEvent<'a> {
    /// After weights from elsewhere were put in place.
    Initialized(&'a InitReport),
    /// The best validation of an earlier part was measured on other shard sets, and is forgotten.
    BestForgotten(&'a BestSoFar),
    /// Before the first update.
    Begun {
        /// Updates made by an earlier part of the run.
        step: u64,
        /// Updates of the whole run.
        n_steps: u64,
        /// Updates per epoch.
        per_epoch: u64,
        /// Numbers that are learned.
        n_parameters: i64,
    },
    /// After every update.
    Updated {
        /// Updates made.
        step: u64,
        /// What it saw.
        outcome: &'a StepOutcome,
    },
    /// After a log line.
    Logged(&'a LoggedStep),
    /// After a validation.
    Validated {
        /// Updates made.
        step: u64,
        /// The result.
        result: &'a Evaluated,
        /// Whether it is the best so far.
        is_best: bool,
    },
    /// After a checkpoint.
    Saved(&'a Path),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All updates are made.
    Finished,
    /// Asked to stop; everything is kept.
    Stopped,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each carries the error of its door
pub enum TrainError {
    #[error(transparent)]
    Shard(#[from] ShardError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Initial(#[from] InitialWeightsError),
    #[error(transparent)]
    Log(#[from] RunLogError),
    #[error(transparent)]
    Events(#[from] EventFileError),
    #[error(transparent)]
    Validation(#[from] ValidationError),
    #[error("cannot load the optimizer of checkpoint {path:?}: {source}")]
    Optimizer { path: PathBuf, source: AdamStateError },
    #[error("cannot prepare run directory {path:?}: {source}")]
    RunDir { path: PathBuf, source: io::Error },
    #[error("at step {step}: {source}; terms and samples are in {path:?}")]
    NotFinite { step: u64, source: NotFinite, path: PathBuf },
}

/// Where a run begins.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Fresh weights from the seed.
    Fresh,
    /// Those, replaced by weights from elsewhere as far as they fit.
    From(&'a InitialWeights),
    /// Where an earlier part of the same plan ended.
    Resume(&'a Checkpoint),
}

/// Everything that changes while a run goes on.
struct Progress {
    model: Model,
    optimizer: Adam,
    step: u64,
    best: Option<BestSoFar>,
    saved_at: Option<u64>,
}

/// Runs a plan.
pub fn train(
    plan: &TrainPlan,
    data: &TrainData,
    start: Start,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(TrainEvent),
) -> Result<Ended, TrainError> {
    if plan.n_threads > 0 {
        tch::set_num_threads(i32::try_from(plan.n_threads).unwrap_or(i32::MAX));
    }
    if plan.device == Device::Cpu {
        // Where it cannot be had, steps are slower and nothing else.
        let _ = torch_shim::keep_memory();
    }
    let mut progress = begin(plan, data, start, observe)?;
    prepare_run_dir(plan)?;
    let sampler = sampler_of(plan, &data.train);
    let per_epoch = sampler.batches_per_epoch();
    let n_steps = steps_in_total(plan, per_epoch);
    let mut log = RunLog::open(&plan.run_dir, progress.step)?;
    let mut events = EventFile::create(&plan.run_dir)?;
    if progress.step > 0 {
        events.restarted_at(progress.step + 1)?;
    }
    let n_parameters = progress.model.n_parameters();
    observe(TrainEvent::Begun { step: progress.step, n_steps, per_epoch, n_parameters });
    let is_end = progress.step.is_multiple_of(per_epoch) || progress.step == n_steps;
    if is_end && progress.step > 0 && lacks_validation(plan, data, progress.step) {
        let done = validate_and_rank(plan, data, &mut progress, &mut events, stop, observe)?;
        save(plan, data, &mut progress, per_epoch, observe)?;
        if !done {
            return Ok(Ended::Stopped);
        }
    }

    let make = batch_maker(plan, Arc::clone(&data.train), sampler.clone());
    let mut batches = prefetch(plan.prefetch, progress.step..n_steps.max(progress.step), make);
    let mut since = Instant::now();
    let mut n_samples = 0;
    let mut unread: VecDeque<(u64, StepReport)> = VecDeque::new();
    while progress.step < n_steps {
        if stop.load(Ordering::Relaxed) {
            read_but(0, &mut unread, plan, observe)?;
            save(plan, data, &mut progress, per_epoch, observe)?;
            return Ok(Ended::Stopped);
        }
        let Some(batch) = batches.next() else { break };
        let batch = batch?;
        let position = sampler.position_of(progress.step);
        let lr = plan.schedule.learning_rate(position.epoch);
        progress.optimizer.set_lr(lr);
        let params = step_params(plan, progress.step, per_epoch);
        let on_device = batch.to_device(plan.device);
        let report = train_step(&progress.model, &mut progress.optimizer, &on_device, &params)
            .map_err(|source| not_finite(plan, progress.step + 1, source))?;
        progress.step += 1;
        n_samples += batch.keys().len();
        unread.push_back((progress.step, report));
        let epoch_ends = position.batch + 1 == per_epoch;
        let run_ends = progress.step == n_steps;
        let logs = progress.step.is_multiple_of(plan.log_every) || run_ends;
        let due = plan.checkpoint_every > 0 && progress.step.is_multiple_of(plan.checkpoint_every);
        // A GPU is asked one step late and always has work; nothing is kept or shown of weights that were not asked about.
        let in_flight = usize::from(plan.device.is_cuda() && !(logs || epoch_ends || due));
        let outcome = read_but(in_flight, &mut unread, plan, observe)?;
        if let Some(outcome) = outcome.filter(|_| logs) {
            let seconds = since.elapsed().as_secs_f64().max(1e-9);
            let logged = LoggedStep {
                step: progress.step,
                epoch: position.epoch,
                total: outcome.total,
                terms: outcome.terms,
                lr,
                gradient_norm: outcome.gradient_norm,
                translation_m: outcome.translation_m,
                samples_per_s: n_samples as f64 / seconds,
                waiting: batches.take_waited().as_secs_f64() / seconds,
            };
            log.append(&logged)?;
            events.scalars(logged.step, &scalars(&logged))?;
            events.flush()?;
            observe(TrainEvent::Logged(&logged));
            (since, n_samples) = (Instant::now(), 0);
        }
        if epoch_ends || run_ends {
            // Validation is no training time.
            let validation_start = Instant::now();
            let done = validate_and_rank(plan, data, &mut progress, &mut events, stop, observe)?;
            since += validation_start.elapsed();
            if !done {
                save(plan, data, &mut progress, per_epoch, observe)?;
                return Ok(Ended::Stopped);
            }
        }
        if epoch_ends || run_ends || due {
            save(plan, data, &mut progress, per_epoch, observe)?;
        }
    }
    save(plan, data, &mut progress, per_epoch, observe)?;
    Ok(Ended::Finished)
}

/// Reads all reports but the newest `n_left`; returns the last one read.
fn read_but(
    n_left: usize,
    unread: &mut VecDeque<(u64, StepReport)>,
    plan: &TrainPlan,
    observe: &mut dyn FnMut(TrainEvent),
) -> Result<Option<StepOutcome>, TrainError> {
    let mut last = None;
    while unread.len() > n_left {
        let Some((step, report)) = unread.pop_front() else { break };
        let outcome = report.read().map_err(|source| not_finite(plan, step, source))?;
        observe(TrainEvent::Updated { step, outcome: &outcome });
        last = Some(outcome);
    }
    Ok(last)
}

fn prepare_run_dir(plan: &TrainPlan) -> Result<(), TrainError> {
    let failed = |source| TrainError::RunDir { path: plan.run_dir.clone(), source };
    let checkpoints = plan.run_dir.join("checkpoints");
    fs::create_dir_all(&checkpoints).map_err(failed)?;
    let results = ["eval", "pictures"].map(|name| plan.run_dir.join(name));
    let results = results.iter().filter(|folder| folder.is_dir());
    for folder in [&plan.run_dir, &checkpoints].into_iter().chain(results) {
        atomic_file::remove_unfinished(folder).map_err(failed)?;
    }
    let config = plan.run_dir.join("config.toml");
    atomic_file::write(&config, plan.config_text.as_bytes()).map_err(failed)
}

/// Fresh weights from the seed, or those of the checkpoint.
fn begin(
    plan: &TrainPlan,
    data: &TrainData,
    start: Start,
    observe: &mut dyn FnMut(TrainEvent),
) -> Result<Progress, TrainError> {
    // libtorch's generator is used for nothing else, so resuming needs no state of it.
    tch::manual_seed(plan.seed.derive("weights", "").0 as i64);
    let model = Model::new(&plan.model, plan.device);
    let trainable = Adam::named_trainable(model.variables());
    let mut optimizer = Adam::new(trainable, plan.adam);
    let (mut step, mut best, mut saved_at) = (0, None, None);
    if let Start::From(weights) = start {
        observe(TrainEvent::Initialized(&weights.load_into(&model.named())?));
    }
    if let Start::Resume(checkpoint) = start {
        model.load(checkpoint)?;
        optimizer.load_state(&checkpoint.optimizer()?).map_err(|source| TrainError::Optimizer {
            path: checkpoint.folder().to_owned(),
            source,
        })?;
        step = checkpoint.state().step;
        best = checkpoint.state().best.clone();
        let measured_on = data.validation.as_ref().map(ShardList::digest);
        if let Some(other) = best.take_if(|best| measured_on.is_some_and(|on| on != best.data)) {
            observe(TrainEvent::BestForgotten(&other));
        }
        // Only a checkpoint of this run needs no copy.
        let own = plan.run_dir.join("checkpoints");
        let inside = |path: &Path| path.canonicalize().ok()?.parent().map(Path::to_owned);
        saved_at = (inside(checkpoint.folder()) == own.canonicalize().ok()).then_some(step);
    }
    Ok(Progress { model, optimizer, step, best, saved_at })
}

fn step_params(plan: &TrainPlan, step: u64, per_epoch: u64) -> StepParams {
    let losses = plan.losses.with_weight_u_times(ramp(step, per_epoch));
    StepParams { losses, camera: plan.camera, clip_norm: plan.clip_norm, precision: plan.precision }
}

/// Whether an earlier part of the run was stopped before it had measured the weights of this step.
fn lacks_validation(plan: &TrainPlan, data: &TrainData, step: u64) -> bool {
    data.validation.is_some() && !result_path(&plan.run_dir, step).exists()
}

/// Measures the present weights and draws what they see; false where a stop was asked for before they were measured.
fn validate_and_rank(
    plan: &TrainPlan,
    data: &TrainData,
    progress: &mut Progress,
    events: &mut EventFile,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(TrainEvent),
) -> Result<bool, TrainError> {
    let step = progress.step;
    let run = ValidationRun {
        run_dir: &plan.run_dir,
        step,
        params: &plan.validation,
        n_pictures: plan.n_pictures,
        bins: plan.model.bins,
    };
    if let Some(shards) = &data.validation {
        let result = match validate(&progress.model, shards, &run, events, stop) {
            // The next part of the run makes up for it.
            Err(ValidationError::Eval(EvalError::Stopped { .. })) => return Ok(false),
            result => result?,
        };
        let abs_rel = result.file.abs_rel;
        let is_best = progress.best.as_ref().is_none_or(|best| abs_rel < best.abs_rel);
        if is_best {
            progress.best = Some(BestSoFar { abs_rel, step, data: shards.digest().to_owned() });
            progress.saved_at = None;
        }
        observe(TrainEvent::Validated { step, result: &result, is_best });
    }
    if let Some(losses) = plan.losses.unsupervised() {
        let motion = MotionRun {
            losses,
            camera: plan.camera,
            n_objects_max: plan.examples.n_objects_max,
            device: plan.device,
        };
        let shards = data.validation.as_ref().unwrap_or(&data.train);
        draw_motion(&progress.model, shards, &run, &motion, events)?;
    }
    Ok(true)
}

/// Publishes a checkpoint of the present step, unless there is one, and moves `latest` and `best`.
fn save(
    plan: &TrainPlan,
    data: &TrainData,
    progress: &mut Progress,
    per_epoch: u64,
    observe: &mut dyn FnMut(TrainEvent),
) -> Result<(), TrainError> {
    if progress.saved_at == Some(progress.step) {
        return Ok(());
    }
    let step = progress.step;
    let position = Position { epoch: (step / per_epoch) as u32, batch: step % per_epoch };
    let (shards, best) = (&data.train, progress.best.as_ref());
    let state = state_of(&StateParts { plan, shards, position, step, best })?;
    let checkpoints = plan.run_dir.join("checkpoints");
    let optimizer = to_host(progress.optimizer.state());
    let folder = checkpoint::save(&checkpoints, &progress.model.to_host(), &optimizer, &state)?;
    // Without validation the newest is the best there is.
    let best = best.map_or(step, |best| best.step);
    if best == step {
        // Before `latest`: a run killed in between comes here once more.
        checkpoint::point(&plan.run_dir, "best", step)?;
    }
    checkpoint::point(&plan.run_dir, "latest", step)?;
    checkpoint::remove_old(&checkpoints, plan.n_keep, &[step, best])?;
    progress.saved_at = Some(step);
    observe(TrainEvent::Saved(&folder));
    Ok(())
}

fn not_finite(plan: &TrainPlan, step: u64, source: NotFinite) -> TrainError {
    let path = plan.run_dir.join("not-finite.json");
    // JSON has no NaN, so the values are text.
    let terms: BTreeMap<&str, String> =
        source.terms.iter().map(|(name, term)| (name.as_str(), term.raw.to_string())).collect();
    let text = serde_json::json!({
        "step": step, "term": source.term, "samples": source.keys, "terms": terms,
    });
    // The error itself matters more than its record.
    let _ = atomic_file::write(&path, format!("{text:#}\n").as_bytes());
    TrainError::NotFinite { step, source, path }
}

fn scalars(logged: &LoggedStep) -> Vec<(String, f64)> {
    let mut out = vec![
        ("loss/total".to_owned(), logged.total),
        ("train/lr".to_owned(), logged.lr),
        ("train/gradient_norm".to_owned(), logged.gradient_norm),
        ("train/samples_per_s".to_owned(), logged.samples_per_s),
        ("train/waiting".to_owned(), logged.waiting),
    ];
    out.extend(logged.translation_m.map(|value| ("train/translation_m".to_owned(), value)));
    for (name, term) in &logged.terms {
        out.push((format!("raw/{name}"), term.raw));
        out.push((format!("weighted/{name}"), term.weighted));
    }
    out
}
