//! Floor 2: all shards of a manifest as one list of samples. Shards are opened when they are first needed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::error::ShardError;
use super::header::ShardHeader;
use super::reader::{Parts, ShardReader};
use crate::manifest::{MANIFEST_FILE, ShardEntry, ShardSetManifest};
use crate::sample::Sample;
use crate::sample_key::SampleKey;

/// A shard set.
#[derive(Debug)]
pub struct ShardSet {
    folder: PathBuf,
    manifest: ShardSetManifest,
    /// Samples before shard i; one more entry with their total.
    starts: Vec<usize>,
    readers: Vec<OnceLock<ShardReader>>,
}

impl ShardSet {
    /// Opens the set in `folder` by its `manifest.json`, and its first shard.
    pub fn open(folder: &Path) -> Result<Self, ShardError> {
        let path = folder.join(MANIFEST_FILE);
        let manifest = ShardSetManifest::read(&path)?;
        if manifest.shards.is_empty() {
            return Err(ShardError::NotAsListed {
                path,
                what: "shards",
                expected: "at least one".to_owned(),
                got: "none".to_owned(),
            });
        }
        let mut starts = vec![0];
        let mut total = 0_usize;
        for shard in &manifest.shards {
            // A sum that does not fit cannot be true; the reader finds out when the shard is opened.
            total = total.saturating_add(usize::try_from(shard.samples).unwrap_or(usize::MAX));
            starts.push(total);
        }
        let readers = manifest.shards.iter().map(|_| OnceLock::new()).collect();
        let set = Self { folder: folder.to_owned(), manifest, starts, readers };
        set.reader(0)?;
        Ok(set)
    }

    /// Its manifest.
    pub fn manifest(&self) -> &ShardSetManifest {
        &self.manifest
    }

    /// What all samples have in common.
    pub fn header(&self) -> &ShardHeader {
        self.readers[0].get().expect("invariant: the first shard is opened with the set").header()
    }

    /// Samples of all shards; at least 1.
    #[allow(clippy::len_without_is_empty)] // a set that opens is never empty
    pub fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// The sample with this global index: shards by name, samples by key.
    pub fn read(&self, index: usize) -> Result<Sample, ShardError> {
        let (shard, row) = self.locate(index)?;
        self.reader(shard)?.read(row)
    }

    /// Some parts of the sample with this global index.
    pub fn read_parts(&self, index: usize, parts: Parts) -> Result<Sample, ShardError> {
        let (shard, row) = self.locate(index)?;
        self.reader(shard)?.read_parts(row, parts)
    }

    /// The key of the sample with this global index.
    pub fn key(&self, index: usize) -> Result<SampleKey, ShardError> {
        let (shard, row) = self.locate(index)?;
        Ok(self.reader(shard)?.keys()[row].clone())
    }

    /// Shard number in the manifest and row in it.
    pub fn locate(&self, index: usize) -> Result<(usize, usize), ShardError> {
        if index >= self.len() {
            return Err(ShardError::Index {
                path: self.folder.clone(),
                index,
                samples: self.len(),
            });
        }
        let shard = self.starts.partition_point(|start| *start <= index) - 1;
        Ok((shard, index - self.starts[shard]))
    }

    /// The shard with this number in the manifest.
    pub fn reader(&self, shard: usize) -> Result<&ShardReader, ShardError> {
        let cell = &self.readers[shard];
        if let Some(reader) = cell.get() {
            return Ok(reader);
        }
        let entry = &self.manifest.shards[shard];
        let reader = ShardReader::open(&self.folder.join(&entry.file))?;
        as_listed(&reader, &self.manifest, entry)?;
        if shard > 0 {
            same_header(self.header(), reader.path(), reader.header())?;
        }
        // Another thread may have been first; both opened the same file.
        Ok(cell.get_or_init(|| reader))
    }
}

/// Whether a shard is what the manifest says of it, apart from its checksum.
pub fn as_listed(
    reader: &ShardReader,
    manifest: &ShardSetManifest,
    entry: &ShardEntry,
) -> Result<(), ShardError> {
    let header = reader.header();
    let pairs = [
        ("dataset", manifest.dataset.clone(), header.dataset.clone()),
        ("split", manifest.split.clone(), header.split.clone()),
        ("frames", manifest.frames.to_string(), header.frames.to_string()),
        ("height", manifest.height.to_string(), header.size.height.to_string()),
        ("width", manifest.width.to_string(), header.size.width.to_string()),
        ("samples", entry.samples.to_string(), reader.len().to_string()),
    ];
    differing(reader.path(), pairs)
}

/// Whether the shard at `path` agrees with the first shard of its set.
pub fn same_header(
    first: &ShardHeader,
    path: &Path,
    header: &ShardHeader,
) -> Result<(), ShardError> {
    let pairs = [
        ("stride", first.stride.to_string(), header.stride.to_string()),
        ("depth_unit", first.depth_unit.to_string(), header.depth_unit.to_string()),
        ("depth_source", first.depth_source.to_string(), header.depth_source.to_string()),
        ("gt_source", first.gt_source.to_string(), header.gt_source.to_string()),
        ("objects", format!("{:?}", first.contents), format!("{:?}", header.contents)),
    ];
    differing(path, pairs)
}

fn differing<const K: usize>(
    path: &Path,
    pairs: [(&'static str, String, String); K],
) -> Result<(), ShardError> {
    match pairs.into_iter().find(|(_, expected, got)| expected != got) {
        Some((what, expected, got)) => {
            Err(ShardError::NotAsListed { path: path.to_owned(), what, expected, got })
        }
        None => Ok(()),
    }
}
