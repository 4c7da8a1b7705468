//! Floor 4: a data set against the manifest that `scan` wrote: schema, presence, sizes, checksums.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use suw_shared::checksum::blake3_of_file;

use crate::datasets::manifest::{DataSetManifest, FileEntry};
use crate::progress::Progress;
use crate::validation::finding::{Compared, Finding, Judge, honest};

/// Every fault of the data set at `root`, sorted by file. New files in it are no fault: the manifest lists what it needs.
pub fn data_set_findings(
    manifest: &DataSetManifest,
    root: &Path,
    progress: &Progress,
) -> Vec<Finding> {
    data_set_findings_by(&honest, manifest, root, progress)
}

/// The same with another last word on each comparison; for tests of the validator.
pub fn data_set_findings_by(
    judge: Judge,
    manifest: &DataSetManifest,
    root: &Path,
    progress: &Progress,
) -> Vec<Finding> {
    let done = AtomicUsize::new(0);
    let mut findings: Vec<Finding> = manifest
        .files
        .par_iter()
        .filter_map(|entry| {
            let fault = fault_of(judge, &root.join(&entry.path), entry);
            progress.set(done.fetch_add(1, Ordering::Relaxed) + 1, manifest.files.len());
            fault.map(|message| Finding::new(&entry.path, message))
        })
        .collect();
    progress.finish();
    findings.sort();
    findings
}

fn fault_of(judge: Judge, path: &Path, entry: &FileEntry) -> Option<String> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Some("expected a file, got something else".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let fault = "expected a file, got none".to_owned();
            return (!judge(Compared::Folder, false)).then_some(fault);
        }
        Err(error) => return Some(format!("cannot look at it: {error}")),
    };
    if !judge(Compared::Length, metadata.len() == entry.bytes) {
        return Some(format!("size; expected {} bytes, got {}", entry.bytes, metadata.len()));
    }
    match blake3_of_file(path) {
        Ok(blake3) if judge(Compared::Digest, blake3 == entry.blake3) => None,
        Ok(blake3) => Some(format!("checksum; expected BLAKE3 {}, got {blake3}", entry.blake3)),
        Err(error) => Some(format!("cannot read it: {error}")),
    }
}
