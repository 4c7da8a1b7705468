//! Floor 2: one process at a time in a run directory: `RUN/lock`, which the system lets go of when its holder ends, however
//! that happens.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The locked file; its contents say nothing.
const LOCK_FILE: &str = "lock";

/// A run directory that is held as long as this lives.
#[derive(Debug)]
pub struct RunLock {
    run_dir: PathBuf,
    made_folder: bool,
    _file: File,
}

/// Takes a run directory and makes it where it is not there; `None` while another process has it.
pub fn take(run_dir: &Path) -> io::Result<Option<RunLock>> {
    let made_folder = !run_dir.exists();
    fs::create_dir_all(run_dir)?;
    let file = File::create(run_dir.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(RunLock { run_dir: run_dir.to_owned(), made_folder, _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // What was refused before it began leaves nothing behind; a folder with anything else in it stays.
        let is_bare = || fs::read_dir(&self.run_dir).is_ok_and(|entries| entries.count() == 1);
        if self.made_folder && is_bare() {
            let _ = fs::remove_file(self.run_dir.join(LOCK_FILE));
            let _ = fs::remove_dir(&self.run_dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_directory_has_one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/a");
        let first = take(&run).unwrap().unwrap();
        assert!(take(&run).unwrap().is_none());
        assert!(take(&folder.path().join("runs/b")).unwrap().is_some());
        fs::write(run.join("config.toml"), "").unwrap();
        drop(first);
        assert!(take(&run).unwrap().is_some());
        assert!(run.join("config.toml").exists());
    }

    #[test]
    fn a_run_that_never_began_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a");
        drop(take(&run).unwrap().unwrap());
        assert!(!run.exists());
        // A folder that was there before is not ours to delete.
        fs::create_dir(&run).unwrap();
        drop(take(&run).unwrap().unwrap());
        assert!(run.exists());
    }
}
