//! What is drawn for a sample is a function of seed, epoch and sample: who stands beside it in the batch changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use suw_shared::pair::Pair;
use suw_trainer::config::TrainConfig;
use suw_trainer::config_plan::plan_from_config;
use suw_trainer::feed::{batch_maker, sampler_of};
use tch::Device;

use crate::kit::{N_TRAIN, Toy};

/// The pair drawn for every sample in one epoch.
fn pairs(toy: &Toy, folders: &[&str], epoch: u64, sets: &[&str]) -> BTreeMap<String, Pair> {
    let folders: Vec<_> = folders.iter().map(|name| toy.path(name)).collect();
    let mut all = vec![format!("data.train={folders:?}"), "device=cpu".to_owned()];
    all.extend(["data.validation=[]", "losses.use=[\"W\"]"].map(str::to_owned));
    all.extend(sets.iter().map(|set| (*set).to_owned()));
    let config: TrainConfig = suw_shared::toml_file::read(&toy.path("run.toml"), &all).unwrap();
    let (plan, data) = plan_from_config(&config).unwrap();
    let sampler = sampler_of(&plan, &data.train);
    let per_epoch = sampler.batches_per_epoch();
    let make = batch_maker(&plan, Arc::clone(&data.train), sampler);
    let mut drawn = BTreeMap::new();
    for step in epoch * per_epoch..(epoch + 1) * per_epoch {
        let batch = make(step).unwrap().to_device(Device::Cpu);
        for (image, pair) in batch.pairs {
            drawn.insert(batch.keys[image as usize].to_string(), pair);
        }
    }
    drawn
}

#[test]
fn one_pair_is_drawn_whoever_is_in_the_batch() {
    let toy = Toy::new();
    let of = |folders: &[&str], epoch, sets: &[&str]| pairs(&toy, folders, epoch, sets);
    for epoch in [0, 1] {
        let alone = of(&["train"], epoch, &["train.batch=1"]);
        assert_eq!(alone.len(), N_TRAIN as usize, "every sample has a pair");
        for batch in ["train.batch=2", "train.batch=3", "train.batch=6"] {
            assert_eq!(of(&["train"], epoch, &[batch]), alone, "{batch}");
        }
        // Beside samples of another set.
        let mut mixed = of(&["val", "train"], epoch, &["train.batch=3"]);
        mixed.retain(|key, _| alone.contains_key(key));
        assert_eq!(mixed, alone);
    }
    let first = of(&["train"], 0, &["train.batch=1"]);
    assert_ne!(of(&["train"], 1, &["train.batch=1"]), first, "the next epoch");
    assert_ne!(of(&["train"], 0, &["train.batch=1", "seed=2"]), first, "another seed");
}
