//! A run that is killed at any moment and resumed, again and again, ends with the weights and results of one that never was.
//!
//! `SUW_KILLS` sets the number of kills (6 in `make test`), `SUW_KILLS_SEED` the moments.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use suw_shared::seed::Seed;

use crate::kit::{Toy, expect_code};
use crate::resume::{judgements, results};

/// Updates of the run: many more than are made between two kills.
const LONG: [&str; 4] = ["--set", "train.epochs=6", "--set", "run.checkpoint_every=1"];
const SIGKILL: i32 = 9;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().unwrap())
}

fn start(toy: &Toy, dir: &str) -> Child {
    let args = toy.train_args(dir, &[&LONG[..], &["--resume", "auto"]].concat());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    toy.command(&args).stderr(Stdio::null()).spawn().unwrap()
}

/// Steps of the newest checkpoint, and what a kill has left half done.
fn found(run: &Path) -> (Option<u64>, bool) {
    let newest = fs::read_link(run.join("latest")).ok();
    let step = newest.map(|link| {
        let name = link.file_name().unwrap().to_str().unwrap().to_owned();
        name.strip_prefix("step-").unwrap().parse().unwrap()
    });
    let names = ["", "checkpoints", "eval", "pictures"]
        .into_iter()
        .map(|folder| run.join(folder))
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unfinished = names.filter(|name| name.ends_with(suw_shared::atomic_file::UNFINISHED));
    (step, unfinished.count() > 0)
}

#[test]
fn killed_again_and_again_a_run_ends_with_the_same_weights() {
    let toy = Toy::new();
    let began = Instant::now();
    expect_code(&toy.train("whole", &LONG), 0);
    let whole_run = began.elapsed();
    let whole = results(&toy.path("whole"));
    assert_eq!(whole.2.len(), 18);

    let n_kills = number("SUW_KILLS", 6);
    let seed = Seed(number("SUW_KILLS_SEED", 1));
    // A third of the run: over start, first checkpoints, and validations.
    let longest = whole_run / 3;
    let (mut kills, mut tries, mut runs) = (0, 0, 0);
    let mut places: BTreeMap<Option<u64>, u64> = BTreeMap::new();
    let mut n_unfinished = 0;
    while kills < n_kills || tries == 0 {
        runs += 1;
        let dir = format!("killed-{runs}");
        loop {
            // The last run is left alone once there were enough.
            if kills < n_kills {
                let mut child = start(&toy, &dir);
                let draw = seed.derive_number("kill", tries).0 as f64 / u64::MAX as f64;
                tries += 1;
                std::thread::sleep(longest.mul_f64(draw).max(Duration::from_millis(1)));
                child.kill().unwrap();
                let status = child.wait().unwrap();
                if status.signal() == Some(SIGKILL) {
                    kills += 1;
                    let (step, unfinished) = found(&toy.path(&dir));
                    *places.entry(step).or_default() += 1;
                    n_unfinished += u64::from(unfinished);
                    continue;
                }
                assert_eq!(status.code(), Some(0), "after {kills} kills");
            } else {
                let mut child = start(&toy, &dir);
                assert_eq!(child.wait().unwrap().code(), Some(0), "after {kills} kills");
            }
            break;
        }
        let killed = results(&toy.path(&dir));
        assert_eq!(whole.2, killed.2, "the log of run {runs}");
        assert!(whole.0 == killed.0, "the weights of run {runs}");
        assert!(whole.1 == killed.1, "the moments of run {runs}");
        let judged = judgements(&toy.path(&dir));
        assert_eq!(judgements(&toy.path("whole")), judged, "the results of run {runs}");
        let (_, unfinished) = found(&toy.path(&dir));
        assert!(!unfinished, "a finished run cleans up");
    }
    println!(
        "{kills} kills in {runs} runs, up to {longest:?} after the start; newest checkpoint then: {places:?}; \
         {n_unfinished} left something half written"
    );
    assert_eq!(kills, n_kills);
}
