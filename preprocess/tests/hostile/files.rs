//! Parsers that open files themselves get one, always the same, in a folder of this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The folder; in memory where there is such a place.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let memory = Path::new("/dev/shm");
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
                .unwrap()
        })
        .path()
}

/// A file of this name that holds `input`.
pub fn file(name: &str, input: &[u8]) -> PathBuf {
    let path = folder().join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).unwrap();
    }
    fs::write(&path, input).unwrap();
    path
}

/// Where the input of a C library is written before it gets it; it stays there if the process dies.
pub fn last_input() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("last-native-input")
}
