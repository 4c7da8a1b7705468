//! Floor 2: samples in order to one HDF5 file. `finish(self)` is the only way to publish it.
//!
//! `EncodedSample::new` does the work (checks, shuffle, deflate) without HDF5, on any thread; the writer only places
//! the finished bytes, under HDF5's one lock. Bytes of the file depend on nothing but header and samples.

use std::fs;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::thread;

use hdf5::file::LibraryVersion;
use hdf5::filters::Filter;
use hdf5::types::{TypeDescriptor, VarLenUnicode};
use hdf5::{Dataset, Extent};

use super::broken::CheckError;
use super::checks::check_sample;
use super::chunk::{DEFLATE_LEVEL, deflate, shuffle_floats};
use super::error::ShardError;
use super::header::ShardHeader;
use super::schema::{self, FORMAT, ObjectSpec, Rows, Storage, VERSION};
use super::write_back::WriteBack;
use super::{native, rows};
use crate::counts::Counts;
use crate::object::AlignedObject;
use crate::pair::Pair;
use crate::sample::{GtPoint, Sample};
use crate::sample_key::SampleKey;
use crate::{atomic_file, checksum};

/// Samples between two beginnings of writing back.
const WRITE_BACK_EVERY: usize = 4;

/// A checked sample as the bytes that a shard stores.
#[derive(Clone, Debug)]
pub struct EncodedSample {
    key: SampleKey,
    counts: Counts,
    /// One chunk for each chunked dataset, in the order of the schema.
    chunks: Vec<Vec<u8>>,
    /// Rows of `/native_size`, `/native_window`, `/intrinsics` and `/pose`.
    fixed: FixedRows,
    // Kept as nouns: the `sample` column is known only when the sample is pushed.
    objects: Vec<AlignedObject>,
    pairs: Vec<Pair>,
    gt: Vec<GtPoint>,
}

#[derive(Clone, Debug, Default)]
struct FixedRows {
    native_size: Vec<u8>,
    native_window: Vec<u8>,
    intrinsics: Vec<u8>,
    pose: Vec<u8>,
}

/// A published shard, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSummary {
    /// File name without folder.
    pub file: String,
    /// N.
    pub samples: u64,
    /// Length of the file.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub blake3: String,
    /// Objects and pairs in it.
    pub counts: Counts,
}

impl EncodedSample {
    /// Checks the sample against every rule of the format and makes its stored bytes.
    pub fn new(sample: Sample, header: &ShardHeader) -> Result<Self, CheckError> {
        check_sample(&sample, header)?;
        let counts = Counts::of(&sample);
        let fixed = FixedRows {
            native_size: shorts(&[sample.native_size.height, sample.native_size.width]),
            native_window: shorts(&[
                sample.native_window.y,
                sample.native_window.x,
                sample.native_window.height,
                sample.native_window.width,
            ]),
            intrinsics: floats(sample.intrinsics.iter().flatten()),
            pose: floats(sample.pose.iter().flatten().flatten()),
        };
        let (map, movable, objects) = match sample.objects {
            Some(objects) => (Some(objects.map), Some(objects.movable), objects.rows),
            None => (None, None, Vec::new()),
        };
        let packed = |bytes: Vec<u8>| deflate(&bytes);
        let chunks = [
            Some(sample.image),
            sample.depth.map(|depth| deflate(&shuffle_floats(&depth))),
            sample.semantic.map(packed),
            map.map(packed),
            movable.map(packed),
            sample
                .ordinal
                .map(|map| packed(map.iter().map(|value| value.cast_unsigned()).collect())),
        ];
        Ok(Self {
            key: sample.key,
            counts,
            chunks: chunks.into_iter().flatten().collect(),
            fixed,
            objects,
            pairs: sample.pairs.unwrap_or_default(),
            gt: sample.gt.unwrap_or_default(),
        })
    }

    /// Its key.
    pub fn key(&self) -> &SampleKey {
        &self.key
    }

