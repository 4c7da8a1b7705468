//! Floor 0: what the data-set manifest of `scan` holds: files with checksums, scenes, clips, what is missing.
//!
//! It holds no root and no absolute path: whoever reads it says where the data set lies. Every file is listed once;
//! frames name files, and clips name frames, by position. Fields stand in the order of their names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;
use suw_shared::pose::RigidTransform;
use suw_shared::problem::{Problem, ProblemKind};
use suw_shared::sample_key::SampleKey;

/// `format` of every data-set manifest.
pub const FORMAT: &str = "suw-dataset";

/// `version` that this program writes and reads.
pub const VERSION: u32 = 1;

/// The layouts that `scan` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataSetKind {
    /// Pictures in folders, with or without depth and cameras.
    Folder,
    /// KITTI raw, and the street world, which has the same layout.
    Kitti,
    /// Mannequin Challenge: clips with given poses, with or without depth from COLMAP.
    Mannequin,
    /// MegaDepth v1: single pictures with depth from structure from motion, or foreground and background.
    Megadepth,
}

impl DataSetKind {
    /// The kind as it is written in files and shard names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Kitti => "kitti",
            Self::Mannequin => "mannequin",
            Self::Megadepth => "megadepth",
        }
    }
}

/// All that is known about a data set before anything is decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSetManifest {
    /// Totals, for a quick look.
    pub counts: DataSetCounts,
    /// Layout.
    pub dataset: DataSetKind,
    /// Sorted by path.
    pub files: Vec<FileEntry>,
    /// `suw-dataset`.
    pub format: String,
    /// Frames of a clip: 3 (t - stride, t, t + stride) or 1.
    pub frames: u32,
    /// What is missing or broken. The clips of a broken file are kept: reading them finds the fault again.
    pub problems: Vec<Problem>,
    /// Sorted by name.
    pub scenes: Vec<Scene>,
    /// Name of the split, `all` without a list.
    pub split: String,
    /// Distance of the frames of a clip.
    pub stride: u32,
    /// 1.
    pub version: u32,
}

/// What a data-set manifest is about.
#[derive(Clone, Debug)]
pub struct DataSetHead {
    /// Layout.
    pub dataset: DataSetKind,
    /// Name of the split.
    pub split: String,
    /// Distance of the frames of a clip.
    pub stride: u32,
    /// Frames of a clip: 3 or 1.
    pub frames: u32,
}

/// Totals of a data-set manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSetCounts {
    /// Bytes of all files.
    pub bytes: u64,
    /// Clips.
    pub clips: u64,
    /// Frames with a depth map (PNG, NumPy, HDF5, COLMAP); 0 on KITTI.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth_maps: u64,
    /// Frames.
    pub frames: u64,
    /// Frames with a 16-bit depth picture.
    pub ground_truth: u64,
    /// Frames with a laser scan.
    pub lidar: u64,
    /// Scenes.
    pub scenes: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// 64 lower-case hex digits.
    pub blake3: String,
    /// Length.
    pub bytes: u64,
    /// Relative to the root, `/` between parts.
    pub path: String,
}

/// One camera of one drive, or one folder or clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Camera calibration, as position in `files`.
    pub calibration: Option<u32>,
    /// Positions in `frames`: t - stride, t, t + stride; or just t. Sorted by target.
    pub clips: Vec<Vec<u32>>,
    /// Sorted by stem.
    pub frames: Vec<FrameFiles>,
    /// At native size, for pictures of the scene's size; `null` where unknown, missing or broken.
    pub intrinsics: Option<SceneIntrinsics>,
    /// First part of the sample keys.
    pub name: String,
    /// Size that most pictures have; `null` where no header can be read.
    pub size: Option<SceneSize>,
    /// Calibration of the laser scanner, as position in `files`.
    pub velodyne_calibration: Option<u32>,
}

/// The files of one frame, as positions in `files`, and what is known of it alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameFiles {
    /// Depth map: 16-bit picture, NumPy, HDF5 or COLMAP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Nearest and farthest depth that is believed, in the unit of the depth map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth_range: Option<[f64; 2]>,
    /// 16-bit depth picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground_truth: Option<u32>,
    /// Color picture.
    pub image: u32,
    /// At native size, where another camera than the scene's took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intrinsics: Option<SceneIntrinsics>,
    /// Laser scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lidar: Option<u32>,
    /// `[3, 4]`, row-major: camera_from_world; translation in the unit of the depth map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pose: Option<[f64; 12]>,
    /// Where it is not the scene's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SceneSize>,
    /// Last part of the sample keys.
    pub stem: String,
}

