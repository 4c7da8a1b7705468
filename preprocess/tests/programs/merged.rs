//! Shares of one set made on several machines, each with its own copy of the data and an output folder of its own. Copied
//! into one folder and joined by `merge` they are, byte for byte, the set of one whole run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::kit::{Place, expect, files};

/// Who makes what of the drive's eight clips, three of them a shard.
struct Case {
    /// Numbers of the shards that each share leaves; there are as many machines.
    shards: &'static [&'static [u32]],
    /// What is wrong with every copy of the data.
    harm: fn(&Place),
    /// How every run and `merge` end.
    code: i32,
    /// What `merge` prints.
    told: &'static str,
    /// Lines of `quarantine.jsonl`.
    aside: usize,
}

fn nothing(_: &Place) {}

fn check_joined(case: &Case) {
    let machine = || {
        let place = Place::new();
        (case.harm)(&place);
        place.scan();
        place
    };
    let whole = machine();
    whole.make(case.code, "out", &[]);
    let expected = whole.files("out");

    let goal = tempfile::tempdir().unwrap();
    let here = goal.path().to_str().unwrap();
    let parts = case.shards.len();
    for (part, shards) in (1..).zip(case.shards) {
        let machine = machine();
        machine.make(case.code, "out", &["--partition", &format!("{part}/{parts}")]);
        let made = machine.files("out");
        let mut names: Vec<String> =
            shards.iter().map(|number| format!("kitti-all-{number:05}.h5")).collect();
        names.push(format!("part-{part}-of-{parts}.json"));
        assert_eq!(visible(&made), names, "part {part} of {parts}");
        if part == parts {
            // Shares without a shard are waited for too.
            let (_, error) = expect(4, &["merge", here]);
            assert!(error.contains(&format!("{} of {parts};", parts - 1)), "{error}");
            assert!(!goal.path().join("manifest.json").exists(), "half a set has no manifest");
        }
        carry(&made, goal.path(), part % 2 == 0);
    }
    let (told, _) = expect(case.code, &["merge", here]);
    assert_eq!(told, format!("{}\n", case.told));
    let joined = files(goal.path());
    assert_eq!(joined.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(joined[name] == *bytes, "{parts} parts: {name} is not that of one run");
    }
    let lines = joined["quarantine.jsonl"].iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, case.aside, "each once, whoever told of it");
    let manifest = goal.path().join("manifest.json");
    expect(0, &["validate", "--deep", manifest.to_str().unwrap()]);
    // Joining what is joined changes nothing.
    expect(0, &["merge", here, "--allow-quarantine"]);
    assert!(joined == files(goal.path()));
}

/// Names that `ls` shows, sorted.
fn visible(made: &BTreeMap<String, Vec<u8>>) -> Vec<&str> {
    made.keys().map(String::as_str).filter(|name| !name.starts_with('.')).collect()
}

/// Copies what a machine made: as `cp machine/* here`, or as `cp -r machine/. here` with what a run keeps for itself.
fn carry(made: &BTreeMap<String, Vec<u8>>, here: &Path, hidden: bool) {
    for (name, bytes) in made.iter().filter(|(name, _)| hidden || !name.starts_with('.')) {
        let path = here.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_shard_from_each_of_three_machines() {
    check_joined(&Case {
        shards: &[&[0], &[1], &[2]],
        harm: nothing,
        code: 0,
        told: "8 samples in 3 shards",
        aside: 0,
    });
}

#[test]
fn more_machines_than_shards() {
    check_joined(&Case {
        shards: &[&[0], &[1], &[2], &[], &[]],
        harm: nothing,
        code: 0,
        told: "8 samples in 3 shards",
        aside: 0,
    });
}

#[test]
fn what_machines_set_aside_is_joined_too() {
    // Frame 8 is part of clips 7 and 8, which are all of the third shard. Each machine tells of the empty drive.
    let harm = |place: &Place| {
        let picture = place.of_drive("image_02/data/0000000008.png");
        let bytes = fs::read(&picture).unwrap();
        fs::write(&picture, &bytes[..bytes.len() / 2]).unwrap();
        let drive = "world/2026_01_01/2026_01_01_drive_0099_sync/image_02/data";
        fs::create_dir_all(place.path(drive)).unwrap();
    };
    check_joined(&Case {
        shards: &[&[0], &[1], &[]],
        harm,
        code: 3,
        told: "6 samples in 2 shards",
        aside: 3,
    });
}

#[test]
fn a_shard_that_was_not_copied_is_missed_and_parts_of_another_set_are_not_swallowed() {
    let goal = tempfile::tempdir().unwrap();
    let here = goal.path().to_str().unwrap();
    let machine = Place::new();
    machine.make(0, "out", &["--partition", "1/1"]);
    machine.make(0, "first", &["--partition", "1/2"]);
    machine.make(0, "second", &["--partition", "2/2"]);
    carry(&machine.files("first"), goal.path(), false);
    carry(&machine.files("second"), goal.path(), false);
    let forgotten = goal.path().join("kitti-all-00001.h5");
    let bytes = fs::read(&forgotten).unwrap();
    fs::remove_file(&forgotten).unwrap();
    let (_, error) = expect(4, &["merge", here]);
    assert!(error.contains("kitti-all-00001.h5") && error.contains("got no file"), "{error}");
    fs::write(&forgotten, &bytes[1..]).unwrap();
    expect(4, &["merge", here]);
    let left = files(goal.path());
    assert!(left.contains_key("part-2-of-2.json") && !left.contains_key("manifest.json"));
    fs::write(&forgotten, bytes).unwrap();
    expect(0, &["merge", here]);
    assert!(files(goal.path()) == machine.files("out"));

    machine.make(0, "third", &["--partition", "2/2", "--set", "seed=2"]);
    let part = "part-2-of-2.json";
    fs::write(goal.path().join(part), &machine.files("third")[part]).unwrap();
    let (_, error) = expect(2, &["merge", here]);
    assert!(error.contains("another configuration"), "{error}");
    assert!(goal.path().join(part).exists());
}

#[test]
fn parts_of_different_configurations_are_not_joined() {
    let goal = tempfile::tempdir().unwrap();
    for (part, seed) in [("1/2", "seed=1"), ("2/2", "seed=2")] {
        let machine = Place::new();
        machine.make(0, "out", &["--partition", part, "--set", seed]);
        carry(&machine.files("out"), goal.path(), false);
    }
    let (_, error) = expect(4, &["merge", goal.path().to_str().unwrap()]);
    assert!(error.contains("config_fingerprint of part 2"), "{error}");
    let left = files(goal.path());
    assert!(!left.contains_key("manifest.json"), "nothing is published");
    assert!(left.contains_key("part-1-of-2.json") && left.contains_key("part-2-of-2.json"));
}
