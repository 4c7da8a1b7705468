//! Floor 0: what all samples of a shard have in common, and the names of shards.

use std::fmt;

use crate::depth_source::DepthSource;
use crate::image_size::ImageSize;

/// Most bytes of the attribute `provenance`.
pub const PROVENANCE_BYTES_MAX: usize = 32 * 1024;

/// What all samples of a shard, and all shards of a set, have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardHeader {
    /// Data set: 1 to 64 of `A-Z a-z 0-9 - _ .`, the first no `.`.
    pub dataset: String,
    /// Split: the same characters.
    pub split: String,
    /// T: 3 or 1.
    pub frames: u32,
    /// The sources are the frames numbered t minus and plus this; at least 1.
    pub stride: u32,
    /// H and W: the network's input size.
    pub size: ImageSize,
    /// Unit of depth and of translations.
    pub depth_unit: DepthUnit,
    /// Where `/depth` comes from; `None` exactly where there is none.
    pub depth_source: DepthSource,
    /// Where `/gt` comes from; `None` exactly where there is none.
    pub gt_source: DepthSource,
    /// JSON object, at most 32 KiB.
    pub provenance: String,
    /// Which optional objects there are.
    pub contents: Contents,
}

/// The optional objects of a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// `/depth`.
    pub depth: bool,
    /// `/intrinsics`.
    pub intrinsics: bool,
    /// `/pose`; only with three frames.
    pub pose: bool,
    /// `/semantic`.
    pub semantic: bool,
    /// `/objects`, `/object`, `/object_start`, `/movable`; only with three frames.
    pub objects: bool,
    /// `/pair`, `/pair_start`.
    pub pairs: bool,
    /// `/ordinal`.
    pub ordinal: bool,
    /// `/gt`, `/gt_start`.
    pub gt: bool,
}

impl Contents {
    /// Everything.
    pub const ALL: Self = Self {
        depth: true,
        intrinsics: true,
        pose: true,
        semantic: true,
        objects: true,
        pairs: true,
        ordinal: true,
        gt: true,
    };

    /// What both have.
    pub fn and(self, other: Self) -> Self {
        Self {
            depth: self.depth && other.depth,
            intrinsics: self.intrinsics && other.intrinsics,
            pose: self.pose && other.pose,
            semantic: self.semantic && other.semantic,
            objects: self.objects && other.objects,
            pairs: self.pairs && other.pairs,
            ordinal: self.ordinal && other.ordinal,
            gt: self.gt && other.gt,
        }
    }
}

/// Unit of depth and of translations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthUnit {
    /// Metres.
    Metre,
    /// An unknown unit, the same within a scene.
    Scene,
}

impl DepthUnit {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Metre, Self::Scene];

    /// The word in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metre => "metre",
            Self::Scene => "scene",
        }
    }

    /// The unit of a written name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }
}

impl fmt::Display for DepthUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `<dataset>-<split>-00000.h5`.
pub fn shard_file_name(dataset: &str, split: &str, number: usize) -> String {
    format!("{dataset}-{split}-{number:05}.h5")
}

/// A header that breaks the format: which field, what was expected, what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use shard header: {what}; expected {expected}, got {got}")]
pub struct HeaderError {
    /// The attribute.
    pub what: &'static str,
    /// What the format says.
    pub expected: String,
    /// What the header says.
    pub got: String,
}

impl ShardHeader {
    /// Whether every field keeps the rules of the format.
    pub fn check(&self) -> Result<(), HeaderError> {
        let wrong = |what, expected: &str, got: String| {
            Err(HeaderError { what, expected: expected.to_owned(), got })
        };
        for (what, text) in [("dataset", &self.dataset), ("split", &self.split)] {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let length = (1..=64).contains(&text.len());
            if !length || !text.bytes().all(plain) || text.starts_with('.') {
                let expected = "1 to 64 of A-Z a-z 0-9 - _ . that do not begin with '.'";
                return wrong(what, expected, format!("{text:?}"));
            }
        }
        self.check_frames()?;
        if self.stride == 0 {
            return wrong("stride", "at least 1", "0".to_owned());
        }
        for (what, value) in [("height", self.size.height), ("width", self.size.width)] {
            if !(1..=65_535).contains(&value) {
                return wrong(what, "1 to 65535", value.to_string());
            }
        }
        let contents = self.contents;
        for (what, source, there) in [
            ("depth_source", self.depth_source, contents.depth),
            ("gt_source", self.gt_source, contents.gt),
        ] {
            if there == (source == DepthSource::None) {
                let expected = if there { "a source, since there is depth" } else { "none" };
                return wrong(what, expected, source.to_string());
            }
        }
        if self.provenance.len() > PROVENANCE_BYTES_MAX {
            let got = format!("{} bytes", self.provenance.len());
            return wrong("provenance", "at most 32768 bytes", got);
        }
        match serde_json::from_str::<serde_json::Value>(&self.provenance) {
            Ok(serde_json::Value::Object(_)) => Ok(()),
            Ok(_) => wrong("provenance", "a JSON object", "another JSON value".to_owned()),
            Err(error) => wrong("provenance", "a JSON object", error.to_string()),
        }
    }

    /// The part of `check` that array lengths depend on.
    pub(crate) fn check_frames(&self) -> Result<(), HeaderError> {
        let wrong = |expected: &str| {
            Err(HeaderError {
                what: "frames",
                expected: expected.to_owned(),
                got: self.frames.to_string(),
            })
        };
        match self.frames {
            3 => Ok(()),
            1 if self.contents.pose || self.contents.objects => {
                wrong("3 for a shard with poses or objects")
            }
            1 => Ok(()),
            _ => wrong("1 or 3"),
        }
    }

    /// Pixels of one frame at network size.
    pub fn area(&self) -> usize {
        self.size.area()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_named_by_set_split_and_number() {
        assert_eq!(shard_file_name("kitti", "train", 7), "kitti-train-00007.h5");
    }
}
