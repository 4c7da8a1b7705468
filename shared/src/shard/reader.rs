//! Floor 2: random access to the samples of one shard, checked on the way in.
//!
//! HDF5 is asked for places once, when the file is opened. Samples are read with `pread` and inflated here, outside of
//! HDF5's global lock, so any number of threads can read from one reader.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::broken::CheckError;
use super::checks::check_sample;
use super::chunk::{inflate, unshuffle};
use super::error::ShardError;
use super::header::{Contents, ShardHeader};
use super::layout::{Place, ShardLayout, StoredFilter, StoredObject, read_layout};
use super::rows::{self, BadField, GT_BYTES};
use crate::image_size::{ImageSize, Window};
use crate::sample::{Sample, SampleObjects};
use crate::sample_key::SampleKey;

/// Turns a packed row into its `sample` column and its noun.
type Decode<T, const BYTES: usize> = fn(&[u8; BYTES]) -> Result<(u32, T), BadField>;

/// Which frames of a sample are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameParts {
    /// All there are.
    All,
    /// Frame t alone; then there are no objects and no poses either.
    Target,
}

/// Which parts of a sample are read; it comes as if its set had no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Which frames.
    pub frames: FrameParts,
    /// Which optional objects, where the set has them.
    pub contents: Contents,
}

impl Parts {
    /// Everything.
    pub const ALL: Self = Self { frames: FrameParts::All, contents: Contents::ALL };

    /// The header that samples of these parts fit.
    fn header_of(self, header: &ShardHeader) -> ShardHeader {
        let target_only = self.frames == FrameParts::Target;
        let contents = header.contents.and(self.contents);
        ShardHeader {
            frames: if target_only { 1 } else { header.frames },
            contents: if target_only {
                Contents { pose: false, objects: false, ..contents }
            } else {
                contents
            },
            ..header.clone()
        }
    }
}

/// An open shard.
#[derive(Debug)]
pub struct ShardReader {
    path: PathBuf,
    file: File,
    layout: ShardLayout,
    keys: Vec<SampleKey>,
    /// Row ranges of `/object`, `/pair` and `/gt`; empty where there is no such table.
    object_starts: Vec<u64>,
    pair_starts: Vec<u64>,
    gt_starts: Vec<u64>,
}

