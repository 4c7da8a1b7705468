//! Floor 2: where everything lies in a shard, asked of HDF5 once and compared with the format on the way.
//!
//! Nothing here trusts the file: numbers are compared with its length before anything is allocated from them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use hdf5::dataset::Layout;
use hdf5::filters::Filter;
use hdf5::types::{TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Attribute, Dataset, Datatype, IndexType, IterationOrder, LinkType};

use super::error::ShardError;
use super::header::{Contents, DepthUnit, ShardHeader};
use super::native;
use super::schema::{self, ATTRIBUTES, FORMAT, ObjectSpec, Rows, Storage, VERSION};
use crate::depth_source::DepthSource;
use crate::image_size::ImageSize;
use crate::sample_key::KEY_BYTES_MAX;

/// First bytes of every HDF5 file; the version of the superblock follows.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
const SUPERBLOCK_MAX: u8 = 3;

/// A shard's header, and where its datasets lie.
#[derive(Debug)]
pub(crate) struct ShardLayout {
    pub header: ShardHeader,
    pub n_samples: usize,
    pub objects: Vec<StoredObject>,
}

/// One dataset.
#[derive(Debug)]
pub(crate) struct StoredObject {
    pub spec: ObjectSpec,
    /// Bytes of one element.
    pub element_bytes: usize,
    pub n_rows: usize,
    pub place: Place,
}

#[derive(Debug)]
pub(crate) enum Place {
    /// First byte; 0 where there are no rows.
    Contiguous(u64),
    /// One chunk a sample, and the filters in the order of writing.
    Chunks { filters: Vec<StoredFilter>, chunks: Vec<ChunkPlace> },
}

/// Where the bytes of one chunk lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkPlace {
    pub offset: u64,
    pub bytes: usize,
    /// Bit i: filter i was left out.
    pub skipped: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredFilter {
    Shuffle,
    Deflate,
}

/// Reads the layout of `file`, which lies at `path` and is `length` bytes long.
pub(crate) fn read_layout(
    path: &Path,
    file: &File,
    length: u64,
) -> Result<ShardLayout, ShardError> {
    check_start(path, file)?;
    let hdf5 = hdf5::File::with_options()
        .with_fapl(|fapl| fapl.file_locking(false)) // see `create_file`
        .open(path)
        .map_err(ShardError::hdf5("open", path))?;
    let opened = Opened { path, hdf5: &hdf5, length };
    let names = opened.object_names()?;
    let (header, n_samples) = opened.header(&names)?;
    let specs = schema::objects(&header);
    let mut expected: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
    expected.sort_unstable();
    if names != expected {
        return Err(opened.wrong("objects", expected.join(", "), names.join(", ")));
    }
    let mut objects = Vec::with_capacity(specs.len());
    for spec in specs {
        objects.push(opened.object(spec, n_samples)?);
    }
    Ok(ShardLayout { header, n_samples, objects })
}

fn check_start(path: &Path, file: &File) -> Result<(), ShardError> {
    let mut start = [0; 9];
    match file.read_exact_at(&mut start, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(ShardError::io("read", path)(error)),
    }
    if start[..8] != SIGNATURE {
        let got = "other bytes".to_owned();
        return Err(ShardError::header(path, "start of the file", "HDF5's signature", got));
    }
    if start[8] > SUPERBLOCK_MAX {
        return Err(ShardError::header(path, "superblock", "at most 3", start[8].to_string()));
    }
    Ok(())
}

struct Opened<'a> {
    path: &'a Path,
    hdf5: &'a hdf5::File,
    length: u64,
}

