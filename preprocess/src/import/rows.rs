//! Floor 1: instances of a scene as rows with an image each, as one `instances.json` of a mask store holds them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::detected::Detection;

/// How a row names its frame: by number, whatever its zeros in front, or by file stem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum FrameName {
    /// Frame 12 is `0000000012` and `000012` alike.
    Number(u64),
    /// File name without ending.
    Stem(String),
}

impl fmt::Display for FrameName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Stem(stem) => f.write_str(stem),
        }
    }
}

/// What was read: rows by scene, and what was passed over.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Frames of each scene, each with its instances in the order of the source.
    pub scenes: BTreeMap<String, BTreeMap<FrameName, Vec<Detection>>>,
    /// Files read.
    pub files: usize,
    /// Why rows were passed over, and how many.
    pub passed_over: BTreeMap<String, u64>,
}

impl Imported {
    /// Adds one instance.
    pub fn add(&mut self, scene: &str, frame: FrameName, detection: Detection) {
        let frames = self.scenes.entry(scene.to_owned()).or_default();
        frames.entry(frame).or_default().push(detection);
    }

    /// Counts a row that is no instance of the three classes.
    pub fn pass_over(&mut self, why: String) {
        *self.passed_over.entry(why).or_insert(0) += 1;
    }
}

/// One row of an `instances.json`; fields stand in the order of their names.
#[derive(Debug, Serialize)]
pub struct CocoRow {
    /// x, y, width, height in pixels.
    pub bbox: [u32; 4],
    /// COCO 1 person, 2 bicycle, 3 car.
    pub category_id: u8,
    /// The frame.
    pub image_id: FrameName,
    /// Confidence.
    pub score: f32,
    /// The mask.
    pub segmentation: Segmentation,
}

/// A mask as COCO writes it.
#[derive(Debug, Serialize)]
pub struct Segmentation {
    /// Compressed run lengths.
    pub counts: String,
    /// Height, width.
    pub size: [u32; 2],
}

impl CocoRow {
    /// The row of one instance.
    pub fn new(image_id: FrameName, detection: &Detection) -> Self {
        let size = detection.mask.size();
        Self {
            bbox: detection.mask.bbox(),
            category_id: detection.class.coco(),
            image_id,
            score: detection.score,
            segmentation: Segmentation {
                counts: detection.mask.to_coco_string(),
                size: [size.height, size.width],
            },
        }
    }
}

/// A JSON list with one row a line, so that people can read and compare it.
pub fn text_of_rows(rows: &[CocoRow]) -> String {
    let line = |row: &CocoRow| {
        serde_json::to_string(row).expect("invariant: rows are plain text and finite numbers")
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!("[{}]\n", lines.join(",\n"))
}
