//! Floor 4: a whole run: lock, masks, shards in their order, a few at a time, manifest last. Resumes by itself: shards that are
//! complete are kept, the rest is made, and the bytes are those of an undisturbed run.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use suw_shared::atomic_file;
use suw_shared::counts::Counts;
use suw_shared::exit::{Exit, Failure};
use suw_shared::manifest::{
    MANIFEST_FILE, MANIFEST_VERSION, ManifestError, PART_FORMAT, PartManifest, QUARANTINE_FILE,
    ShardSetManifest,
};
use suw_shared::problem::{Problem, quarantine_lines};

use crate::lanes::in_lanes;
use crate::machine_fault::advice;
use crate::make_shard::{MakeError, make_shard};
use crate::plan::{Partition, Plan};
use crate::shard_record::{self, ShardRecord};

/// While one shard is written, synced and hashed, the cores work on the others; more only cost memory.
const SHARDS_AT_ONCE: usize = 3;

/// Why a run ends early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder holds something that this run may not touch.
    #[error("{0}")]
    Refused(String),
    /// A shard is not what the manifest says.
    #[error("{0}")]
    NotAsListed(String),
    /// Every input was set aside.
    #[error("{0}")]
    NothingMade(String),
    /// A shard cannot be made.
    #[error(transparent)]
    Shard(#[from] MakeError),
    /// A manifest cannot be read or written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The operating system refused.
    #[error("cannot {action} {path:?}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<RunError> for Failure {
    /// Refused folders end with 2, broken files with 4; a failing disk ends with 1 and what to do.
    fn from(error: RunError) -> Self {
        let message = error.to_string();
        match error {
            RunError::Refused(_) => Self::usage(message),
            RunError::NothingMade(_) => Self { exit: Exit::Failed, message },
            RunError::Shard(_)
            | RunError::Io { .. }
            | RunError::Manifest(ManifestError::Io { .. }) => {
                Self { exit: Exit::Failed, message: format!("{message}; {}", advice(&message)) }
            }
            RunError::NotAsListed(_) | RunError::Manifest(_) => Self::integrity(message),
        }
    }
}

/// What a run came to.
#[derive(Debug)]
pub enum RunEnd {
    /// The set is whole.
    Complete(Box<ShardSetManifest>),
    /// This share is done; others are missing.
    PartDone {
        /// Shards of this share.
        shards: usize,
        /// Inputs that it set aside.
        problems: usize,
    },
    /// Told to stop; complete shards are kept.
    Stopped {
        /// Shards that are complete.
        done: usize,
        /// Shards of this share.
        of: usize,
    },
}

/// The folder of a shard set, ready to be written.
#[derive(Debug)]
pub enum Held {
    /// Nothing to write: the set is there.
    Finished(Box<ShardSetManifest>),
    /// Held against other processes as long as this lives.
    Ours(File),
}

/// Looks at the folder of the plan's shard set and holds it; for the time before any work.
pub fn hold(plan: &Plan) -> Result<Held, RunError> {
    let out = &plan.out;
    if let Some(manifest) = finished(plan)? {
        return Ok(Held::Finished(Box::new(manifest)));
    }
    fs::create_dir_all(out).map_err(io_error("make folder", out))?;
    let Partition { part, parts } = plan.partition;
    let held = shard_record::lock(out, part, parts).map_err(io_error("write in folder", out))?;
    let held = held.map_err(|share| {
        RunError::Refused(format!(
            "cannot write shard set {out:?}: another process is writing part {share} of it; \
             wait for it, or give another output.dir"
        ))
    })?;
    // The process that had it until now may have finished the set.
    if let Some(manifest) = finished(plan)? {
        return Ok(Held::Finished(Box::new(manifest)));
    }
    refuse_other_run(plan)?;
    Ok(Held::Ours(held))
}

