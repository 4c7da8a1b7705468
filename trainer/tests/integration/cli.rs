//! The real program: exit codes, help, errors, and what it prints.

use std::fs;

use crate::kit::{Toy, expect_code, stderr, stdout};

#[test]
fn every_command_has_help_with_an_example() {
    let toy = Toy::new();
    for command in ["train", "eval", "predict", "conformance", "doctor"] {
        let output = toy.run(&[command, "--help"]);
        expect_code(&output, 0);
        let text = stdout(&output);
        assert!(text.contains("Example"), "{command}: {text}");
        assert!(text.contains(&format!("suw-trainer {command}")), "{command}: {text}");
    }
    expect_code(&toy.run(&["trian"]), 2);
    expect_code(&toy.run(&["eval", "--shards", "val"]), 2);
}

#[test]
fn wrong_configurations_are_refused_before_anything_starts() {
    let toy = Toy::new();
    let cases = [
        ("train.epoch=3", "did you mean \"epochs\"?"),
        ("data.train=[\"nowhere\"]", "nowhere"),
        ("device=gpu", "device"),
        ("train.batch=0", "train.batch"),
        ("losses.use=[\"X\"]", "X"),
        ("losses.use=[]", "losses.use"),
        ("augment.crop=128x48", "augment.crop"),
        ("augment.crop=30x16", "augment.crop"),
        ("network.alpha=90.0", "network.alpha"),
        ("augment.flip=1.5", "augment.flip"),
        ("validation.crop=eigne", "eigne"),
    ];
    for (set, expected) in cases {
        let output = toy.train("run", &["--set", set]);
        expect_code(&output, 2);
        assert!(stderr(&output).contains(expected), "{set}: {}", stderr(&output));
        assert!(!toy.path("run").exists(), "{set}");
    }
    let output = toy.run(&["train", "missing.toml"]);
    expect_code(&output, 2);
    assert!(stderr(&output).contains("missing.toml"));
}

#[test]
fn every_shipped_run_file_is_complete_and_lacks_only_its_shards() {
    let toy = Toy::new();
    let folder = suw_tests::root().join("data-manifests/training");
    let mut n_files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let output = toy.run(&["train", path.to_str().unwrap(), "--set", "device=cpu"]);
        expect_code(&output, 2);
        let text = stderr(&output);
        assert!(text.contains("no manifest.json in it"), "{path:?}: {text}");
        n_files += 1;
    }
    assert!(n_files >= 10, "{n_files} files");
}

