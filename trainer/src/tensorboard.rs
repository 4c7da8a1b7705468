//! Floor 2: TensorBoard event files: scalars and PNG pictures, written by hand.
//!
//! A file is a row of TFRecords: length (u64, little-endian), masked CRC-32C of the length, data, masked CRC-32C of the
//! data. The data is one `Event` message in protobuf's wire format. Event files are for looking at: nothing reads them
//! back, and they alone carry wall time.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::crc32c::masked_crc32c;

/// A failed write of an event file.
#[derive(Debug, thiserror::Error)]
#[error("cannot write event file {path:?}: {source}")]
pub struct EventFileError {
    path: PathBuf,
    source: io::Error,
}

/// One event file, open for appending.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

/// A PNG picture for TensorBoard.
#[derive(Clone, Copy, Debug)]
pub struct PngPicture<'a> {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// The encoded file, 8-bit RGB.
    pub png: &'a [u8],
}

impl EventFile {
    /// Starts a file in `folder`; its name holds the time and, among files of one second, a number.
    pub fn create(folder: &Path) -> Result<Self, EventFileError> {
        let seconds = wall_time() as u64;
        let mut number = 0;
        loop {
            let path = folder.join(format!("events.out.tfevents.{seconds:010}.suw.{number}"));
            match File::create_new(&path) {
                Ok(file) => {
                    let mut events = Self { path, file: BufWriter::new(file) };
                    events.append(0, &text_field(3, b"brain.Event:2"))?;
                    return Ok(events);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(source) => return Err(EventFileError { path, source }),
            }
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that a run starts again and `step` is its next: points of older files from there on are dropped from view.
    pub fn restarted_at(&mut self, step: u64) -> Result<(), EventFileError> {
        let start = integer_field(1, 1); // SessionLog.status = START
        self.append(step, &text_field(7, &start))
    }

    /// Adds named numbers at one step.
    pub fn scalars(&mut self, step: u64, values: &[(String, f64)]) -> Result<(), EventFileError> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = text_field(1, tag.as_bytes());
            entry.extend(tag_byte(2, 5));
            entry.extend((*value as f32).to_le_bytes());
            summary.extend(text_field(1, &entry));
        }
        self.append(step, &text_field(5, &summary))
    }

    /// Adds one picture at one step.
    pub fn picture(
        &mut self,
        step: u64,
        tag: &str,
        picture: PngPicture,
    ) -> Result<(), EventFileError> {
        let mut image = integer_field(1, u64::from(picture.height));
        image.extend(integer_field(2, u64::from(picture.width)));
        image.extend(integer_field(3, 3)); // RGB
        image.extend(text_field(4, picture.png));
        let mut entry = text_field(1, tag.as_bytes());
        entry.extend(text_field(4, &image));
        self.append(step, &text_field(5, &text_field(1, &entry)))
    }

    /// Hands everything to the system, so that a viewer sees it.
    pub fn flush(&mut self) -> Result<(), EventFileError> {
        self.file.flush().map_err(|source| EventFileError { path: self.path.clone(), source })
    }

    fn append(&mut self, step: u64, what: &[u8]) -> Result<(), EventFileError> {
        let mut event: Vec<u8> = tag_byte(1, 1).collect();
        event.extend(wall_time().to_le_bytes());
        event.extend(integer_field(2, step));
        event.extend_from_slice(what);
        let length = (event.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(event.len() + 16);
        record.extend(length);
        record.extend(masked_crc32c(&length).to_le_bytes());
        let check = masked_crc32c(&event).to_le_bytes();
        record.extend(event);
        record.extend(check);
        self.file
            .write_all(&record)
            .map_err(|source| EventFileError { path: self.path.clone(), source })
    }
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Field number and wire type: 0 integer, 1 eight bytes, 2 length and bytes, 5 four bytes.
fn tag_byte(field: u64, wire: u64) -> impl Iterator<Item = u8> {
    varint(field << 3 | wire).into_iter()
}

fn integer_field(field: u64, value: u64) -> Vec<u8> {
    tag_byte(field, 0).chain(varint(value)).collect()
}

fn text_field(field: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = tag_byte(field, 2).chain(varint(bytes.len() as u64)).collect();
    out.extend_from_slice(bytes);
    out
}

/// Seven bits a byte, lowest first; the high bit says that more follow.
fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_the_protobuf_documentation() {
        assert_eq!(varint(1), [1]);
        assert_eq!(varint(150), [0x96, 0x01]);
        assert_eq!(text_field(2, b"testing"), b"\x12\x07testing");
    }

    #[test]
    fn records_are_framed_and_two_files_of_one_second_differ() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = EventFile::create(folder.path()).unwrap();
        let second = EventFile::create(folder.path()).unwrap();
        assert_ne!(first.path(), second.path());
        first.scalars(3, &[("loss/total".to_owned(), 1.5)]).unwrap();
        first.flush().unwrap();
        let bytes = std::fs::read(first.path()).unwrap();
        let mut at = 0;
        let mut n_records = 0;
        while at < bytes.len() {
            let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            assert_eq!(number(at + 8), masked_crc32c(&bytes[at..at + 8]));
            let data = &bytes[at + 12..at + 12 + length];
            assert_eq!(number(at + 12 + length), masked_crc32c(data));
            at += 16 + length;
            n_records += 1;
        }
        assert_eq!((n_records, at), (2, bytes.len()));
    }
}
