//! Manifests from outside: their JSON Schemas are current, and `suw-preprocess validate` finds every kind of damage.
#![allow(clippy::unwrap_used)] // the functions that tests share are tests too

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};
use suw_preprocess::datasets::manifest::DataSetManifest;
use suw_shared::manifest::{PartManifest, ShardSetManifest};
use suw_shared::problem::Problem;
use suw_shared::shard::{ShardHeader, ShardSet, ShardWriter};
use suw_tests::{root, samples};

fn schema_text<T: JsonSchema>() -> String {
    format!("{:#}\n", schema_for!(T).to_value())
}

#[test]
fn schemas_are_current() {
    let folder = root().join("data-manifests/schema");
    for (name, text) in [
        ("shard-set.schema.json", schema_text::<ShardSetManifest>()),
        ("shard-set-part.schema.json", schema_text::<PartManifest>()),
        ("quarantine-line.schema.json", schema_text::<Problem>()),
        ("data-set.schema.json", schema_text::<DataSetManifest>()),
    ] {
        let path = folder.join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert!(there == text, "{path:?} is not what the types say; UPDATE_GOLDEN=1 rewrites it");
    }
}

/// Two shards of three and two samples, and their manifest, written here by hand.
fn make_set(folder: &Path) -> Vec<PathBuf> {
    let header = ShardHeader {
        provenance: json!({"config_fingerprint": "ab".repeat(32), "pairs": {"per_rule": 32}})
            .to_string(),
        ..samples::header()
    };
    let mut shards = Vec::new();
    let mut paths = Vec::new();
    for (file, numbers) in [("street-train-00000.h5", 0..3), ("street-train-00002.h5", 3..5)] {
        let mut writer = ShardWriter::create(&folder.join(file), &header, 3).unwrap();
        numbers.clone().for_each(|number| writer.push(samples::sample(number)).unwrap());
        writer.finish().unwrap().unwrap();
        paths.push(folder.join(file));
        let bytes = fs::read(folder.join(file)).unwrap();
        shards.push(json!({
            "file": file,
            "samples": numbers.len(),
            "bytes": bytes.len(),
            "blake3": blake3::hash(&bytes).to_hex().to_string(),
        }));
    }
    // Each sample has one car and one pair of every sort.
    let manifest = json!({
        "format": "suw-shards", "version": 1, "dataset": "street", "split": "train",
        "frames": 3, "height": 48, "width": 64, "samples": 5,
        "config_fingerprint": "ab".repeat(32), "tool_version": "0.1.0",
        "models": [{"role": "import", "name": "by hand", "blake3": "cd".repeat(32)}],
        "shards": shards,
        "counts": {
            "objects": {"bicycle": 0, "car": 5, "person": 0},
            "pairs": {"A": 5, "B": 5, "C": 5, "gt": 5, "ordinal": 5, "same": 5},
        },
        "quarantined": {"image-size": 1, "mask-missing": 1},
    });
    write_json(&folder.join("manifest.json"), &manifest);
    let lines = "{\"item\":\"street/a/1\",\"kind\":\"mask-missing\",\"reason\":\"no masks\"}\n\
                 {\"item\":\"street/a/2\",\"kind\":\"image-size\",\"reason\":\"expected 4x4, got 4x3\"}\n";
    fs::write(folder.join("quarantine.jsonl"), lines).unwrap();
    paths
}

/// `serde_json` sorts keys.
fn write_json(path: &Path, value: &Value) {
    fs::write(path, format!("{value:#}\n")).unwrap();
}

fn edit(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("manifest.json");
    let mut value: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut value);
    write_json(&path, &value);
}