/// Pinhole camera at native size, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // as `Intrinsics`
pub struct SceneIntrinsics {
    pub cx: f64,
    pub cy: f64,
    pub fx: f64,
    pub fy: f64,
}

/// Pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // the names say it
pub struct SceneSize {
    pub height: u32,
    pub width: u32,
}

/// Position of a frame in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId {
    /// In `scenes`.
    pub scene: u32,
    /// In that scene's `frames`.
    pub frame: u32,
}

/// A target frame with its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// `<scene>/<stem>` of the target.
    pub key: SampleKey,
    /// t - stride, t, t + stride; or just t.
    pub frames: Vec<FrameId>,
}

impl Clip {
    /// The frame in the middle.
    pub fn target(&self) -> FrameId {
        self.frames[self.frames.len() / 2]
    }
}

impl From<SceneIntrinsics> for Intrinsics {
    fn from(value: SceneIntrinsics) -> Self {
        Self { fx: value.fx, fy: value.fy, cx: value.cx, cy: value.cy }
    }
}

impl From<Intrinsics> for SceneIntrinsics {
    fn from(value: Intrinsics) -> Self {
        Self { cx: value.cx, cy: value.cy, fx: value.fx, fy: value.fy }
    }
}

impl From<SceneSize> for ImageSize {
    fn from(value: SceneSize) -> Self {
        Self::new(value.width, value.height)
    }
}

impl From<ImageSize> for SceneSize {
    fn from(value: ImageSize) -> Self {
        Self { height: value.height, width: value.width }
    }
}

impl DataSetManifest {
    /// All clips, sorted by the bytes of their keys.
    pub fn clips(&self) -> Vec<Clip> {
        let mut clips: Vec<Clip> = (0..)
            .zip(&self.scenes)
            .flat_map(|(scene, entry)| {
                entry.clips.iter().map(move |frames| {
                    let stem = &entry.frames[frames[frames.len() / 2] as usize].stem;
                    Clip {
                        key: SampleKey::from_parts(&entry.name, stem)
                            .expect("invariant: a checked manifest has keys only"),
                        frames: frames.iter().map(|&frame| FrameId { scene, frame }).collect(),
                    }
                })
            })
            .collect();
        clips.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        clips
    }

    /// Every frame that some clip needs, once each, in the order of the manifest.
    pub fn clip_frames(&self) -> Vec<FrameId> {
        let mut ids = Vec::new();
        for (scene, entry) in (0..).zip(&self.scenes) {
            let mut frames: Vec<u32> = entry.clips.iter().flatten().copied().collect();
            frames.sort_unstable();
            frames.dedup();
            ids.extend(frames.into_iter().map(|frame| FrameId { scene, frame }));
        }
        ids
    }

    /// The scene of a frame.
    pub fn scene(&self, id: FrameId) -> &Scene {
        &self.scenes[id.scene as usize]
    }

    /// The files of a frame.
    pub fn frame(&self, id: FrameId) -> &FrameFiles {
        &self.scene(id).frames[id.frame as usize]
    }

    /// Scene and stem of a frame, as the mask store names it.
    pub fn frame_name(&self, id: FrameId) -> (&str, &str) {
        (&self.scene(id).name, &self.frame(id).stem)
    }

    /// The file at a position.
    pub fn file(&self, position: u32) -> &FileEntry {
        &self.files[position as usize]
    }

    /// The picture of a frame.
    pub fn image_file(&self, id: FrameId) -> &FileEntry {
        self.file(self.frame(id).image)
    }

    /// The size that a picture should have: its own, else that of its scene, where any header could be read.
    pub fn frame_size(&self, id: FrameId) -> Option<ImageSize> {
        self.frame(id).size.or(self.scene(id).size).map(ImageSize::from)
    }

    /// The camera of a frame at native size: its own, else that of its scene where it has the scene's size.
    pub fn frame_intrinsics(&self, id: FrameId) -> Option<Intrinsics> {
        let (scene, frame) = (self.scene(id), self.frame(id));
        let of_scene = scene.intrinsics.filter(|_| frame.size.is_none());
        frame.intrinsics.or(of_scene).map(Intrinsics::from)
    }

    /// source_from_target of each source of a clip, in its order; `None` where a pose is not known.
    pub fn clip_poses(&self, clip: &Clip) -> Vec<Option<RigidTransform>> {
        let target = clip.target();
        let pose = |id: FrameId| self.frame(id).pose.map(rigid_from_rows);
        let sources = clip.frames.iter().filter(|id| **id != target);
        sources.map(|&id| Some(pose(id)?.compose(&pose(target)?.inverse()))).collect()
    }

