//! `bench step` and `bench loader`: they run, count what they should, and write cases that others can read.

use serde_json::Value;
use tch::Tensor;

use crate::kit::{N_TRAIN, Toy, expect_code, stdout};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_made_up_step_is_measured_and_its_case_is_written() {
    let toy = Toy::new();
    let args =
        ["bench", "step", "--learn", "suw", "--size", "64x32", "--batch", "2", "--objects", "3"];
    let more = ["--steps", "2", "--warmup", "1", "--threads", "1", "--dump", "case", "--json"];
    let output = toy.run(&[&args[..], &more].concat());
    expect_code(&output, 0);
    let report = json(&stdout(&output));
    let totals = report["totals"].as_array().unwrap();
    assert_eq!((totals.len(), report["steps"].as_u64()), (3, Some(2)));
    assert!(totals.iter().all(|total| total.as_f64().unwrap() > 0.0));
    // The parts add up to the whole, but for the time between them.
    let parts: f64 =
        report["parts_ms"].as_object().unwrap().values().filter_map(Value::as_f64).sum();
    let whole = report["median_ms"].as_f64().unwrap();
    assert!(parts > 0.5 * whole && parts < 1.5 * whole, "{report}");
    let batch = Tensor::read_safetensors(toy.path("case/batch.safetensors")).unwrap();
    let shape = |name: &str| batch.iter().find(|(n, _)| n == name).unwrap().1.size();
    assert_eq!(shape("image"), [2, 3, 3, 32, 64]);
    assert_eq!(shape("object_image"), [3]);
    let weights = Tensor::read_safetensors(toy.path("case/weights.safetensors")).unwrap();
    assert!(weights.iter().any(|(name, _)| name == "pose.out.weight"));
}

#[test]
fn shards_are_read_as_often_as_asked() {
    let toy = Toy::new();
    let args = ["bench", "loader", "run.toml", "--epochs", "2", "--json"];
    let sets = ["device=cpu", "data.train=[\"train\"]", "data.validation=[]", "train.batch=2"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let output = toy.run(&[&args[..], &sets].concat());
    expect_code(&output, 0);
    let report = json(&stdout(&output));
    assert_eq!(report["samples"].as_u64(), Some(u64::from(N_TRAIN)));
    assert_eq!(report["resident_mib"].as_array().unwrap().len(), 2);
    // 3 frames of 3 x 48 x 64 bytes and 4 bytes of depth a pixel at least.
    let bytes_per_sample =
        report["bytes_per_s"].as_f64().unwrap() / report["samples_per_s"].as_f64().unwrap();
    assert!(bytes_per_sample > 48.0 * 64.0 * 13.0 && bytes_per_sample < 48.0 * 64.0 * 20.0);
}
