//! Floor 4: sizes and checksums of the files of a data set, read in parallel; the order does not matter.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use suw_shared::checksum::blake3_of_file;
use suw_shared::image_size::ImageSize;
use suw_shared::problem::Problem;

use crate::datasets::listing::WalkError;
use crate::datasets::manifest::FileEntry;
use crate::decode::{DecodeError, DecodeFault, image_size};
use crate::machine_fault::is_machines;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A folder cannot be walked.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// A file that is there cannot be read.
    #[error("cannot read {path:?}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing to make a manifest of.
    #[error("cannot find a clip in {root:?}: {message}")]
    NoClips {
        /// Where.
        root: PathBuf,
        /// Expected, got.
        message: String,
        /// What is missing or cannot be used.
        problems: Vec<Problem>,
    },
}

/// What one pass over a file finds.
pub(crate) struct Measured {
    pub entry: FileEntry,
    /// Of pictures; the cause where the header cannot be read.
    pub size: Option<Result<ImageSize, String>>,
}

/// Reads the files at these relative paths; true for pictures. `progress(done, total)` counts files.
pub(crate) fn measure(
    root: &Path,
    paths: BTreeMap<String, bool>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<BTreeMap<String, Measured>, ScanError> {
    let (done, total) = (AtomicUsize::new(0), paths.len());
    let paths: Vec<(String, bool)> = paths.into_iter().collect();
    paths
        .into_par_iter()
        .map(|(relative, is_image)| {
            let path = root.join(&relative);
            let read = || -> io::Result<(u64, String)> {
                Ok((std::fs::metadata(&path)?.len(), blake3_of_file(&path)?))
            };
            let (bytes, blake3) =
                read().map_err(|source| ScanError::Read { path: path.clone(), source })?;
            let size = is_image.then(|| size_of(&path)).transpose()?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            let entry = FileEntry { blake3, bytes, path: relative.clone() };
            Ok((relative, Measured { entry, size }))
        })
        .collect()
}

/// The size in the header of a picture, or what is wrong with it.
fn size_of(path: &Path) -> Result<Result<ImageSize, String>, ScanError> {
    match image_size(path) {
        Ok(size) => Ok(Ok(size)),
        Err(DecodeError { path, fault: DecodeFault::Read(source) }) if is_machines(&source) => {
            Err(ScanError::Read { path, source })
        }
        Err(error) => Ok(Err(error.cause())),
    }
}

/// The size that most of these pictures have; of equally frequent ones the smallest.
pub(crate) fn usual_size<'a>(
    images: impl Iterator<Item = &'a str>,
    measured: &BTreeMap<String, Measured>,
) -> Option<ImageSize> {
    let mut counts: BTreeMap<ImageSize, usize> = BTreeMap::new();
    for image in images {
        if let Some(Ok(size)) = &measured[image].size {
            *counts.entry(*size).or_default() += 1;
        }
    }
    let most = counts.values().copied().max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(size, _)| size)
}
