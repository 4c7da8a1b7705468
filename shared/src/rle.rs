//! Floor 0: COCO run-length masks: column-major runs, zeros first.

use crate::image_size::ImageSize;

/// A binary mask as run lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rle {
    size: ImageSize,
    counts: Vec<u32>,
}

impl Rle {
    /// Size of the picture.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// Run lengths, zeros first, column-major.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }
}
