//! Floor 2: checkpoints: `step-00001234/{model.safetensors, optimizer.safetensors, state.json}`, published as a whole folder.
//!
//! `state.json` holds the digests of the other two and its own, so damage is detected before anything is used. `latest` and
//! `best` are symbolic links beside the `checkpoints` folder, replaced in one step after the folder they name is complete.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use suw_shared::{atomic_file, checksum};
use tch::{TchError, Tensor};

use crate::checkpoint_state::{CheckpointState, FileDigest};

/// Weights and running statistics.
pub const MODEL_FILE: &str = "model.safetensors";
/// Moments of the optimizer.
pub const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// Everything else.
pub const STATE_FILE: &str = "state.json";

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is none.
    #[error(
        "cannot open checkpoint {path:?}: no {STATE_FILE} in it; expected a folder such as runs/demo/best"
    )]
    Missing {
        /// Which folder.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("cannot {verb} checkpoint {path:?}: {source}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A tensor file cannot be written.
    #[error("cannot write checkpoint {path:?}: {source}")]
    Tensors {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: TchError,
    },
    /// A file is not what `state.json` says, or cannot be understood.
    #[error("cannot use checkpoint {path:?}: {message}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Expected, got.
        message: String,
    },
    /// It belongs to another network.
    #[error("cannot load checkpoint {path:?}: {message}")]
    OtherNetwork {
        /// Which folder.
        path: PathBuf,
        /// Expected, got.
        message: String,
    },
}

/// Named tensors, sorted by name.
pub type NamedTensors = Vec<(String, Tensor)>;

/// A checkpoint whose files were found whole.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    state: CheckpointState,
}

/// Publishes `checkpoints/step-N` and returns it; a folder of the same step is replaced.
pub fn save(
    checkpoints: &Path,
    model: &[(String, Tensor)],
    optimizer: &[(String, Tensor)],
    state: &CheckpointState,
) -> Result<PathBuf, CheckpointError> {
    let folder = checkpoints.join(folder_name(state.step));
    let unfinished = atomic_file::unfinished_path(&folder);
    let io_error = |source| CheckpointError::Io { verb: "write", path: folder.clone(), source };
    fs::create_dir_all(checkpoints).map_err(io_error)?;
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(io_error)?;
    }
    fs::create_dir(&unfinished).map_err(io_error)?;
    let mut state = state.clone();
    state.files.clear();
    for (name, tensors) in [(MODEL_FILE, model), (OPTIMIZER_FILE, optimizer)] {
        let path = unfinished.join(name);
        Tensor::write_safetensors(tensors, &path)
            .map_err(|source| CheckpointError::Tensors { path: path.clone(), source })?;
        let file = File::open(&path).map_err(io_error)?;
        file.sync_all().map_err(io_error)?;
        let bytes = file.metadata().map_err(io_error)?.len();
        let blake3 = checksum::blake3_of_file(&path).map_err(io_error)?;
        state.files.insert(name.to_owned(), FileDigest { bytes, blake3 });
    }
    atomic_file::write(&unfinished.join(STATE_FILE), state.to_text().as_bytes())
        .map_err(io_error)?;
    if folder.exists() {
        // A folder cannot be renamed onto another; the old one leaves under a name that the next run cleans up.
        let old = checkpoints.join(format!(".old-{}{}", state.step, atomic_file::UNFINISHED));
        fs::rename(&folder, &old).map_err(io_error)?;
        atomic_file::publish(&unfinished, &folder).map_err(io_error)?;
        fs::remove_dir_all(&old).map_err(io_error)?;
    } else {
        atomic_file::publish(&unfinished, &folder).map_err(io_error)?;
    }
    Ok(folder)
}

