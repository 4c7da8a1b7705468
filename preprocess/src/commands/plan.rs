//! Floor 5: `suw-preprocess plan`: what a run would do. Writes nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use suw_shared::exit::Exit;
use suw_shared::manifest::{MANIFEST_FILE, ShardSetManifest};
use suw_shared::shard::ShardReader;

use crate::config::RunConfig;
use crate::masks_run::missing_frames;
use crate::open_plan::open_plan;
use crate::plan::{Partition, Plan};
use crate::shard_record;

/// Arguments of `plan`.
#[derive(Args)]
#[command(after_help = "Example: suw-preprocess plan data-manifests/runs/kitti.toml")]
pub struct PlanArgs {
    /// Run file.
    pub run: PathBuf,
    /// Override a key of the run file; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Share I of N (from 1).
    #[arg(long, value_name = "I/N")]
    pub partition: Option<Partition>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the plan.
pub fn run(args: &PlanArgs) -> anyhow::Result<Exit> {
    let config = RunConfig::read(&args.run, &args.set)?;
    let opened = open_plan(&config, args.partition.unwrap_or(Partition::WHOLE))?;
    let plan = &opened.plan;
    let frames = plan.mask_frames();
    let complete = plan.out.join(MANIFEST_FILE).exists();
    let other = other_set(plan)?;
    // Neither for a set that is there nor for a folder that is refused.
    let networks_wait = !complete && other.is_none();
    let masks_missing = match (&opened.networks, &plan.store) {
        (Some(_), Some(store)) if networks_wait => missing_frames(store, &frames).len(),
        _ => 0,
    };
    let shards: Vec<_> = plan.own_shards().collect();
    let clips: usize = shards.iter().map(|shard| shard.clips.len()).sum();
    let kept = if other.is_some() {
        0
    } else if complete {
        shards.len()
    } else {
        let whole = |file: &str| shard_record::read_if_whole(&plan.out, file, &plan.fingerprint);
        shards.iter().filter(|shard| whole(&shard.file).is_some()).count()
    };
    let bytes = clips as u64 * sample_bytes(plan);
    if args.json {
        let models: Vec<_> = plan.models.iter().map(|model| &model.name).collect();
        println!(
            "{}",
            json!({
                "bytes_at_most": bytes, "clips": clips, "config_fingerprint": plan.fingerprint,
                "frames": frames.len(), "masks_to_make": masks_missing, "models": models,
                "refused": other, "shards": shards.len(), "shards_kept": kept,
                "skipped": plan.manifest.problems.len(),
            })
        );
        return Ok(Exit::Done);
    }
    println!(
        "clips        {clips} of {} frames, {} at {}",
        frames.len(),
        plan.header.frames,
        plan.header.size
    );
    println!(
        "shards       {} in {}, {kept} complete and kept, {} to make",
        shards.len(),
        plan.out.display(),
        if networks_wait { shards.len() - kept } else { 0 }
    );
    if let Some(differs) = &other {
        println!("refused      that folder holds a set that differs in {}", differs.join(", "));
        println!("             give another output.dir, or delete the folder");
    }
    println!("size         at most {:.1} MB", bytes as f64 / 1e6);
    for model in &plan.models {
        println!("masks        {} ({:?}), BLAKE3 {}", model.name, model.role, &model.blake3[..12]);
    }
    match (&opened.networks, masks_missing) {
        (None, _) if plan.store.is_none() => println!("networks     none run: no masks are used"),
        (None, _) => println!("networks     none run: masks are imported"),
        (Some(_), _) if other.is_some() => println!("networks     none run: the folder is refused"),
        (Some(_), _) if complete => println!("networks     none run: the set is complete"),
        (Some(_), 0) => println!("networks     none run: every mask is in the store"),
        (Some(_), n) => println!("networks     run on {n} frames that the store lacks"),
    }
    println!("skipped      {} problems in the data-set manifest", plan.manifest.problems.len());
    println!("fingerprint  {}", plan.fingerprint);
    Ok(Exit::Done)
}

/// What differs in the set that lies in the output folder, where a run would refuse it; else `None`.
fn other_set(plan: &Plan) -> anyhow::Result<Option<Vec<String>>> {
    let path = plan.out.join(MANIFEST_FILE);
    let found = match path.exists() {
        true => Some(ShardSetManifest::read(&path)?.config_fingerprint),
        false => shard_record::any_fingerprint(&plan.out)?,
    };
    if found.is_none_or(|found| found == plan.fingerprint) {
        return Ok(None);
    }
    let first =
        plan.shards.iter().map(|shard| plan.out.join(&shard.file)).find(|path| path.exists());
    let provenance = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let mut differs = Vec::new();
    if let Some(reader) = first.and_then(|path| ShardReader::open(&path).ok()) {
        let (mut ours, mut theirs) =
            (provenance(&plan.header.provenance), provenance(&reader.header().provenance));
        for side in [&mut ours, &mut theirs] {
            side["size"] = json!(plan.header.size.to_string());
            side.as_object_mut().map(|side| side.remove("config_fingerprint"));
        }
        theirs["size"] = json!(reader.header().size.to_string());
        differences("", &theirs, &ours, &mut differs);
    }
    if differs.is_empty() {
        differs.push("its inputs, depth or number of samples a shard".to_owned());
    }
    Ok(Some(differs))
}

/// `key (theirs, here ours)` for every value that differs, lists and texts whole.
fn differences(key: &str, theirs: &Value, ours: &Value, out: &mut Vec<String>) {
    let (Some(left), Some(right)) = (theirs.as_object(), ours.as_object()) else {
        if theirs != ours {
            let short = |value: &Value| match value.to_string() {
                text if text.len() <= 40 => text,
                _ => "...".to_owned(),
            };
            out.push(format!("{key} ({}, here {})", short(theirs), short(ours)));
        }
        return;
    };
    let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in keys {
        let path = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        let side =
            |side: &serde_json::Map<String, Value>| side.get(name).cloned().unwrap_or(Value::Null);
        differences(&path, &side(left), &side(right), out);
    }
}

/// Bytes of a sample before compression: pictures, and one byte or four per pixel of each map.
fn sample_bytes(plan: &Plan) -> u64 {
    let area = plan.header.size.area() as u64;
    let frames = u64::from(plan.header.frames);
    let contents = plan.header.contents;
    let depth = if contents.depth { 4 } else { 0 };
    let objects = if contents.objects { frames + 1 } else { 0 };
    let maps = u64::from(contents.semantic) + u64::from(contents.ordinal);
    area * (3 * frames + depth + maps + objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_key_and_both_values() {
        let theirs = json!({"seed": 1, "pairs": {"per_rule": 32, "rules": "a"}, "fit": "crop"});
        let ours =
            json!({"seed": 2, "pairs": {"per_rule": 32, "rules": "x".repeat(50)}, "align": 1});
        let mut found = Vec::new();
        differences("", &theirs, &ours, &mut found);
        assert_eq!(
            found,
            [
                "align (null, here 1)",
                "fit (\"crop\", here null)",
                "pairs.rules (\"a\", here ...)",
                "seed (1, here 2)"
            ]
        );
    }
}
