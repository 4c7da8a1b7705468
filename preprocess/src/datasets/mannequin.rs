//! Floor 2: Mannequin Challenge: what lies where, and cameras, poses and depth of one clip.
//!
//! ```text
//! ROOT/<split>/<clip>.txt                           camera files as they are published
//! ROOT/frames/<split>/<clip>/<timestamp>.png|jpg    pictures taken from the videos
//! ROOT/colmap/<split>/<clip>/                       COLMAP dense workspace of these pictures, if there is one
//! ```
//!
//! A clip with a workspace takes everything from it: undistorted pictures, cameras, poses, depth. Poses and depth then
//! have one unit. Without one, pictures come from `frames/`, cameras and poses from the camera file, and there is no
//! depth (decision 0006).

use std::collections::BTreeMap;
use std::path::Path;

use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::sample_key::SampleKey;

use crate::datasets::camera_file::{self, CameraLine};
use crate::datasets::colmap;
use crate::datasets::listing::{PICTURES, WalkError, files_by_stem, folders};
use crate::datasets::pictures::{Camera, Picture, PictureScene};
use crate::datasets::reconstruction::{Reconstruction, examine};

/// Folders of the root that are no splits.
const FRAMES: &str = "frames";
const COLMAP: &str = "colmap";

/// What was found of one clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClipFound {
    /// The clip, if it has a picture.
    pub scene: Option<PictureScene>,
    /// What is missing or cannot be used.
    pub problems: Vec<Problem>,
}

/// `<split>/<clip>` of every camera file, sorted.
pub fn clips(root: &Path) -> Result<Vec<String>, WalkError> {
    let mut names = Vec::new();
    for split in folders(root)?.into_iter().filter(|name| name != FRAMES && name != COLMAP) {
        for stem in files_by_stem(root, &split, &["txt"])?.into_keys() {
            let name = format!("{split}/{stem}");
            // Timestamps are digits, so that the name decides whether keys are legal.
            SampleKey::from_parts(&name, "00000000000000000000")
                .map_err(|reason| WalkError::Name { path: root.join(&name), reason })?;
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Reads camera file and workspace of one clip.
pub fn read_clip(root: &Path, name: &str) -> Result<ClipFound, WalkError> {
    let mut found = ClipFound::default();
    let file = format!("{name}.txt");
    let calibration = |reason| problem(name, ProblemKind::CalibrationUnreadable, reason);
    let text = std::fs::read_to_string(root.join(&file)).map_err(|error| error.to_string());
    let lines = match text.and_then(|text| camera_file::parse(&text)) {
        Ok(lines) => lines,
        Err(reason) => {
            found.problems.push(calibration(format!("{file}: {reason}")));
            return Ok(found);
        }
    };
    let folder = format!("{COLMAP}/{name}");
    let frames = if root.join(&folder).is_dir() {
        match from_workspace(root, &folder, &lines)? {
            Ok(workspace) => Some(workspace),
            Err(reason) => {
                found.problems.push(calibration(format!("{folder}: {reason}")));
                None
            }
        }
    } else {
        None
    };
    let (frames, mut sources) = match frames {
        Some(workspace) => workspace,
        None => (from_frames(root, name, &lines)?, Vec::new()),
    };
    let missing = lines.len().saturating_sub(frames.len());
    if frames.is_empty() {
        let reason = format!(
            "expected {} pictures <timestamp>.png or .jpg in {FRAMES}/{name}, got none; take them from the video",
            lines.len()
        );
        found.problems.push(problem(name, ProblemKind::SceneEmpty, reason));
        return Ok(found);
    }
    if missing > 0 {
        let have: Vec<&str> = frames.iter().map(|frame| frame.stem.as_str()).collect();
        let first = lines.iter().find(|line| !have.contains(&line.timestamp.as_str()));
        let first = first.map_or("", |line| line.timestamp.as_str());
        let reason =
            format!("expected {} pictures, got {missing} less; the first is {first}", lines.len());
        found.problems.push(problem(name, ProblemKind::FrameMissing, reason));
    }
    sources.insert(0, file);
    found.scene = Some(PictureScene { name: name.to_owned(), frames, sources, camera: None });
    Ok(found)
}

fn problem(clip: &str, kind: ProblemKind, reason: String) -> Problem {
    Problem { item: clip.to_owned(), kind, reason }
}

fn from_frames(root: &Path, name: &str, lines: &[CameraLine]) -> Result<Vec<Picture>, WalkError> {
    let mut images = files_by_stem(root, &format!("{FRAMES}/{name}"), &PICTURES)?;
    let numbered = (0..).zip(lines);
    let frames = numbered.filter_map(|(number, line)| {
        Some(Picture {
            number,
            stem: line.timestamp.clone(),
            image: images.remove(&line.timestamp)?,
            depth: None,
            depth_range: None,
            camera: Some(Camera::Shares(line.shares)),
            pose: Some(line.pose),
        })
    });
    Ok(frames.collect())
}

type FromWorkspace = (Vec<Picture>, Vec<String>);

/// Frames and model files of a workspace; why not, where it cannot be used.
fn from_workspace(
    root: &Path,
    folder: &str,
    lines: &[CameraLine],
) -> Result<Result<FromWorkspace, String>, WalkError> {
    let workspace = root.join(folder);
    let images = files_by_stem(root, &format!("{folder}/images"), &PICTURES)?;
    let depth = files_by_stem(root, &format!("{folder}/stereo/depth_maps"), &["geometric.bin"])?;
    let examined = colmap::read_model(&workspace).and_then(|model| {
        let numbers: BTreeMap<&str, u64> =
            (0..).zip(lines).map(|(number, line)| (line.timestamp.as_str(), number)).collect();
        let wanted = |name: &str| {
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            // The model must speak of the file that will be read.
            let file = images.get(stem)?;
            file.ends_with(&format!("/{name}")).then(|| numbers.get(stem).copied())?
        };
        examine(&workspace, &model, &wanted)
    });
    let Reconstruction { frames } = match examined {
        Ok(reconstruction) => reconstruction,
        Err(reason) => return Ok(Err(reason)),
    };
    let frames = frames.into_iter().map(|frame| {
        let stem = lines[frame.number as usize].timestamp.clone();
        Picture {
            number: frame.number,
            image: images[&stem].clone(),
            depth: depth.get(&frame.name).cloned(),
            depth_range: frame.depth_range,
            camera: Some(Camera::PixelsAt(frame.camera.intrinsics, frame.camera.size)),
            pose: Some(frame.pose),
            stem,
        }
    });
    let files = colmap::model_files(&workspace).map(|file| format!("{folder}/{file}"));
    Ok(Ok((frames.collect(), files.to_vec())))
}
