//! The Python of the test environment: other people's readers (h5py, pycocotools, TensorBoard) as witnesses.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("invariant: a member folder").to_owned()
}

/// A command that runs Python in the repository's root: `SUW_TEST_PYTHON`, else `.deps/test-env/bin/python`.
///
/// `None` where there is neither; the caller prints "skipped: ..." and returns.
///
/// # Panics
/// If there is none and `CI` or `SUW_REQUIRE_PYTHON` is set.
pub fn python() -> Option<Command> {
    let program = match std::env::var_os("SUW_TEST_PYTHON") {
        Some(program) => PathBuf::from(program),
        None => root().join(".deps/test-env/bin/python"),
    };
    if program.exists() {
        let mut command = Command::new(program);
        command.current_dir(root());
        return Some(command);
    }
    let required =
        ["CI", "SUW_REQUIRE_PYTHON"].iter().find(|name| std::env::var_os(name).is_some());
    if let Some(name) = required {
        panic!("expected Python at {program:?}, since {name} is set; `make test` sets it up");
    }
    None
}
