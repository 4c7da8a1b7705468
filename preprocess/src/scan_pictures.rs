//! Floor 4: a walk through pictures that are no KITTI drives (folders, MegaDepth, Mannequin Challenge) to a manifest.
//!
//! A split list names scenes, folders of scenes, or single pictures, one a line. Pictures may differ in size. A broken
//! file makes a problem, not an end, as in `scan`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;
use suw_shared::image_size::ImageSize;
use suw_shared::problem::{Problem, ProblemKind};

use crate::datasets::manifest::{
    DataSetHead, DataSetKind, DataSetManifest, FrameFiles, Scene, SceneIntrinsics,
};
use crate::datasets::mannequin::{self, ClipFound};
use crate::datasets::pictures::{Picture, PictureScene, Pictures};
use crate::datasets::{folder, megadepth};
use crate::measured_files::{Measured, ScanError, measure, usual_size};

/// What to scan.
#[derive(Clone, Debug)]
pub struct PicturesPlan<'a> {
    /// Layout.
    pub dataset: DataSetKind,
    /// Where it lies.
    pub root: &'a Path,
    /// Name of the split.
    pub split: &'a str,
    /// Scenes, folders of scenes or pictures wanted; `None`: all.
    pub targets: Option<&'a [String]>,
    /// Distance of the frames of a clip.
    pub stride: u32,
    /// Frames of a clip: 3 or 1.
    pub frames: u32,
}

/// The lines of a split list, sorted: `<scene>`, `<folder of scenes>` or `<scene>/<picture>`, the picture with or
/// without its end.
///
/// # Errors
/// An empty list, or a line that stands twice.
pub fn parse_targets(text: &str) -> Result<Vec<String>, String> {
    let mut targets = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim().trim_end_matches('/');
        if !line.is_empty() && !targets.insert(line.to_owned()) {
            return Err(format!("line {number}: repeats an earlier line: {line:?}"));
        }
    }
    match targets.is_empty() {
        true => Err("expected at least one scene or picture, got an empty list".to_owned()),
        false => Ok(targets.into_iter().collect()),
    }
}

/// Walks a data set of pictures; `progress(done, total)` counts files.
pub fn scan_pictures(
    plan: &PicturesPlan,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<DataSetManifest, ScanError> {
    let Pictures { scenes, mut problems } = walk(plan)?;
    problems.retain(|problem| is_wanted(&problem.item, plan.targets));
    let chosen = choose(&scenes, plan, &mut problems);
    if chosen.iter().all(|chosen| chosen.clips.is_empty()) {
        return Err(no_clips(plan, &scenes, problems));
    }
    let measured = measure(plan.root, paths_of(&chosen), progress)?;
    let positions: BTreeMap<&str, u32> =
        (0..).zip(measured.keys()).map(|(n, path)| (path.as_str(), n)).collect();
    let entries = chosen
        .iter()
        .map(|chosen| scene_entry(chosen, &measured, &positions, &mut problems))
        .collect();
    Ok(DataSetManifest::new(
        DataSetHead {
            dataset: plan.dataset,
            split: plan.split.to_owned(),
            stride: plan.stride,
            frames: plan.frames,
        },
        measured.into_values().map(|measured| measured.entry).collect(),
        entries,
        problems,
    ))
}

fn walk(plan: &PicturesPlan) -> Result<Pictures, ScanError> {
    match plan.dataset {
        DataSetKind::Folder => Ok(folder::walk(plan.root)?),
        DataSetKind::Mannequin => walk_clips(plan.root),
        DataSetKind::Megadepth => Ok(megadepth::walk(plan.root)?),
        DataSetKind::Kitti => unreachable!("invariant: drives are scanned by `scan`"),
    }
}

/// Clips are read in parallel: each may have a reconstruction.
fn walk_clips(root: &Path) -> Result<Pictures, ScanError> {
    let names = mannequin::clips(root)?;
    let clips: Vec<ClipFound> =
        names.par_iter().map(|name| mannequin::read_clip(root, name)).collect::<Result<_, _>>()?;
    let mut found = Pictures::default();
    for clip in clips {
        found.scenes.extend(clip.scene);
        found.problems.extend(clip.problems);
    }
    Ok(found)
}

/// The part of a scene that goes into the manifest: positions in its frames.
struct Chosen<'a> {
    scene: &'a PictureScene,
    frames: BTreeSet<usize>,
    clips: Vec<Vec<usize>>,
}

