//! Floor 2: several shard sets of one size as one list of samples.

use std::path::{Path, PathBuf};

use suw_shared::checksum;
use suw_shared::image_size::ImageSize;
use suw_shared::manifest::MANIFEST_FILE;
use suw_shared::sample::Sample;
use suw_shared::shard::{Parts, ShardError, ShardHeader, ShardSet};

/// Shard sets that cannot be read, or not together.
#[derive(Debug, thiserror::Error)]
pub enum ShardListError {
    /// One of them cannot be read.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// Nothing was listed.
    #[error("cannot open shard sets: expected at least one folder, got none")]
    Empty,
    /// Two sizes.
    #[error(
        "cannot read shard sets together: expected {expected} as in {first:?}, got {got} in {path:?}"
    )]
    Size {
        /// The first set.
        first: PathBuf,
        /// Its size.
        expected: ImageSize,
        /// Another set.
        path: PathBuf,
        /// Its size.
        got: ImageSize,
    },
    /// The manifest itself cannot be read.
    #[error("cannot read {path:?}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Shard sets one after the other.
#[derive(Debug)]
pub struct ShardList {
    sets: Vec<ShardSet>,
    /// Samples before set i; one more entry with their total.
    starts: Vec<usize>,
    digest: String,
}

impl ShardList {
    /// Opens the sets in their order.
    pub fn open(folders: &[PathBuf]) -> Result<Self, ShardListError> {
        let mut list = Self { sets: Vec::new(), starts: vec![0], digest: String::new() };
        let mut manifests = String::new();
        for folder in folders {
            let set = ShardSet::open(folder)?;
            if let Some(first) = list.sets.first() {
                let (expected, got) = (first.header().size, set.header().size);
                if expected != got {
                    let (first, path) = (folders[0].clone(), folder.clone());
                    return Err(ShardListError::Size { first, expected, path, got });
                }
            }
            manifests.push_str(&digest_of(folder)?);
            list.starts.push(list.len() + set.len());
            list.sets.push(set);
        }
        if list.sets.is_empty() {
            return Err(ShardListError::Empty);
        }
        list.digest = checksum::blake3_of_bytes(manifests.as_bytes());
        Ok(list)
    }

    /// Samples of all sets; at least 1.
    #[allow(clippy::len_without_is_empty)] // a set is never empty
    pub fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Samples of each set.
    pub fn lens(&self) -> impl Iterator<Item = usize> {
        self.sets.iter().map(ShardSet::len)
    }

    /// Network size of all sets.
    pub fn size(&self) -> ImageSize {
        self.sets[0].header().size
    }

    /// What each set is.
    pub fn headers(&self) -> impl Iterator<Item = &ShardHeader> {
        self.sets.iter().map(ShardSet::header)
    }

    /// BLAKE3 over the manifests, which hold the BLAKE3 of every shard.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The sample with this number.
    ///
    /// # Panics
    /// If there is none.
    pub fn read(&self, index: usize) -> Result<Sample, ShardError> {
        self.read_parts(index, Parts::ALL)
    }

    /// Some parts of the sample with this number.
    ///
    /// # Panics
    /// If there is none.
    pub fn read_parts(&self, index: usize, parts: Parts) -> Result<Sample, ShardError> {
        assert!(index < self.len(), "invariant: sample {index} is one of {}", self.len());
        let set = self.starts.partition_point(|start| *start <= index) - 1;
        self.sets[set].read_parts(index - self.starts[set], parts)
    }
}

fn digest_of(folder: &Path) -> Result<String, ShardListError> {
    let path = folder.join(MANIFEST_FILE);
    checksum::blake3_of_file(&path).map_err(|source| ShardListError::Read { path, source })
}