/// Lets `RUN/name` point to a checkpoint of that run.
pub fn point(run_dir: &Path, name: &str, step: u64) -> Result<(), CheckpointError> {
    let link = run_dir.join(name);
    let io_error = |source| CheckpointError::Io { verb: "point to", path: link.clone(), source };
    let unfinished = atomic_file::unfinished_path(&link);
    if unfinished.symlink_metadata().is_ok() {
        fs::remove_file(&unfinished).map_err(io_error)?;
    }
    let target = Path::new("checkpoints").join(folder_name(step));
    std::os::unix::fs::symlink(target, &unfinished).map_err(io_error)?;
    atomic_file::publish(&unfinished, &link).map_err(io_error)
}

/// Deletes the oldest checkpoints of a run until `n_keep` are left; those in `protected` stay and do not count.
pub fn remove_old(
    checkpoints: &Path,
    n_keep: usize,
    protected: &[u64],
) -> Result<(), CheckpointError> {
    let io_error = |source| CheckpointError::Io {
        verb: "remove an old",
        path: checkpoints.to_owned(),
        source,
    };
    let mut steps = steps_in(checkpoints).map_err(io_error)?;
    steps.retain(|step| !protected.contains(step));
    let n_remove = steps.len().saturating_sub(n_keep);
    for step in &steps[..n_remove] {
        fs::remove_dir_all(checkpoints.join(folder_name(*step))).map_err(io_error)?;
    }
    Ok(())
}

/// Steps of the checkpoints in a folder, rising.
fn steps_in(checkpoints: &Path) -> io::Result<Vec<u64>> {
    let mut steps = Vec::new();
    for entry in fs::read_dir(checkpoints)? {
        steps.extend(step_of_name(&entry?.file_name()));
    }
    steps.sort_unstable();
    Ok(steps)
}

/// Opens a checkpoint and compares every file with its digest.
pub fn open(folder: &Path) -> Result<Checkpoint, CheckpointError> {
    let path = folder.join(STATE_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(CheckpointError::Missing { path: folder.to_owned() });
        }
        Err(source) => return Err(CheckpointError::Io { verb: "read", path, source }),
    };
    let damaged = |path: PathBuf, message: String| CheckpointError::Damaged { path, message };
    let state =
        CheckpointState::from_bytes(&bytes).map_err(|message| damaged(path.clone(), message))?;
    // A copy may have any other name.
    let named = folder.canonicalize().ok().and_then(|folder| step_of_name(folder.file_name()?));
    if let Some(step) = named.filter(|step| *step != state.step) {
        let message = format!("expected step {step} as its folder says, got {}", state.step);
        return Err(damaged(path, message));
    }
    for name in [MODEL_FILE, OPTIMIZER_FILE] {
        let file = folder.join(name);
        let Some(expected) = state.files.get(name) else {
            return Err(damaged(path, format!("expected a digest of {name}, got none")));
        };
        let got = checksum::blake3_of_file(&file)
            .map_err(|error| damaged(file.clone(), error.to_string()))?;
        if got != expected.blake3 {
            let message = format!("expected blake3 {}, got {got}", expected.blake3);
            return Err(damaged(file, message));
        }
    }
    Ok(Checkpoint { folder: folder.to_owned(), state })
}

/// The checkpoint that `RUN/latest` names or, where that is damaged, the newest whole one of the run, with what is wrong
/// with those passed over.
///
/// # Errors
/// That of `latest`, where none is whole.
pub fn newest_whole(run_dir: &Path) -> Result<(Checkpoint, Vec<CheckpointError>), CheckpointError> {
    let latest = run_dir.join("latest");
    let mut damaged = match open(&latest) {
        Ok(checkpoint) => return Ok((checkpoint, Vec::new())),
        Err(error) => vec![error],
    };
    let checkpoints = run_dir.join("checkpoints");
    let named = latest.read_link().ok().map(|target| run_dir.join(target));
    for step in steps_in(&checkpoints).unwrap_or_default().into_iter().rev() {
        let folder = checkpoints.join(folder_name(step));
        if named.as_ref() == Some(&folder) {
            continue;
        }
        match open(&folder) {
            Ok(checkpoint) => return Ok((checkpoint, damaged)),
            Err(error) => damaged.push(error),
        }
    }
    Err(damaged.swap_remove(0))
}

