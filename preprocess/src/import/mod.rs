//! Floor 2: masks of other tools, brought to the form of the mask store: COCO results, KITTI MOTS, struct2depth strips.
//!
//! Every source becomes scenes with rows; one `instances.json` a scene is written (contract, section 4). Nothing is
//! written before everything is read: a bad row anywhere leaves the store as it was. Semantic maps are not touched.

pub mod coco;
pub mod mots;
pub mod rows;
pub mod struct2depth;
pub mod write;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::import::rows::Imported;

/// Why masks cannot be imported; every message names the file, and the line where there are lines.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The operating system refused.
    #[error("cannot {verb} {path:?}: {source}")]
    Io {
        /// "read" or "write".
        verb: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder without a file of the wanted form.
    #[error("cannot import {root:?}: expected {expected}, got none")]
    Nothing {
        /// Where was looked.
        root: PathBuf,
        /// Which files.
        expected: &'static str,
    },
    /// A line of a text.
    #[error("cannot import {path:?}, line {line}: {cause}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What, expected, got.
        cause: String,
    },
    /// A file as a whole.
    #[error("cannot import {path:?}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What, expected, got.
        cause: String,
    },
    /// A store that would lose or hide something.
    #[error("cannot import into {path:?}: {cause}")]
    Store {
        /// Which file or folder of the store.
        path: PathBuf,
        /// What, expected, got.
        cause: String,
    },
}

/// The masks of a folder (or of a single file) `root`, by scene.
///
/// `read` gets each file with the scene that its place names: the path below `root` without the file's ending.
pub(crate) fn from_files(
    root: &Path,
    expected: &'static str,
    wanted: impl Fn(&Path) -> bool,
    mut read: impl FnMut(&Path, &str, &mut Imported) -> Result<(), ImportError>,
) -> Result<Imported, ImportError> {
    let mut imported = Imported { scenes: BTreeMap::new(), files: 0, passed_over: BTreeMap::new() };
    for entry in walkdir::WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| ImportError::Io {
            verb: "read",
            path: error.path().unwrap_or(root).to_owned(),
            source: error.into(),
        })?;
        if !entry.file_type().is_file() || !wanted(entry.path()) {
            continue;
        }
        let below = entry.path().strip_prefix(root).ok().filter(|path| path.iter().count() > 0);
        let place = below.unwrap_or_else(|| Path::new(entry.file_name())).with_extension("");
        read(entry.path(), &place.to_string_lossy(), &mut imported)?;
        imported.files += 1;
    }
    if imported.files == 0 {
        return Err(ImportError::Nothing { root: root.to_owned(), expected });
    }
    Ok(imported)
}

pub(crate) fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

pub(crate) fn bytes_of(path: &Path) -> Result<Vec<u8>, ImportError> {
    let failed = |source| ImportError::Io { verb: "read", path: path.to_owned(), source };
    fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests;