    /// Whether any frame has a pose.
    pub fn has_poses(&self) -> bool {
        self.scenes.iter().flat_map(|scene| &scene.frames).any(|frame| frame.pose.is_some())
    }

    /// Whether any frame has a camera.
    pub fn has_intrinsics(&self) -> bool {
        let known = |scene: &Scene| {
            scene.intrinsics.is_some() || scene.frames.iter().any(|f| f.intrinsics.is_some())
        };
        self.scenes.iter().any(known)
    }

    /// The problems that no clip stands for, so that a run must carry them on itself.
    pub fn problems_without_clip(&self) -> Vec<Problem> {
        let mut kinds = vec![ProblemKind::SceneEmpty, ProblemKind::FrameMissing];
        // A KITTI clip meets its broken calibration again when it is loaded; others were scanned without it.
        if self.dataset != DataSetKind::Kitti {
            kinds.push(ProblemKind::CalibrationUnreadable);
        }
        self.problems.iter().filter(|problem| kinds.contains(&problem.kind)).cloned().collect()
    }

    /// A manifest of what was found; sorts and counts.
    pub fn new(
        head: DataSetHead,
        files: Vec<FileEntry>,
        scenes: Vec<Scene>,
        mut problems: Vec<Problem>,
    ) -> Self {
        problems.sort_unstable();
        problems.dedup();
        let DataSetHead { dataset, split, stride, frames } = head;
        let mut manifest = Self {
            counts: DataSetCounts::default(),
            dataset,
            files,
            format: FORMAT.to_owned(),
            frames,
            problems,
            scenes,
            split,
            stride,
            version: VERSION,
        };
        manifest.counts = manifest.count();
        manifest
    }

    /// Totals of what the lists hold.
    pub fn count(&self) -> DataSetCounts {
        let frames = || self.scenes.iter().flat_map(|scene| &scene.frames);
        DataSetCounts {
            bytes: self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add),
            clips: self.scenes.iter().map(|scene| scene.clips.len() as u64).sum(),
            depth_maps: frames().filter(|frame| frame.depth.is_some()).count() as u64,
            frames: frames().count() as u64,
            ground_truth: frames().filter(|frame| frame.ground_truth.is_some()).count() as u64,
            lidar: frames().filter(|frame| frame.lidar.is_some()).count() as u64,
            scenes: self.scenes.len() as u64,
        }
    }
}

fn rigid_from_rows(rows: [f64; 12]) -> RigidTransform {
    let mut matrix = RigidTransform::IDENTITY.0;
    for (row, values) in matrix.iter_mut().zip(rows.chunks_exact(4)) {
        row.copy_from_slice(values);
    }
    RigidTransform(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_seen_from_the_target() {
        // World to camera: the target stands at x = 2, the sources at x = 1 and x = 5 turned by half a turn about y.
        let at = |x: f64| [1.0, 0.0, 0.0, -x, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let turned = [-1.0, 0.0, 0.0, 5.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0];
        let frame = |pose| FrameFiles { pose, ..FrameFiles::default() };
        let scene = |poses: [Option<[f64; 12]>; 3]| Scene {
            calibration: None,
            clips: vec![vec![0, 1, 2]],
            frames: poses.map(frame).to_vec(),
            intrinsics: None,
            name: "s".to_owned(),
            size: None,
            velodyne_calibration: None,
        };
        let manifest = |poses| DataSetManifest {
            counts: DataSetCounts::default(),
            dataset: DataSetKind::Folder,
            files: Vec::new(),
            format: FORMAT.to_owned(),
            frames: 3,
            problems: Vec::new(),
            scenes: vec![scene(poses)],
            split: "all".to_owned(),
            stride: 1,
            version: VERSION,
        };
        let clip = Clip {
            key: SampleKey::from_parts("s", "1").unwrap(),
            frames: (0..3).map(|frame| FrameId { scene: 0, frame }).collect(),
        };
        let poses = manifest([Some(at(1.0)), Some(at(2.0)), Some(turned)]).clip_poses(&clip);
        // A point 4 ahead of the target, at x = 2 of the world, is 1 to the right of the first source.
        assert_eq!(poses[0].unwrap().apply([0.0, 0.0, 4.0]), [1.0, 0.0, 4.0]);
        // The second source looks back from x = 5: the point lies behind it, 3 to its right.
        assert_eq!(poses[1].unwrap().apply([0.0, 0.0, 4.0]), [3.0, 0.0, -4.0]);
        let poses = manifest([None, Some(at(2.0)), Some(turned)]).clip_poses(&clip);
        assert!(poses[0].is_none() && poses[1].is_some());
    }
}
