//! Floor 4: what a checkpoint says about its run.

use std::collections::BTreeMap;

use suw_shared::shard::ShardError;

use crate::checkpoint_state::{BestSoFar, CheckpointState};
use crate::plan::TrainPlan;
use crate::sampler::Position;
use crate::shard_list::ShardList;
use crate::steps::model::{network_options, pose_options};

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
pub struct StateParts<'a> {
    /// The run.
    pub plan: &'a TrainPlan,
    /// What it learns from.
    pub shards: &'a ShardList,
    /// What comes next.
    pub position: Position,
    /// Updates made.
    pub step: u64,
    /// Best validation so far.
    pub best: Option<&'a BestSoFar>,
}

/// The contents of `state.json`, but for the digests.
pub fn state_of(parts: &StateParts) -> Result<CheckpointState, ShardError> {
    let (plan, size) = (parts.plan, parts.shards.size());
    let window = parts.shards.read(0)?.native_window;
    let scale = [
        f64::from(size.width) / f64::from(window.width),
        f64::from(size.height) / f64::from(window.height),
    ];
    let (format, version) = CheckpointState::identity();
    Ok(CheckpointState {
        format,
        version,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        network: plan.model.network.name().to_owned(),
        alpha: plan.model.bins.alpha(),
        beta: plan.model.bins.beta(),
        bins: plan.model.bins.n_bins(),
        height: size.height,
        width: size.width,
        scale,
        network_options: network_options(&plan.model),
        pose_options: plan.model.pose.as_ref().map(pose_options),
        epoch: parts.position.epoch,
        batch: parts.position.batch,
        step: parts.step,
        seed: plan.seed.0,
        config_fingerprint: plan.fingerprint.clone(),
        best: parts.best.cloned(),
        files: BTreeMap::new(),
        state_blake3: String::new(),
    })
}