impl ShardReader {
    /// Opens a shard and compares all but its samples with the format.
    pub fn open(path: &Path) -> Result<Self, ShardError> {
        let file = File::open(path).map_err(ShardError::io("open", path))?;
        let metadata = file.metadata().map_err(ShardError::io("open", path))?;
        let layout = read_layout(path, &file, metadata.len())?;
        let mut reader = Self {
            path: path.to_owned(),
            file,
            layout,
            keys: Vec::new(),
            object_starts: Vec::new(),
            pair_starts: Vec::new(),
            gt_starts: Vec::new(),
        };
        reader.keys = reader.read_keys()?;
        reader.object_starts = reader.read_starts("object_start", "object")?;
        reader.pair_starts = reader.read_starts("pair_start", "pair")?;
        reader.gt_starts = reader.read_starts("gt_start", "gt")?;
        Ok(reader)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// N; at least 1.
    #[allow(clippy::len_without_is_empty)] // a shard is never empty
    pub fn len(&self) -> usize {
        self.layout.n_samples
    }

    /// What all its samples have in common.
    pub fn header(&self) -> &ShardHeader {
        &self.layout.header
    }

    /// Keys in the order of the samples, rising.
    pub fn keys(&self) -> &[SampleKey] {
        &self.keys
    }

    /// One sample, checked against every rule of the format.
    pub fn read(&self, index: usize) -> Result<Sample, ShardError> {
        self.read_parts(index, Parts::ALL)
    }

    /// Some parts of one sample, checked against every rule of the format that concerns them alone.
    pub fn read_parts(&self, index: usize, parts: Parts) -> Result<Sample, ShardError> {
        if index >= self.len() {
            return Err(ShardError::Index { path: self.path.clone(), index, samples: self.len() });
        }
        let partial = (parts != Parts::ALL).then(|| parts.header_of(self.header()));
        let header = partial.as_ref().unwrap_or(self.header());
        let sample = self.read_unchecked(index, header)?;
        check_sample(&sample, header).map_err(|source| self.bad_sample(index, source))?;
        Ok(sample)
    }

    fn read_unchecked(&self, index: usize, header: &ShardHeader) -> Result<Sample, ShardError> {
        let contents = header.contents;
        let [height, width] = self.shorts("native_size", index)?;
        let [y, x, window_height, window_width] = self.shorts("native_window", index)?;
        let optional = |there: bool, name| there.then(|| self.chunk(name, index)).transpose();
        let objects = if contents.objects {
            Some(SampleObjects {
                map: self.chunk("objects", index)?,
                rows: self.table("object", &self.object_starts, index, rows::object)?,
                movable: self.chunk("movable", index)?,
            })
        } else {
            None
        };
        Ok(Sample {
            key: self.keys[index].clone(),
            native_size: ImageSize::new(width, height),
            native_window: Window { y, x, height: window_height, width: window_width },
            image: self.frames(index, header.frames)?,
            depth: optional(contents.depth, "depth")?.map(|bytes| floats(&bytes)),
            intrinsics: self
                .fixed_floats(contents.intrinsics, "intrinsics", index)?
                .map(|k| std::array::from_fn(|i| k[i])),
            pose: self.fixed_floats(contents.pose, "pose", index)?.map(|all| {
                all.chunks_exact(16).map(|pose| std::array::from_fn(|i| pose[i])).collect()
            }),
            semantic: optional(contents.semantic, "semantic")?,
            objects,
            pairs: if contents.pairs {
                Some(self.table("pair", &self.pair_starts, index, rows::pair)?)
            } else {
                None
            },
            ordinal: optional(contents.ordinal, "ordinal")?
                .map(|bytes| bytes.into_iter().map(u8::cast_signed).collect()),
            gt: if contents.gt {
                let bytes = self.table_bytes("gt", &self.gt_starts, index, GT_BYTES)?;
                Some(bytes.as_chunks::<GT_BYTES>().0.iter().map(rows::gt).collect())
            } else {
                None
            },
        })
    }

    fn object(&self, name: &str) -> &StoredObject {
        let found = self.layout.objects.iter().find(|object| object.spec.name == name);
        found.expect("invariant: the layout holds all objects of the header's contents")
    }

    fn has(&self, name: &str) -> bool {
        self.layout.objects.iter().any(|object| object.spec.name == name)
    }

    fn wrong(
        &self,
        object: &str,
        what: &'static str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> ShardError {
        ShardError::Object {
            path: self.path.clone(),
            object: object.to_owned(),
            what,
            expected: expected.into(),
            got: got.into(),
        }
    }

    fn bad_sample(&self, index: usize, source: CheckError) -> ShardError {
        ShardError::Sample { path: self.path.clone(), index, source }
    }

    fn pread(&self, offset: u64, bytes: usize) -> Result<Vec<u8>, ShardError> {
        let mut out = vec![0; bytes];
        self.file.read_exact_at(&mut out, offset).map_err(ShardError::io("read", &self.path))?;
        Ok(out)
    }

    /// Rows `first..end` of a contiguous dataset.
    fn contiguous(&self, name: &str, first: usize, end: usize) -> Result<Vec<u8>, ShardError> {
        let object = self.object(name);
        let Place::Contiguous(offset) = object.place else {
            unreachable!("invariant: {name:?} was checked to be contiguous")
        };
        let row_bytes = object.spec.row_elements() * object.element_bytes;
        self.pread(offset + (first * row_bytes) as u64, (end - first) * row_bytes)
    }

    /// The middle `n` frames of one sample.
    fn frames(&self, index: usize, n: u32) -> Result<Vec<u8>, ShardError> {
        let stored = self.header().frames;
        let object = self.object("image");
        if n == stored {
            return self.chunk("image", index);
        }
        let bytes = object.spec.row_elements() / stored as usize;
        let (first, length) = ((stored - n) as usize / 2 * bytes, n as usize * bytes);
        match &object.place {
            // As written by this program; what is left out is not even read.
            Place::Chunks { filters, chunks }
                if filters.is_empty() && chunks[index].bytes == object.spec.row_elements() =>
            {
                self.pread(chunks[index].offset + first as u64, length)
            }
            _ => Ok(self.chunk("image", index)?[first..first + length].to_vec()),
        }
    }

    /// The unfiltered bytes of one sample of a chunked dataset.
    fn chunk(&self, name: &str, index: usize) -> Result<Vec<u8>, ShardError> {
        let object = self.object(name);
        let Place::Chunks { filters, chunks } = &object.place else {
            unreachable!("invariant: {name:?} was checked to be chunked")
        };
        let place = chunks[index];
        let length = object.spec.row_elements() * object.element_bytes;
        let mut bytes = self.pread(place.offset, place.bytes)?;
        for (position, filter) in filters.iter().enumerate().rev() {
            if place.skipped & (1 << position) != 0 {
                continue;
            }
            bytes = match filter {
                StoredFilter::Deflate => inflate(&bytes, length).map_err(|got| {
                    let expected = format!("{length} bytes for sample {index}");
                    self.wrong(name, "stored bytes", expected, got)
                })?,
                StoredFilter::Shuffle if object.element_bytes > 1 => {
                    unshuffle(&bytes, object.element_bytes)
                }
                StoredFilter::Shuffle => bytes,
            };
        }
        if bytes.len() != length {
            let expected = format!("{length} bytes for sample {index}");
            return Err(self.wrong(name, "stored bytes", expected, bytes.len().to_string()));
        }
        Ok(bytes)
    }

    fn shorts<const K: usize>(&self, name: &str, index: usize) -> Result<[u32; K], ShardError> {
        let bytes = self.contiguous(name, index, index + 1)?;
        Ok(std::array::from_fn(|i| u32::from(u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]))))
    }

    fn fixed_floats(
        &self,
        there: bool,
        name: &str,
        index: usize,
    ) -> Result<Option<Vec<f32>>, ShardError> {
        if !there {
            return Ok(None);
        }
        Ok(Some(floats(&self.contiguous(name, index, index + 1)?)))
    }

    fn table_bytes(
        &self,
        name: &str,
        starts: &[u64],
        index: usize,
        row_bytes: usize,
    ) -> Result<Vec<u8>, ShardError> {
        assert_eq!(self.object(name).element_bytes, row_bytes, "invariant: checked type");
        // In range: the starts rise and end at the number of rows, which the file holds.
        let (first, end) = (starts[index] as usize, starts[index + 1] as usize);
        self.contiguous(name, first, end)
    }

    /// The rows of one sample, each with its `sample` column compared.
    fn table<T, const BYTES: usize>(
        &self,
        name: &'static str,
        starts: &[u64],
        index: usize,
        decode: Decode<T, BYTES>,
    ) -> Result<Vec<T>, ShardError> {
        let bytes = self.table_bytes(name, starts, index, BYTES)?;
        let mut rows = Vec::with_capacity(bytes.len() / BYTES);
        for row in bytes.as_chunks::<BYTES>().0 {
            let (sample, value) = decode(row).map_err(|(field, value)| {
                let expected = format!("a known number in field {field:?} of sample {index}");
                self.wrong(name, "row", expected, value.to_string())
            })?;
            if sample as usize != index {
                let expected = format!("{index} in field \"sample\", as in the starts");
                return Err(self.wrong(name, "row", expected, sample.to_string()));
            }
            rows.push(value);
        }
        Ok(rows)
    }

    fn read_keys(&self) -> Result<Vec<SampleKey>, ShardError> {
        let bytes = self.contiguous("key", 0, self.len())?;
        let mut keys: Vec<SampleKey> = Vec::with_capacity(self.len());
        for row in bytes.chunks_exact(self.object("key").element_bytes) {
            let end = row.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let text = String::from_utf8_lossy(&row[..end]).into_owned();
            let key = SampleKey::new(text)
                .map_err(|got| self.wrong("key", "key", "<scene>/<frame stem>", got))?;
            if let Some(previous) = keys.last().filter(|previous| **previous >= key) {
                let expected = format!("more than {:?}", previous.as_str());
                return Err(self.wrong("key", "order", expected, format!("{:?}", key.as_str())));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    fn read_starts(&self, name: &'static str, table: &str) -> Result<Vec<u64>, ShardError> {
        if !self.has(name) {
            return Ok(Vec::new());
        }
        let bytes = self.contiguous(name, 0, self.len() + 1)?;
        let starts: Vec<u64> =
            bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let rows = self.object(table).n_rows as u64;
        let rising = starts.windows(2).all(|pair| pair[0] <= pair[1]);
        if starts.first() != Some(&0) || starts.last() != Some(&rows) || !rising {
            let expected = format!("numbers that rise from 0 to {rows}");
            return Err(self.wrong(name, "starts", expected, format!("{starts:?}")));
        }
        Ok(starts)
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}
