//! Floor 1: the numbers of a shard set that its configuration may change, as its provenance states them.

use serde_json::Value;

use super::header::ShardHeader;

/// Limits that checks compare with. What the provenance does not state has the format's default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// `align.score_min`: least score of a detection.
    pub score_min: f32,
    /// `align.iou_above`: an object's IoUs are above this.
    pub iou_above: f64,
    /// `align.min_area`: fewest pixels of an object in each frame.
    pub min_area: u32,
    /// `pairs.per_rule`: most pairs of each kind for each of A, B, C and same.
    pub per_rule: u64,
}

impl Limits {
    /// The limits of a set with this header.
    pub fn of(header: &ShardHeader) -> Self {
        let provenance: Value = serde_json::from_str(&header.provenance).unwrap_or(Value::Null);
        let (align, pairs) = (&provenance["align"], &provenance["pairs"]);
        let share = |value: &Value| Some(value[0].as_f64()? / value[1].as_f64()?);
        Self {
            // Stored as f32, so a score of exactly the limit compares equal.
            score_min: align["score_min"].as_f64().unwrap_or(0.5) as f32,
            // The nearest f32, since IoUs are stored as f32.
            iou_above: f64::from(share(&align["iou_above"]).unwrap_or(0.3) as f32),
            min_area: align["min_area"]
                .as_u64()
                .map_or(100, |area| area.min(u64::from(u32::MAX)) as u32),
            per_rule: pairs["per_rule"].as_u64().unwrap_or(u64::MAX),
        }
    }
}
