//! Floor 4: a walk through KITTI raw: which clips there are, sizes and checksums of all files, what is missing.
//!
//! Files are read in parallel, the manifest does not depend on the order. A broken file makes a problem, not an end:
//! its clips stay in the manifest, and whoever loads them finds the fault again and sets just them aside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use suw_shared::image_size::ImageSize;
use suw_shared::problem::{Problem, ProblemKind};

use crate::datasets::calibration::{CameraCalibration, VelodyneCalibration};
use crate::datasets::kitti::{self, KittiFrame, KittiScene, KittiTree};
use crate::datasets::manifest::{DataSetHead, DataSetKind, DataSetManifest, FrameFiles, Scene};
use crate::datasets::split::SplitEntry;
use crate::datasets::velodyne::POINT_BYTES;
use crate::measured_files::{Measured, ScanError, measure, usual_size};

/// What to scan.
#[derive(Clone, Debug)]
pub struct ScanPlan<'a> {
    /// Holds the date folders.
    pub root: &'a Path,
    /// Name of the split.
    pub split: &'a str,
    /// The target frames wanted; `None`: all.
    pub targets: Option<&'a [SplitEntry]>,
    /// Distance of the frames of a clip.
    pub stride: u32,
    /// Frames of a clip: 3 or 1.
    pub frames: u32,
    /// Leave out clips between whose first and last frame the car moved less, meters; needs `oxts/data`.
    pub min_motion: Option<f64>,
}

/// What a scan found.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// To be written.
    pub manifest: DataSetManifest,
    /// Clips that `min_motion` left out.
    pub left_out: usize,
}

/// Walks KITTI raw; `progress(done, total)` counts files.
pub fn scan(
    plan: &ScanPlan,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Scanned, ScanError> {
    let KittiTree { scenes, problems: empty } = kitti::walk(plan.root)?;
    let (mut chosen, mut problems) = match plan.targets {
        Some(targets) => choose(&scenes, targets, plan),
        None => (whole(&scenes, plan), empty),
    };
    let left_out = match plan.min_motion {
        Some(least) => motion::leave_out_static(plan.root, &mut chosen, least, &mut problems),
        None => 0,
    };
    if chosen.iter().all(|chosen| chosen.clips.is_empty()) {
        return Err(no_clips(plan, &scenes, problems, left_out));
    }
    let measured = measure(plan.root, paths_of(plan.root, &chosen), progress)?;
    let mut entries = Vec::new();
    for chosen in &chosen {
        entries.push(scene_entry(plan.root, chosen, &measured, &mut problems));
    }
    let manifest = DataSetManifest::new(
        DataSetHead {
            dataset: DataSetKind::Kitti,
            split: plan.split.to_owned(),
            stride: plan.stride,
            frames: plan.frames,
        },
        measured.into_values().map(|measured| measured.entry).collect(),
        entries,
        problems,
    );
    Ok(Scanned { manifest, left_out })
}

/// The part of a scene that goes into the manifest.
struct Chosen<'a> {
    name: &'a str,
    /// By number.
    frames: BTreeMap<u64, &'a KittiFrame>,
    /// Numbers of the frames of each clip.
    clips: Vec<Vec<u64>>,
}

fn clip_numbers(target: u64, plan: &ScanPlan) -> Option<Vec<u64>> {
    let stride = u64::from(plan.stride);
    match plan.frames {
        1 => Some(vec![target]),
        _ => Some(vec![target.checked_sub(stride)?, target, target + stride]),
    }
}

/// All frames, and a clip around each frame that has its neighbors.
fn whole<'a>(scenes: &'a [KittiScene], plan: &ScanPlan) -> Vec<Chosen<'a>> {
    let choose = |scene: &'a KittiScene| {
        let present = |numbers: &Vec<u64>| numbers.iter().all(|n| scene.frames.contains_key(n));
        let clips =
            scene.frames.keys().filter_map(|&t| clip_numbers(t, plan)).filter(present).collect();
        let frames = scene.frames.iter().map(|(&number, frame)| (number, frame)).collect();
        Chosen { name: &scene.name, frames, clips }
    };
    scenes.iter().map(choose).collect()
}