/// Makes what is missing of the plan's shards in a folder that is held. `progress(done, total)` counts clips.
pub fn run_shards(
    plan: &Plan,
    _held: &File, // proof that `hold` was called
    stop: &AtomicBool,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<RunEnd, RunError> {
    let out = &plan.out;
    let shards: Vec<_> = plan.own_shards().collect();
    let total: usize = shards.iter().map(|shard| shard.clips.len()).sum();
    let done = AtomicUsize::new(0);
    let advance = |clips: usize| progress(done.fetch_add(clips, Ordering::Relaxed) + clips, total);
    let lanes = (rayon::current_num_threads() + 1).min(SHARDS_AT_ONCE);
    let records = in_lanes(&shards, lanes, |shard| -> Result<_, RunError> {
        if let Some(record) = shard_record::read_if_whole(out, &shard.file, &plan.fingerprint) {
            advance(shard.clips.len());
            return Ok(Some(record));
        }
        shard_record::remove_unfinished(out, &shard.file).map_err(io_error("clean up", out))?;
        let record = make_shard(plan, shard, stop, &advance)?;
        if let Some(record) = &record {
            shard_record::write(out, &shard.file, record)
                .map_err(io_error("write the record of", &out.join(&shard.file)))?;
        }
        Ok(record)
    })?;
    let made: Vec<ShardRecord> = records.into_iter().flatten().collect();
    if made.len() < shards.len() {
        return Ok(RunEnd::Stopped { done: made.len(), of: shards.len() });
    }
    finish(plan, made)
}

/// The manifest of an earlier run with the same configuration, if the set is complete.
fn finished(plan: &Plan) -> Result<Option<ShardSetManifest>, RunError> {
    let path = plan.out.join(MANIFEST_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let manifest = ShardSetManifest::read(&path)?;
    if manifest.config_fingerprint != plan.fingerprint {
        return Err(other_run(&plan.out, &manifest.config_fingerprint, &plan.fingerprint));
    }
    check_listed(&plan.out, &manifest)?;
    // An earlier run may have been killed between its last two steps.
    tidy_up(&plan.out)?;
    Ok(Some(manifest))
}

/// Whether every shard of a manifest is there, by its length.
fn check_listed(out: &Path, manifest: &ShardSetManifest) -> Result<(), RunError> {
    for shard in &manifest.shards {
        let file = out.join(&shard.file);
        let got = match fs::metadata(&file) {
            Ok(metadata) if metadata.len() == shard.bytes => continue,
            Ok(metadata) => format!("{} bytes", metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "no file".to_owned(),
            Err(source) => return Err(io_error("look at shard", &file)(source)),
        };
        return Err(RunError::NotAsListed(format!(
            "cannot use shard {file:?}: expected {} bytes as its manifest says, got {got}; \
             run `suw-preprocess validate` on the manifest, or delete the folder and run again",
            shard.bytes
        )));
    }
    Ok(())
}

fn refuse_other_run(plan: &Plan) -> Result<(), RunError> {
    let found = shard_record::any_fingerprint(&plan.out).map_err(io_error("read", &plan.out))?;
    match found {
        Some(found) if found != plan.fingerprint => {
            Err(other_run(&plan.out, &found, &plan.fingerprint))
        }
        _ => Ok(()),
    }
}

fn other_run(out: &Path, found: &str, expected: &str) -> RunError {
    RunError::Refused(format!(
        "cannot write shard set {out:?}: it was made by another configuration or from other inputs; \
         expected fingerprint {}, got {}; give another output.dir, or delete the folder",
        &expected[..12],
        &found[..found.len().min(12)]
    ))
}

/// Writes the part file, or the manifest when nothing is missing.
fn finish(plan: &Plan, records: Vec<ShardRecord>) -> Result<RunEnd, RunError> {
    let mut counts = Counts::default();
    let mut problems: Vec<Problem> = plan.manifest.problems_without_clip();
    let mut shards = Vec::new();
    for record in records {
        counts.add(&record.counts);
        problems.extend(record.problems);
        shards.extend(record.entry);
    }
    problems.sort_unstable();
    problems.dedup();
    let n_problems = problems.len();
    let n_shards = shards.len();
    let part = PartManifest {
        config_fingerprint: plan.fingerprint.clone(),
        counts,
        dataset: plan.header.dataset.clone(),
        format: PART_FORMAT.to_owned(),
        frames: plan.header.frames,
        height: plan.header.size.height,
        models: plan.models.clone(),
        part: plan.partition.part,
        parts: plan.partition.parts,
        problems,
        shards,
        split: plan.header.split.clone(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        version: MANIFEST_VERSION,
        width: plan.header.size.width,
    };
    if plan.partition == Partition::WHOLE {
        return Ok(RunEnd::Complete(Box::new(publish(&plan.out, &[part])?)));
    }
    part.write(&plan.out)?;
    match merge(&plan.out, Some(plan.partition.parts))? {
        Some(manifest) => Ok(RunEnd::Complete(Box::new(manifest))),
        None => Ok(RunEnd::PartDone { shards: n_shards, problems: n_problems }),
    }
}

/// Joins the parts in a folder, if all are there; `parts` is asked of the files where it is not known.
pub fn merge(out: &Path, parts: Option<u32>) -> Result<Option<ShardSetManifest>, RunError> {
    // One process at a time: of two that finish a set together, the later one finds it joined.
    let _held = match part_files(out)?.is_empty() {
        true => None,
        false => Some(shard_record::lock_merge(out).map_err(io_error("write in folder", out))?),
    };
    let path = out.join(MANIFEST_FILE);
    let files = part_files(out)?;
    let read = |part, parts| PartManifest::read(&out.join(PartManifest::file_name(part, parts)));
    if path.exists() {
        let manifest = ShardSetManifest::read(&path)?;
        check_listed(out, &manifest)?;
        for &(part, parts) in &files {
            let found = read(part, parts)?.config_fingerprint;
            if found != manifest.config_fingerprint {
                return Err(other_run(out, &manifest.config_fingerprint, &found));
            }
        }
        tidy_up(out)?;
        return Ok(Some(manifest));
    }
    let Some(parts) = parts.or_else(|| files.first().map(|(_, parts)| *parts)) else {
        return Ok(None);
    };
    let missing = (1..=parts).any(|part| !files.contains(&(part, parts)));
    if missing {
        return Ok(None);
    }
    let all = (1..=parts).map(|part| read(part, parts)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(publish(out, &all)?))
}

/// `(part, parts)` of every part file, sorted.
pub fn part_files(out: &Path) -> Result<Vec<(u32, u32)>, RunError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(out).map_err(io_error("read folder", out))? {
        let name = entry.map_err(io_error("read folder", out))?.file_name();
        let name = name.to_string_lossy();
        let numbers = name.strip_prefix("part-").and_then(|rest| rest.strip_suffix(".json"));
        if let Some((part, parts)) = numbers.and_then(|n| n.split_once("-of-"))
            && let (Ok(part), Ok(parts)) = (part.parse(), parts.parse())
        {
            found.push((part, parts));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Quarantine first, manifest last, then everything that only an unfinished set has goes.
///
/// A set without a sample has only a quarantine and is not finished, and what was noted on the way to it goes: a folder
/// that was not mounted may be all that is wrong.
fn publish(out: &Path, parts: &[PartManifest]) -> Result<ShardSetManifest, RunError> {
    let (manifest, problems) = ShardSetManifest::from_parts(parts)?;
    check_listed(out, &manifest)?;
    let quarantine = out.join(QUARANTINE_FILE);
    atomic_file::write(&quarantine, quarantine_lines(&problems).as_bytes())
        .map_err(io_error("write", &quarantine))?;
    if let (0, Some(first)) = (manifest.samples, problems.first()) {
        tidy_up(out)?;
        return Err(RunError::NothingMade(format!(
            "cannot make shard set {out:?}: every clip was set aside; {} problems, first {}: {}: {}; \
             all stand in {quarantine:?}; mend the cause, then make the set again",
            problems.len(),
            first.kind.name(),
            first.item,
            first.reason
        )));
    }
    manifest.write(&out.join(MANIFEST_FILE))?;
    tidy_up(out)?;
    Ok(manifest)
}

fn tidy_up(out: &Path) -> Result<(), RunError> {
    for (part, parts) in part_files(out)? {
        let path = out.join(PartManifest::file_name(part, parts));
        shard_record::gone(fs::remove_file(&path)).map_err(io_error("delete", &path))?;
    }
    shard_record::gone(atomic_file::remove_unfinished(out).map(drop))
        .map_err(io_error("clean up", out))?;
    shard_record::remove_all(out).map_err(io_error("clean up", out))
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> RunError + 'a {
    move |source| RunError::Io { action, path: path.to_owned(), source }
}
