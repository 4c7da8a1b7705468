//! A folder with tiny shards and a run file, and the program itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use suw_shared::counts::Counts;
use suw_shared::manifest::{MANIFEST_FILE, ShardEntry, ShardSetManifest};
use suw_shared::sample::Sample;
use suw_shared::shard::{ShardHeader, ShardWriter, shard_file_name};
use suw_tests::samples::{header, sample};
use tempfile::TempDir;

/// Samples of the training set: three batches of two per epoch.
pub const N_TRAIN: u32 = 6;

/// A temporary folder with `train` and `val` shard sets and `run.toml`.
pub struct Toy {
    folder: TempDir,
}

impl Toy {
    pub fn new() -> Self {
        let toy = Self { folder: tempfile::tempdir().unwrap() };
        write_set(&toy.path("train"), &header(), (0..N_TRAIN).map(sample));
        write_set(&toy.path("val"), &header(), (8..11).map(sample));
        let demo = suw_tests::root().join("data-manifests/training/demo.toml");
        std::fs::copy(demo, toy.path("run.toml")).unwrap();
        toy
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `suw-trainer` in this folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suw-trainer"));
        command.current_dir(self.folder.path()).args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Arguments of `train` that make the shipped demo small and put its results into `dir`; libtorch on one thread.
    pub fn train_args(&self, dir: &str, more: &[&str]) -> Vec<String> {
        let mut args: Vec<String> = ["train", "run.toml", "-q"].map(str::to_owned).to_vec();
        let run_dir = format!("run.dir={dir}");
        let sets = [
            run_dir.as_str(),
            "device=cpu",
            "data.train=[\"train\"]",
            "data.validation=[\"val\"]",
            "data.readers=2",
            "network.bins=16",
            "train.batch=2",
            "train.epochs=2",
            "train.threads=1",
            "train.lr=1e-4",
            "run.log_every=1",
            "run.keep=9",
        ];
        args.extend(sets.iter().flat_map(|set| ["--set".to_owned(), (*set).to_owned()]));
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        args
    }

    pub fn train(&self, dir: &str, more: &[&str]) -> Output {
        let args = self.train_args(dir, more);
        self.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn expect_code(output: &Output, expected: i32) {
    assert_eq!(output.status.code(), Some(expected), "stderr: {}", stderr(output));
}

/// Publishes a shard set of these samples.
pub fn write_set(
    folder: &Path,
    header: &ShardHeader,
    samples: impl ExactSizeIterator<Item = Sample>,
) {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(shard_file_name(&header.dataset, &header.split, 0));
    let mut writer = ShardWriter::create(&path, header, samples.len()).unwrap();
    for sample in samples {
        writer.push(sample).unwrap();
    }
    let summary = writer.finish().unwrap().unwrap();
    let manifest = ShardSetManifest {
        config_fingerprint: "0".repeat(64),
        counts: Counts::default(),
        format: "suw-shards".to_owned(),
        frames: header.frames,
        height: header.size.height,
        models: Vec::new(),
        quarantined: Default::default(),
        samples: summary.samples,
        shards: vec![ShardEntry {
            blake3: summary.blake3,
            bytes: summary.bytes,
            file: summary.file,
            samples: summary.samples,
        }],
        tool_version: "0.1.0".to_owned(),
        version: 1,
        width: header.size.width,
        dataset: header.dataset.clone(),
        split: header.split.clone(),
    };
    manifest.write(&folder.join(MANIFEST_FILE)).unwrap();
    std::fs::write(folder.join("quarantine.jsonl"), "").unwrap();
}
