//! Floor 2: what a run remembers of each shard until the manifest is written: `SHARDS/.run/<shard>.json`.
//!
//! A record is published after its shard, so a shard without a record is made again, to the same bytes. The folder
//! disappears once the manifest is there.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use suw_shared::atomic_file;
use suw_shared::checksum::blake3_of_file;
use suw_shared::counts::Counts;
use suw_shared::manifest::ShardEntry;
use suw_shared::problem::Problem;

/// Folder of the records inside the shard set's.
pub const RECORDS: &str = ".run";

/// Beginning of the names of lock files; `I-of-N` follows.
const LOCK: &str = "lock-";

/// How often a step is tried again when another process has just changed the folder.
const TRIES: usize = 100;

/// What one shard came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardRecord {
    /// The run that made it.
    pub config_fingerprint: String,
    /// The shard's line in the manifest; `None` where every input was set aside.
    pub entry: Option<ShardEntry>,
    /// Objects and pairs in it.
    pub counts: Counts,
    /// Inputs that were set aside.
    pub problems: Vec<Problem>,
}

fn record_path(out: &Path, shard_file: &str) -> PathBuf {
    out.join(RECORDS).join(format!("{shard_file}.json"))
}

/// Publishes a record.
pub fn write(out: &Path, shard_file: &str, record: &ShardRecord) -> io::Result<()> {
    let text = serde_json::to_string(record).map_err(io::Error::other)?;
    atomic_file::write(&record_path(out, shard_file), text.as_bytes())
}

/// The record of a shard that is complete, made by the same run, and still has the bytes that were written.
pub fn read_if_whole(out: &Path, shard_file: &str, fingerprint: &str) -> Option<ShardRecord> {
    let text = fs::read_to_string(record_path(out, shard_file)).ok()?;
    let record: ShardRecord = serde_json::from_str(&text).ok()?;
    if record.config_fingerprint != fingerprint {
        return None;
    }
    let path = out.join(shard_file);
    let whole = match &record.entry {
        None => !path.exists(),
        Some(entry) => blake3_of_file(&path).is_ok_and(|digest| digest == entry.blake3),
    };
    whole.then_some(record)
}

/// The fingerprint of any earlier, unfinished run in this folder.
pub fn any_fingerprint(out: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(out.join(RECORDS)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        if let Ok(record) = serde_json::from_str::<ShardRecord>(&text) {
            return Ok(Some(record.config_fingerprint));
        }
    }
    Ok(None)
}

/// Holds the folder for one share of a run. `Err` in the inner result names the share of the process that holds it: this
/// very one, or one of another division, whose shards are partly the same. Released when dropped.
pub fn lock(out: &Path, part: u32, parts: u32) -> io::Result<Result<File, String>> {
    let own = format!("{LOCK}{part}-of-{parts}");
    let share = |name: &str| name.trim_start_matches(LOCK).replace("-of-", " of ");
    let file = lock_file(out, &own)?;
    if !try_lock(&file)? {
        return Ok(Err(share(&own)));
    }
    let same_division = format!("-of-{parts}");
    let entries = match fs::read_dir(out.join(RECORDS)) {
        // A process that finished the set took the folder away: the caller finds its manifest.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(file)),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_share = name.starts_with(LOCK) && name.contains("-of-");
        if !is_share || name.ends_with(&same_division) {
            continue;
        }
        match File::open(entry.path()) {
            Ok(other) if !try_lock(&other)? => return Ok(Err(share(&name))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(Ok(file))
}

fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Holds the joining of parts; waits for another process that does it. Released when dropped.
pub fn lock_merge(out: &Path) -> io::Result<File> {
    let file = lock_file(out, "lock-merge")?;
    file.lock()?;
    Ok(file)
}

/// Opens a lock file, making it and its folder.
fn lock_file(out: &Path, name: &str) -> io::Result<File> {
    let folder = out.join(RECORDS);
    let mut tries = 0;
    loop {
        fs::create_dir_all(&folder)?;
        match File::create(folder.join(name)) {
            // A process that finished the set took the folder away in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => tries += 1,
            other => return other,
        }
    }
}

/// Deletes what an interrupted process left of one shard.
pub fn remove_unfinished(out: &Path, shard_file: &str) -> io::Result<()> {
    let ours = format!(".{shard_file}.");
    for folder in [out.to_owned(), out.join(RECORDS)] {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&ours) && name.ends_with(atomic_file::UNFINISHED) {
                gone(fs::remove_file(entry.path()))?;
            }
        }
    }
    Ok(())
}

/// Deletes all records; the manifest says everything now.
pub fn remove_all(out: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match gone(fs::remove_dir_all(out.join(RECORDS))) {
            // Another process looked in and left a lock file.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && tries < TRIES => {
                tries += 1;
            }
            other => return other,
        }
    }
}

/// Deleting twice is no error: two partitions may finish a set at the same time.
pub fn gone(deleted: io::Result<()>) -> io::Result<()> {
    match deleted {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use suw_shared::checksum::blake3_of_bytes;

    use super::*;

    #[test]
    fn shares_of_one_division_stand_beside_each_other_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let holder = |part, parts| lock(out, part, parts).unwrap().err();
        let first = lock(out, 1, 2).unwrap().unwrap();
        assert_eq!(holder(1, 2).as_deref(), Some("1 of 2"));
        assert_eq!(holder(2, 2), None);
        // A whole run, and other divisions, make shards that this share makes too.
        assert_eq!(holder(1, 1).as_deref(), Some("1 of 2"));
        assert_eq!(holder(3, 12).as_deref(), Some("1 of 2"));
        drop(first);
        let _whole = lock(out, 1, 1).unwrap().unwrap();
        assert_eq!(holder(2, 2).as_deref(), Some("1 of 1"));
    }

    #[test]
    fn a_record_counts_only_with_the_bytes_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let entry = ShardEntry {
            blake3: blake3_of_bytes(b"shard"),
            bytes: 5,
            file: "kitti-train-00000.h5".to_owned(),
            samples: 1,
        };
        let _held = lock(out, 1, 1).unwrap().unwrap();
        let record = ShardRecord {
            config_fingerprint: "f".repeat(64),
            entry: Some(entry.clone()),
            counts: Counts::default(),
            problems: Vec::new(),
        };
        let fingerprint = record.config_fingerprint.clone();
        write(out, &entry.file, &record).unwrap();
        assert_eq!(read_if_whole(out, &entry.file, &fingerprint), None, "no shard yet");
        fs::write(out.join(&entry.file), b"shard").unwrap();
        assert_eq!(read_if_whole(out, &entry.file, &fingerprint), Some(record.clone()));
        assert_eq!(read_if_whole(out, &entry.file, &"0".repeat(64)), None, "another run");
        fs::write(out.join(&entry.file), b"shard!").unwrap();
        assert_eq!(read_if_whole(out, &entry.file, &fingerprint), None, "other bytes");
        assert_eq!(any_fingerprint(out).unwrap(), Some(fingerprint));
        remove_all(out).unwrap();
        remove_all(out).unwrap();
        assert_eq!(any_fingerprint(out).unwrap(), None);
    }
}