    /// Its objects and pairs.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// One shard in the making. Dropping it deletes what was written.
#[derive(Debug)]
pub struct ShardWriter {
    path: PathBuf,
    header: ShardHeader,
    capacity: usize,
    /// Made with the first sample.
    open: Option<ManuallyDrop<OpenFile>>,
    keys: Vec<SampleKey>,
    counts: Counts,
    fixed: FixedRows,
    objects: Table,
    pairs: Table,
    gt: Table,
}

/// Closed by `finish` alone, once everything is on the disk. A file that cannot be finished stays open until the process
/// ends: a close that fails, as on a full disk, leaves HDF5 with a dead handle that it follows at the next close of any file.
#[derive(Debug)]
struct OpenFile {
    file: hdf5::File,
    chunked: Vec<Dataset>,
    tables: Vec<Dataset>,
    write_back: WriteBack,
}

#[derive(Debug)]
struct Table {
    bytes: Vec<u8>,
    starts: Vec<u64>,
    rows: u64,
}

impl Table {
    fn new() -> Self {
        Self { bytes: Vec::new(), starts: vec![0], rows: 0 }
    }

    fn end_sample(&mut self, rows: usize) {
        self.rows += rows as u64;
        self.starts.push(self.rows);
    }
}

impl ShardWriter {
    /// A writer for `path`, which appears only with `finish`. `capacity` is how many samples the plan assigns to this
    /// shard; more are refused, fewer are fine.
    pub fn create(path: &Path, header: &ShardHeader, capacity: usize) -> Result<Self, ShardError> {
        header
            .check()
            .map_err(|error| ShardError::header(path, error.what, error.expected, error.got))?;
        Ok(Self {
            path: path.to_owned(),
            header: header.clone(),
            capacity,
            open: None,
            keys: Vec::new(),
            counts: Counts::default(),
            fixed: FixedRows::default(),
            objects: Table::new(),
            pairs: Table::new(),
            gt: Table::new(),
        })
    }

    /// Checks, encodes and adds a sample.
    pub fn push(&mut self, sample: Sample) -> Result<(), ShardError> {
        let index = self.keys.len();
        let encoded = EncodedSample::new(sample, &self.header)
            .map_err(|source| ShardError::Sample { path: self.path.clone(), index, source })?;
        self.push_encoded(encoded)
    }

    /// Adds a sample that was encoded with the same header. Keys must rise.
    pub fn push_encoded(&mut self, sample: EncodedSample) -> Result<(), ShardError> {
        let index = self.keys.len();
        if index >= self.capacity {
            return Err(ShardError::Index {
                path: self.path.clone(),
                index,
                samples: self.capacity,
            });
        }
        if let Some(previous) = self.keys.last().filter(|previous| **previous >= sample.key) {
            return Err(ShardError::Order {
                path: self.path.clone(),
                key: sample.key.to_string(),
                previous: previous.to_string(),
            });
        }
        if self.open.is_none() {
            self.open = Some(create_file(&self.path, &self.header)?);
        }
        let open = self.open.as_mut().expect("invariant: opened above");
        assert_eq!(open.chunked.len(), sample.chunks.len(), "invariant: encoded with this header");
        for (dataset, bytes) in open.chunked.iter().zip(&sample.chunks) {
            append_chunk(dataset, index, bytes)
                .map_err(ShardError::hdf5(format!("write {:?} to", dataset.name()), &self.path))?;
        }
        if index % WRITE_BACK_EVERY == WRITE_BACK_EVERY - 1 {
            open.write_back.begin().map_err(ShardError::io("sync", &self.path))?;
        }
        let number = u32::try_from(index).expect("invariant: a shard has less than 2^32 samples");
        for object in &sample.objects {
            rows::push_object(&mut self.objects.bytes, number, object);
        }
        self.objects.end_sample(sample.objects.len());
        for pair in &sample.pairs {
            rows::push_pair(&mut self.pairs.bytes, number, pair);
        }
        self.pairs.end_sample(sample.pairs.len());
        for point in &sample.gt {
            rows::push_gt(&mut self.gt.bytes, point);
        }
        self.gt.end_sample(sample.gt.len());
        self.fixed.native_size.extend(&sample.fixed.native_size);
        self.fixed.native_window.extend(&sample.fixed.native_window);
        self.fixed.intrinsics.extend(&sample.fixed.intrinsics);
        self.fixed.pose.extend(&sample.fixed.pose);
        self.counts.add(&sample.counts);
        self.keys.push(sample.key);
        Ok(())
    }

