//! `validate` against random damage: bit flips, truncation, swapped contents, deletion, extra files, edited manifests.
//! All of it is found and the file named. A validator with any one of its comparisons broken must miss some of it, or
//! these series would prove nothing. `SUW_MUTATIONS` says how many of each kind, `SUW_SEED` which.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use suw_preprocess::datasets::manifest::DataSetManifest;
use suw_preprocess::mask_store::MaskStore;
use suw_preprocess::progress::{Loudness, Progress};
use suw_preprocess::validation::data_set::data_set_findings_by;
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

use crate::disturbed::number;
use crate::kit::{Place, expect, files};

/// How a file set is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    BitFlip,
    Truncation,
    Swap,
    Deletion,
    ExtraFile,
    EditedManifest,
}

const KINDS: [Kind; 6] = [
    Kind::BitFlip,
    Kind::Truncation,
    Kind::Swap,
    Kind::Deletion,
    Kind::ExtraFile,
    Kind::EditedManifest,
];

/// Numbers of one mutation.
struct Dice {
    seed: Seed,
    thrown: u64,
}

impl Dice {
    /// 0..n.
    fn below(&mut self, n: usize) -> usize {
        self.thrown += 1;
        (self.seed.derive_number("throw", self.thrown).0 % n as u64) as usize
    }
}

/// A folder that is damaged and mended again.
struct Victim {
    folder: PathBuf,
    whole: BTreeMap<String, Vec<u8>>,
}

/// What a mutation did: the file to be named (one of them, for a swap) and words for a report.
type Done = (Vec<String>, String);

impl Victim {
    fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), whole: files(folder) }
    }

    /// Damages the files `names`.
    fn damage(&self, kind: Kind, names: &[&String], dice: &mut Dice) -> Done {
        let name = names[dice.below(names.len())];
        let mut bytes = self.whole[name].clone();
        let one = |what: String| (vec![name.clone()], format!("{name}: {what}"));
        match kind {
            Kind::BitFlip => {
                let (at, bit) = (dice.below(bytes.len()), dice.below(8));
                bytes[at] ^= 1 << bit;
                self.put(name, &bytes);
                one(format!("bit {bit} of byte {at}"))
            }
            Kind::Truncation => {
                let length = dice.below(bytes.len());
                self.put(name, &bytes[..length]);
                one(format!("cut to {length} of {} bytes", bytes.len()))
            }
            Kind::Swap => {
                let others: Vec<&&String> =
                    names.iter().filter(|other| self.whole[**other] != self.whole[name]).collect();
                let other = others[dice.below(others.len())];
                self.put(name, &self.whole[*other]);
                self.put(other, &self.whole[name]);
                (vec![name.clone(), (*other).clone()], format!("{name} and {other} swapped"))
            }
            Kind::Deletion => {
                fs::remove_file(self.folder.join(name)).unwrap();
                one("deleted".to_owned())
            }
            Kind::ExtraFile | Kind::EditedManifest => unreachable!("done by the caller"),
        }
    }

    /// Puts a file into the folder that was not there.
    fn add(&self, dice: &mut Dice) -> Done {
        let source = self.whole.keys().nth(dice.below(self.whole.len())).unwrap();
        let names = ["street-train-00099.h5", "x", ".hidden", "Manifest.json", ".run", "a b.json"];
        let name = format!("{}{}", names[dice.below(names.len())], dice.below(1000));
        let bytes: &[u8] = if dice.below(2) == 0 { &self.whole[source] } else { b"" };
        self.put(&name, bytes);
        (vec![name.clone()], format!("{name}: added"))
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.join(name), bytes).unwrap();
    }

    /// Makes it whole again.
    fn mend(&self) {
        for entry in fs::read_dir(&self.folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().unwrap().is_file() && !self.whole.contains_key(&name) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        for (name, bytes) in &self.whole {
            if fs::read(self.folder.join(name)).ok().as_ref() != Some(bytes) {
                self.put(name, bytes);
            }
        }
    }
}

/// What a series came to.
#[derive(Default)]
struct Series {
    done: usize,
    /// Mutations without a finding, or with findings that name none of the files.
    missed: Vec<String>,
}

/// Damages `n` times, looks and mends.
fn series(
    victim: &Victim,
    n: u64,
    seed: Seed,
    mutate: &dyn Fn(&mut Dice) -> Option<Done>,
    look: &dyn Fn() -> Vec<Finding>,
) -> Series {
    let mut series = Series::default();
    // Some throws change nothing; they do not count.
    for number in 0..2 * n {
        if series.done as u64 == n {
            break;
        }
        let mut dice = Dice { seed: seed.derive_number("mutation", number), thrown: 0 };
        if let Some((names, what)) = mutate(&mut dice) {
            series.done += 1;
            let found = look();
            if !found.iter().any(|finding| names.contains(&finding.file)) {
                series.missed.push(format!("{number}: {what}; findings: {found:?}"));
            }
        }
        victim.mend();
    }
    series
}

// ---- a shard set

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