/// Exit code and standard output.
fn validate(arguments: &[&str], manifest: &Path) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_suw-preprocess"))
        .arg("validate")
        .arg(manifest)
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_whole_set_has_no_faults() {
    let folder = tempfile::tempdir().unwrap();
    make_set(folder.path());
    let manifest = folder.path().join("manifest.json");
    assert_eq!(validate(&["-q"], &manifest), (0, String::new()));
    assert_eq!(validate(&["-q", "--deep"], &manifest), (0, String::new()));
    let (code, text) = validate(&["--deep", "--json", "-q"], &manifest);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &told["findings"]), (0, &json!(0)));
    // The set reads as one list.
    let set = ShardSet::open(folder.path()).unwrap();
    assert_eq!(set.len(), 5);
    let text = |sample| format!("{sample:?}");
    for index in [4, 0, 2, 3, 1] {
        let sample = set.read(index).unwrap();
        assert_eq!(set.key(index).unwrap(), sample.key);
        assert_eq!(text(sample), text(samples::sample(index as u32)));
    }
    assert!(set.read(5).is_err());
}

/// Every kind of damage: 4, and a line that names the file and the fault.
#[test]
fn every_kind_of_damage_is_found() {
    let check = |arguments: &[&str], words: &[&str], damage: &dyn Fn(&Path, &[PathBuf])| {
        let folder = tempfile::tempdir().unwrap();
        let shards = make_set(folder.path());
        damage(folder.path(), &shards);
        let (code, text) = validate(arguments, &folder.path().join("manifest.json"));
        assert_eq!(code, 4, "{words:?}: {text}");
        let hit = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(hit, "expected a line with {words:?}, got:\n{text}");
    };
    let first = "street-train-00000.h5";
    let second = "street-train-00002.h5";
    // Files.
    check(&[], &[second, "checksum"], &|_, shards| flip_bit(&shards[1], 12_345));
    check(&["--deep"], &[first, "checksum"], &|_, shards| flip_bit(&shards[0], 77));
    check(&[], &[first, "size"], &|_, shards| {
        let bytes = fs::read(&shards[0]).unwrap();
        fs::write(&shards[0], &bytes[..bytes.len() - 1]).unwrap();
    });
    check(&[], &[second, "checksum"], &|folder, shards| {
        fs::rename(&shards[0], folder.join("x")).unwrap();
        fs::rename(&shards[1], &shards[0]).unwrap();
        fs::rename(folder.join("x"), &shards[1]).unwrap();
    });
    check(&[], &[first, "got none"], &|_, shards| fs::remove_file(&shards[0]).unwrap());
    check(&[], &[first, "plain file"], &|_, shards| {
        fs::remove_file(&shards[0]).unwrap();
        fs::create_dir(&shards[0]).unwrap();
    });
    check(&[], &["notes.txt", "another file"], &|folder, _| {
        fs::write(folder.join("notes.txt"), "x").unwrap();
    });
    check(&[], &["part-1-of-2.json", "another file"], &|folder, _| {
        fs::write(folder.join("part-1-of-2.json"), "{}").unwrap();
    });
    // Quarantine.
    let quarantine = "quarantine.jsonl";
    check(&[], &[quarantine, "got none"], &|folder, _| {
        fs::remove_file(folder.join("quarantine.jsonl")).unwrap();
    });
    let rewrite = |folder: &Path, change: &dyn Fn(&str) -> String| {
        let path = folder.join("quarantine.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, change(&text)).unwrap();
    };
    check(&[], &[quarantine, "kinds", "mask-missing"], &|folder, _| {
        rewrite(folder, &|text| text.lines().skip(1).map(|line| format!("{line}\n")).collect());
    });
    check(&[], &[quarantine, "line 2", "rising"], &|folder, _| {
        rewrite(folder, &|text| text.lines().rev().map(|line| format!("{line}\n")).collect());
    });
    check(&[], &[quarantine, "newline"], &|folder, _| {
        rewrite(folder, &|text| text.trim_end().to_owned());
    });
    check(&[], &[quarantine, "line 1", "parse"], &|folder, _| {
        rewrite(folder, &|text| text.replace("mask-missing", "mask-gone"));
    });
    check(&[], &[quarantine, "line 2", "root"], &|folder, _| {
        rewrite(folder, &|text| text.replace("street/a/2", "/street/a/2"));
    });
    check(&[], &[quarantine, "line 1", "sorted keys"], &|folder, _| {
        let turned = "{\"kind\":\"mask-missing\",\"item\":\"street/a/1\",\"reason\":\"no masks\"}";
        rewrite(folder, &|text| format!("{turned}\n{}\n", text.lines().nth(1).unwrap()));
    });
    // The manifest's own fields.
    let name = "manifest.json";
    check(&[], &[name, "samples"], &|folder, _| edit(folder, |m| m["samples"] = json!(6)));
    check(&[], &[name, "version"], &|folder, _| edit(folder, |m| m["version"] = json!(2)));
    check(&[], &[name, "format"], &|folder, _| edit(folder, |m| m["format"] = json!("other")));
    check(&[], &[name, "root"], &|folder, _| edit(folder, |m| m["root"] = json!("/data")));
    check(&[], &[name, "width"], &|folder, _| {
        edit(folder, |m| drop(m.as_object_mut().unwrap().remove("width")));
    });
    check(&[], &[name, "rising"], &|folder, _| {
        edit(folder, |m| m["shards"].as_array_mut().unwrap().reverse());
    });
    check(&[], &[name, "street-train-00000.h5"], &|folder, _| {
        edit(folder, |m| m["shards"][0]["file"] = json!("../a.h5"));
    });
    check(&[], &[first, "size"], &|folder, _| {
        edit(folder, |m| m["shards"][0]["bytes"] = json!(7));
    });
    check(&[], &[first, "checksum"], &|folder, _| {
        edit(folder, |m| m["shards"][0]["blake3"] = json!("ef".repeat(32)));
    });
    check(&[], &[name, "config_fingerprint"], &|folder, _| {
        edit(folder, |m| m["config_fingerprint"] = json!("abc"));
    });
    check(&[], &[name, "car-broken"], &|folder, _| {
        edit(folder, |m| m["quarantined"]["car-broken"] = json!(1));
    });
    check(&[], &[name, "instance"], &|folder, _| {
        edit(folder, |m| m["models"][0]["role"] = json!("depth"));
    });
    check(&[], &[name, "absolute"], &|folder, _| {
        edit(folder, |m| m["models"][0]["name"] = json!("/home/me/model.onnx"));
    });
    check(&[], &[name, "newline"], &|folder, _| {
        let path = folder.join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.trim_end()).unwrap();
    });
    check(&[], &[name, "sorted keys"], &|folder, _| {
        let path = folder.join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replacen('{', "{\"width\": 64,", 1).replace(",\n  \"width\": 64\n", "\n");
        fs::write(&path, text).unwrap();
    });
    check(&[], &[name, "parse"], &|folder, _| {
        fs::write(folder.join("manifest.json"), "{\"format\": \"suw-shards\"").unwrap();
    });
    // What only --deep can know.
    let deep = &["--deep"];
    check(deep, &[name, "counts"], &|folder, _| {
        edit(folder, |m| m["counts"]["pairs"]["A"] = json!(6));
    });
    check(deep, &[first, "height"], &|folder, _| edit(folder, |m| m["height"] = json!(96)));
    check(deep, &[first, "config_fingerprint"], &|folder, _| {
        edit(folder, |m| m["config_fingerprint"] = json!("cd".repeat(32)));
    });
    check(deep, &[first, "samples"], &|folder, _| {
        edit(folder, |m| {
            m["shards"][0]["samples"] = json!(2);
            m["shards"][1]["samples"] = json!(3);
        });
    });
    let replace_second = |folder: &Path, header: &ShardHeader, numbers: std::ops::Range<u32>| {
        let path = folder.join(second);
        let mut writer = ShardWriter::create(&path, header, 3).unwrap();
        numbers.for_each(|number| writer.push(samples::sample(number)).unwrap());
        writer.finish().unwrap().unwrap();
        relist_second(folder);
    };
    check(deep, &[second, "keys"], &|folder, _| {
        replace_second(folder, &samples::header(), 2..4);
    });
    check(deep, &[second, "stride"], &|folder, _| {
        let header = ShardHeader { stride: 2, ..samples::header() };
        replace_second(folder, &header, 3..5);
    });
    check(deep, &[second, "signature"], &|folder, shards| {
        fs::write(&shards[1], "no HDF5").unwrap();
        relist_second(folder);
    });
    check(deep, &[second, "sample 1", "rule native-window"], &|folder, shards| {
        break_window(&shards[1]);
        relist_second(folder);
    });
}

