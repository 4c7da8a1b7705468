//! Floor 2: `metrics.jsonl`: one JSON object per logged step, appended.
//!
//! A resumed run drops the lines of steps that its checkpoint does not know, so that the file tells one story.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use suw_shared::atomic_file;

/// A failed read or write of the log.
#[derive(Debug, thiserror::Error)]
#[error("cannot write run log {path:?}: {source}")]
pub struct RunLogError {
    path: PathBuf,
    source: io::Error,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedStep {
    /// Updates made, this one included.
    pub step: u64,
    /// Epoch, from 0.
    pub epoch: u32,
    /// What was minimized.
    pub total: f64,
    /// Every loss term by name.
    pub terms: BTreeMap<String, LoggedTerm>,
    /// Learning rate of this step.
    pub lr: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Mean length of the predicted camera translation; absent without a pose network.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub translation_m: Option<f64>,
    /// Samples per second since the last line.
    pub samples_per_s: f64,
    /// Share of that time spent waiting for data.
    pub waiting: f64,
}

/// One loss term of one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedTerm {
    /// Unweighted.
    pub raw: f64,
    /// As it enters the total.
    pub weighted: f64,
    /// Pixels or pairs it stands on; 0 = had no labels.
    pub count: i64,
}

/// The log, open for appending.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    file: File,
}

impl RunLog {
    /// Opens `metrics.jsonl` of a run and drops lines after `step`.
    pub fn open(run_dir: &Path, step: u64) -> Result<Self, RunLogError> {
        let path = run_dir.join("metrics.jsonl");
        let failed = |source| RunLogError { path: path.clone(), source };
        if let Ok(text) = fs::read_to_string(&path) {
            let kept: String = text
                .lines()
                .filter(|line| step_of(line).is_some_and(|logged| logged <= step))
                .flat_map(|line| [line, "\n"])
                .collect();
            if kept != text {
                atomic_file::write(&path, kept.as_bytes()).map_err(failed)?;
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        Ok(Self { path, file })
    }

    /// Adds one line.
    pub fn append(&mut self, logged: &LoggedStep) -> Result<(), RunLogError> {
        let line = serde_json::to_string(logged).expect("invariant: a log line is plain JSON");
        self.file
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|source| RunLogError { path: self.path.clone(), source })
    }
}

fn step_of(line: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("step")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(step: u64) -> LoggedStep {
        LoggedStep {
            step,
            epoch: 0,
            total: 1.5,
            terms: BTreeMap::from([(
                "s".to_owned(),
                LoggedTerm { raw: 1.5, weighted: 1.5, count: 7 },
            )]),
            lr: 1e-4,
            gradient_norm: 2.0,
            translation_m: None,
            samples_per_s: 3.0,
            waiting: 0.25,
        }
    }

    #[test]
    fn a_resumed_log_forgets_lost_steps_and_half_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::open(folder.path(), 0).unwrap();
        for step in 1..=4 {
            log.append(&logged(step)).unwrap();
        }
        drop(log);
        let path = folder.path().join("metrics.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"step\": 5, \"ep")).unwrap();
        let mut log = RunLog::open(folder.path(), 2).unwrap();
        log.append(&logged(3)).unwrap();
        let steps: Vec<LoggedStep> = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(steps, [logged(1), logged(2), logged(3)]);
    }
}