/// One change at a random place: a value changed, a key lost, added or renamed, rows doubled, lost or in another order.
fn edit(value: &mut Value, dice: &mut Dice) -> String {
    let mut places = Vec::new();
    pointers(value, String::new(), &mut places);
    let at = places[dice.below(places.len())].clone();
    let throw = dice.below(1000);
    let found = value.pointer_mut(&at).unwrap();
    let before = found.to_string();
    match found {
        Value::Object(map) => {
            let key = map.keys().nth(throw % map.len().max(1)).cloned();
            match (throw % 3, key) {
                (0, Some(key)) => drop(map.remove(&key)),
                (1, Some(key)) => {
                    let inner = map.remove(&key).unwrap();
                    map.insert(format!("{key}_"), inner);
                }
                _ => drop(map.insert("note".to_owned(), json!(throw))),
            }
        }
        Value::Array(rows) if !rows.is_empty() => {
            let row = throw % rows.len();
            match throw % 3 {
                0 => drop(rows.remove(row)),
                1 => rows.insert(row, rows[row].clone()),
                _ => rows.reverse(),
            }
        }
        Value::String(text) if !text.is_empty() => {
            // A character of the text becomes another one of the same alphabet.
            let position = throw % text.len();
            let old = text.as_bytes()[position];
            let new = if old == b'0' { '1' } else { '0' };
            text.replace_range(position..=position, &new.to_string());
        }
        Value::Number(number) => {
            let old = number.as_f64().unwrap();
            *found = match throw % 4 {
                0 => json!(old as u64 + 1),
                1 => json!(old as i64 - 1),
                2 => json!(old.to_string()),
                _ => json!(old as u64 * 2 + 1),
            };
        }
        other => *other = json!(throw),
    }
    format!("{at}: {before:.80} became {:.80}", value.pointer(&at).unwrap().to_string())
}

/// The places of all values, as JSON pointers.
fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                pointers(inner, format!("{at}/{key}"), found);
            }
        }
        Value::Array(rows) => {
            for (row, inner) in rows.iter().enumerate() {
                pointers(inner, format!("{at}/{row}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
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

// ---- a data set

#[test]
fn mutations_of_a_data_set_and_its_manifest_are_found_and_named() {
    let (n, seed) = (number("SUW_MUTATIONS", 200) / 4, Seed(number("SUW_SEED", 1)));
    let place = Place::new();
    let victim = Victim::new(&place.path("world"));
    let text = fs::read_to_string(place.path("all.json")).unwrap();
    let manifest = DataSetManifest::parse(&text).unwrap();
    let quiet = Progress::new("files", Loudness::Quiet);
    let listed: Vec<&String> = manifest
        .files
        .iter()
        .map(|file| &file.path)
        .filter(|path| !victim.whole[*path].is_empty())
        .collect();
    let look = |judge: Judge| data_set_findings_by(judge, &manifest, &victim.folder, &quiet);
    assert_eq!(look(&honest), []);
    for kind in [Kind::BitFlip, Kind::Truncation, Kind::Swap, Kind::Deletion] {
        let mutate = |dice: &mut Dice| Some(victim.damage(kind, &listed, dice));
        let found = series(&victim, n, seed, &mutate, &|| look(&honest));
        println!("data set, {kind:?}: {} mutations, {} missed", found.done, found.missed.len());
        assert!(found.missed.is_empty(), "{kind:?}: {:#?}", found.missed);
        // What is not compared is missed. Damage to whole files changes their length too.
        let broken: &[Compared] = match kind {
            Kind::BitFlip => &[Compared::Digest],
            Kind::Deletion => &[Compared::Folder],
            _ => &[Compared::Length, Compared::Digest],
        };
        let liar = |compared: Compared, same: bool| same || broken.contains(&compared);
        let found = series(&victim, 20, seed, &mutate, &|| look(&liar));
        assert_eq!(found.missed.len(), 20, "{kind:?} without {broken:?}");
    }
    // What the manifest says of its files, and its form. Cameras, poses and clips have nothing to be compared with.
    let value: Value = serde_json::from_str(&text).unwrap();
    let mut done = 0;
    for number in 0..n {
        let mut dice = Dice { seed: seed.derive_number("edit", number), thrown: 0 };
        let mut edited = value.clone();
        let key = ["files", "counts", "format", "version", "frames"][dice.below(5)];
        let what = match key {
            "files" | "counts" => edit(&mut edited[key], &mut dice),
            _ => {
                edited[key] = json!("x");
                key.to_owned()
            }
        };
        if edited == value {
            continue;
        }
        done += 1;
        let named = match DataSetManifest::parse(&edited.to_string()) {
            Err(_) => true, // the manifest is the file at fault
            Ok(other) => {
                let findings = data_set_findings_by(&honest, &other, &victim.folder, &quiet);
                let mut changed = other.files.iter().filter(|file| !manifest.files.contains(file));
                changed.any(|file| findings.iter().any(|finding| finding.file == file.path))
            }
        };
        assert!(named, "{what}");
    }
    println!("data-set manifest: {done} edits, all found");
    assert!(done * 10 >= n * 9);
}

// ---- a mask store

#[test]
fn every_mutation_of_imported_masks_changes_their_digest() {
    // Imported masks have no manifest; their digest is part of every manifest and of the configuration's fingerprint.
    let (n, seed) = (number("SUW_MUTATIONS", 200) / 4, Seed(number("SUW_SEED", 1)));
    let place = Place::new();
    let victim = Victim::new(&place.path("world/masks"));
    let digest = || MaskStore::open_import(&victim.folder).unwrap().imported_digest().unwrap();
    let whole = digest();
    let masks: Vec<&String> = victim
        .whole
        .keys()
        .filter(|name| name.ends_with(".json") || name.ends_with(".png"))
        .filter(|name| name.contains("/instances/") || name.contains("/semantic/"))
        .collect();
    assert_eq!(masks.len(), 20);
    for kind in [Kind::BitFlip, Kind::Truncation, Kind::Swap, Kind::Deletion] {
        let mut unnoticed = Vec::new();
        for number in 0..n {
            let mut dice = Dice { seed: seed.derive_number("mask", number), thrown: 0 };
            let (_, what) = victim.damage(kind, &masks, &mut dice);
            if digest() == whole {
                unnoticed.push(what);
            }
            victim.mend();
        }
        println!("masks, {kind:?}: {n} mutations, {} unnoticed", unnoticed.len());
        assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    }
    assert_eq!(digest(), whole);
}