fn flip_bit(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 8;
    fs::write(path, bytes).unwrap();
}

/// Makes the manifest agree with the bytes of the second shard.
fn relist_second(folder: &Path) {
    let bytes = fs::read(folder.join("street-train-00002.h5")).unwrap();
    edit(folder, |m| {
        m["shards"][1]["bytes"] = json!(bytes.len());
        m["shards"][1]["blake3"] = json!(blake3::hash(&bytes).to_hex().to_string());
    });
}

/// Moves the window of the last sample out of its picture; that table is stored as it is.
fn break_window(path: &Path) {
    let window = [2, 0, 1, 0, 96, 0, 128, 0]; // y 2, x 1, 96 x 128 pixels of 100 x 130
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(8).rposition(|found| found == window).unwrap();
    bytes[at + 2] = 3;
    fs::write(path, bytes).unwrap();
}

#[test]
fn files_that_are_not_there_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(validate(&[], &folder.path().join("manifest.json")).0, 2);
    assert_eq!(validate(&["--deeper"], &folder.path().join("manifest.json")).0, 2);
}

#[test]
fn all_faults_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let shards = make_set(folder.path());
    flip_bit(&shards[0], 1000);
    fs::remove_file(&shards[1]).unwrap();
    fs::write(folder.path().join("extra"), "").unwrap();
    let (code, text) = validate(&["--json", "--deep", "-q"], &folder.path().join("manifest.json"));
    assert_eq!(code, 4);
    let told: Value = serde_json::from_str(&text).unwrap();
    let files: Vec<&str> = told["manifests"][0]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["file"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["extra", "street-train-00000.h5", "street-train-00002.h5"]);
}

