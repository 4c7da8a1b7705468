//! The real program: exit codes, help, errors, and what it prints.

use std::fs;

use crate::kit::{Toy, expect_code, stderr, stdout};

#[test]
fn every_command_has_help_with_an_example() {
    let toy = Toy::new();
    for command in [
        "train",
        "eval",
        "predict",
        "export",
        "bench step",
        "bench loader",
        "conformance",
        "doctor",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let output = toy.run(&words);
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
    let mut n_files = 0;
    let folders = ["data-manifests/training", "tests/overfit"].map(|at| suw_tests::root().join(at));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let output = toy.run(&["train", path.to_str().unwrap(), "--set", "device=cpu"]);
        expect_code(&output, 2);
        let text = stderr(&output);
        assert!(text.contains("no manifest.json in it"), "{path:?}: {text}");
        n_files += 1;
    }
    assert!(n_files >= 13, "{n_files} files");
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

/// The contents of a PNG.
fn rgb(toy: &Toy, name: &str) -> image::RgbImage {
    image::open(toy.path(name)).unwrap_or_else(|error| panic!("{name}: {error}")).into_rgb8()
}

#[test]
fn folders_patterns_colors_and_sky_of_predictions() {
    let toy = Toy::new();
    expect_code(&toy.train("run", &["--set", "train.max_steps=0"]), 0);
    for folder in ["frames", "semantic"] {
        fs::create_dir(toy.path(folder)).unwrap();
    }
    for (name, shade) in [("b.png", 30), ("a1.png", 60), ("a2.png", 90)] {
        let picture = image::RgbImage::from_fn(32, 16, |x, _| image::Rgb([shade, x as u8, 7]));
        picture.save(toy.path("frames").join(name)).unwrap();
        // The upper four rows are sky, the rest is road.
        let classes = |_, y| image::Luma([if y < 4 { 10 } else { 0 }]);
        let map = image::GrayImage::from_fn(32, 16, classes);
        map.save(toy.path("semantic").join(name)).unwrap();
    }
    let predict = |out: &str, more: &[&str]| {
        let args = ["predict", "--checkpoint", "run/best", "--out", out];
        toy.run(&[&args[..], more].concat())
    };
    let written = |out: &str| fs::read_dir(toy.path(out)).unwrap().count();
    expect_code(&predict("folder", &["frames"]), 0);
    assert_eq!(written("folder"), 6);
    expect_code(&predict("pattern", &["frames/a?.png"]), 0);
    assert_eq!(written("pattern"), 4);
    expect_code(&predict("none", &["frames/z*.png"]), 2);

    let with_sky = ["--sky", "--semantic", "semantic", "--side-by-side", "--colormap", "plasma"];
    expect_code(&predict("sky", &[&with_sky[..], &["--npy", "frames/b.png"]].concat()), 0);
    let plain = rgb(&toy, "folder/b-color.png");
    let sky = rgb(&toy, "sky/b-color.png");
    let depth = image::open(toy.path("sky/b-depth.png")).unwrap().into_luma16();
    let numbers = tch::Tensor::read_npy(toy.path("sky/b.npy")).unwrap();
    for (x, y, pixel) in sky.enumerate_pixels() {
        assert_eq!(pixel.0 == [96; 3], y < 4, "{x} {y}");
        assert_eq!(depth.get_pixel(x, y).0[0] == 0, y < 4);
        assert_eq!(numbers.double_value(&[i64::from(y), i64::from(x)]) == 0.0, y < 4);
    }
    assert!(plain.pixels().zip(sky.pixels()).skip(4 * 32).any(|(a, b)| a != b));
    let side = rgb(&toy, "sky/b-side.png");
    assert_eq!((side.width(), side.height()), (64, 16));
    assert_eq!(side.get_pixel(5, 9).0, [30, 5, 7]);
    assert_eq!(side.get_pixel(32 + 5, 9), sky.get_pixel(5, 9));

    // Sky needs maps, of the right size.
    expect_code(&predict("o", &["--sky", "frames"]), 2);
    image::GrayImage::new(8, 8).save(toy.path("semantic/b.png")).unwrap();
    let output = predict("o", &["--sky", "--semantic", "semantic", "frames/b.png"]);
    expect_code(&output, 1);
    assert!(stderr(&output).contains("expected a map of 32x16"), "{}", stderr(&output));

    // One bad picture among others is named, and they are predicted.
    fs::write(toy.path("frames/a15.png"), b"\x89PNG").unwrap();
    let output = predict("rest", &["-q", "frames"]);
    expect_code(&output, 3);
    assert!(stderr(&output).contains("frames/a15.png"), "{}", stderr(&output));
    assert_eq!((written("rest"), stdout(&output).lines().count()), (6, 6));
    // What cannot be written is no fault of a picture.
    fs::write(toy.path("file"), "").unwrap();
    expect_code(&predict("file", &["frames/b.png"]), 1);
}

#[test]
fn errors_per_image_and_errors_without_a_unit() {
    let toy = Toy::new();
    let eval = ["eval", "--baseline", "train", "--shards", "val", "--crop", "none", "--json"];
    let output = toy.run(&[&eval[..], &["--csv", "out/images.csv", "--sdr"]].concat());
    expect_code(&output, 0);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let csv = fs::read_to_string(toy.path("out/images.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 1 + 3);
    assert_eq!(rows[0][..3], ["key", "pixels", "abs_rel"]);
    assert_eq!(rows[1][0], "street/drive_02/image_02/0000000008");
    // The mean over the images that count is the result.
    let counted: Vec<f64> = rows[1..].iter().filter_map(|row| row[2].parse().ok()).collect();
    assert_eq!(counted.len(), 2);
    let mean = counted.iter().sum::<f64>() / 2.0;
    assert!((mean - result["abs_rel"].as_f64().unwrap()).abs() < 1e-12);
    assert_eq!(rows[1..].iter().filter(|row| row[1] == "0").count(), 1);

    // One depth everywhere: points that are alike are predicted so, all others are wrong, and so is every stored pair.
    let relative = &result["relative"];
    assert_eq!(relative["sdr_equal"], 0.0);
    assert_eq!(relative["sdr_unequal"], 1.0);
    assert_eq!(relative["point_pairs"], 3000);
    // Of the six pairs of a sample, three are pixels.
    assert_eq!((&relative["stored_pairs"], &relative["stored_wrong"]), (&9.into(), &1.0.into()));
    let plain = toy.run(&eval);
    let plain: serde_json::Value = serde_json::from_slice(&plain.stdout).unwrap();
    assert!(plain.get("relative").is_none());
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