fn choose<'a>(
    scenes: &'a [PictureScene],
    plan: &PicturesPlan,
    problems: &mut Vec<Problem>,
) -> Vec<Chosen<'a>> {
    let mut used = BTreeSet::new();
    let mut chosen = Vec::new();
    for scene in scenes {
        let mut entry = Chosen { scene, frames: BTreeSet::new(), clips: Vec::new() };
        for target in 0..scene.frames.len() {
            let key = format!("{}/{}", scene.name, scene.frames[target].stem);
            let Some(targets) = plan.targets else {
                entry.frames.insert(target);
                entry.clips.extend(clip_around(target, scene, plan));
                continue;
            };
            let end = scene.frames[target].image.rsplit_once('.').map_or("", |(_, end)| end);
            let lines = names_of(&key, end);
            let found: Vec<&String> =
                lines.iter().filter(|line| targets.binary_search(line).is_ok()).collect();
            if found.is_empty() {
                continue;
            }
            match clip_around(target, scene, plan) {
                Some(clip) => {
                    entry.frames.extend(&clip);
                    entry.clips.push(clip);
                }
                // Asked for by its own name, not as a part of its scene.
                None if found.iter().any(|line| line.starts_with(&key)) => {
                    let kind = ProblemKind::FrameMissing;
                    let reason = format!(
                        "expected pictures {} before and after it too, got a gap or the end of its scene",
                        plan.stride
                    );
                    problems.push(Problem { item: key.clone(), kind, reason });
                }
                None => {}
            }
            used.extend(found.into_iter().cloned());
        }
        if !entry.frames.is_empty() {
            chosen.push(entry);
        }
    }
    let unused = plan.targets.unwrap_or_default().iter().filter(|line| !used.contains(*line));
    problems.extend(unused.map(|line| Problem {
        item: line.clone(),
        kind: ProblemKind::FrameMissing,
        reason: "expected a scene or picture of this name as in the split, got none".to_owned(),
    }));
    chosen
}

/// Every line of a split list that takes the picture with this key: itself, and each folder that it lies in.
fn names_of(key: &str, end: &str) -> Vec<String> {
    let folders = key.match_indices('/').map(|(at, _)| key[..at].to_owned());
    folders.chain([key.to_owned(), format!("{key}.{end}")]).collect()
}

fn clip_around(target: usize, scene: &PictureScene, plan: &PicturesPlan) -> Option<Vec<usize>> {
    if plan.frames == 1 {
        return Some(vec![target]);
    }
    let (number, stride) = (scene.frames[target].number, u64::from(plan.stride));
    let at = |wanted: u64| scene.frames.binary_search_by_key(&wanted, |frame| frame.number).ok();
    Some(vec![at(number.checked_sub(stride)?)?, target, at(number + stride)?])
}

/// Whether a split asks for what has this problem: a picture or scene that it names, in one that it names, or around one.
fn is_wanted(item: &str, targets: Option<&[String]>) -> bool {
    let Some(targets) = targets else { return true };
    let below = |folder: &str, path: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
    };
    targets.iter().any(|target| below(target, item) || below(item, target))
}

fn no_clips(plan: &PicturesPlan, scenes: &[PictureScene], problems: Vec<Problem>) -> ScanError {
    let frames: usize = scenes.iter().map(|scene| scene.frames.len()).sum();
    let around = match plan.frames {
        1 => "a picture".to_owned(),
        _ => format!("pictures {} before and after another", plan.stride),
    };
    let mut message = format!(
        "expected {around} in the layout of {}, got {frames} pictures in {} scenes",
        plan.dataset.name(),
        scenes.len()
    );
    if !problems.is_empty() {
        message += &format!("; {} problems", problems.len());
    }
    ScanError::NoClips { root: plan.root.to_owned(), message, problems }
}

/// Relative paths of all files of the chosen frames; true for pictures.
fn paths_of(chosen: &[Chosen]) -> BTreeMap<String, bool> {
    let mut paths = BTreeMap::new();
    for chosen in chosen {
        for &frame in &chosen.frames {
            let frame = &chosen.scene.frames[frame];
            paths.extend(frame.depth.iter().map(|path| (path.clone(), false)));
            paths.insert(frame.image.clone(), true);
        }
        paths.extend(chosen.scene.sources.iter().map(|path| (path.clone(), false)));
    }
    paths
}

