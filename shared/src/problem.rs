//! Floor 0: inputs that were set aside: what, why, and how many of each kind. The list of kinds is closed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an input was set aside.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A picture that cannot be decoded.
    ImageUnreadable,
    /// A picture of another size than its clip or its data-set manifest says.
    ImageSize,
    /// A calibration file that is missing or cannot be read.
    CalibrationUnreadable,
    /// A depth file that cannot be read or holds impossible values.
    DepthUnreadable,
    /// A depth map with too little in it to learn from.
    DepthSparse,
    /// No masks for a frame in the mask store.
    MaskMissing,
    /// Masks of a frame that cannot be read, or of another size than its picture.
    MaskUnreadable,
    /// A network failed on a frame, or gave what its spec rules out.
    ModelFailed,
    /// A file that the data-set manifest lists and that is gone or changed.
    InputChanged,
    /// A sample that breaks a rule of the shard format.
    SampleInvalid,
    /// A folder of a data set that should hold frames and holds none.
    SceneEmpty,
    /// A frame that a split list names, or that its clip needs, and that is not there.
    FrameMissing,
}

impl ProblemKind {
    /// All kinds, in the order of the schema.
    pub const ALL: [Self; 12] = [
        Self::ImageUnreadable,
        Self::ImageSize,
        Self::CalibrationUnreadable,
        Self::DepthUnreadable,
        Self::DepthSparse,
        Self::MaskMissing,
        Self::MaskUnreadable,
        Self::ModelFailed,
        Self::InputChanged,
        Self::SampleInvalid,
        Self::SceneEmpty,
        Self::FrameMissing,
    ];

    /// The kind as it is written in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ImageUnreadable => "image-unreadable",
            Self::ImageSize => "image-size",
            Self::CalibrationUnreadable => "calibration-unreadable",
            Self::DepthUnreadable => "depth-unreadable",
            Self::DepthSparse => "depth-sparse",
            Self::MaskMissing => "mask-missing",
            Self::MaskUnreadable => "mask-unreadable",
            Self::ModelFailed => "model-failed",
            Self::InputChanged => "input-changed",
            Self::SampleInvalid => "sample-invalid",
            Self::SceneEmpty => "scene-empty",
            Self::FrameMissing => "frame-missing",
        }
    }
}

/// One input that was set aside. As JSON it is one line of `quarantine.jsonl`; fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The sample key, or the frame or file within the data set; never an absolute path.
    pub item: String,
    /// Why.
    pub kind: ProblemKind,
    /// One sentence: what was expected and what was found.
    pub reason: String,
}

/// How many of each kind; kinds that did not occur are absent.
pub fn count_by_kind(problems: &[Problem]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for problem in problems {
        *counts.entry(problem.kind.name().to_owned()).or_insert(0) += 1;
    }
    counts
}

/// The text of `quarantine.jsonl`: one object per line, keys sorted, lines sorted by bytes and each once.
pub fn quarantine_lines(problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            serde_json::json!({
                "item": problem.item,
                "kind": problem.kind.name(),
                "reason": problem.reason,
            })
            .to_string()
        })
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde() {
        for kind in ProblemKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
        }
    }

    #[test]
    fn lines_are_sorted_with_sorted_keys() {
        let problem = |item: &str| Problem {
            kind: ProblemKind::ImageSize,
            item: item.to_owned(),
            reason: "expected 10x4, got 10x3".to_owned(),
        };
        let problems = [problem("b/1"), problem("a/1")];
        let text = quarantine_lines(&problems);
        assert_eq!(
            text,
            "{\"item\":\"a/1\",\"kind\":\"image-size\",\"reason\":\"expected 10x4, got 10x3\"}\n\
             {\"item\":\"b/1\",\"kind\":\"image-size\",\"reason\":\"expected 10x4, got 10x3\"}\n"
        );
        assert_eq!(count_by_kind(&problems), BTreeMap::from([("image-size".to_owned(), 2)]));
    }
}
