//! A run that is stopped and resumed ends with the weights of one that never stopped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::kit::{Toy, expect_code, stderr};

/// Weights, moments and log of a finished run, without what depends on the clock.
pub fn results(run: &Path) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    let latest = run.join("latest");
    let log = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let steps = log.lines().map(|line| {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        let object = value.as_object_mut().unwrap();
        object.remove("samples_per_s").unwrap();
        object.remove("waiting").unwrap();
        value.to_string()
    });
    (
        fs::read(latest.join("model.safetensors")).unwrap(),
        fs::read(latest.join("optimizer.safetensors")).unwrap(),
        steps.collect(),
    )
}

#[test]
fn a_run_stopped_in_the_middle_of_an_epoch_goes_on_bit_for_bit() {
    let toy = Toy::new();
    expect_code(&toy.train("whole", &[]), 0);
    // Three steps an epoch: 2 and 4 lie in the middle of one. Another number of readers changes nothing.
    expect_code(&toy.train("parts", &["--set", "train.max_steps=2"]), 0);
    let second = ["--set", "train.max_steps=4", "--set", "data.readers=1", "--resume", "auto"];
    expect_code(&toy.train("parts", &second), 0);
    expect_code(&toy.train("parts", &["--resume", "auto"]), 0);
    let (whole, parts) = (results(&toy.path("whole")), results(&toy.path("parts")));
    assert_eq!(whole.2.len(), 6);
    assert_eq!(whole.2, parts.2, "the log");
    assert!(whole.0 == parts.0, "the weights");
    assert!(whole.1 == parts.1, "the moments");
}

#[test]
fn sigterm_keeps_everything_and_the_run_goes_on() {
    let toy = Toy::new();
    let epochs = ["--set", "train.epochs=4"];
    expect_code(&toy.train("whole", &epochs), 0);
    let args = toy.train_args("stopped", &[&epochs[..], &["-v"]].concat());
    let args: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "-q").collect();
    let mut child = toy.command(&args).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let second = lines.by_ref().find(|line| line.starts_with("step 2 epoch 0")).unwrap();
    assert!(second.contains(" samples/s, ") && second.ends_with("% waiting"), "{second}");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let asked = Instant::now();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(75), "{rest:?}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    expect_code(&toy.train("stopped", &[&epochs[..], &["--resume", "auto"]].concat()), 0);
    let (whole, stopped) = (results(&toy.path("whole")), results(&toy.path("stopped")));
    assert_eq!(whole.2, stopped.2, "the log");
    assert!(whole.0 == stopped.0 && whole.1 == stopped.1, "weights and moments");
}

#[test]
fn another_configuration_is_not_mixed_in() {
    let toy = Toy::new();
    expect_code(&toy.train("run", &["--set", "train.max_steps=1"]), 0);
    expect_code(&toy.train("run", &["--set", "train.lr=2e-4", "--resume", "auto"]), 2);
    expect_code(&toy.train("run", &[]), 2);
}

/// Turns one bit in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn damage_in_the_only_checkpoint_stops_the_run() {
    let toy = Toy::new();
    expect_code(&toy.train("run", &["--set", "train.max_steps=1"]), 0);
    damage(&toy.path("run/latest/optimizer.safetensors"));
    let output = toy.train("run", &["--resume", "auto"]);
    expect_code(&output, 4);
    assert!(stderr(&output).contains("optimizer.safetensors"), "{}", stderr(&output));
}

#[test]
fn the_checkpoint_before_a_damaged_one_is_used_and_said_so() {
    let toy = Toy::new();
    let short = ["--set", "train.epochs=1"];
    expect_code(&toy.train("whole", &short), 0);
    let often = [&short[..], &["--set", "run.checkpoint_every=1"]].concat();
    for (how, file) in [("bit", "model.safetensors"), ("cut", "state.json"), ("gone", "")] {
        let two = [&often[..], &["--set", "train.max_steps=2"]].concat();
        expect_code(&toy.train(how, &two), 0);
        let newest = toy.path(how).join("checkpoints/step-00000002");
        match how {
            "bit" => damage(&newest.join(file)),
            "cut" => fs::write(newest.join(file), "{\"format\":").unwrap(),
            _ => fs::remove_dir_all(&newest).unwrap(),
        }
        // By name it is refused; without a word on resuming the run is not begun anew.
        let named = toy.path(how).join("latest");
        let named = [&often[..], &["--resume", named.to_str().unwrap()]].concat();
        expect_code(&toy.train(how, &named), if how == "gone" { 2 } else { 4 });
        expect_code(&toy.train(how, &often), 2);
        let output = toy.train(how, &[&often[..], &["--resume", "auto"]].concat());
        expect_code(&output, 0);
        let text = stderr(&output);
        assert!(text.contains("warning: cannot") && text.contains(file), "{how}: {text}");
        assert!(text.contains("step-00000001\", step 1"), "{how}: {text}");
        // It goes on as if nothing had happened.
        let (whole, mended) = (results(&toy.path("whole")), results(&toy.path(how)));
        assert_eq!(whole.2, mended.2, "the log");
        assert!(whole.0 == mended.0 && whole.1 == mended.1, "weights and moments");
    }
}
