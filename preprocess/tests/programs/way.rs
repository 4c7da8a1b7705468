//! From a rendered drive to shards through both networks, read back by plain h5py.

use std::fs;

use suw_shared::shard::ShardSet;

use crate::kit::{Place, expect};

#[test]
fn networks_fill_the_store_once_and_h5py_reads_what_comes_of_it() {
    let place = Place::new();
    let store = format!("masks.root={}", place.text("masks"));
    let models = ["--set", "masks.source=models", "--set", &store];
    let plan = place.arguments("plan", "out", &[&models[..], &["--json"]].concat());
    let words: Vec<&str> = plan.iter().map(String::as_str).collect();
    let (text, _) = expect(0, &words);
    let planned: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&planned["clips"], &planned["masks_to_make"]), (&8.into(), &10.into()));
    assert!(!place.path("out").exists() && !place.path("masks").exists(), "plan writes nothing");

    place.make(0, "out", &models);
    let (text, _) = expect(0, &words);
    let planned: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&planned["shards_kept"], &planned["masks_to_make"]), (&3.into(), &0.into()));

    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("out/manifest.json")).unwrap()).unwrap();
    let models = manifest["models"].as_array().unwrap();
    assert_eq!(models[0]["name"], "demo-mask-rcnn");
    assert_eq!(models[1]["name"], "demo-pspnet");

    let set = ShardSet::open(&place.path("out")).unwrap();
    let header = set.header();
    let provenance: serde_json::Value = serde_json::from_str(&header.provenance).unwrap();
    assert_eq!(provenance["pairs"]["rules"]["file"], "driving.toml");
    assert!(!header.provenance.contains(&place.text("")), "no absolute paths");

    let Some(mut python) = suw_tests::python() else { return };
    let script = suw_tests::root().join("tests/python/read_shard.py");
    let output = python.arg(script).arg(place.path("out/kitti-all-00000.h5")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["attributes"]["dataset"], "kitti", "{read}");
}

#[test]
fn quality_and_report_read_what_run_wrote() {
    let place = Place::new();
    place.make(0, "out", &[]);
    let out = place.text("out");
    let (text, _) = expect(0, &["quality", &out, "--json"]);
    let quality: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(quality["groups"].as_array().is_some_and(|groups| groups.len() > 6), "{quality}");
    fs::write(place.path("quality.json"), text).unwrap();
    let page = place.text("page.html");
    let quality = place.text("quality.json");
    expect(0, &["report", "--shards", &out, "--quality", &quality, "--out", &page]);
    let html = fs::read_to_string(&page).unwrap();
    assert!(
        html.contains("Objects aligned over three frames") && html.contains("Nothing: every input")
    );
    assert!(!html.contains("src=\"http"), "self-contained");
}