fn scene_entry(
    chosen: &Chosen,
    measured: &BTreeMap<String, Measured>,
    positions: &BTreeMap<&str, u32>,
    problems: &mut Vec<Problem>,
) -> Scene {
    let scene = chosen.scene;
    // By stem, as the manifest sorts them; time may run otherwise.
    let mut frames: Vec<(&Picture, usize)> =
        chosen.frames.iter().map(|&at| (&scene.frames[at], at)).collect();
    frames.sort_unstable_by(|a, b| a.0.stem.cmp(&b.0.stem));
    let place: BTreeMap<usize, u32> =
        (0..).zip(&frames).map(|(place, (_, at))| (*at, place)).collect();
    let mut clips: Vec<Vec<u32>> =
        chosen.clips.iter().map(|clip| clip.iter().map(|at| place[at]).collect()).collect();
    clips.sort_unstable_by_key(|clip| clip[clip.len() / 2]);

    let size = usual_size(frames.iter().map(|(frame, _)| frame.image.as_str()), measured);
    let first_camera = frames.iter().find_map(|(frame, _)| frame.camera);
    let camera = scene.camera.or(first_camera);
    let intrinsics: Option<SceneIntrinsics> =
        camera.zip(size).map(|(camera, size)| camera.at(size).into());
    for (frame, _) in &frames {
        if let Some(Err(cause)) = &measured[&frame.image].size {
            problems.push(Problem {
                item: format!("{}/{}", scene.name, frame.stem),
                kind: ProblemKind::ImageUnreadable,
                reason: format!("{}: {cause}", frame.image),
            });
        }
    }
    Scene {
        calibration: scene.sources.first().map(|path| positions[path.as_str()]),
        clips,
        frames: frames
            .iter()
            .map(|(frame, _)| frame_entry(frame, size, intrinsics, measured, positions))
            .collect(),
        intrinsics,
        name: scene.name.clone(),
        size: size.map(Into::into),
        velodyne_calibration: None,
    }
}

