//! Floor 3: files that a data-set manifest lists, and what all ways of loading share: wishes and faults.

use std::io::ErrorKind;
use std::path::Path;

use suw_shared::checksum::blake3_of_bytes;
use suw_shared::depth_map::DepthMap;
use suw_shared::depth_source::DepthSource;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::sample::GtPoint;
use suw_shared::sample_key::SampleKey;

use crate::datasets::manifest::{DataSetManifest, FrameId};
use crate::machine_fault::is_machines;
use crate::resize::{Fit, native_window};

/// A data set on disk.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What should be there.
    pub manifest: &'a DataSetManifest,
    /// Where.
    pub root: &'a Path,
}

/// What is wanted of every clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadParams {
    /// Crop or resize.
    pub fit: Fit,
    /// Network input.
    pub size: ImageSize,
    /// Training depth; KITTI: lidar (unshifted), lidar-accumulated, exact, none.
    pub depth: DepthSource,
    /// Ground truth at native size; KITTI: lidar (the public evaluation convention: shifted, scanner's forward
    /// distance), lidar-accumulated, exact, none.
    pub gt: DepthSource,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The input is set aside.
    Input,
    /// The run stops: the input may be fine.
    Machine,
}

/// Why a frame or target cannot be used. The reason names the file relative to the data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether the quarantine is the place for it.
    pub blame: Blame,
    /// For the quarantine.
    pub kind: ProblemKind,
    /// What, expected, got.
    pub reason: String,
}

impl Fault {
    /// The quarantine entry of a clip.
    pub fn of(self, key: &SampleKey) -> Problem {
        Problem { item: key.to_string(), kind: self.kind, reason: self.reason }
    }
}

/// A fault of a file.
pub(crate) fn fault(kind: ProblemKind, file: &str, reason: &str) -> Fault {
    Fault { blame: Blame::Input, kind, reason: format!("{file}: {reason}") }
}

/// Whether the folder at the root still has what a path below it begins with. Where that is gone, so is the data set: a
/// disk that is not mounted, or another folder.
pub(crate) fn has_beginning(root: &Path, path: &str) -> bool {
    match path.split_once('/') {
        Some((first, _)) => root.join(first).exists(),
        None => std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()),
    }
}

/// The bytes of a file, the same as when it was scanned.
pub(crate) fn read_listed(source: Source, position: u32) -> Result<Vec<u8>, Fault> {
    let entry = source.manifest.file(position);
    let changed = |reason: String| fault(ProblemKind::InputChanged, &entry.path, &reason);
    let expected = format!("expected {} bytes as in the data-set manifest", entry.bytes);
    let path = source.root.join(&entry.path);
    let refused = |error: std::io::Error| {
        let vanished =
            error.kind() == ErrorKind::NotFound && !has_beginning(source.root, &entry.path);
        let blame = if vanished || is_machines(&error) { Blame::Machine } else { Blame::Input };
        let hint = if vanished {
            ", nor the folder it lay in; is the disk of input.root there?"
        } else {
            ""
        };
        Fault { blame, ..changed(format!("{expected}, got: {error}{hint}")) }
    };
    // The length first, so that a file that grew without bound is never read.
    let bytes = std::fs::metadata(&path).map_err(refused)?.len();
    if bytes != entry.bytes {
        return Err(changed(format!("{expected}, got {bytes}")));
    }
    let data = std::fs::read(&path).map_err(refused)?;
    let blake3 = blake3_of_bytes(&data);
    if blake3 != entry.blake3 {
        return Err(changed(format!("expected BLAKE3 {}, got {blake3}", entry.blake3)));
    }
    Ok(data)
}

/// The size that a picture should have.
pub(crate) fn size_of_frame(source: Source, frame: FrameId) -> Result<ImageSize, Fault> {
    source.manifest.frame_size(frame).ok_or_else(|| {
        let reason = "expected a picture with a readable header, got none";
        fault(ProblemKind::ImageUnreadable, &source.manifest.scene(frame).name, reason)
    })
}

/// What the network sees of a picture.
pub(crate) fn window_of(fit: Fit, native: ImageSize, name: &str) -> Result<Window, Fault> {
    native_window(fit, native)
        .map_err(|error| fault(ProblemKind::ImageSize, name, &error.to_string()))
}

/// The measured pixels of a map.
pub(crate) fn gt_points(map: &DepthMap) -> Vec<GtPoint> {
    let width = map.size().width as usize;
    let measured = map.data().iter().enumerate().filter(|(_, metres)| **metres > 0.0);
    measured
        .map(|(at, &depth)| GtPoint { y: (at / width) as u16, x: (at % width) as u16, depth })
        .collect()
}
