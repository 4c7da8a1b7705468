//! Floor 2: the file of a data-set manifest: reading with every rule checked, writing.
//!
//! Keys are sorted; what has only plain values stands on one line, so that a set of 45,000 frames stays small and can
//! be compared line by line.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use suw_shared::atomic_file;
use suw_shared::exit::Failure;
use suw_shared::sample_key::SampleKey;

use crate::datasets::manifest::{DataSetManifest, FORMAT, FileEntry, Scene, VERSION};

/// A data-set manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataSetError {
    /// The file cannot be read.
    #[error("cannot read data-set manifest {path:?}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write data-set manifest {path:?}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No JSON, other fields, or values that contradict each other.
    #[error(
        "cannot use data-set manifest {path:?}: {message}; write it anew with suw-preprocess scan"
    )]
    Content {
        /// Which.
        path: PathBuf,
        /// Expected, got.
        message: String,
    },
}

impl From<DataSetError> for Failure {
    fn from(error: DataSetError) -> Self {
        Self::usage(error.to_string())
    }
}

impl DataSetManifest {
    /// Reads and checks a manifest.
    pub fn read(path: &Path) -> Result<Self, DataSetError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| DataSetError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
            .map_err(|message| DataSetError::Content { path: path.to_owned(), message })
    }

    /// A checked manifest from its text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Publishes the manifest.
    pub fn write(&self, path: &Path) -> Result<(), DataSetError> {
        atomic_file::write(path, self.to_text().as_bytes())
            .map_err(|source| DataSetError::Write { path: path.to_owned(), source })
    }

    /// The text of the file: keys sorted, values without structure on one line, a newline at the end.
    pub fn to_text(&self) -> String {
        let value = serde_json::to_value(self).expect("invariant: a manifest is plain data");
        let mut text = String::new();
        print(&value, 0, &mut text);
        text.push('\n');
        text
    }

    /// Every rule that a reader relies on.
    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT || self.version != VERSION {
            let got = format!("{:?} version {}", self.format, self.version);
            return Err(format!("expected {FORMAT:?} version {VERSION}, got {got}"));
        }
        if !matches!(self.frames, 1 | 3) || self.stride == 0 {
            let got = format!("{} and {}", self.frames, self.stride);
            return Err(format!("expected 1 or 3 frames and a stride from 1, got {got}"));
        }
        check_split_name(&self.split)?;
        if let Some(pair) = self.files.windows(2).find(|pair| pair[0].path >= pair[1].path) {
            return Err(format!("expected files sorted by path, got {:?} later", pair[1].path));
        }
        self.files.iter().try_for_each(check_file)?;
        if let Some(pair) = self.scenes.windows(2).find(|pair| pair[0].name >= pair[1].name) {
            return Err(format!("expected scenes sorted by name, got {:?} later", pair[1].name));
        }
        self.scenes.iter().try_for_each(|scene| self.check_scene(scene))?;
        let (expected, got) = (self.count(), self.counts);
        if expected != got {
            return Err(format!("expected {expected:?}, got {got:?}"));
        }
        Ok(())
    }

    fn check_scene(&self, scene: &Scene) -> Result<(), String> {
        let of = |message: String| format!("scene {:?}: {message}", scene.name);
        let listed = |position: u32| match (position as usize) < self.files.len() {
            true => Ok(()),
            false => Err(of(format!("expected {} files, got file {position}", self.files.len()))),
        };
        scene.calibration.iter().chain(&scene.velodyne_calibration).try_for_each(|&f| listed(f))?;
        if let Some(size) = scene.size.filter(|size| size.height == 0 || size.width == 0) {
            return Err(of(format!("expected at least one pixel, got {size:?}")));
        }
        for frame in &scene.frames {
            SampleKey::from_parts(&scene.name, &frame.stem).map_err(of)?;
            if frame.stem.contains('/') {
                return Err(of(format!("expected a stem without '/', got {:?}", frame.stem)));
            }
            let others = frame.lidar.iter().chain(&frame.ground_truth).chain(&frame.depth);
            others.chain([&frame.image]).try_for_each(|&f| listed(f))?;
            if let Some(size) = frame.size.filter(|size| size.height == 0 || size.width == 0) {
                return Err(of(format!("expected at least one pixel, got {size:?}")));
            }
            if let Some([near, far]) = frame.depth_range.filter(|[near, far]| near > far) {
                return Err(of(format!("expected a depth range that rises, got {near} to {far}")));
            }
        }
        if scene.frames.windows(2).any(|pair| pair[0].stem >= pair[1].stem) {
            return Err(of("expected frames sorted by stem".to_owned()));
        }
        for clip in &scene.clips {
            let inside = clip.iter().all(|&frame| (frame as usize) < scene.frames.len());
            // Stems sort by bytes, so that the frames of a clip need not rise.
            let distinct = clip.iter().collect::<BTreeSet<_>>().len() == clip.len();
            if clip.len() != self.frames as usize || !inside || !distinct {
                let expected = format!("{} of {} frames", self.frames, scene.frames.len());
                return Err(of(format!("expected clips of {expected}, each once, got {clip:?}")));
            }
        }
        let target = |clip: &Vec<u32>| clip[clip.len() / 2];
        if scene.clips.windows(2).any(|pair| target(&pair[0]) >= target(&pair[1])) {
            return Err(of("expected clips sorted by target, each once".to_owned()));
        }
        Ok(())
    }
}

