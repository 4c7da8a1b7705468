//! The hourglass on two sets of different kind in one run: clips with poses, and single pictures with ordinal maps.

use std::fs;

use serde_json::Value;
use suw_shared::image_size::ImageSize;
use suw_shared::sample::Sample;
use suw_shared::shard::{Contents, ShardHeader};
use suw_tests::samples::{bare_sample, ordinal_header, ordinal_sample, posed_header, posed_sample};

use crate::kit::{Toy, expect_code, stderr, stdout, write_set};

/// The shipped run file, made small: four posed clips, six pictures shown half as often, batches of two.
fn train(toy: &Toy, dir: &str, more: &[&str]) -> std::process::Output {
    let run_dir = format!("run.dir={dir}");
    let sets = [
        run_dir.as_str(),
        "device=cpu",
        "data.train=[\"posed\", \"ordinal\"]",
        "data.ratio=[1.0, 0.5]",
        "data.validation=[\"posed-val\"]",
        "data.readers=2",
        "train.batch=2",
        "train.max_steps=4",
        "train.threads=1",
        "run.log_every=1",
        "run.keep=9",
    ];
    let file = suw_tests::root().join("data-manifests/training/mm-suw.toml");
    let mut args = vec!["train", file.to_str().unwrap(), "-q"];
    args.extend(sets.iter().flat_map(|set| ["--set", *set]));
    args.extend(more);
    toy.run(&args)
}

fn toy() -> Toy {
    let toy = Toy::new();
    write_set(&toy.path("posed"), &posed_header(), (0..4).map(posed_sample));
    write_set(&toy.path("ordinal"), &ordinal_header(), (0..6).map(ordinal_sample));
    write_set(&toy.path("posed-val"), &posed_header(), (6..8).map(posed_sample));
    toy
}

fn logged(toy: &Toy, dir: &str) -> Vec<Value> {
    let log = fs::read_to_string(toy.path(dir).join("metrics.jsonl")).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_set_feeds_the_losses_it_has_labels_for() {
    let toy = toy();
    expect_code(&train(&toy, "run", &[]), 0);
    let lines = logged(&toy, "run");
    let count = |line: &Value, term: &str| line["terms"][term]["count"].as_i64().unwrap();
    let sum = |term: &str, epoch: i64| -> i64 {
        let of_epoch = lines.iter().filter(|line| line["epoch"] == epoch);
        of_epoch.map(|line| count(line, term)).sum()
    };
    // 4 clips and half of 6 pictures: 7 showings, 3 batches of 2, so an epoch shows 6 of them. A picture has one pair and
    // 24 x 13 measured pixels, a clip 24 x 64 and no pair.
    assert_eq!(lines.iter().filter(|line| line["epoch"] == 0).count(), 3);
    let pictures = sum("w", 0);
    assert!(pictures == 2 || pictures == 3, "{pictures}");
    assert_eq!(sum("s", 0), pictures * 24 * 13 + (6 - pictures) * 24 * 64);
    for line in &lines {
        // Only clips have an unsupervised term: at most every pixel of those that are no pictures.
        let clips = 2 - count(line, "w");
        assert_eq!(count(line, "u") > 0, clips > 0, "{line}");
        assert!(count(line, "u") <= clips * 64 * 48, "{line}");
    }
    let state = fs::read_to_string(toy.path("run/latest/state.json")).unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!((&state["network"], &state["pose_options"]), (&"hourglass".into(), &Value::Null));
    assert_eq!(state["network_options"]["stem_kernel"], "7");
    assert!(toy.path("run/pictures").read_dir().unwrap().count() > 0);

    // A run that was stopped goes on bit for bit.
    expect_code(&train(&toy, "parts", &["--set", "train.max_steps=2"]), 0);
    expect_code(&train(&toy, "parts", &["--resume", "auto"]), 0);
    let weights = |dir: &str| fs::read(toy.path(dir).join("latest/model.safetensors")).unwrap();
    assert!(weights("run") == weights("parts"));

    // The checkpoint is evaluated and predicts.
    let args = ["eval", "--checkpoint", "run/latest", "--shards", "posed-val", "--crop", "none"];
    let output = toy.run(&[&args[..], &["--median-scale"]].concat());
    expect_code(&output, 0);
    let expected =
        "ground truth: mvs, network size 64x48; crop: none; cap: 80 m; scaling: median; images: 2";
    assert_eq!(stdout(&output).lines().next().unwrap(), expected);
    // Shards of a size that it cannot halve four times are a mistake of whoever names them.
    let size = ImageSize::new(40, 24);
    let contents = Contents { depth: true, ..Contents::default() };
    let small = |number: u32| Sample {
        image: vec![number as u8; 3 * size.area()],
        depth: Some(vec![2.0; size.area()]),
        ..bare_sample(number)
    };
    let of_small = ShardHeader { size, contents, ..ordinal_header() };
    write_set(&toy.path("small"), &of_small, (0..2).map(small));
    let output = toy.run(&["eval", "--checkpoint", "run/latest", "--shards", "small"]);
    expect_code(&output, 2);
    let text = stderr(&output);
    assert!(text.contains("40x24") && text.contains("multiples of 16"), "{text}");

    let picture = image::RgbImage::from_fn(51, 33, |x, y| image::Rgb([x as u8, y as u8, 77]));
    picture.save(toy.path("street.png")).unwrap();
    for fit in ["pad", "resize"] {
        let args = ["predict", "--checkpoint", "run/best", "--out", fit, "--fit", fit, "--npy"];
        expect_code(&toy.run(&[&args[..], &["street.png"]].concat()), 0);
        let depth = tch::Tensor::read_npy(toy.path(&format!("{fit}/street.npy"))).unwrap();
        assert_eq!(depth.size(), [33, 51]);
        assert!(depth.min().double_value(&[]) > 0.0);
    }
}

#[test]
fn what_the_hourglass_cannot_do_is_refused_before_anything_starts() {
    let toy = toy();
    for (set, expected) in [
        ("pose.camera=network", "pose.camera"),
        ("data.ratio=[1.0]", "data.ratio"),
        ("data.ratio=[0.0, 0.0]", "data.ratio"),
        ("data.train=[\"posed\", \"posed-val\"]", "W needs pairs"),
        ("data.train=[\"ordinal\", \"ordinal\"]", "U needs clips"),
        ("data.train=[\"posed\", \"train\"]", ""),
        ("augment.crop=36x32", "augment.crop"),
        ("network.hourglass.stem_kernel=5", "stem_kernel"),
        ("network.hourglass.pooling=mean", "max-outside"),
    ] {
        let output = train(&toy, "run", &["--set", set, "--set", "train.max_steps=0"]);
        let refused = !expected.is_empty();
        expect_code(&output, if refused { 2 } else { 0 });
        assert!(stderr(&output).contains(expected), "{set}: {}", stderr(&output));
        assert_eq!(toy.path("run").exists(), !refused, "{set}");
        let _ = fs::remove_dir_all(toy.path("run"));
    }
}
