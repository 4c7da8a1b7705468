//! The same bytes with any number of threads, and in parts; what changed is made again, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

use crate::kit::{LARGE, Place, expect, files, program};

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

/// When each mask was written.
fn written(place: &Place) -> BTreeMap<String, SystemTime> {
    let folder = place.path("masks");
    let at = |name: &str| fs::metadata(folder.join(name)).unwrap().modified().unwrap();
    files(&folder).into_keys().map(|name| (name.clone(), at(&name))).collect()
}

#[test]
fn changed_rules_another_size_and_another_fit_run_no_network() {
    let place = Place::with_drive(&LARGE);
    let store = format!("masks.root={}", place.text("masks"));
    let models = ["--set", "masks.source=models", "--set", &store];
    let said = place.make(0, "first", &models);
    assert!(said.contains("masks: 4 of 4 frames to make"), "{said}");
    let (masks, times) = (place.files("masks"), written(&place));
    // Without the library no network can run.
    let without_library = |out: &str, change: &str| {
        let more = [&models[..], &["--set", change]].concat();
        let mut command = program();
        command.args(place.arguments("run", out, &more));
        command.env("ORT_DYLIB_PATH", place.path("no-such-library.so"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (out, change) in [
        ("rules", "pairs.rules=data-manifests/rules/literal.toml"),
        ("size", "size=\"416x128\""),
        ("fit", "fit=\"crop\""),
    ] {
        let (code, said) = without_library(out, change);
        assert_eq!(code, Some(0), "{change}: {said}");
        assert!(!said.contains("to make"), "{change}: {said}");
        assert!(place.files("first") != place.files(out), "{change}");
        expect(0, &["validate", "--deep", &place.text(&format!("{out}/manifest.json"))]);
    }
    assert!(masks == place.files("masks") && times == written(&place), "the store is as it was");
    // Masks that are not there need the library.
    let (code, said) = without_library("unmade", &format!("masks.root={}", place.text("no-masks")));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cannot find ONNX Runtime"), "{said}");
}