/// Refuses names that cannot be part of a shard's file name.
pub fn check_split_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.') {
        return Ok(());
    }
    Err(format!("cannot use split name {name:?}: expected 1 to 64 of A-Z a-z 0-9 - _ ."))
}

fn check_file(file: &FileEntry) -> Result<(), String> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if file.blake3.len() != 64 || !file.blake3.bytes().all(hex) {
        let got = &file.blake3;
        return Err(format!("file {:?}: expected 64 hex digits, got {got:?}", file.path));
    }
    let parts_plain = file.path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !parts_plain || file.path.contains(['\\', '\0']) {
        return Err(format!("expected a path inside the data set, got {:?}", file.path));
    }
    Ok(())
}

/// JSON in which a list or object of plain values takes one line; keys are sorted because `Value` sorts them.
fn print(value: &Value, depth: usize, text: &mut String) {
    let nested = |value: &Value| value.is_array() || value.is_object();
    let entries: Vec<(Option<&String>, &Value)> = match value {
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, item)| (Some(key), item)).collect(),
        _ => Vec::new(),
    };
    if !entries.iter().any(|(_, item)| nested(item)) {
        text.push_str(&value.to_string());
        return;
    }
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    text.push(open);
    for (index, (key, item)) in entries.into_iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.extend(std::iter::repeat_n(' ', depth + 1));
        if let Some(key) = key {
            text.push_str(&Value::from(key.as_str()).to_string());
            text.push_str(": ");
        }
        print(item, depth + 1, text);
    }
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', depth));
    text.push(close);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::datasets::manifest::{DataSetCounts, DataSetKind, FrameFiles, SceneSize};

    /// One scene of four frames, two clips.
    fn small() -> DataSetManifest {
        let file = |path: &str| FileEntry {
            blake3: "0".repeat(64),
            bytes: 10,
            path: format!("d/a_drive_b/{path}"),
        };
        let frame = |image, stem: &str| FrameFiles {
            image,
            stem: stem.to_owned(),
            ..FrameFiles::default()
        };
        let mut manifest = DataSetManifest {
            counts: DataSetCounts::default(),
            dataset: DataSetKind::Kitti,
            files: ["1.png", "2.png", "3.png", "4.png"].map(file).to_vec(),
            format: FORMAT.to_owned(),
            frames: 3,
            problems: Vec::new(),
            scenes: vec![Scene {
                calibration: None,
                clips: vec![vec![0, 1, 2], vec![1, 2, 3]],
                frames: vec![frame(0, "1"), frame(1, "2"), frame(2, "3"), frame(3, "4")],
                intrinsics: None,
                name: "d/a_drive_b/image_02".to_owned(),
                size: Some(SceneSize { height: 3, width: 5 }),
                velodyne_calibration: None,
            }],
            split: "all".to_owned(),
            stride: 1,
            version: VERSION,
        };
        manifest.counts = manifest.count();
        manifest
    }

    #[test]
    fn clips_and_frames_are_found_by_name() {
        let manifest = small();
        let clips = manifest.clips();
        assert_eq!(clips[1].key.as_str(), "d/a_drive_b/image_02/3");
        assert_eq!(manifest.frame_name(clips[1].target()), ("d/a_drive_b/image_02", "3"));
        assert_eq!(manifest.image_file(clips[1].frames[2]).path, "d/a_drive_b/4.png");
        assert_eq!(manifest.clip_frames().len(), 4);
        assert_eq!(manifest.count().clips, 2);
    }

    #[test]
    fn a_manifest_reads_what_it_writes_with_sorted_keys() {
        let manifest = small();
        let text = manifest.to_text();
        assert_eq!(DataSetManifest::parse(&text).unwrap(), manifest);
        assert!(text.ends_with("}\n"));
        let keys: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix(" \"")?.split('"').next()).collect();
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        assert_eq!(keys, sorted);
        assert_eq!(keys.len(), 10);
        assert!(text.contains(" {\"image\":3,\"stem\":\"4\"}\n"), "{text}");
        assert!(text.contains(" [1,2,3]\n"), "{text}");
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |change: &dyn Fn(&mut DataSetManifest)| {
            let mut manifest = small();
            change(&mut manifest);
            manifest.counts = manifest.count();
            DataSetManifest::parse(&manifest.to_text()).unwrap_err()
        };
        assert!(refused(&|m| m.version = 2).contains("version 2"));
        assert!(refused(&|m| m.frames = 2).contains("1 or 3"));
        assert!(refused(&|m| m.stride = 0).contains("stride"));
        assert!(refused(&|m| m.split = "a/b".into()).contains("split"));
        assert!(refused(&|m| m.files.swap(0, 1)).contains("sorted by path"));
        assert!(refused(&|m| m.files[0].path = "../x".into()).contains("inside the data set"));
        assert!(refused(&|m| m.files[0].path = "/x".into()).contains("inside the data set"));
        assert!(refused(&|m| m.files[0].blake3 = "A".repeat(64)).contains("hex"));
        assert!(refused(&|m| m.scenes[0].frames[1].image = 4).contains("file 4"));
        assert!(refused(&|m| m.scenes[0].calibration = Some(9)).contains("file 9"));
        assert!(refused(&|m| m.scenes[0].frames[1].stem = "a/b".into()).contains("stem"));
        assert!(refused(&|m| m.scenes[0].frames[1].stem = "9".into()).contains("sorted by stem"));
        assert!(refused(&|m| m.scenes[0].clips[0] = vec![0, 1]).contains("clips of 3"));
        assert!(refused(&|m| m.scenes[0].clips[0] = vec![2, 1, 2]).contains("each once"));
        assert!(refused(&|m| m.scenes[0].clips[1] = vec![2, 3, 4]).contains("clips of 3"));
        assert!(refused(&|m| m.scenes[0].clips[1] = vec![0, 1, 3]).contains("sorted by target"));
        assert!(refused(&|m| m.scenes[0].size = Some(SceneSize { height: 0, width: 1 })).len() > 9);
        let empty = Some(SceneSize { height: 1, width: 0 });
        assert!(refused(&|m| m.scenes[0].frames[0].size = empty).contains("one pixel"));
        assert!(refused(&|m| m.scenes[0].frames[0].depth = Some(4)).contains("file 4"));
        let falling = Some([2.0, 1.0]);
        assert!(refused(&|m| m.scenes[0].frames[0].depth_range = falling).contains("rises"));
        let text = small().to_text().replace("\"clips\":2", "\"clips\":3");
        assert!(DataSetManifest::parse(&text).unwrap_err().contains("clips: 3"));
        let text = small().to_text().replacen('{', "{\"root\": \"/x\",", 1);
        assert!(DataSetManifest::parse(&text).unwrap_err().contains("root"));
    }

    proptest! {
        #[test]
        fn no_damage_makes_the_reader_panic(at in 0usize..2000, text in "[0-9\"\\[\\]{},-]{0,3}") {
            let whole = small().to_text();
            let at = at % whole.len();
            let damaged = format!("{}{text}{}", &whole[..at], &whole[(at + text.len()).min(whole.len())..]);
            if let Ok(manifest) = DataSetManifest::parse(&damaged) {
                manifest.clips();
            }
        }
    }
}
