//! A shard set and its manifest, damaged.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use suw_preprocess::progress::{Loudness, Progress};
use suw_preprocess::validation::finding::{Compared, Depth, Finding, Judge, honest};
use suw_preprocess::validation::shard_set::shard_set_findings_by;
use suw_shared::counts::Counts;
use suw_shared::manifest::{
    MANIFEST_FILE, MANIFEST_VERSION, ModelEntry, ModelRole, QUARANTINE_FILE, SHARDS_FORMAT,
    ShardEntry, ShardSetManifest,
};
use suw_shared::problem::{Problem, ProblemKind, count_by_kind, quarantine_lines};
use suw_shared::seed::Seed;
use suw_shared::shard::{ShardHeader, ShardWriter, shard_file_name};
use suw_tests::samples;

use super::edits::edit;
use super::{Dice, Done, KINDS, Kind, Victim, series};
use crate::disturbed::number;
use crate::kit::expect;

/// Three shards of one sample, with everything in them, and a list of what was set aside.
fn shard_set(folder: &Path) -> Victim {
    let models = vec![ModelEntry {
        blake3: "5".repeat(64),
        name: "masks".to_owned(),
        role: ModelRole::Import,
    }];
    let (fingerprint, tool_version) = ("a".repeat(64), "0.1.0".to_owned());
    let provenance = json!({
        "config_fingerprint": fingerprint, "models": models, "pairs": {"per_rule": 32}, "tool_version": tool_version,
    });
    let header = ShardHeader { provenance: provenance.to_string(), ..samples::header() };
    let (mut shards, mut counts) = (Vec::new(), Counts::default());
    for shard in 0..3 {
        let file = shard_file_name(&header.dataset, &header.split, shard as usize);
        let mut writer = ShardWriter::create(&folder.join(file), &header, 1).unwrap();
        writer.push(samples::sample(shard)).unwrap();
        let summary = writer.finish().unwrap().unwrap();
        counts.add(&summary.counts);
        shards.push(ShardEntry {
            blake3: summary.blake3,
            bytes: summary.bytes,
            file: summary.file,
            samples: summary.samples,
        });
    }
    let problem =
        |kind, item: &str| Problem { item: item.to_owned(), kind, reason: "x".to_owned() };
    let mut problems = vec![
        problem(ProblemKind::ImageUnreadable, "street/drive_00/image_02/0000000098"),
        problem(ProblemKind::MaskMissing, "street/drive_00/image_02/0000000099"),
    ];
    problems.sort_unstable();
    let manifest = ShardSetManifest {
        config_fingerprint: fingerprint,
        counts,
        dataset: header.dataset,
        format: SHARDS_FORMAT.to_owned(),
        frames: header.frames,
        height: header.size.height,
        models,
        quarantined: count_by_kind(&problems),
        samples: 3,
        shards,
        split: header.split,
        tool_version,
        version: MANIFEST_VERSION,
        width: header.size.width,
    };
    fs::write(folder.join(QUARANTINE_FILE), quarantine_lines(&problems)).unwrap();
    manifest.write(&folder.join(MANIFEST_FILE)).unwrap();
    Victim::new(folder)
}

fn damage_set(victim: &Victim, kind: Kind, dice: &mut Dice) -> Option<Done> {
    let shards: Vec<&String> = victim.whole.keys().filter(|name| name.ends_with(".h5")).collect();
    // The words of a reason have no checksum: what can be flipped there and stay true is no fault.
    let summed: Vec<&String> =
        victim.whole.keys().filter(|name| *name != QUARANTINE_FILE).collect();
    match kind {
        Kind::ExtraFile => Some(victim.add(dice)),
        Kind::EditedManifest => edit_set(victim, dice),
        Kind::BitFlip => {
            let (mut names, what) = victim.damage(kind, &summed, dice);
            if names[0] == MANIFEST_FILE {
                names.extend(named_by_manifest(victim));
            }
            Some((names, what))
        }
        Kind::Swap => Some(victim.damage(kind, &shards, dice)),
        _ => Some(victim.damage(kind, &victim.whole.keys().collect::<Vec<_>>(), dice)),
    }
}

/// Of a shard that is not what its line in the manifest says, the shard is named, whichever of them was changed.
fn named_by_manifest(victim: &Victim) -> Vec<String> {
    victim.whole.keys().filter(|file| *file != MANIFEST_FILE).cloned().collect()
}

