//! A run that is stopped and resumed ends with the weights of one that never stopped.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use suw_shared::sample::{GtPoint, Sample, SampleObjects};
use suw_tests::samples::{header, sample};

use crate::kit::{N_TRAIN, Toy, expect_code, stderr, write_set};

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

/// What a run found out about its weights: where `best` points, and all of `eval/`.
pub fn judgements(run: &Path) -> (PathBuf, BTreeMap<PathBuf, String>) {
    let files = fs::read_dir(run.join("eval")).unwrap().map(|entry| entry.unwrap());
    let results = files.map(|file| {
        let text = fs::read_to_string(file.path()).unwrap();
        (PathBuf::from(file.file_name()), text)
    });
    (fs::read_link(run.join("best")).unwrap(), results.collect())
}

/// A run that says every step, and what it says from here on.
fn start(toy: &Toy, dir: &str, more: &[&str]) -> (Child, Lines<BufReader<ChildStderr>>) {
    let args = toy.train_args(dir, &[more, &["-v"]].concat());
    let args: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "-q").collect();
    let mut child = toy.command(&args).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, lines)
}

/// The first line that begins so.
fn wait_for(lines: &mut Lines<BufReader<ChildStderr>>, beginning: &str) -> String {
    lines.map(Result::unwrap).find(|line| line.starts_with(beginning)).unwrap()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
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
    let (mut child, mut lines) = start(&toy, "stopped", &epochs);
    let second = wait_for(&mut lines, "step 2 epoch 0");
    assert!(second.contains(" samples/s, ") && second.ends_with("% waiting"), "{second}");
    signal(&child, "-TERM");
    let asked = Instant::now();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(75), "{rest:?}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    expect_code(&toy.train("stopped", &[&epochs[..], &["--resume", "auto"]].concat()), 0);
    let (whole, stopped) = (results(&toy.path("whole")), results(&toy.path("stopped")));
    assert_eq!(whole.2, stopped.2, "the log");
    assert!(whole.0 == stopped.0 && whole.1 == stopped.1, "weights and moments");
    assert_eq!(judgements(&toy.path("whole")), judgements(&toy.path("stopped")));
}

#[test]
fn a_validation_that_was_stopped_is_made_up_for() {
    let toy = Toy::new();
    // Long enough for a signal to come in between.
    write_set(&toy.path("long"), &header(), (0..200).map(sample));
    let long = ["--set", "data.validation=[\"long\"]"];
    expect_code(&toy.train("whole", &long), 0);
    let resume = [&long[..], &["--resume", "auto"]].concat();
    // After the last update of the first epoch, and of the run.
    for (line, result) in [("step 3 epoch 0", "00000003"), ("step 6 epoch 1", "00000006")] {
        let (mut child, mut lines) = start(&toy, "stopped", &resume);
        wait_for(&mut lines, line);
        signal(&child, "-TERM");
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(75), "{rest:?}");
        let result = toy.path("stopped").join(format!("eval/step-{result}.json"));
        assert!(!result.exists(), "the validation was not stopped: {rest:?}");
    }
    expect_code(&toy.train("stopped", &resume), 0);
    let (whole, stopped) = (toy.path("whole"), toy.path("stopped"));
    assert_eq!(judgements(&whole), judgements(&stopped));
    assert_eq!(judgements(&whole).1.len(), 2);
    let state = |run: &Path| fs::read_to_string(run.join("latest/state.json")).unwrap();
    assert_eq!(state(&whole), state(&stopped));
}

#[test]
fn a_run_goes_on_bit_for_bit_where_objects_come_and_go() {
    let toy = Toy::new();
    let every_second = |number: u32| {
        let full = sample(number);
        let map = vec![0; full.image.len() / 3];
        let movable = vec![0; map.len() / 3];
        let none = SampleObjects { map, rows: Vec::new(), movable };
        if number.is_multiple_of(2) { full } else { Sample { objects: Some(none), ..full } }
    };
    write_set(&toy.path("some"), &header(), (0..N_TRAIN).map(every_second));
    // Only objects ask the pose network: in batches of one it has nothing to learn from every second one.
    let sets = [
        "data.train=[\"some\"]",
        "data.validation=[]",
        "losses.use=[\"U\"]",
        "pose.camera=shards",
        "train.batch=1",
        "train.epochs=1",
    ];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
    expect_code(&toy.train("whole", &sets), 0);
    for step in 1..=N_TRAIN {
        let most = format!("train.max_steps={step}");
        let part = [&sets[..], &["--set", &most, "--resume", "auto"]].concat();
        expect_code(&toy.train("parts", &part), 0);
    }
    let (whole, parts) = (results(&toy.path("whole")), results(&toy.path("parts")));
    assert_eq!(whole.2.len(), N_TRAIN as usize);
    assert_eq!(whole.2, parts.2, "the log");
    assert!(whole.0 == parts.0 && whole.1 == parts.1, "weights and moments");
}

#[test]
fn a_run_directory_in_use_is_refused() {
    let toy = Toy::new();
    let (mut child, mut lines) = start(&toy, "run", &["--set", "train.epochs=99"]);
    wait_for(&mut lines, "step 1 epoch 0");
    signal(&child, "-STOP");
    let one = ["--set", "train.max_steps=1", "--resume", "auto"];
    let output = toy.train("run", &one);
    child.kill().unwrap();
    child.wait().unwrap();
    expect_code(&output, 2);
    assert!(stderr(&output).contains("another process trains"), "{}", stderr(&output));
    // What holds the directory ends with its process.
    expect_code(&toy.train("run", &one), 0);
}

#[test]
fn the_best_on_one_validation_set_is_not_compared_with_another() {
    let toy = Toy::new();
    expect_code(&toy.train("run", &["--set", "train.epochs=1"]), 0);
    let link = |run: &Path| fs::read_link(run.join("best")).unwrap();
    assert!(link(&toy.path("run")).ends_with("step-00000003"));
    // So near that every prediction is far worse than on the first set.
    let near = |number: u32| {
        let full = sample(number);
        let gt = full.gt.iter().flatten().map(|point| GtPoint { depth: 1.0, ..*point });
        Sample { gt: Some(gt.collect()), ..full }
    };
    write_set(&toy.path("near"), &header(), (8..11).map(near));
    let other = ["--set", "data.validation=[\"near\"]", "--resume", "auto"];
    let output = toy.train("run", &other);
    expect_code(&output, 0);
    assert!(stderr(&output).contains("ranking starts anew"), "{}", stderr(&output));
    assert!(link(&toy.path("run")).ends_with("step-00000006"));
    // From now on it is the same set.
    let output = toy.train("run", &other);
    expect_code(&output, 0);
    assert!(!stderr(&output).contains("ranking"), "{}", stderr(&output));
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
    for (how, file) in
        [("bit", "model.safetensors"), ("digit", "state.json"), ("cut", "state.json"), ("gone", "")]
    {
        let two = [&often[..], &["--set", "train.max_steps=2"]].concat();
        expect_code(&toy.train(how, &two), 0);
        let newest = toy.path(how).join("checkpoints/step-00000002");
        match how {
            "bit" => damage(&newest.join(file)),
            "digit" => {
                // A state as good as any, but for its digest: it would skip an update.
                let text = fs::read_to_string(newest.join(file)).unwrap();
                let changed = text.replace("\"step\": 2,", "\"step\": 3,");
                assert_ne!(changed, text);
                fs::write(newest.join(file), changed).unwrap();
            }
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
        assert_eq!(judgements(&toy.path("whole")).0, judgements(&toy.path(how)).0, "best");
    }
}
