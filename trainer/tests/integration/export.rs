//! TorchScript of both networks gives the depth that `predict` gives.

use suw_tests::samples::{posed_header, posed_sample};
use tch::{CModule, Kind, Tensor};

use crate::kit::{Toy, expect_code, stdout, write_set};

/// Predicts a picture of the network's own size both ways.
fn check_export(toy: &Toy, run: &str, tolerance: f64) {
    let checkpoint = format!("{run}/best");
    let file = format!("{run}/depth.pt");
    let output = toy.run(&["export", "--checkpoint", &checkpoint, "--out", &file]);
    expect_code(&output, 0);
    assert!(stdout(&output).contains("[N, 3, 48, 64]"), "{}", stdout(&output));
    let picture =
        image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([4 * x as u8, 5 * y as u8, 77]));
    picture.save(toy.path("whole.png")).unwrap();
    let args = ["predict", "--checkpoint", &checkpoint, "--out", run, "--fit", "resize", "--npy"];
    expect_code(&toy.run(&[&args[..], &["whole.png"]].concat()), 0);
    let expected = Tensor::read_npy(toy.path(run).join("whole.npy")).unwrap();

    let script = CModule::load(toy.path(&file)).unwrap();
    let one = Tensor::from_slice(picture.as_raw()).view([1, 48, 64, 3]).permute([0, 3, 1, 2]);
    let one = one.to_kind(Kind::Float) / 255.0;
    // Another picture in front must not change it, and the number of pictures is free.
    let two = Tensor::cat(&[&one.flip([3]), &one], 0);
    let depth = tch::no_grad(|| script.forward_ts(&[two]).unwrap());
    assert_eq!(depth.size(), [2, 1, 48, 64]);
    let got = depth.get(1).view([48, 64]);
    let difference = (&got - &expected).abs();
    let off = (&difference / &expected).max().double_value(&[]);
    assert!(off < tolerance, "{run}: off by {off:e}");
    // Untrained weights see the picture too: depth differs inside it by far more than between the two.
    let spread = (got.max() - got.min()).double_value(&[]);
    assert!(spread > 10.0 * difference.max().double_value(&[]), "{run}: {spread:e} {off:e}");
}

#[test]
fn torch_script_gives_the_depth_that_predict_gives() {
    let toy = Toy::new();
    // One update moves the running statistics away from 0 and 1.
    expect_code(&toy.train("table1", &["--set", "train.max_steps=1"]), 0);
    check_export(&toy, "table1", 1e-5);
    write_set(&toy.path("posed"), &posed_header(), (0..2).map(posed_sample));
    let hourglass = [
        "--set",
        "network.kind=hourglass",
        "--set",
        "data.train=[\"posed\"]",
        "--set",
        "losses.use=[\"S\"]",
        "--set",
        "train.max_steps=1",
        "--set",
        "data.validation=[]",
    ];
    expect_code(&toy.train("table2", &hourglass), 0);
    // Its depth is an exponential, and weights of one update keep nothing small on the way: float32 differs by 1e-4.
    check_export(&toy, "table2", 1e-3);
    expect_code(&toy.run(&["export", "--checkpoint", "nowhere", "--out", "x.pt"]), 2);
}
