//! Floor 0: what is known about one frame before alignment: detections and a semantic map, at native size.

use suw_shared::class::InstanceClass;
use suw_shared::rle::Rle;
use suw_shared::semantic_map::SemanticMap;

/// One object that a detector found in one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Person, bicycle or car; others are filtered before.
    pub class: InstanceClass,
    /// Confidence in 0..=1; imported masks without one count as 1.
    pub score: f32,
    /// Native resolution.
    pub mask: Rle,
}

/// The masks of one frame, in the order of their source.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameMasks {
    /// Objects.
    pub detections: Vec<Detection>,
    /// Classes; `None` where the store has no semantic map for the frame (only target frames need one).
    pub semantic: Option<SemanticMap>,
}
