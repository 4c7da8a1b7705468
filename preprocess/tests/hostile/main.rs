//! Hostile input: every parser of the preprocessor against random bytes and against damaged copies of good files. No
//! panic, and no memory out of proportion to the input: at most 64 MiB and 64 times its length at once.
//!
//! `cargo test` runs a fixed number of cases; `make fuzz` as many as `SUW_FUZZ_SECONDS` allow, from another seed each time
//! (`SUW_SEED` repeats one). Inputs that once failed are kept in `tests/corpus/<parser>/` and tried first every time.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop where it stands

mod files;
mod memory;
mod mutate;
mod seeds;
mod targets;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::mutate::{Dice, Form, mutated};
use crate::targets::{Target, targets};

/// Bytes that any parser may take.
const MEMORY_BASE: usize = 64 << 20;

/// Bytes that it may take for each byte of its input.
const MEMORY_PER_BYTE: usize = 64;

/// Longest input that mutations grow to.
const LENGTH_MAX: usize = 16 << 10;

/// Accepted inputs that are damaged further.
const POOL: usize = 256;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target)
}

/// What a target came to.
#[derive(Default)]
struct Outcome {
    cases: u64,
    accepted: u64,
    /// Most bytes that a case took, less what its length allows.
    peak: usize,
}

/// One case; a panic or too much memory ends the test with the input kept in the corpus.
fn try_one(target: &Target, input: &[u8], outcome: &mut Outcome) -> bool {
    if target.native {
        // A C library may take the process with it: the input must be found afterwards.
        fs::write(files::last_input(), input).unwrap();
    }
    let (result, peak) =
        memory::peak_of(|| catch_unwind(AssertUnwindSafe(|| (target.parse)(input))));
    outcome.cases += 1;
    outcome.peak = outcome.peak.max(peak);
    let allowed = MEMORY_BASE + MEMORY_PER_BYTE * input.len();
    let fault = match result {
        Ok(accepted) if peak <= allowed => {
            outcome.accepted += u64::from(accepted);
            return accepted;
        }
        Ok(_) => format!("took {peak} bytes for {} of input; at most {allowed}", input.len()),
        Err(_) => "panicked".to_owned(),
    };
    let kept = corpus(target.name).join(format!("found-{:.12}", blake3::hash(input).to_hex()));
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::write(&kept, input).unwrap();
    panic!("parser {:?} {fault}; the input is kept as {kept:?}", target.name);
}

/// The corpus, the seeds, then mutations until `enough`.
fn attack(target: &Target, seed: u64, enough: &dyn Fn(u64) -> bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut pool = target.seeds.clone();
    for seed in &target.seeds {
        assert!(try_one(target, seed, &mut outcome), "{}: a good file is refused", target.name);
    }
    if let Ok(entries) = fs::read_dir(corpus(target.name)) {
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let input = fs::read(path).unwrap();
            try_one(target, &input, &mut outcome);
            pool.push(input);
        }
    }
    let longest = target.seeds.iter().map(Vec::len).max().unwrap_or(0).max(LENGTH_MAX);
    let mut number = 0;
    while !enough(number) {
        let mut dice = Dice::new(seed, target.name, number);
        let input = match dice.below(20) {
            0 => dice.bytes(300),
            _ => mutated(&pool, target.form, longest, &mut dice),
        };
        // What is still a good file is worth damaging further.
        if try_one(target, &input, &mut outcome) && pool.len() < POOL && dice.below(8) == 0 {
            pool.push(input);
        }
        number += 1;
    }
    outcome
}

#[test]
fn no_input_makes_a_parser_panic_or_take_memory_out_of_proportion() {
    let seconds = std::env::var("SUW_FUZZ_SECONDS").ok().map(|text| text.parse::<u64>().unwrap());
    let only = std::env::var("SUW_FUZZ_TARGET").ok();
    let seed = match (std::env::var("SUW_SEED"), seconds) {
        (Ok(text), _) => text.parse().unwrap(),
        (Err(_), Some(_)) => RandomState::new().hash_one(0),
        (Err(_), None) => 1,
    };
    let targets: Vec<Target> = targets()
        .into_iter()
        .filter(|target| only.as_ref().is_none_or(|only| target.name.contains(only)))
        .collect();
    println!("seed {seed}, {} parsers", targets.len());
    for target in &targets {
        let started = Instant::now();
        let share = seconds.map(|s| Duration::from_secs(s) / targets.len() as u32);
        let enough = |cases: u64| match share {
            Some(share) => started.elapsed() >= share,
            None => cases >= target.cases,
        };
        let outcome = attack(target, seed, &enough);
        let rate = outcome.cases as f64 / started.elapsed().as_secs_f64();
        println!(
            "{:24} {:8} cases, {:6.0}/s, {:4.1} % accepted, at most {:9} bytes",
            target.name,
            outcome.cases,
            rate,
            100.0 * outcome.accepted as f64 / outcome.cases as f64,
            outcome.peak
        );
        // Mutations that are all refused, or all accepted, would say little.
        let refused = outcome.cases - outcome.accepted;
        assert!(outcome.accepted * 500 > outcome.cases, "{}: hardly any accepted", target.name);
        assert!(refused * 50 > outcome.cases, "{}: hardly any refused", target.name);
    }
}

#[test]
fn the_harness_sees_panics_and_memory() {
    let target = |parse: fn(&[u8]) -> bool| Target {
        name: "harness",
        form: Form::Bytes,
        seeds: vec![b"good".to_vec()],
        parse,
        cases: 2_000,
        native: false,
    };
    let fails = |parse| {
        let failed = catch_unwind(|| attack(&target(parse), 1, &|cases| cases >= 2_000)).is_err();
        let _ = fs::remove_dir_all(corpus("harness"));
        failed
    };
    assert!(!fails(|_| true));
    assert!(fails(|bytes| bytes[0] == b'g')); // no byte, no first byte
    assert!(fails(|bytes| bytes.len() > 20 || vec![1_u8; 80 << 20][bytes.len()] == 1));
}