/// The clips around the wanted targets, just their frames, and what of them is missing.
fn choose<'a>(
    scenes: &'a [KittiScene],
    targets: &[SplitEntry],
    plan: &ScanPlan,
) -> (Vec<Chosen<'a>>, Vec<Problem>) {
    let by_name: BTreeMap<&str, &KittiScene> =
        scenes.iter().map(|scene| (scene.name.as_str(), scene)).collect();
    let mut chosen: BTreeMap<&str, Chosen> = BTreeMap::new();
    let mut problems = Vec::new();
    for target in targets {
        let name = kitti::scene_name(&target.drive, target.camera);
        let mut missing = |reason: String| {
            let item = format!("{name}/{}", kitti::usual_stem(target.frame));
            problems.push(Problem { item, kind: ProblemKind::FrameMissing, reason });
        };
        let Some((_, scene)) = by_name.get_key_value(name.as_str()) else {
            missing("expected this frame of the split, got no frame of its scene".to_owned());
            continue;
        };
        let Some(numbers) = clip_numbers(target.frame, plan) else {
            missing(format!("expected a frame {} before it, got none", plan.stride));
            continue;
        };
        match numbers.iter().find(|number| !scene.frames.contains_key(number)) {
            Some(number) if *number == target.frame => {
                missing("expected this frame of the split, got none".to_owned());
            }
            Some(number) => missing(format!(
                "expected its neighbor {} too, got none",
                kitti::usual_stem(*number)
            )),
            None => {
                let entry = chosen.entry(&scene.name).or_insert_with(|| Chosen {
                    name: &scene.name,
                    frames: BTreeMap::new(),
                    clips: Vec::new(),
                });
                entry.frames.extend(numbers.iter().map(|&number| (number, &scene.frames[&number])));
                entry.clips.push(numbers);
            }
        }
    }
    (chosen.into_values().collect(), problems)
}

fn no_clips(
    plan: &ScanPlan,
    scenes: &[KittiScene],
    problems: Vec<Problem>,
    left_out: usize,
) -> ScanError {
    let frames: usize = scenes.iter().map(|scene| scene.frames.len()).sum();
    let around = match plan.frames {
        1 => "a frame",
        _ => "frames t - stride, t and t + stride",
    };
    let mut message = format!(
        "expected DATE/DRIVE/image_02/data/NUMBER.png with {around}{}, got {frames} frames in {} scenes",
        if plan.targets.is_some() { " around a frame of the split" } else { "" },
        scenes.len(),
    );
    if left_out > 0 {
        message += &format!("; {left_out} static clips left out");
    }
    if !problems.is_empty() {
        message += &format!("; {} problems", problems.len());
    }
    ScanError::NoClips { root: plan.root.to_owned(), message, problems }
}

/// Relative paths of all files of the chosen frames; true for pictures.
fn paths_of(root: &Path, chosen: &[Chosen]) -> BTreeMap<String, bool> {
    let mut paths = BTreeMap::new();
    for chosen in chosen {
        for frame in chosen.frames.values() {
            paths.insert(frame.image.clone(), true);
            let others = frame.lidar.iter().chain(&frame.ground_truth);
            paths.extend(others.map(|path| (path.clone(), false)));
        }
        let calibrations = calibration_paths(chosen.name).into_iter();
        paths.extend(calibrations.filter(|p| root.join(p).is_file()).map(|p| (p, false)));
    }
    paths
}

/// Camera, then scanner.
fn calibration_paths(scene: &str) -> [String; 2] {
    let date = kitti::date_of_scene(scene);
    [kitti::CAMERA_CALIBRATION, kitti::VELODYNE_CALIBRATION].map(|name| format!("{date}/{name}"))
}