/// Edits `manifest.json`; `None` where the edit changed nothing that a manifest says.
fn edit_set(victim: &Victim, dice: &mut Dice) -> Option<Done> {
    let text = String::from_utf8(victim.whole[MANIFEST_FILE].clone()).unwrap();
    let before: Value = serde_json::from_str(&text).unwrap();
    let mut value = before.clone();
    let name = MANIFEST_FILE.to_owned();
    // Two shards that trade names with all that the manifest says of them: only their order is wrong then.
    if dice.below(8) == 0 {
        let shards = value["shards"].as_array_mut().unwrap();
        let (a, b) = (dice.below(shards.len()), dice.below(shards.len()));
        let files = [a, b].map(|at| shards[at]["file"].as_str().unwrap().to_owned());
        shards.swap(a, b);
        (shards[a]["file"], shards[b]["file"]) = (json!(files[0]), json!(files[1]));
        victim.put(&files[0], &victim.whole[&files[1]]);
        victim.put(&files[1], &victim.whole[&files[0]]);
        victim.put(&name, format!("{value:#}\n").as_bytes());
        let named = vec![name, files[0].clone(), files[1].clone()];
        return (a != b).then(|| (named, format!("shards {a} and {b} trade places")));
    }
    // The last line and the order of keys are part of what is promised.
    if dice.below(20) == 0 {
        let other = match dice.below(2) {
            0 => text.trim_end().to_owned(),
            _ => text.replacen('{', "{\"width\": 64,", 1).replace(",\n  \"width\": 64", ""),
        };
        victim.put(&name, other.as_bytes());
        return Some((vec![name], "the text".to_owned()));
    }
    let what = edit(&mut value, dice);
    victim.put(&name, format!("{value:#}\n").as_bytes());
    (value != before).then(|| (vec![name], what)).map(|(mut named, what)| {
        named.extend(named_by_manifest(victim));
        // And a name in a line that is no file's.
        named.extend(
            value["shards"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|shard| Some(shard.get("file")?.as_str()?.to_owned())),
        );
        (named, what)
    })
}

fn look_at_set(judge: Judge, victim: &Victim) -> Vec<Finding> {
    let quiet = Progress::new("shards", Loudness::Quiet);
    shard_set_findings_by(judge, &victim.folder.join(MANIFEST_FILE), Depth::Samples, &quiet)
}

#[test]
fn every_mutation_of_a_shard_set_is_found_and_named() {
    let (n, seed) = (number("SUW_MUTATIONS", 200), Seed(number("SUW_SEED", 1)));
    let folder = tempfile::tempdir().unwrap();
    let victim = shard_set(folder.path());
    assert_eq!(look_at_set(&honest, &victim), [], "whole to begin with");
    for kind in KINDS {
        let series = series(&victim, n, seed, &|dice| damage_set(&victim, kind, dice), &|| {
            look_at_set(&honest, &victim)
        });
        println!("{kind:?}: {} mutations, {} missed", series.done, series.missed.len());
        assert_eq!(series.done as u64, n, "{kind:?}: too few");
        assert!(series.missed.is_empty(), "{kind:?}: {:#?}", series.missed);
    }
    assert_eq!(look_at_set(&honest, &victim), [], "mended");
}

#[test]
fn a_validator_with_any_one_comparison_broken_misses_mutations() {
    let folder = tempfile::tempdir().unwrap();
    let victim = shard_set(folder.path());
    for broken in Compared::ALL {
        let liar = move |compared: Compared, same: bool| same || compared == broken;
        let mut missed = Vec::new();
        for kind in KINDS {
            let series =
                series(&victim, 60, Seed(2), &|dice| damage_set(&victim, kind, dice), &|| {
                    look_at_set(&liar, &victim)
                });
            missed.extend(series.missed.into_iter().map(|what| format!("{kind:?} {what}")));
        }
        println!("without {broken:?}: {} of 360 missed", missed.len());
        assert!(!missed.is_empty(), "the series does not notice that {broken:?} is not compared");
    }
}

#[test]
fn the_program_names_each_kind_of_damage_and_ends_with_4() {
    let folder = tempfile::tempdir().unwrap();
    let victim = shard_set(folder.path());
    let manifest = folder.path().join(MANIFEST_FILE);
    let manifest = manifest.to_str().unwrap();
    expect(0, &["validate", "--deep", manifest]);
    for kind in KINDS {
        let mut dice = Dice { seed: Seed(5), thrown: 0 };
        let (names, what) = loop {
            let done = damage_set(&victim, kind, &mut dice);
            // Without a manifest there is nothing to validate: wrong usage.
            if let Some(done) = done.filter(|_| Path::new(manifest).exists()) {
                break done;
            }
            victim.mend();
        };
        let (said, _) = expect(4, &["validate", "--deep", manifest]);
        assert!(names.iter().any(|name| said.contains(name)), "{what}: {said}");
        victim.mend();
    }
    fs::remove_file(manifest).unwrap();
    expect(2, &["validate", "--deep", manifest]);
}