#[test]
fn no_steps_write_the_untrained_checkpoint_which_can_be_used() {
    let toy = Toy::new();
    expect_code(&toy.train("run", &["--set", "train.max_steps=0"]), 0);
    let state = fs::read_to_string(toy.path("run/checkpoints/step-00000000/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["network"], "encoder-decoder");
    assert_eq!((&state["height"], &state["width"]), (&48.into(), &64.into()));
    assert_eq!((&state["bins"], &state["step"]), (&16.into(), &0.into()));

    let eval = ["eval", "--checkpoint", "run/latest", "--shards", "val", "--crop", "none"];
    let output = toy.run(&eval);
    expect_code(&output, 0);
    // Of three images, one has its only measured pixel outside the window.
    assert_eq!(
        stdout(&output).lines().next().unwrap(),
        "ground truth: lidar-accumulated, native size; crop: none; cap: 80 m; scaling: none; \
         images: 2"
    );
    assert!(stderr(&output).contains("1 images without ground truth"), "{}", stderr(&output));
    let output = toy.run(&[&eval[..], &["--json", "--predictions", "out"]].concat());
    expect_code(&output, 0);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["images"], 2);
    assert_eq!(result["header"]["crop"], "none");
    let name = "out/street/drive_02/image_02/0000000008.npy";
    let native = tch::Tensor::read_npy(toy.path(name)).unwrap();
    assert_eq!(native.size(), [96, 128]);
}

#[test]
fn the_constant_baseline_is_the_median_training_depth() {
    let toy = Toy::new();
    let output = toy.run(&["eval", "--baseline", "train", "--shards", "val", "--crop", "none"]);
    expect_code(&output, 0);
    // Sample k has (2 + k) 30 / (y - 20) m on rows 24..48, in the same columns of each row.
    let mut depths: Vec<f64> = (0..6)
        .flat_map(|k| (24..48).map(move |y| f64::from((2.0 + k as f32) * 30.0 / (y - 20) as f32)))
        .filter(|depth| *depth < 80.0)
        .collect();
    depths.sort_by(f64::total_cmp);
    let median = depths[(depths.len() - 1) / 2];
    let text = stdout(&output);
    assert!(text.contains(&format!("predictor: {median:.3} m everywhere")), "{median} {text}");
    assert!(text.contains("abs_rel"));
}

#[test]
fn predictions_have_the_size_of_their_picture() {
    let toy = Toy::new();
    expect_code(&toy.train("run", &["--set", "train.max_steps=0"]), 0);
    let picture = image::RgbImage::from_fn(51, 33, |x, y| image::Rgb([x as u8, y as u8, 77]));
    picture.save(toy.path("street.png")).unwrap();
    for fit in ["auto", "pad", "resize"] {
        let args = ["predict", "--checkpoint", "run/best", "--out", fit, "--fit", fit, "--npy"];
        expect_code(&toy.run(&[&args[..], &["street.png"]].concat()), 0);
        let color = image::open(toy.path(&format!("{fit}/street-color.png"))).unwrap();
        assert_eq!((color.width(), color.height()), (51, 33));
        let depth = image::open(toy.path(&format!("{fit}/street-depth.png"))).unwrap();
        let numbers = tch::Tensor::read_npy(toy.path(&format!("{fit}/street.npy"))).unwrap();
        assert_eq!(numbers.size(), [33, 51]);
        let metres = numbers.double_value(&[20, 7]);
        let stored = f64::from(depth.into_luma16().get_pixel(7, 20).0[0]);
        assert!((stored - metres * 256.0).abs() <= 0.5 + 1e-3);
    }
    let predict = ["predict", "--checkpoint", "run/best", "--out", "o"];
    expect_code(&toy.run(&[&predict[..], &["nothing.png"]].concat()), 2);
    // Both would be written to the same files.
    fs::create_dir(toy.path("other")).unwrap();
    fs::copy(toy.path("street.png"), toy.path("other/street.png")).unwrap();
    expect_code(&toy.run(&[&predict[..], &["street.png", "other/street.png"]].concat()), 2);
    fs::write(toy.path("broken.png"), b"\x89PNG").unwrap();
    let output = toy.run(&[&predict[..], &["broken.png"]].concat());
    expect_code(&output, 1);
    assert!(stderr(&output).contains("broken.png"));
}

#[test]
fn a_missing_checkpoint_is_a_usage_error_and_a_damaged_shard_an_integrity_error() {
    let toy = Toy::new();
    expect_code(&toy.run(&["eval", "--checkpoint", "nowhere", "--shards", "val"]), 2);
    expect_code(&toy.train("run", &["--set", "train.max_steps=0"]), 0);
    let shard = toy.path("val/street-train-00000.h5");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() / 2]).unwrap();
    let output = toy.run(&["eval", "--checkpoint", "run/latest", "--shards", "val"]);
    expect_code(&output, 4);
    assert!(stderr(&output).contains("street-train-00000.h5"), "{}", stderr(&output));
}

#[test]
fn doctor_names_the_native_libraries() {
    let toy = Toy::new();
    let output = toy.run(&["doctor", "--json"]);
    expect_code(&output, 0);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["libtorch"].as_str().unwrap().starts_with("2."));
    assert!(report["cuda"].is_boolean() && report["hdf5"].is_string());
}

#[test]
fn supervised_weak_and_unsupervised_learning_also_run_alone() {
    let toy = Toy::new();
    for kinds in ["[\"S\"]", "[\"U\"]", "[\"W\"]"] {
        let name = &kinds[2..3];
        let set = format!("losses.use={kinds}");
        let extra = ["--set", &set, "--set", "train.max_steps=1", "--set", "losses.weak=pixel"];
        expect_code(&toy.train(name, &extra), 0);
        let log = fs::read_to_string(toy.path(name).join("metrics.jsonl")).unwrap();
        let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        for (term, kind) in [("s", "S"), ("u", "U"), ("w", "W")] {
            let count = line["terms"][term]["count"].as_i64().unwrap();
            assert_eq!(count > 0, kind == name, "{name}: term {term} stands on {count}");
        }
    }
}