fn scene_entry(
    root: &Path,
    chosen: &Chosen,
    measured: &BTreeMap<String, Measured>,
    problems: &mut Vec<Problem>,
) -> Scene {
    let positions: BTreeMap<&str, u32> =
        (0..).zip(measured.keys()).map(|(n, p)| (p.as_str(), n)).collect();
    let position = |path: &String| positions.get(path.as_str()).copied();
    // By stem, as the manifest sorts them; the numbers of unpadded names sort differently.
    let mut frames: Vec<(&KittiFrame, u64)> =
        chosen.frames.iter().map(|(&number, &frame)| (frame, number)).collect();
    frames.sort_unstable_by(|a, b| a.0.stem.cmp(&b.0.stem));
    let place: BTreeMap<u64, u32> =
        (0..).zip(&frames).map(|(place, (_, number))| (*number, place)).collect();
    let mut clips: Vec<Vec<u32>> = chosen
        .clips
        .iter()
        .map(|numbers| numbers.iter().map(|number| place[number]).collect())
        .collect();
    clips.sort_unstable_by_key(|clip| clip[clip.len() / 2]);

    let size = usual_size(frames.iter().map(|(frame, _)| frame.image.as_str()), measured);
    for (frame, _) in &frames {
        problems.extend(frame_problems(chosen.name, frame, size, measured));
    }
    let [camera_path, velodyne_path] = calibration_paths(chosen.name);
    let has_scans = frames.iter().any(|(frame, _)| frame.lidar.is_some());
    let camera = camera_of(&root.join(&camera_path), chosen.name, size);
    let velodyne = match has_scans {
        true => VelodyneCalibration::read(&root.join(&velodyne_path)).err(),
        false => None,
    };
    let faults = [
        camera.as_ref().err().map(|reason| format!("{camera_path}: {reason}")),
        velodyne.map(|error| format!("{velodyne_path}: {error}")),
    ];
    problems.extend(faults.into_iter().flatten().map(|reason| Problem {
        item: chosen.name.to_owned(),
        kind: ProblemKind::CalibrationUnreadable,
        reason,
    }));
    Scene {
        calibration: position(&camera_path),
        clips,
        frames: frames
            .iter()
            .map(|(frame, _)| FrameFiles {
                ground_truth: frame.ground_truth.as_ref().and_then(position),
                image: positions[frame.image.as_str()],
                lidar: frame.lidar.as_ref().and_then(position),
                stem: frame.stem.clone(),
                ..FrameFiles::default()
            })
            .collect(),
        intrinsics: camera.ok().map(|camera| camera.intrinsics().into()),
        name: chosen.name.to_owned(),
        size: size.map(Into::into),
        velodyne_calibration: position(&velodyne_path),
    }
}

fn camera_of(
    path: &Path,
    scene: &str,
    size: Option<ImageSize>,
) -> Result<CameraCalibration, String> {
    let number = kitti::camera_of_scene(scene).unwrap_or(0);
    let camera = CameraCalibration::read(path, number).map_err(|error| error.to_string())?;
    match (camera.size, size) {
        (Some(expected), Some(got)) if expected != got => {
            Err(format!("expected pictures of {expected} for camera {number}, got {got}"))
        }
        _ => Ok(camera),
    }
}

fn frame_problems(
    scene: &str,
    frame: &KittiFrame,
    usual: Option<ImageSize>,
    measured: &BTreeMap<String, Measured>,
) -> Vec<Problem> {
    let mut problems = BTreeSet::new();
    let mut note = |kind, path: &str, reason: String| {
        let item = format!("{scene}/{}", frame.stem);
        problems.insert(Problem { item, kind, reason: format!("{path}: {reason}") });
    };
    match (&measured[&frame.image].size, usual) {
        (Some(Err(cause)), _) => note(ProblemKind::ImageUnreadable, &frame.image, cause.clone()),
        (Some(Ok(size)), Some(usual)) if *size != usual => {
            let reason = format!("expected {usual} as most of its scene, got {size}");
            note(ProblemKind::ImageSize, &frame.image, reason);
        }
        _ => {}
    }
    if let Some(path) = &frame.lidar {
        let bytes = measured[path].entry.bytes;
        if bytes == 0 || !bytes.is_multiple_of(POINT_BYTES as u64) {
            let reason = format!("expected points of {POINT_BYTES} bytes, got {bytes} bytes");
            note(ProblemKind::DepthUnreadable, path, reason);
        }
    }
    problems.into_iter().collect()
}

mod motion;
#[cfg(test)]
mod tests;