    /// How many samples were added.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Writes the tables, syncs and publishes the file; `None` and no file when there are no samples.
    pub fn finish(mut self) -> Result<Option<ShardSummary>, ShardError> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let unfinished = atomic_file::unfinished_path(&self.path);
        let finished = self.finish_file(open, &unfinished);
        if finished.is_err() {
            // The first error is the one that matters.
            let _ = fs::remove_file(&unfinished);
        }
        finished.map(Some)
    }

    fn finish_file(
        &self,
        mut open: ManuallyDrop<OpenFile>,
        unfinished: &Path,
    ) -> Result<ShardSummary, ShardError> {
        write_attributes(&open.file, &self.header, self.keys.len())
            .map_err(ShardError::hdf5("write attributes of", &self.path))?;
        for spec in schema::objects(&self.header) {
            if spec.storage == Storage::Contiguous {
                self.write_table(&mut open, &spec)
                    .map_err(ShardError::hdf5(format!("write {:?} to", spec.name), &self.path))?;
            }
        }
        open.file.flush().map_err(ShardError::hdf5("write", &self.path))?;
        let OpenFile { file, chunked, tables, write_back } = ManuallyDrop::into_inner(open);
        drop((chunked, tables));
        file.close().map_err(ShardError::hdf5("close", &self.path))?;
        // The disk works while the checksum is made.
        let (synced, blake3) = thread::scope(|scope| {
            let syncing = scope.spawn(|| write_back.finish());
            let blake3 = checksum::blake3_of_file(unfinished);
            (syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), blake3)
        });
        synced.map_err(ShardError::io("sync", &self.path))?;
        let blake3 = blake3.map_err(ShardError::io("read back", &self.path))?;
        let bytes =
            fs::metadata(unfinished).map_err(ShardError::io("read back", &self.path))?.len();
        atomic_file::publish(unfinished, &self.path)
            .map_err(ShardError::io("publish", &self.path))?;
        let name = self.path.file_name().unwrap_or_default();
        Ok(ShardSummary {
            file: name.to_string_lossy().into_owned(),
            samples: self.keys.len() as u64,
            bytes,
            blake3,
            counts: self.counts,
        })
    }

    fn write_table(&self, open: &mut OpenFile, spec: &ObjectSpec) -> hdf5::Result<()> {
        let starts: Vec<u8>;
        let keys: Vec<u8>;
        let key_bytes = self.keys.iter().map(|key| key.as_str().len()).max().unwrap_or(1);
        let bytes = match spec.name {
            "key" => {
                keys = self.keys.iter().flat_map(|key| padded(key.as_str(), key_bytes)).collect();
                &keys
            }
            "native_size" => &self.fixed.native_size,
            "native_window" => &self.fixed.native_window,
            "intrinsics" => &self.fixed.intrinsics,
            "pose" => &self.fixed.pose,
            "object" => &self.objects.bytes,
            "pair" => &self.pairs.bytes,
            "gt" => &self.gt.bytes,
            name => {
                let table = match name {
                    "object_start" => &self.objects,
                    "pair_start" => &self.pairs,
                    _ => &self.gt,
                };
                starts = table.starts.iter().flat_map(|start| start.to_le_bytes()).collect();
                &starts
            }
        };
        let element = spec.element.clone().unwrap_or(TypeDescriptor::FixedAscii(key_bytes));
        let n_rows = match spec.rows {
            Rows::Samples => self.keys.len(),
            Rows::Starts => self.keys.len() + 1,
            Rows::Table => bytes.len() / element.size(),
        };
        let shape: Vec<usize> = std::iter::once(n_rows).chain(spec.tail.iter().copied()).collect();
        let dataset = open
            .file
            .new_dataset_builder()
            .empty_as(element)
            .packed(true)
            .shape(shape)
            .no_chunk()
            .obj_track_times(false)
            .create(spec.name)?;
        open.tables.push(dataset);
        native::write_all(&open.tables[open.tables.len() - 1], bytes)
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        if self.open.take().is_some() {
            // Nothing is published; a left-over would be cleaned up by the next run.
            let _ = fs::remove_file(atomic_file::unfinished_path(&self.path));
        }
    }
}

