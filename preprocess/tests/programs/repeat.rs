//! The same bytes with any number of threads, and in parts.

use crate::kit::{Place, expect};

#[test]
fn one_two_and_four_threads_write_the_same_bytes() {
    let place = Place::new();
    for threads in ["1", "2", "4"] {
        place.make(0, &format!("out{threads}"), &["--threads", threads]);
    }
    let one = place.files("out1");
    // Eight clips at three a shard.
    let names: Vec<&str> = one.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "kitti-all-00000.h5",
            "kitti-all-00001.h5",
            "kitti-all-00002.h5",
            "manifest.json",
            "quarantine.jsonl"
        ]
    );
    assert!(one == place.files("out2"), "2 threads");
    assert!(one == place.files("out4"), "4 threads");
    let manifest = place.text("out1/manifest.json");
    expect(0, &["validate", "--deep", &manifest]);
}

#[test]
fn two_parts_make_the_same_set_in_either_order() {
    let place = Place::new();
    place.make(0, "whole", &[]);
    place.make(0, "ab", &["--partition", "1/2"]);
    assert!(!place.path("ab/manifest.json").exists(), "half a set has no manifest");
    assert!(place.path("ab/part-1-of-2.json").exists());
    let (_, error) = expect(4, &["merge", &place.text("ab")]);
    assert!(error.contains("1 of 2"), "{error}");
    place.make(0, "ab", &["--partition", "2/2"]);
    place.make(0, "ba", &["--partition", "2/2"]);
    place.make(0, "ba", &["--partition", "1/2"]);
    let whole = place.files("whole");
    assert!(whole == place.files("ab") && whole == place.files("ba"));
}

#[test]
fn a_finished_set_is_left_alone_and_another_configuration_is_refused() {
    let place = Place::new();
    place.make(0, "out", &[]);
    let before = place.files("out");
    place.make(0, "out", &[]);
    assert!(before == place.files("out"));
    let error = place.make(2, "out", &["--set", "seed=2"]);
    assert!(error.contains("another configuration"), "{error}");
    place.make(0, "other", &["--set", "seed=2"]);
    assert!(before != place.files("other"), "another seed draws other pairs");
}

#[test]
fn a_changed_rules_file_runs_no_network() {
    let place = Place::new();
    let store = format!("masks.root={}", place.text("masks"));
    let models = ["--set", "masks.source=models", "--set", &store];
    let said = place.make(0, "careful", &models);
    assert!(said.contains("masks: 10 of 10 frames to make"), "{said}");
    let masks = place.files("masks");
    let literal = ["--set", "pairs.rules=data-manifests/rules/literal.toml"];
    let said = place.make(0, "literal", &[&models[..], &literal[..]].concat());
    assert!(!said.contains("to make"), "{said}");
    assert!(masks == place.files("masks"), "the store is as it was");
    assert!(place.files("careful") != place.files("literal"));
}
