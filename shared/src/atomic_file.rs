//! Floor 2: publishing files whole: written beside, synced, renamed. An unfinished file never has the final name.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// End of the names of files that are not published yet; whoever resumes may delete them.
pub const UNFINISHED: &str = ".unfinished";

/// Where the unfinished form of `path` lies: the same folder, a name of its own per process.
pub fn unfinished_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{:08x}{UNFINISHED}", std::process::id(), process_tag()));
    path.with_file_name(name)
}

/// A random number of this process: on a shared disk, processes of several machines or containers can have one id.
fn process_tag() -> u32 {
    static TAG: OnceLock<u32> = OnceLock::new();
    *TAG.get_or_init(|| RandomState::new().hash_one(std::process::id()) as u32)
}

/// Publishes `bytes` under `path`, replacing what was there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished_path(path);
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        publish(&unfinished, path)
    })();
    if written.is_err() {
        // The first error is the one that matters; a left-over is cleaned up by the next run.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Renames a finished, synced file or folder to its final name and syncs the folder that holds it.
pub fn publish(unfinished: &Path, path: &Path) -> io::Result<()> {
    fs::rename(unfinished, path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Deletes what earlier, interrupted processes left unfinished in `folder`; says how many.
pub fn remove_unfinished(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        write(&path, b"whole").unwrap();
        fs::write(unfinished_path(&path), b"half").unwrap();
        assert_eq!(remove_unfinished(folder.path()).unwrap(), 1);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(remove_unfinished(folder.path()).unwrap(), 0);
    }
}
