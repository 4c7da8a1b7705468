//! TensorBoard's own reader understands our event files.

use crate::kit::{Toy, expect_code, stdout};

#[test]
fn tensorboard_reads_scalars_and_pictures() {
    let Some(mut python) = suw_tests::python() else {
        println!("skipped: no Python of the test environment; `make test` sets it up");
        return;
    };
    let toy = Toy::new();
    expect_code(&toy.train("run", &["--set", "train.max_steps=2"]), 0);
    expect_code(&toy.train("run", &["--set", "train.max_steps=3", "--resume", "auto"]), 0);
    let output = python.arg("tests/python/read_events.py").arg(toy.path("run")).output().unwrap();
    expect_code(&output, 0);
    let read: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let log = std::fs::read_to_string(toy.path("run/metrics.jsonl")).unwrap();
    let logged: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let totals = read["scalars"]["loss/total"].as_array().unwrap();
    assert_eq!(totals.len(), 3);
    for (point, line) in totals.iter().zip(&logged) {
        assert_eq!(point[0], line["step"]);
        let (got, expected) = (point[1].as_f64().unwrap(), line["total"].as_f64().unwrap());
        assert!((got - expected).abs() <= 1e-6 * expected.abs(), "{got} {expected}");
    }
    assert_eq!(read["scalars"]["validation/abs_rel"].as_array().unwrap().len(), 2);
    // Frame, prediction and truth of 64x48, below each other.
    assert_eq!(read["pictures"]["validation/0"], serde_json::json!([[2, 64, 144], [3, 64, 144]]));
    // Frame t and both warped sources; objects and judged pixels. The first clip's camera is unknown.
    assert!(read["pictures"]["warped/0"].is_null());
    for number in 1..3 {
        let (warped, masks) = (format!("warped/{number}"), format!("masks/{number}"));
        assert_eq!(read["pictures"][warped], serde_json::json!([[2, 64, 144], [3, 64, 144]]));
        assert_eq!(read["pictures"][masks], serde_json::json!([[2, 64, 96], [3, 64, 96]]));
    }
    // The same pictures lie beside the events.
    let files: Vec<String> = std::fs::read_dir(toy.path("run/pictures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for what in ["warped", "masks"] {
        let end = format!("-{what}.png");
        let of_step_2 = |name: &&String| name.starts_with("step-00000002-") && name.ends_with(&end);
        assert_eq!(files.iter().filter(of_step_2).count(), 2, "{files:?}");
    }
}
