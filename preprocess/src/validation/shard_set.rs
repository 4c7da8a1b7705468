//! Floor 4: a shard set against its `manifest.json`: the folder, checksums, the list of what was set aside, and on
//! request every rule of the format on every sample.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use suw_shared::checksum::blake3_of_file;
use suw_shared::counts::Counts;
use suw_shared::manifest::{
    MANIFEST_FILE, QUARANTINE_FILE, ShardEntry, ShardSetManifest, json_text,
};
use suw_shared::problem::Problem;
use suw_shared::sample_key::SampleKey;
use suw_shared::shard::set::{as_listed, same_header};
use suw_shared::shard::{ShardHeader, ShardReader};

use crate::progress::Progress;
use crate::validation::finding::{Depth, Finding};

/// Every fault of the shard set whose manifest lies at `path`, sorted by file.
pub fn shard_set_findings(path: &Path, depth: Depth, progress: &Progress) -> Vec<Finding> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let manifest = match ShardSetManifest::read(path) {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(name, error.to_string())],
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut findings = manifest_findings(path, &name, &manifest);
    findings.extend(folder_findings(folder, &name, &manifest));
    findings.extend(quarantine_findings(folder, &manifest));
    let done = AtomicUsize::new(0);
    let total = manifest.shards.len();
    let tick = || progress.set(done.fetch_add(1, Ordering::Relaxed) + 1, total);
    let looks: Vec<Look> = manifest
        .shards
        .par_iter()
        .map(|entry| {
            let look = look_at_shard(folder, entry, &manifest, depth);
            tick();
            look
        })
        .collect();
    progress.finish();
    if depth == Depth::Samples {
        findings.extend(set_findings(&manifest, &name, &looks));
    }
    findings.extend(looks.into_iter().flat_map(|look| look.findings));
    findings.sort();
    findings
}

/// The text of the manifest beyond its values: order of keys, last line, paths.
fn manifest_findings(path: &Path, name: &str, manifest: &ShardSetManifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let text = fs::read_to_string(path).unwrap_or_default();
    if !text.ends_with('\n') {
        findings.push(Finding::new(name, "expected a newline at the end, got none"));
    }
    if without_spaces(&text) != without_spaces(&json_text(manifest)) {
        findings.push(Finding::new(name, "expected sorted keys and plain numbers, got others"));
    }
    for model in &manifest.models {
        if Path::new(&model.name).is_absolute() {
            let message = format!("model name; expected no absolute path, got {:?}", model.name);
            findings.push(Finding::new(name, message));
        }
    }
    findings
}

/// The text without spaces outside of strings.
fn without_spaces(text: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    text.chars()
        .filter(|&c| {
            let keep = inside || !c.is_ascii_whitespace();
            match c {
                _ if escaped => escaped = false,
                '\\' if inside => escaped = true,
                '"' => inside = !inside,
                _ => {}
            }
            keep
        })
        .collect()
}

/// The folder holds the shards, the manifest, the list of what was set aside, and nothing else.
fn folder_findings(folder: &Path, name: &str, manifest: &ShardSetManifest) -> Vec<Finding> {
    let entries = match fs::read_dir(folder)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
    {
        Ok(entries) => entries,
        Err(error) => return vec![Finding::new(".", format!("cannot list the folder: {error}"))],
    };
    let there: BTreeSet<String> =
        entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let mut expected: BTreeSet<&str> =
        manifest.shards.iter().map(|shard| shard.file.as_str()).collect();
    expected.extend([MANIFEST_FILE, QUARANTINE_FILE, name]);
    let extra = there.iter().filter(|file| !expected.contains(file.as_str())).map(|file| {
        Finding::new(file, "expected shards, manifest and quarantine.jsonl only, got another file")
    });
    let missing = expected
        .iter()
        .filter(|file| !there.contains(**file))
        .map(|file| Finding::new(*file, "expected a file, got none"));
    extra.chain(missing).collect()
}

/// `quarantine.jsonl` line by line, and its counts.
fn quarantine_findings(folder: &Path, manifest: &ShardSetManifest) -> Vec<Finding> {
    let finding = |message: String| Finding::new(QUARANTINE_FILE, message);
    let path = folder.join(QUARANTINE_FILE);
    if !path.exists() {
        return Vec::new(); // told as missing
    }
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return vec![finding(format!("cannot read it: {error}"))],
    };
    let mut findings = Vec::new();
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(finding("expected a newline at the end, got none".to_owned()));
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut previous = "";
    for (number, line) in (1..).zip(text.lines()) {
        if number > 1 && line <= previous {
            let message = format!("line {number}; expected lines in rising order, each once");
            findings.push(finding(message));
        }
        previous = line;
        let problem: Problem = match serde_json::from_str(line) {
            Ok(problem) => problem,
            Err(error) => {
                findings.push(finding(format!("line {number}; cannot parse it: {error}")));
                continue;
            }
        };
        if without_spaces(line) != without_spaces(&json_text(&problem)) {
            findings.push(finding(format!("line {number}; expected sorted keys")));
        }
        if problem.item.is_empty() || Path::new(&problem.item).is_absolute() {
            let got = &problem.item;
            let message = format!("line {number}; expected an item without root, got {got:?}");
            findings.push(finding(message));
        }
        *counts.entry(problem.kind.name().to_owned()).or_insert(0) += 1;
    }
    if counts != manifest.quarantined {
        let expected = &manifest.quarantined;
        let message = format!("kinds; expected {expected:?} as in the manifest, got {counts:?}");
        findings.push(finding(message));
    }
    findings
}