impl Checkpoint {
    /// `state.json`.
    pub fn state(&self) -> &CheckpointState {
        &self.state
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Weights and running statistics.
    pub fn model(&self) -> Result<NamedTensors, CheckpointError> {
        self.tensors(MODEL_FILE)
    }

    /// Moments of the optimizer.
    pub fn optimizer(&self) -> Result<NamedTensors, CheckpointError> {
        self.tensors(OPTIMIZER_FILE)
    }

    /// Copies the weights into the variables of a network. Names in the file that the network lacks are passed over where
    /// `optional` says so (a pose network is of no use when depth is evaluated).
    pub fn load_into(
        &self,
        variables: &BTreeMap<String, Tensor>,
        optional: impl Fn(&str) -> bool,
    ) -> Result<(), CheckpointError> {
        let other = |message| CheckpointError::OtherNetwork { path: self.folder.clone(), message };
        let mut stored: BTreeMap<String, Tensor> = self.model()?.into_iter().collect();
        for (name, variable) in variables {
            let Some(tensor) = stored.remove(name) else {
                return Err(other(format!("expected tensor {name:?}, got none of that name")));
            };
            if tensor.size() != variable.size() {
                let (expected, got) = (variable.size(), tensor.size());
                return Err(other(format!("tensor {name:?}: expected {expected:?}, got {got:?}")));
            }
            let mut target = variable.shallow_clone();
            tch::no_grad(|| target.copy_(&tensor));
        }
        match stored.keys().find(|name| !optional(name)) {
            Some(name) => {
                Err(other(format!("expected no tensor {name:?} in this network, got one")))
            }
            None => Ok(()),
        }
    }

    fn tensors(&self, name: &str) -> Result<NamedTensors, CheckpointError> {
        let path = self.folder.join(name);
        let mut tensors = Tensor::read_safetensors(&path).map_err(|error| {
            CheckpointError::Damaged { path: path.clone(), message: error.to_string() }
        })?;
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(tensors)
    }
}

fn folder_name(step: u64) -> String {
    format!("step-{step:08}")
}

fn step_of_name(name: &OsStr) -> Option<u64> {
    name.to_str()?.strip_prefix("step-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint_state::BestSoFar;

    fn state(step: u64) -> CheckpointState {
        let (format, version) = CheckpointState::identity();
        CheckpointState {
            format,
            version,
            tool_version: "0".to_owned(),
            network: "encoder-decoder".to_owned(),
            alpha: 1.0,
            beta: 83.0,
            bins: 8,
            height: 32,
            width: 64,
            scale: [1.0, 1.0],
            network_options: BTreeMap::new(),
            pose_options: None,
            epoch: 1,
            batch: 2,
            step,
            seed: 3,
            config_fingerprint: "abc".to_owned(),
            best: Some(BestSoFar { abs_rel: 0.1 + 0.2, step: 1, data: "def".to_owned() }),
            files: BTreeMap::new(),
            state_blake3: String::new(),
        }
    }

    fn tensors(values: &[f32]) -> NamedTensors {
        vec![("a.weight".to_owned(), Tensor::from_slice(values))]
    }

    #[test]
    fn a_checkpoint_comes_back_and_links_follow() {
        let run = tempfile::tempdir().unwrap();
        let checkpoints = run.path().join("checkpoints");
        for (step, value) in [(5, 1.0), (5, 2.0)] {
            save(&checkpoints, &tensors(&[value, 0.5]), &tensors(&[9.0]), &state(step)).unwrap();
        }
        point(run.path(), "latest", 4).unwrap();
        point(run.path(), "latest", 5).unwrap();
        let opened = open(&run.path().join("latest")).unwrap();
        assert_eq!(opened.state().best, state(5).best);
        let target = BTreeMap::from([("a.weight".to_owned(), Tensor::from_slice(&[0f32, 0.0]))]);
        opened.load_into(&target, |_| false).unwrap();
        assert_eq!(Vec::<f32>::try_from(&target["a.weight"]).unwrap(), [2.0, 0.5]);
        assert_eq!(opened.optimizer().unwrap()[0].1.double_value(&[0]), 9.0);
        assert_eq!(fs::read_dir(&checkpoints).unwrap().count(), 1);
    }

    #[test]
    fn one_changed_bit_in_any_file_is_noticed() {
        let run = tempfile::tempdir().unwrap();
        let folder = save(run.path(), &tensors(&[1.0]), &tensors(&[2.0]), &state(1)).unwrap();
        for name in [MODEL_FILE, OPTIMIZER_FILE] {
            let path = folder.join(name);
            let whole = fs::read(&path).unwrap();
            let mut bytes = whole.clone();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&path, &bytes).unwrap();
            let error = open(&folder).unwrap_err();
            assert!(matches!(&error, CheckpointError::Damaged { path: p, .. } if *p == path));
            fs::write(&path, &whole).unwrap();
        }
        // One bit of every byte of the state; digits and letters stay such, so that it often is a state as good as any.
        let path = folder.join(STATE_FILE);
        let whole = fs::read(&path).unwrap();
        let changed = (0..whole.len()).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 3);
            bytes
        });
        for bytes in changed.chain([whole[..whole.len() / 2].to_vec(), b"{".to_vec()]) {
            fs::write(&path, &bytes).unwrap();
            let opened = open(&folder);
            assert!(
                matches!(&opened, Err(CheckpointError::Damaged { path: p, .. }) if *p == path),
                "{opened:?} of {}",
                String::from_utf8_lossy(&bytes)
            );
        }
        fs::write(&path, &whole).unwrap();
        assert!(open(&folder).is_ok());
        assert!(matches!(open(run.path()), Err(CheckpointError::Missing { .. })));
    }

    #[test]
    fn a_folder_with_the_name_of_another_step_is_refused_and_a_copy_is_not() {
        let run = tempfile::tempdir().unwrap();
        let mut folder = save(run.path(), &tensors(&[1.0]), &[], &state(1)).unwrap();
        for (name, message) in [("step-00000002", "expected step 2"), ("mine", "")] {
            let renamed = run.path().join(name);
            fs::rename(&folder, &renamed).unwrap();
            folder = renamed;
            let told = open(&folder).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(told.contains(message) && told.is_empty() == message.is_empty(), "{told}");
        }
    }

    #[test]
    fn other_names_and_shapes_are_refused() {
        let run = tempfile::tempdir().unwrap();
        let folder = save(run.path(), &tensors(&[1.0]), &[], &state(1)).unwrap();
        let opened = open(&folder).unwrap();
        let variables = |name: &str, n: usize| {
            BTreeMap::from([(name.to_owned(), Tensor::from_slice(&vec![0f32; n]))])
        };
        for (name, n) in [("b.weight", 1), ("a.weight", 2)] {
            let error = opened.load_into(&variables(name, n), |_| true).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(opened.load_into(&BTreeMap::new(), |_| false).is_err());
        assert!(opened.load_into(&BTreeMap::new(), |name| name.starts_with("a.")).is_ok());
    }

    #[test]
    fn old_ones_go_and_protected_ones_stay() {
        let run = tempfile::tempdir().unwrap();
        for step in [1, 2, 3, 4] {
            save(run.path(), &[], &[], &state(step)).unwrap();
        }
        remove_old(run.path(), 2, &[1]).unwrap();
        let mut left: Vec<String> = fs::read_dir(run.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["step-00000001", "step-00000003", "step-00000004"]);
    }
}