fn frame_entry(
    frame: &Picture,
    usual: Option<ImageSize>,
    of_scene: Option<SceneIntrinsics>,
    measured: &BTreeMap<String, Measured>,
    positions: &BTreeMap<&str, u32>,
) -> FrameFiles {
    let size = match &measured[&frame.image].size {
        Some(Ok(size)) => Some(*size),
        _ => None,
    };
    let own_size = size.filter(|size| Some(*size) != usual);
    let own: Option<SceneIntrinsics> =
        frame.camera.zip(size.or(usual)).map(|(camera, size)| camera.at(size).into());
    FrameFiles {
        depth: frame.depth.as_deref().map(|path| positions[path]),
        depth_range: frame.depth_range,
        image: positions[frame.image.as_str()],
        // A picture of the scene's size takes the scene's camera where the two are the same.
        intrinsics: own.filter(|own| own_size.is_some() || Some(*own) != of_scene),
        pose: frame.pose,
        size: own_size.map(Into::into),
        stem: frame.stem.clone(),
        ..FrameFiles::default()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::RgbImage;

    use super::*;

    fn picture(root: &Path, path: &str, width: u32, height: u32) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::new(width, height).save(path).unwrap();
    }

    fn plan(root: &Path) -> PicturesPlan<'_> {
        let dataset = DataSetKind::Folder;
        PicturesPlan { dataset, root, split: "all", targets: None, stride: 1, frames: 1 }
    }

    fn scanned(plan: &PicturesPlan) -> DataSetManifest {
        let manifest = scan_pictures(plan, &|_, _| {}).unwrap();
        assert_eq!(DataSetManifest::parse(&manifest.to_text()).unwrap(), manifest);
        manifest
    }

    fn keys(manifest: &DataSetManifest) -> Vec<String> {
        manifest.clips().into_iter().map(|clip| clip.key.to_string()).collect()
    }

    fn world() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["a/1", "a/2", "a/3", "a/4", "b/c/1", "b/c/2"] {
            picture(root, &format!("{name}.png"), 8, 6);
        }
        picture(root, "b/c/3.png", 10, 6);
        fs::write(root.join("intrinsics.txt"), "10 11 3.5 2.5\n").unwrap();
        folder
    }

    #[test]
    fn single_pictures_and_consecutive_names() {
        let folder = world();
        let manifest = scanned(&plan(folder.path()));
        assert_eq!(keys(&manifest), ["a/1", "a/2", "a/3", "a/4", "b/c/1", "b/c/2", "b/c/3"]);
        assert_eq!(manifest.files.len(), 8);
        let manifest = scanned(&PicturesPlan { frames: 3, ..plan(folder.path()) });
        assert_eq!(keys(&manifest), ["a/2", "a/3", "b/c/2"]);
        let stride = PicturesPlan { frames: 3, stride: 2, ..plan(folder.path()) };
        assert!(scan_pictures(&stride, &|_, _| {}).is_err(), "no scene has five pictures");
    }

    #[test]
    fn a_picture_of_another_size_has_its_own_and_no_camera() {
        let folder = world();
        let manifest = scanned(&plan(folder.path()));
        let clips = manifest.clips();
        let (usual, other) = (clips[4].target(), clips[6].target());
        assert_eq!(manifest.frame_size(usual), Some(ImageSize::new(8, 6)));
        assert_eq!(manifest.frame_intrinsics(usual).unwrap().fy, 11.0);
        assert_eq!(manifest.frame_size(other), Some(ImageSize::new(10, 6)));
        assert_eq!(manifest.frame_intrinsics(other), None);
    }

    #[test]
    fn a_split_takes_scenes_folders_and_pictures() {
        let folder = world();
        let targets = parse_targets("b/\n\na/3.png\na/9\nz\n").unwrap();
        let wanted = PicturesPlan { targets: Some(&targets), ..plan(folder.path()) };
        let manifest = scanned(&wanted);
        assert_eq!(keys(&manifest), ["a/3", "b/c/1", "b/c/2", "b/c/3"]);
        let missing: Vec<_> = manifest.problems.iter().map(|p| p.item.as_str()).collect();
        assert_eq!(missing, ["a/9", "z"]);
        assert_eq!(manifest.counts.frames, 4);
        let targets = parse_targets("b\na/3\na/4\n").unwrap();
        let wanted = PicturesPlan { targets: Some(&targets), frames: 3, ..plan(folder.path()) };
        let manifest = scanned(&wanted);
        assert_eq!(keys(&manifest), ["a/3", "b/c/2"]);
        let missing: Vec<_> = manifest.problems.iter().map(|p| p.item.as_str()).collect();
        assert_eq!(missing, ["a/4"], "asked for by name, but the last of its scene");
        assert!(parse_targets(" \n").is_err());
        assert!(parse_targets("a\nb\na/\n").unwrap_err().contains("line 3"));
    }

    #[test]
    fn problems_of_what_a_split_does_not_name_are_none_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["0001/dense0/imgs/a.jpg", "0001/dense1/imgs/b.jpg", "0002/dense0/imgs/c.jpg"] {
            picture(root, name, 8, 6);
        }
        fs::create_dir_all(root.join("0001/dense0/depths")).unwrap();
        fs::write(root.join("0001/dense0/depths/a.h5"), b"x").unwrap();
        let problems = |targets: &str| {
            let targets = parse_targets(targets).unwrap();
            let dataset = DataSetKind::Megadepth;
            let wanted = PicturesPlan { dataset, targets: Some(&targets), ..plan(root) };
            scanned(&wanted).problems.into_iter().map(|p| p.item).collect::<Vec<_>>()
        };
        assert!(problems("0001/dense0").is_empty());
        assert!(problems("0001/dense0/a.jpg").is_empty());
        assert_eq!(problems("0001"), ["0001/dense1", "0001/dense1/b"]);
        // Asked for, and without depth: once as the list's line, once as what is wrong with it.
        let named = problems("0001/dense0\n0002/dense0/c\n");
        assert!(named.contains(&"0002/dense0/c".to_owned()), "{named:?}");
    }

    #[test]
    fn broken_pictures_are_listed_and_their_clips_kept() {
        let folder = world();
        fs::write(folder.path().join("a/2.png"), b"\x89PNG").unwrap();
        let manifest = scanned(&plan(folder.path()));
        assert_eq!(manifest.counts.clips, 7);
        let problems: Vec<_> = manifest.problems.iter().map(|p| (p.kind, &*p.item)).collect();
        assert_eq!(problems, [(ProblemKind::ImageUnreadable, "a/2")]);
    }
}
