//! `docs/rows.md` says how to launch each row of the paper: the page and the run files agree, and neither forgets one.

use std::collections::BTreeSet;
use std::fs;

use suw_trainer::config::{DropWord, LearningKind, NetworkKind, OriginWord, TrainConfig, WeakWord};

use crate::kit::{Toy, expect_code, stderr};

/// Run files that are no row.
const OTHERS: [&str; 2] = ["demo.toml", "kitti-excerpt.toml"];

fn read(file: &str, sets: &[String]) -> TrainConfig {
    let path = suw_tests::root().join("data-manifests/training").join(file);
    suw_shared::toml_file::read(&path, sets).unwrap()
}

/// The cells of the lines that begin with `` | `FILE.toml` | ``.
fn rows() -> Vec<Vec<String>> {
    let text = fs::read_to_string(suw_tests::root().join("docs/rows.md")).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    text.lines()
        .filter(|line| line.starts_with("| `") && line.contains(".toml` |"))
        .map(cells)
        .collect()
}

fn kind_of(letter: &str) -> LearningKind {
    match letter {
        "S" => LearningKind::S,
        "U" => LearningKind::U,
        "W" => LearningKind::W,
        _ => panic!("unknown learning {letter:?}"),
    }
}

#[test]
fn the_page_and_the_run_files_agree() {
    let rows = rows();
    assert_eq!(rows.len(), 9);
    for row in &rows {
        let file = row[0].trim_matches('`');
        let config = read(file, &[]);
        let expected: Vec<LearningKind> = row[1].split('+').map(kind_of).collect();
        assert_eq!(config.losses.kinds, expected, "{file}");
        if expected.contains(&LearningKind::W) {
            let weak = match row[2].as_str() {
                "pixel" => WeakWord::Pixel,
                "patch" => WeakWord::Patch,
                other => panic!("{file}: {other}"),
            };
            let origin = match row[3].as_str() {
                "same" => OriginWord::Same,
                "different" => OriginWord::Different,
                "both" => OriginWord::Both,
                "ground-truth" => OriginWord::GroundTruth,
                "ordinal" => OriginWord::Ordinal,
                other => panic!("{file}: {other}"),
            };
            assert_eq!((config.losses.weak, config.losses.origin), (weak, origin), "{file}");
        } else {
            assert_eq!((row[2].as_str(), row[3].as_str()), ("-", "-"), "{file}");
        }
        // Each row has a run directory of its own, so that no run goes on with another's weights.
        let name = file.trim_end_matches(".toml");
        assert_eq!(config.run.dir.to_str().unwrap(), format!("runs/{name}"), "{file}");
    }
}

#[test]
fn no_run_file_is_forgotten() {
    let mut named: BTreeSet<String> =
        rows().iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    named.extend(OTHERS.map(str::to_owned));
    let folder = suw_tests::root().join("data-manifests/training");
    let found: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, named);
}

/// Sections 1.1 and 1.2 of the supplement, and its equation 1.
#[test]
fn schedules_sizes_and_learning_rates_are_the_papers() {
    for row in rows() {
        let file = row[0].trim_matches('`');
        let config = read(file, &[]);
        let train = &config.train;
        let schedule = (train.lr, train.lr_drop, train.lr_drop_epochs, train.lr_factor);
        if file.starts_with("mm-") {
            assert_eq!(schedule, (5e-4, DropWord::Every, 5, 0.1), "{file}");
            assert_eq!(config.network.kind, NetworkKind::Hourglass, "{file}");
        } else {
            assert_eq!(schedule, (1e-4, DropWord::Once, 10, 0.1), "{file}");
            assert_eq!(config.network.kind, NetworkKind::EncoderDecoder, "{file}");
            assert_eq!((config.validation.cap, config.validation.median_scale), (80.0, false));
        }
    }
}

/// Rows of Table 3 differ in how weak labels are made and in nothing else.
#[test]
fn rows_of_one_table_differ_in_their_losses_alone() {
    let first = read("kitti-s.toml", &[]);
    for row in rows().iter().filter(|row| row[0].contains("kitti")) {
        let file = row[0].trim_matches('`');
        let mut config = read(file, &[]);
        config.losses.kinds.clone_from(&first.losses.kinds);
        config.losses.weak = first.losses.weak;
        config.losses.origin = first.losses.origin;
        config.run.dir.clone_from(&first.run.dir);
        assert_eq!(config, first, "{file}");
    }
}

/// The keys of the second table exist and can be set; the rows start on shards that have what they need.
#[test]
fn every_row_and_every_variant_starts() {
    let text = fs::read_to_string(suw_tests::root().join("docs/rows.md")).unwrap();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("="))
        .filter(|l| !l.contains(".toml` |"));
    let mut sets: Vec<Vec<String>> = Vec::new();
    for line in lines {
        let keys: Vec<String> = line
            .rsplit_once(" | ")
            .unwrap()
            .1
            .split('`')
            .filter(|part| part.contains('='))
            .map(str::to_owned)
            .collect();
        assert!(!keys.is_empty(), "{line}");
        sets.push(keys);
    }
    assert!(sets.len() >= 10, "{sets:?}");
    for keys in &sets {
        read("kitti-suw.toml", keys);
    }
    let toy = Toy::new();
    for row in rows().iter().filter(|row| row[0].contains("kitti")) {
        let file = row[0].trim_matches('`');
        let path = suw_tests::root().join("data-manifests/training").join(file);
        fs::copy(path, toy.path("run.toml")).unwrap();
        let dir = file.trim_end_matches(".toml");
        let small = ["--set", "augment.crop=32x32", "--set", "train.max_steps=0"];
        let output = toy.train(dir, &small);
        expect_code(&output, 0);
        assert!(toy.path(dir).join("latest/state.json").exists(), "{file}: {}", stderr(&output));
    }
}
