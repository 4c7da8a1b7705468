//! A data set with its manifest, and a store of imported masks, damaged.

use std::fs;

use serde_json::{Value, json};
use suw_preprocess::datasets::manifest::DataSetManifest;
use suw_preprocess::mask_store::MaskStore;
use suw_preprocess::progress::{Loudness, Progress};
use suw_preprocess::validation::data_set::data_set_findings_by;
use suw_preprocess::validation::finding::{Compared, Judge, honest};
use suw_shared::seed::Seed;

use super::edits::edit;
use super::{Dice, Kind, Victim, series};
use crate::disturbed::number;
use crate::kit::Place;

/// Mutations of each kind where `SUW_MUTATIONS` asks for none: a look reads a whole drive, not three small shards.
const MUTATIONS: u64 = 50;

#[test]
fn mutations_of_a_data_set_and_its_manifest_are_found_and_named() {
    let (n, seed) = (number("SUW_MUTATIONS", MUTATIONS), Seed(number("SUW_SEED", 1)));
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
        assert_eq!(found.done as u64, n, "{kind:?}: too few");
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
    // Some edits change nothing; they do not count.
    for number in 0..2 * n {
        if done == n {
            break;
        }
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
    assert_eq!(done, n, "too few");
}

#[test]
fn every_mutation_of_imported_masks_changes_their_digest() {
    // Imported masks have no manifest; their digest is part of every manifest and of the configuration's fingerprint.
    let (n, seed) = (number("SUW_MUTATIONS", MUTATIONS), Seed(number("SUW_SEED", 1)));
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