#[test]
fn a_data_set_is_compared_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).unwrap();
        json!({"path": name, "bytes": bytes.len(), "blake3": blake3::hash(bytes).to_hex().to_string()})
    };
    let files = json!([file("a.png", b"aaaa"), file("b.png", b"bbbb"), file("c.png", b"cccc")]);
    let manifest = json!({
        "format": "suw-dataset", "version": 1, "dataset": "kitti", "split": "all", "frames": 3,
        "stride": 1, "files": files, "scenes": [], "problems": [],
        "counts": {"bytes": 12, "clips": 0, "frames": 0, "ground_truth": 0, "lidar": 0, "scenes": 0},
    });
    let path = folder.path().join("set.json");
    write_json(&path, &manifest);
    assert_eq!(validate(&["-q"], &path), (0, String::new()));
    flip_bit(&folder.path().join("a.png"), 2);
    fs::write(folder.path().join("b.png"), "b").unwrap();
    fs::remove_file(folder.path().join("c.png")).unwrap();
    let (code, text) = validate(&["-q"], &path);
    assert_eq!(code, 4);
    let lines: Vec<&str> = text.lines().collect();
    for (line, words) in
        lines.iter().zip([["a.png", "checksum"], ["b.png", "size"], ["c.png", "got none"]])
    {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    // Elsewhere: --root, or wrong usage.
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("set.json");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(validate(&[], &moved).0, 2);
    let root = folder.path().to_str().unwrap();
    assert_eq!(validate(&["--root", root], &moved).0, 4);
    fs::write(folder.path().join("a.png"), "aaaa").unwrap();
    fs::write(folder.path().join("b.png"), "bbbb").unwrap();
    fs::write(folder.path().join("c.png"), "cccc").unwrap();
    assert_eq!(validate(&["--root", root, "-q"], &moved), (0, String::new()));
}
