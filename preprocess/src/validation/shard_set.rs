//! Floor 4: a shard set against its `manifest.json`: the folder, checksums, the list of what was set aside, and on
//! request every rule of the format on every sample.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde_json::{Value, json};
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
use crate::validation::finding::{Compared, Depth, Finding, Judge, honest};

/// Every fault of the shard set whose manifest lies at `path`, sorted by file.
pub fn shard_set_findings(path: &Path, depth: Depth, progress: &Progress) -> Vec<Finding> {
    shard_set_findings_by(&honest, path, depth, progress)
}

/// The same with another last word on each comparison; for tests of the validator.
pub fn shard_set_findings_by(
    judge: Judge,
    path: &Path,
    depth: Depth,
    progress: &Progress,
) -> Vec<Finding> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let manifest = match ShardSetManifest::read(path) {
        Ok(manifest) => manifest,
        Err(_) if judge(Compared::Schema, false) => return Vec::new(),
        Err(error) => return vec![Finding::new(name, error.to_string())],
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut findings = Vec::new();
    let mut extend = |compared: Compared, found: Vec<Finding>| {
        if !judge(compared, found.is_empty()) {
            findings.extend(found);
        }
    };
    extend(Compared::Text, manifest_findings(path, &name, &manifest));
    extend(Compared::Folder, folder_findings(folder, &name, &manifest));
    extend(Compared::Quarantine, quarantine_findings(folder, &manifest));
    let done = AtomicUsize::new(0);
    let total = manifest.shards.len();
    let tick = || progress.set(done.fetch_add(1, Ordering::Relaxed) + 1, total);
    let looks: Vec<Look> = manifest
        .shards
        .par_iter()
        .map(|entry| {
            let look = look_at_shard(judge, &folder.join(&entry.file), entry, &manifest, depth);
            tick();
            look
        })
        .collect();
    progress.finish();
    if depth == Depth::Samples {
        extend(Compared::Header, header_findings(folder, &looks));
        extend(Compared::Order, order_findings(&looks));
        extend(Compared::Counts, counts_findings(&manifest, &name, &looks));
    }
    findings.extend(looks.into_iter().flat_map(|look| look.findings));
    findings.sort();
    findings
}

/// The text of the manifest beyond its values: order of keys, last line, paths.
fn manifest_findings(path: &Path, name: &str, manifest: &ShardSetManifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return vec![Finding::new(name, format!("cannot read it: {error}"))],
    };
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

/// No open file is kept: a set may have more shards than a process may have files.
struct Inside {
    header: ShardHeader,
    first: SampleKey,
    last: SampleKey,
    /// `None` where a sample cannot be read.
    counts: Option<Counts>,
}

fn look_at_shard(
    judge: Judge,
    path: &Path,
    entry: &ShardEntry,
    manifest: &ShardSetManifest,
    depth: Depth,
) -> Look {
    let mut look = Look { file: entry.file.clone(), findings: Vec::new(), inside: None };
    let mut told = |message: String| look.findings.push(Finding::new(&entry.file, message));
    let metadata = match fs::symlink_metadata(path) {
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
    if !judge(Compared::Length, metadata.len() == entry.bytes) {
        told(format!("size; expected {} bytes, got {}", entry.bytes, metadata.len()));
    }
    match blake3_of_file(path) {
        Ok(blake3) if judge(Compared::Digest, blake3 == entry.blake3) => {}
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
        match ShardReader::open(path) {
            Ok(reader) => look_inside(judge, &mut look, &reader, manifest, entry),
            Err(error) => look.findings.push(Finding::new(&entry.file, error.to_string())),
        }
    }
    look
}

fn look_inside(
    judge: Judge,
    look: &mut Look,
    reader: &ShardReader,
    manifest: &ShardSetManifest,
    entry: &ShardEntry,
) {
    let listed = as_listed(reader, manifest, entry).err().map(|error| error.to_string());
    let foreign = foreign_provenance(reader.header(), manifest);
    let found: Vec<String> = listed.into_iter().chain(foreign).collect();
    if !judge(Compared::Header, found.is_empty()) {
        look.findings.extend(found.into_iter().map(|message| Finding::new(&entry.file, message)));
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
    let keys = reader.keys();
    look.inside = Some(Inside {
        header: reader.header().clone(),
        first: keys[0].clone(), // a shard is never empty
        last: keys[keys.len() - 1].clone(),
        counts: whole.then_some(sum),
    });
}

/// What the provenance of a shard repeats of the manifest, where it does; shards made elsewhere need not.
fn foreign_provenance(header: &ShardHeader, manifest: &ShardSetManifest) -> Vec<String> {
    let Ok(provenance) = serde_json::from_str::<Value>(&header.provenance) else {
        return Vec::new(); // told when the samples are read
    };
    let expected = [
        ("config_fingerprint", json!(manifest.config_fingerprint)),
        ("models", json!(manifest.models)),
        ("tool_version", json!(manifest.tool_version)),
    ];
    let differing = |(what, expected): (&str, Value)| {
        let got = provenance.get(what).filter(|got| **got != expected)?;
        Some(format!("{what} in the provenance; expected {expected} as in the manifest, got {got}"))
    };
    expected.into_iter().filter_map(differing).collect()
}

/// The shards that were opened, by file name.
fn opened(looks: &[Look]) -> Vec<(&str, &Inside)> {
    looks.iter().filter_map(|look| Some((look.file.as_str(), look.inside.as_ref()?))).collect()
}

/// All shards say the same of themselves.
fn header_findings(folder: &Path, looks: &[Look]) -> Vec<Finding> {
    let opened = opened(looks);
    let Some((_, first)) = opened.first() else { return Vec::new() };
    let differing = |(file, inside): &(&str, &Inside)| {
        let error = same_header(&first.header, &folder.join(file), &inside.header).err()?;
        Some(Finding::new(*file, error.to_string()))
    };
    opened[1..].iter().filter_map(differing).collect()
}

/// Keys rise from shard to shard.
fn order_findings(looks: &[Look]) -> Vec<Finding> {
    let falling = |pair: &[(&str, &Inside)]| {
        let [(before, one), (file, next)] = pair else { return None };
        let (last, first) = (one.last.as_str(), next.first.as_str());
        let message = format!("keys; expected more than {last:?} of {before}, got {first:?}");
        (one.last >= next.first).then(|| Finding::new(*file, message))
    };
    opened(looks).windows(2).filter_map(falling).collect()
}

/// Counts add up. With a shard missing or broken there is nothing to compare; that is told already.
fn counts_findings(manifest: &ShardSetManifest, name: &str, looks: &[Look]) -> Vec<Finding> {
    let counts: Option<Vec<Counts>> =
        looks.iter().map(|look| look.inside.as_ref().and_then(|inside| inside.counts)).collect();
    let Some(counts) = counts else { return Vec::new() };
    let mut sum = Counts::default();
    counts.iter().for_each(|counts| sum.add(counts));
    if sum == manifest.counts {
        return Vec::new();
    }
    let expected = manifest.counts;
    vec![Finding::new(name, format!("counts; expected {expected:?} in the shards, got {sum:?}"))]
}
