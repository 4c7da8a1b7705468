//! Floor 4: the batches of a run: which samples, with which draws, as a function of the step number alone.

use std::sync::Arc;

use suw_shared::seed::Seed;
use suw_shared::shard::ShardError;

use crate::batch::{HostBatch, collate};
use crate::example::{ExampleParams, example_from_sample};
use crate::plan::TrainPlan;
use crate::sampler::{Sampler, Share, Shown};
use crate::shard_list::ShardList;

/// The order in which a plan reads its samples.
pub fn sampler_of(plan: &TrainPlan, shards: &ShardList) -> Sampler {
    let shares = shards.lens().zip(&plan.ratio).map(|(n, ratio)| Share::of_ratio(n, *ratio));
    Sampler::new(plan.seed.derive("sampler", ""), shares.collect(), plan.batch)
}

/// Makes the batch of a step; every draw depends on seed, epoch and sample only.
pub fn batch_maker(
    plan: &TrainPlan,
    shards: Arc<ShardList>,
    sampler: Sampler,
) -> impl Fn(u64) -> Result<HostBatch, ShardError> + Send + Sync + 'static {
    let (seed, params) = (plan.seed, plan.examples.clone());
    move |step| {
        let position = sampler.position_of(step);
        let order = sampler.permutation(position.epoch);
        let shown = sampler.batch_of(&order, position.batch);
        read_batch(&shards, shown, seed.derive_number("epoch", u64::from(position.epoch)), &params)
    }
}

fn read_batch(
    shards: &ShardList,
    shown: &[Shown],
    seed: Seed,
    params: &ExampleParams,
) -> Result<HostBatch, ShardError> {
    let examples = shown
        .iter()
        .map(|shown| {
            let sample = shards.read(shown.index)?;
            let seed = seed.derive("sample", sample.key.as_str());
            let seed = match shown.pass {
                0 => seed,
                pass => seed.derive_number("pass", pass as u64),
            };
            Ok(example_from_sample(&sample, shards.size(), params, seed))
        })
        .collect::<Result<Vec<_>, ShardError>>()?;
    Ok(collate(examples, params.frames))
}
