//! What `plan` says beforehand of each stage: whether it will run, and why.

use std::fs;

use serde_json::Value;

use crate::disturbed::as_words;
use crate::kit::{LARGE, Place, expect};

/// Arguments with masks by networks, one clip a shard, and some keys changed.
fn arguments(place: &Place, command: &str, out: &str, sets: &[&str]) -> Vec<String> {
    let store = format!("masks.root={}", place.text("masks"));
    let mut more = Vec::new();
    for set in [&["masks.source=models", &store, "output.samples_per_shard=1"][..], sets].concat() {
        more.extend(["--set", set]);
    }
    place.arguments(command, out, &more)
}

/// Masks to make, shards of the set, and shards that are kept; and the text.
fn planned(place: &Place, out: &str, sets: &[&str]) -> ([u64; 3], String) {
    let words = arguments(place, "plan", out, sets);
    let (text, _) = expect(0, &as_words(&words));
    let (json, _) = expect(0, &[&as_words(&words)[..], &["--json"]].concat());
    let said: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(said["refused"].is_null(), !text.contains("\nrefused "), "{text}{json}");
    let number = |key: &str| said[key].as_u64().unwrap();
    (["masks_to_make", "shards", "shards_kept"].map(number), text)
}

fn assert_says(text: &str, words: &[&str]) {
    for &words in words {
        assert!(text.contains(words), "{words:?} in {text}");
    }
}

const NETWORKS_RUN: &str = "networks     run on 4 frames that the store lacks";
const NO_NETWORKS: &str = "networks     none run: every mask is in the store";

#[test]
fn a_plan_follows_a_run_from_nothing_to_the_end() {
    let place = Place::with_drive(&LARGE);
    let before = place.files("");
    let (numbers, text) = planned(&place, "out", &[]);
    assert_eq!(numbers, [4, 2, 0]);
    assert_says(&text, &[NETWORKS_RUN, ", 0 complete and kept"]);
    assert!(before == place.files(""), "plan writes nothing");

    expect(0, &as_words(&arguments(&place, "masks", "out", &[])));
    let (numbers, text) = planned(&place, "out", &[]);
    assert_eq!(numbers, [0, 2, 0]);
    assert_says(&text, &[NO_NETWORKS, ", 0 complete and kept"]);

    let run = arguments(&place, "run", "out", &[]);
    expect(0, &[&as_words(&run)[..], &["--partition", "1/2"]].concat());
    let (numbers, text) = planned(&place, "out", &[]);
    assert_eq!(numbers, [0, 2, 1]);
    assert_says(&text, &[NO_NETWORKS, ", 1 complete and kept, 1 to make"]);

    expect(0, &as_words(&run));
    let (numbers, text) = planned(&place, "out", &[]);
    assert_eq!(numbers, [0, 2, 2]);
    let done = ["networks     none run: the set is complete", ", 2 complete and kept, 0 to make"];
    assert_says(&text, &done);
    // Nor does a run look at masks that it needs no more.
    fs::remove_dir_all(place.path("masks")).unwrap();
    let (numbers, text) = planned(&place, "out", &[]);
    assert_eq!(numbers, [0, 2, 2]);
    assert_says(&text, &done);
    expect(0, &as_words(&run));
    assert!(!place.path("masks").exists());
}

#[test]
fn a_plan_says_what_a_change_makes_again() {
    let place = Place::with_drive(&LARGE);
    expect(0, &as_words(&arguments(&place, "run", "out", &[])));
    let before = place.files("");
    for (change, differs) in [
        (
            "pairs.rules=data-manifests/rules/literal.toml",
            "pairs.rules.file (\"driving.toml\", here \"literal.toml\")",
        ),
        ("size=\"416x128\"", "size (\"208x64\", here \"416x128\")"),
        ("fit=\"crop\"", "fit (\"resize\", here \"crop\")"),
    ] {
        // The finished set is in the way, and the plan names what changed.
        let (numbers, text) = planned(&place, "out", &[change]);
        assert_eq!(numbers, [0, 2, 0], "{change}");
        let refused = ["networks     none run: the folder is refused", ", 0 to make", "refused "];
        assert_says(&text, &refused);
        assert_says(&text, &[differs, "give another output.dir"]);
        // In a folder of its own: shards, and no masks.
        let (numbers, text) = planned(&place, "other", &[change]);
        assert_eq!(numbers, [0, 2, 0], "{change}");
        assert_says(&text, &[NO_NETWORKS, ", 0 complete and kept"]);
        assert!(!text.contains("refused"), "{text}");
    }

    // Another mean makes other masks: of the same model, but by another spec.
    let models = suw_tests::root().join("data-manifests/models");
    let spec = fs::read_to_string(models.join("demo-pspnet.toml")).unwrap();
    let file = format!("file = {:?}", models.join("demo-pspnet.onnx"));
    let changed = spec
        .replace("file = \"demo-pspnet.onnx\"", &file)
        .replace("mean = [0.485, 0.456, 0.406]", "mean = [0.5, 0.5, 0.5]");
    assert!(changed.contains(&file) && changed.contains("mean = [0.5,"), "{spec}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    fs::write(&path, changed).unwrap();
    let changed = format!("masks.semantic={}", path.display());
    let (_, error) = expect(2, &as_words(&arguments(&place, "plan", "other", &[&changed])));
    assert_says(&error, &["made by another model or spec", "Choose another masks.root"]);
    let store = format!("masks.root={}", place.text("other-masks"));
    let (numbers, text) = planned(&place, "other", &[&changed, &store]);
    assert_eq!(numbers, [4, 2, 0]);
    assert_says(&text, &[NETWORKS_RUN, ", 0 complete and kept"]);
    assert!(before == place.files(""), "plan writes nothing");
}
