//! Floor 0: what the data-set manifest of `scan` holds: files with checksums, scenes, clips, what is missing.
//!
//! It holds no root and no absolute path: whoever reads it says where the data set lies. Every file is listed once;
//! frames name files, and clips name frames, by position. Fields stand in the order of their names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;
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
    /// KITTI raw, and the street world, which has the same layout.
    Kitti,
}

impl DataSetKind {
    /// The kind as it is written in files and shard names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kitti => "kitti",
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

/// Totals of a data-set manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSetCounts {
    /// Bytes of all files.
    pub bytes: u64,
    /// Clips.
    pub clips: u64,
    /// Frames.
    pub frames: u64,
    /// Frames with a 16-bit depth picture.
    pub ground_truth: u64,
    /// Frames with a laser scan.
    pub lidar: u64,
    /// Scenes.
    pub scenes: u64,
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

/// One camera of one drive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Camera calibration, as position in `files`.
    pub calibration: Option<u32>,
    /// Positions in `frames`: t - stride, t, t + stride; or just t. Sorted by target.
    pub clips: Vec<Vec<u32>>,
    /// Sorted by stem.
    pub frames: Vec<FrameFiles>,
    /// At native size; `null` where the calibration is missing or broken.
    pub intrinsics: Option<SceneIntrinsics>,
    /// First part of the sample keys.
    pub name: String,
    /// Size that most pictures have; `null` where no header can be read.
    pub size: Option<SceneSize>,
    /// Calibration of the laser scanner, as position in `files`.
    pub velodyne_calibration: Option<u32>,
}

/// The files of one frame, as positions in `files`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameFiles {
    /// 16-bit depth picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground_truth: Option<u32>,
    /// Color picture.
    pub image: u32,
    /// Laser scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lidar: Option<u32>,
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

    /// The size that the pictures of a frame's scene have, where any header could be read.
    pub fn scene_size(&self, id: FrameId) -> Option<ImageSize> {
        self.scene(id).size.map(ImageSize::from)
    }

    /// The problems that no clip stands for, so that a run must carry them on itself.
    pub fn problems_without_clip(&self) -> Vec<Problem> {
        let kinds = [ProblemKind::SceneEmpty, ProblemKind::FrameMissing];
        self.problems.iter().filter(|problem| kinds.contains(&problem.kind)).cloned().collect()
    }

    /// Totals of what the lists hold.
    pub fn count(&self) -> DataSetCounts {
        let frames = || self.scenes.iter().flat_map(|scene| &scene.frames);
        DataSetCounts {
            bytes: self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add),
            clips: self.scenes.iter().map(|scene| scene.clips.len() as u64).sum(),
            frames: frames().count() as u64,
            ground_truth: frames().filter(|frame| frame.ground_truth.is_some()).count() as u64,
            lidar: frames().filter(|frame| frame.lidar.is_some()).count() as u64,
            scenes: self.scenes.len() as u64,
        }
    }
}