/// What one shard came to.
struct Look {
    file: String,
    findings: Vec<Finding>,
    /// What is compared between shards; `None` where the shard was not or could not be opened.
    inside: Option<Inside>,
}

struct Inside {
    reader: ShardReader,
    /// `None` where a sample cannot be read.
    counts: Option<Counts>,
}

fn look_at_shard(
    folder: &Path,
    entry: &ShardEntry,
    manifest: &ShardSetManifest,
    depth: Depth,
) -> Look {
    let path = folder.join(&entry.file);
    let mut look = Look { file: entry.file.clone(), findings: Vec::new(), inside: None };
    let mut told = |message: String| look.findings.push(Finding::new(&entry.file, message));
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return look, // told as missing
        Err(error) => {
            told(format!("cannot look at it: {error}"));
            return look;
        }
    };
    if !metadata.is_file() {
        told("expected a plain file, got something else".to_owned());
        return look;
    }
    if metadata.len() != entry.bytes {
        told(format!("size; expected {} bytes, got {}", entry.bytes, metadata.len()));
    }
    match blake3_of_file(&path) {
        Ok(blake3) if blake3 == entry.blake3 => {}
        Ok(blake3) => {
            told(format!("checksum; expected BLAKE3 {}, got {blake3}", entry.blake3));
            return look; // what the bytes mean is not asked when they are not the shard's
        }
        Err(error) => {
            told(format!("cannot read it: {error}"));
            return look;
        }
    }
    if depth == Depth::Samples {
        match ShardReader::open(&path) {
            Ok(reader) => look_inside(&mut look, reader, manifest, entry),
            Err(error) => look.findings.push(Finding::new(&entry.file, error.to_string())),
        }
    }
    look
}

fn look_inside(
    look: &mut Look,
    reader: ShardReader,
    manifest: &ShardSetManifest,
    entry: &ShardEntry,
) {
    if let Err(error) = as_listed(&reader, manifest, entry) {
        look.findings.push(Finding::new(&entry.file, error.to_string()));
    }
    if let Some(message) = foreign_fingerprint(reader.header(), &manifest.config_fingerprint) {
        look.findings.push(Finding::new(&entry.file, message));
    }
    // Every sample is checked as it is read.
    let read: Vec<Result<Counts, String>> = (0..reader.len())
        .into_par_iter()
        .map(|i| {
            reader.read(i).map(|sample| Counts::of(&sample)).map_err(|error| error.to_string())
        })
        .collect();
    let mut sum = Counts::default();
    let mut whole = true;
    for result in read {
        match result {
            Ok(counts) => sum.add(&counts),
            Err(message) => {
                whole = false;
                look.findings.push(Finding::new(&entry.file, message));
            }
        }
    }
    look.inside = Some(Inside { reader, counts: whole.then_some(sum) });
}

fn foreign_fingerprint(header: &ShardHeader, expected: &str) -> Option<String> {
    let provenance: serde_json::Value = serde_json::from_str(&header.provenance).ok()?;
    let got = provenance.get("config_fingerprint")?;
    (got != expected).then(|| {
        format!("config_fingerprint in the provenance; expected {expected:?} as in the manifest, got {got}")
    })
}

/// Rules that span shards: one header, keys that rise, counts that add up.
fn set_findings(manifest: &ShardSetManifest, name: &str, looks: &[Look]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let opened: Vec<(&str, &Inside)> =
        looks.iter().filter_map(|look| Some((look.file.as_str(), look.inside.as_ref()?))).collect();
    if let Some((_, first)) = opened.first() {
        for (file, inside) in &opened[1..] {
            if let Err(error) = same_header(first.reader.header(), &inside.reader) {
                findings.push(Finding::new(*file, error.to_string()));
            }
        }
    }
    for pair in opened.windows(2) {
        let (last, next) = (pair[0].1.reader.keys().last(), pair[1].1.reader.keys().first());
        if last >= next {
            let text = |key: Option<&SampleKey>| key.map(ToString::to_string).unwrap_or_default();
            findings.push(Finding::new(
                pair[1].0,
                format!(
                    "keys; expected more than {:?} of {}, got {:?}",
                    text(last),
                    pair[0].0,
                    text(next)
                ),
            ));
        }
    }
    let counts: Option<Vec<Counts>> =
        looks.iter().map(|look| look.inside.as_ref().and_then(|inside| inside.counts)).collect();
    // With a shard missing or broken there is nothing to compare; that is told already.
    if let Some(counts) = counts {
        let mut sum = Counts::default();
        counts.iter().for_each(|counts| sum.add(counts));
        if sum != manifest.counts {
            let expected = manifest.counts;
            findings.push(Finding::new(
                name,
                format!("counts; expected {expected:?} in the shards, got {sum:?}"),
            ));
        }
    }
    findings
}