impl Opened<'_> {
    fn wrong(
        &self,
        what: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> ShardError {
        ShardError::header(self.path, what, expected, got)
    }

    /// Names in the root group, sorted, once it is sure that all are plain links.
    fn object_names(&self) -> Result<Vec<String>, ShardError> {
        let links = self
            .hdf5
            .links(IndexType::Name, IterationOrder::Increasing)
            .map_err(ShardError::hdf5("list the objects of", self.path))?;
        let mut names = Vec::with_capacity(links.len());
        for (name, link) in links {
            if link.link_type != LinkType::Hard {
                let got = format!("{:?}", link.link_type);
                return Err(self.wrong(format!("link {name:?}"), "an object of the file", got));
            }
            names.push(name);
        }
        names.sort_unstable();
        Ok(names)
    }

    fn header(&self, names: &[String]) -> Result<(ShardHeader, usize), ShardError> {
        let mut attributes = self
            .hdf5
            .attr_names()
            .map_err(ShardError::hdf5("list the attributes of", self.path))?;
        attributes.sort_unstable();
        if attributes != ATTRIBUTES {
            return Err(self.wrong("attributes", ATTRIBUTES.join(", "), attributes.join(", ")));
        }
        let format = self.text("format")?;
        let version = self.number("version")?;
        if format != FORMAT || version != VERSION {
            return Err(self.wrong(
                "format",
                format!("{FORMAT:?} version {VERSION}"),
                format!("{format:?} version {version}"),
            ));
        }
        let has = |name: &str| names.iter().any(|known| known == name);
        let header = ShardHeader {
            dataset: self.text("dataset")?,
            split: self.text("split")?,
            frames: self.number("frames")?,
            stride: self.number("stride")?,
            size: ImageSize::new(self.number("width")?, self.number("height")?),
            depth_unit: self.word("depth_unit", DepthUnit::from_name, "\"metre\" or \"scene\"")?,
            depth_source: self.word("depth_source", DepthSource::from_name, "a known source")?,
            gt_source: self.word("gt_source", DepthSource::from_name, "a known source")?,
            provenance: self.text("provenance")?,
            contents: Contents {
                depth: has("depth"),
                intrinsics: has("intrinsics"),
                pose: has("pose"),
                semantic: has("semantic"),
                objects: has("objects"),
                pairs: has("pair"),
                ordinal: has("ordinal"),
                gt: has("gt"),
            },
        };
        header.check().map_err(|error| self.wrong(error.what, error.expected, error.got))?;
        let n_samples = self.number("samples")?;
        // Every sample has at least one byte, so this bounds all that is allocated from N.
        if n_samples == 0 || u64::from(n_samples) > self.length {
            return Err(self.wrong(
                "samples",
                "at least 1 and no more than the file can hold",
                n_samples.to_string(),
            ));
        }
        Ok((header, n_samples as usize))
    }

    fn attribute(&self, name: &str) -> Result<(Attribute, TypeDescriptor), ShardError> {
        let read = |()| -> hdf5::Result<_> {
            let attribute = self.hdf5.attr(name)?;
            let dtype = attribute.dtype()?.to_descriptor()?;
            Ok((attribute, dtype))
        };
        let (attribute, dtype) =
            read(()).map_err(ShardError::hdf5(format!("read attribute {name:?} of"), self.path))?;
        if !attribute.is_scalar() {
            return Err(self.wrong(format!("attribute {name:?}"), "a scalar", "an array"));
        }
        Ok((attribute, dtype))
    }

    fn number(&self, name: &str) -> Result<u32, ShardError> {
        let (attribute, dtype) = self.attribute(name)?;
        if !matches!(dtype, TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_)) {
            return Err(self.wrong(format!("attribute {name:?}"), "an integer", dtype.to_string()));
        }
        let value = attribute
            .read_scalar::<i64>()
            .map_err(ShardError::hdf5(format!("read attribute {name:?} of"), self.path))?;
        u32::try_from(value)
            .map_err(|_| self.wrong(format!("attribute {name:?}"), "32 bits", value.to_string()))
    }

    fn text(&self, name: &str) -> Result<String, ShardError> {
        let (attribute, dtype) = self.attribute(name)?;
        let read = |()| -> hdf5::Result<Option<Vec<u8>>> {
            Ok(match &dtype {
                TypeDescriptor::VarLenUnicode => {
                    Some(attribute.read_scalar::<VarLenUnicode>()?.as_bytes().to_vec())
                }
                TypeDescriptor::VarLenAscii => {
                    Some(attribute.read_scalar::<VarLenAscii>()?.as_bytes().to_vec())
                }
                TypeDescriptor::FixedAscii(_) | TypeDescriptor::FixedUnicode(_) => {
                    Some(native::read_fixed_attribute(&attribute)?)
                }
                _ => None,
            })
        };
        let bytes = read(())
            .map_err(ShardError::hdf5(format!("read attribute {name:?} of"), self.path))?
            .ok_or_else(|| self.wrong(format!("attribute {name:?}"), "text", dtype.to_string()))?;
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        String::from_utf8(bytes[..end].to_vec())
            .map_err(|_| self.wrong(format!("attribute {name:?}"), "UTF-8", "other bytes"))
    }

    fn word<T>(
        &self,
        name: &str,
        from_name: fn(&str) -> Option<T>,
        expected: &str,
    ) -> Result<T, ShardError> {
        let text = self.text(name)?;
        from_name(&text)
            .ok_or_else(|| self.wrong(format!("attribute {name:?}"), expected, format!("{text:?}")))
    }

    fn object(&self, spec: ObjectSpec, n_samples: usize) -> Result<StoredObject, ShardError> {
        let action = format!("look at {:?} of", spec.name);
        let dataset = self.hdf5.dataset(spec.name).map_err(ShardError::hdf5(&action, self.path))?;
        self.look_at(spec, &dataset, n_samples).map_err(|fault| match fault {
            Fault::Hdf5(error) => ShardError::hdf5(action, self.path)(error),
            Fault::Format { object, what, expected, got } => {
                ShardError::Object { path: self.path.to_owned(), object, what, expected, got }
            }
        })
    }

    fn look_at(
        &self,
        spec: ObjectSpec,
        dataset: &Dataset,
        n_samples: usize,
    ) -> Result<StoredObject, Fault> {
        let wrong = |what, expected: String, got: String| {
            Err(Fault::Format { object: spec.name.to_owned(), what, expected, got })
        };
        let info = dataset.loc_info()?;
        if info.num_links != 1 {
            return wrong("links", "1".to_owned(), info.num_links.to_string());
        }
        if info.mtime != 0 || info.ctime != 0 {
            return wrong("time stamps", "none".to_owned(), info.mtime.max(info.ctime).to_string());
        }
        let dtype = dataset.dtype()?;
        let element = match (&spec.element, dtype.to_descriptor()?) {
            (Some(element), _) => element.clone(),
            (None, TypeDescriptor::FixedAscii(bytes)) if (1..=KEY_BYTES_MAX).contains(&bytes) => {
                TypeDescriptor::FixedAscii(bytes)
            }
            (None, other) => {
                return wrong("type", "ASCII of 1 to 255 bytes".to_owned(), other.to_string());
            }
        };
        // Compares byte order, offsets and padding too.
        if dtype != Datatype::from_descriptor(&element)? {
            let got = dtype.to_descriptor().map_or("another".to_owned(), |got| format!("{got:?}"));
            return wrong("type", format!("{element:?}, little-endian"), got);
        }
        let element_bytes = element.size();
        let shape = dataset.get_shape()?;
        let n_rows = match spec.rows {
            Rows::Samples => n_samples,
            Rows::Starts => n_samples + 1,
            Rows::Table => shape.first().copied().unwrap_or(0),
        };
        let expected: Vec<usize> =
            std::iter::once(n_rows).chain(spec.tail.iter().copied()).collect();
        if shape != expected {
            return wrong("shape", format!("{expected:?}"), format!("{shape:?}"));
        }
        let dcpl = dataset.dcpl()?;
        let layout = dcpl.get_layout()?;
        let place = match (spec.storage, layout) {
            (Storage::Contiguous, Layout::Contiguous) => {
                let row_bytes = (spec.row_elements() * element_bytes) as u64;
                let bytes = (n_rows as u64).checked_mul(row_bytes);
                let offset = dataset.offset().unwrap_or(0);
                let end = bytes.and_then(|bytes| offset.checked_add(bytes));
                if n_rows > 0 && (offset == 0 || end.is_none_or(|end| end > self.length)) {
                    let expected = format!("bytes within the {} of the file", self.length);
                    return wrong("place", expected, format!("{n_rows} rows at {offset}"));
                }
                Place::Contiguous(offset)
            }
            (Storage::RawChunks | Storage::DeflatedChunks, Layout::Chunked) => {
                let chunk = dcpl.get_chunk()?.unwrap_or_default();
                if chunk.first() != Some(&1) || chunk[1..] != spec.tail {
                    let expected = format!("[1, ...] and {:?}", spec.tail);
                    return wrong("chunk", expected, format!("{chunk:?}"));
                }
                let Some(filters) = known_filters(&dcpl.get_filters()?, spec.storage) else {
                    let expected = match spec.storage {
                        Storage::DeflatedChunks => "shuffle, then deflate",
                        _ => "none, or shuffle and deflate",
                    };
                    return wrong("filters", expected.to_owned(), format!("{:?}", dcpl.filters()));
                };
                Place::Chunks { filters, chunks: self.chunks(&spec, dataset, n_samples)? }
            }
            (storage, layout) => {
                return wrong("layout", format!("{storage:?}"), format!("{layout:?}"));
            }
        };
        Ok(StoredObject { spec, element_bytes, n_rows, place })
    }

    fn chunks(
        &self,
        spec: &ObjectSpec,
        dataset: &Dataset,
        n_samples: usize,
    ) -> Result<Vec<ChunkPlace>, Fault> {
        let mut chunks: Vec<Option<ChunkPlace>> = vec![None; n_samples];
        dataset.chunks_visit(|info| {
            let at = info.offset.first().and_then(|first| usize::try_from(*first).ok());
            let end = info.addr.checked_add(info.size);
            if let Some(chunk) = at.and_then(|at| chunks.get_mut(at))
                && info.offset.iter().skip(1).all(|coordinate| *coordinate == 0)
                && end.is_some_and(|end| end <= self.length)
            {
                let bytes = usize::try_from(info.size).unwrap_or(0);
                *chunk = Some(ChunkPlace { offset: info.addr, bytes, skipped: info.filter_mask });
            }
            0
        })?;
        let there = chunks.iter().flatten().count();
        let complete: Option<Vec<ChunkPlace>> = chunks.into_iter().collect();
        complete.ok_or_else(|| Fault::Format {
            object: spec.name.to_owned(),
            what: "chunks",
            expected: format!("one inside the file for each of {n_samples} samples"),
            got: there.to_string(),
        })
    }
}

/// An HDF5 error or a breach of the format, before the path is known to it.
enum Fault {
    Hdf5(hdf5::Error),
    Format { object: String, what: &'static str, expected: String, got: String },
}

impl From<hdf5::Error> for Fault {
    fn from(error: hdf5::Error) -> Self {
        Self::Hdf5(error)
    }
}

fn known_filters(filters: &[Filter], storage: Storage) -> Option<Vec<StoredFilter>> {
    let known: Vec<StoredFilter> = filters
        .iter()
        .map(|filter| match filter {
            Filter::Shuffle => Some(StoredFilter::Shuffle),
            Filter::Deflate(_) => Some(StoredFilter::Deflate),
            _ => None,
        })
        .collect::<Option<_>>()?;
    use StoredFilter::{Deflate, Shuffle};
    let allowed = match storage {
        Storage::DeflatedChunks => known == [Shuffle, Deflate],
        Storage::RawChunks => known.is_empty() || known == [Deflate] || known == [Shuffle, Deflate],
        Storage::Contiguous => false,
    };
    allowed.then_some(known)
}