fn create_file(path: &Path, header: &ShardHeader) -> Result<ManuallyDrop<OpenFile>, ShardError> {
    let unfinished = atomic_file::unfinished_path(path);
    let make = || -> Result<ManuallyDrop<OpenFile>, ShardError> {
        let hdf5_failed = |error| ShardError::hdf5("create", path)(error);
        let file = hdf5::File::with_options()
            // Version 1.8 of the format: superblock 2, readable everywhere, no time stamps needed. No file locks: a
            // shard under its final name never changes, network file systems often refuse them, and a child process
            // started meanwhile inherits HDF5's handle, and with it the lock, for as long as it lives.
            .with_fapl(|fapl| {
                fapl.libver_bounds(LibraryVersion::V18, LibraryVersion::V18).file_locking(false)
            })
            .with_fcpl(|fcpl| fcpl.obj_track_times(false))
            .create(&unfinished)
            .map_err(hdf5_failed)?;
        // Held from here on: what fails on a full disk must not close the file (see `OpenFile`).
        let file = ManuallyDrop::new(file);
        let write_back = WriteBack::new(&unfinished).map_err(ShardError::io("create", path))?;
        let mut open = ManuallyDrop::new(OpenFile {
            file: ManuallyDrop::into_inner(file),
            chunked: Vec::new(),
            tables: Vec::new(),
            write_back,
        });
        for spec in schema::objects(header) {
            if spec.storage != Storage::Contiguous {
                let dataset = create_chunked(&open.file, &spec).map_err(hdf5_failed)?;
                open.chunked.push(dataset);
            }
        }
        Ok(open)
    };
    make().inspect_err(|_| {
        // The first error is the one that matters.
        let _ = fs::remove_file(&unfinished);
    })
}

fn create_chunked(file: &hdf5::File, spec: &ObjectSpec) -> hdf5::Result<Dataset> {
    let element = spec.element.clone().expect("invariant: only keys have a length of their own");
    // N is known at the end, so the first axis grows.
    let extents: Vec<Extent> =
        std::iter::once(Extent::resizable(0)).chain(spec.tail.iter().map(Extent::from)).collect();
    let chunk: Vec<usize> = std::iter::once(1).chain(spec.tail.iter().copied()).collect();
    let mut builder = file
        .new_dataset_builder()
        .empty_as(element)
        .shape(extents)
        .chunk(chunk)
        .obj_track_times(false);
    if spec.storage == Storage::DeflatedChunks {
        builder = builder.set_filters(&[Filter::shuffle(), Filter::deflate(DEFLATE_LEVEL)]);
    }
    builder.create(spec.name)
}

fn append_chunk(dataset: &Dataset, index: usize, bytes: &[u8]) -> hdf5::Result<()> {
    let mut shape = dataset.shape();
    shape[0] = index + 1;
    dataset.resize(shape)?;
    let mut offset = vec![0; dataset.ndim()];
    offset[0] = index as u64;
    native::write_chunk(dataset, &offset, bytes)
}

fn write_attributes(file: &hdf5::File, header: &ShardHeader, n_samples: usize) -> hdf5::Result<()> {
    let text = |name: &str, value: &str| -> hdf5::Result<()> {
        let value: VarLenUnicode = value
            .parse()
            .map_err(|error| hdf5::Error::from(format!("attribute {name:?}: {error}")))?;
        file.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&value)
    };
    let number = |name: &str, value: u32| -> hdf5::Result<()> {
        file.new_attr::<u32>().create(name)?.write_scalar(&value)
    };
    text("format", FORMAT)?;
    number("version", VERSION)?;
    text("dataset", &header.dataset)?;
    text("split", &header.split)?;
    number("samples", u32::try_from(n_samples).expect("invariant: less than 2^32 samples"))?;
    number("frames", header.frames)?;
    number("stride", header.stride)?;
    number("height", header.size.height)?;
    number("width", header.size.width)?;
    text("depth_unit", header.depth_unit.name())?;
    text("depth_source", header.depth_source.name())?;
    text("gt_source", header.gt_source.name())?;
    text("provenance", &header.provenance)
}

fn padded(key: &str, length: usize) -> Vec<u8> {
    let mut bytes = key.as_bytes().to_vec();
    bytes.resize(length, 0);
    bytes
}

fn floats<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<u8> {
    values.into_iter().map(|value| value.to_le_bytes()).collect::<Vec<_>>().into_flattened()
}

fn shorts(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| {
            u16::try_from(*value).expect("invariant: checked to fit 16 bits").to_le_bytes()
        })
        .collect()
}
