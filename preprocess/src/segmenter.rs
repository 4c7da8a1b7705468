//! Floor 1: the seam where models, or fakes, plug in: pictures to detections and semantic maps.

use suw_shared::rgb_image::RgbImage;
use suw_shared::semantic_map::SemanticMap;

use crate::detected::Detection;

/// Why a network gave nothing for a picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// The runtime failed.
    #[error("cannot run model {model:?}: {cause}")]
    Run {
        /// Name in the spec.
        model: String,
        /// As the runtime says it.
        cause: String,
    },
    /// The network gave what its spec rules out.
    #[error("cannot use output {output:?} of model {model:?}: expected {expected}, got {got}")]
    Output {
        /// Name in the spec.
        model: String,
        /// Tensor name.
        output: String,
        /// Shape, element type or range.
        expected: String,
        /// The same of what came.
        got: String,
    },
}

/// Finds persons, bicycles and cars.
pub trait InstanceSegmenter: Send {
    /// The objects in a picture, masks at its size, in the order of the network.
    fn detect(&mut self, image: &RgbImage) -> Result<Vec<Detection>, SegmentError>;
}

/// Names the class of every pixel.
pub trait SemanticSegmenter: Send {
    /// The classes in a picture, at its size.
    fn segment(&mut self, image: &RgbImage) -> Result<SemanticMap, SegmentError>;
}

/// The two networks of one worker.
pub struct Segmenters {
    /// Mask R-CNN or its stand-in.
    pub instance: Box<dyn InstanceSegmenter>,
    /// PSPNet or its stand-in.
    pub semantic: Box<dyn SemanticSegmenter>,
}
