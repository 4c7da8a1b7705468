//! Floor 4: the batches of a run: which samples, with which draws, as a function of the step number alone.

use std::sync::{Arc, Mutex, PoisonError};

use suw_shared::seed::Seed;
use suw_shared::shard::{Contents, FrameParts, Parts, ShardError};

use crate::batch::{HostBatch, collate};
use crate::example::{ExampleParams, Frames, example_from_sample};
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
    let orders = Orders::default();
    move |step| {
        let position = sampler.position_of(step);
        let order = orders.of(&sampler, position.epoch);
        let shown = sampler.batch_of(&order, position.batch);
        read_batch(&shards, shown, seed.derive_number("epoch", u64::from(position.epoch)), &params)
    }
}

/// The orders of the newest epochs, so that each is shuffled once and not for every batch.
#[derive(Default)]
struct Orders(Mutex<Vec<(u32, Arc<Vec<Shown>>)>>);

/// Where one epoch ends, readers are in two.
const ORDERS_KEPT: usize = 2;

impl Orders {
    fn of(&self, sampler: &Sampler, epoch: u32) -> Arc<Vec<Shown>> {
        // A reader that panicked leaves whole entries.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = kept.iter().find(|(of, _)| *of == epoch) {
            return Arc::clone(order);
        }
        let order = Arc::new(sampler.permutation(epoch));
        if kept.len() == ORDERS_KEPT {
            kept.remove(0);
        }
        kept.push((epoch, Arc::clone(&order)));
        order
    }
}

/// What examples are made of; nothing else is read.
fn parts_of(params: &ExampleParams) -> Parts {
    let is_clip = params.frames == Frames::Clip;
    Parts {
        frames: if is_clip { FrameParts::All } else { FrameParts::Target },
        contents: Contents {
            depth: true,
            intrinsics: is_clip,
            pose: is_clip,
            objects: is_clip && params.n_objects_max > 0,
            pairs: params.pairs.is_some(),
            ..Contents::default()
        },
    }
}

fn read_batch(
    shards: &ShardList,
    shown: &[Shown],
    seed: Seed,
    params: &ExampleParams,
) -> Result<HostBatch, ShardError> {
    let parts = parts_of(params);
    let examples = shown
        .iter()
        .map(|shown| {
            let sample = shards.read_parts(shown.index, parts)?;
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
