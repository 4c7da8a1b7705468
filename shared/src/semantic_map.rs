//! Floor 0: one semantic class per pixel.

use crate::image_size::ImageSize;

/// Cityscapes train ids 0..18; 255 = unlabelled (see `class::UNLABELLED`).
///
/// # Shapes
/// - `data`: `[H, W]`, row-major
#[derive(Clone, Debug, PartialEq)]
pub struct SemanticMap {
    size: ImageSize,
    data: Vec<u8>,
}

impl SemanticMap {
    /// A map from its values.
    ///
    /// # Panics
    /// If `data` has another length than `H W`.
    pub fn new(size: ImageSize, data: Vec<u8>) -> Self {
        assert_eq!(data.len(), size.area(), "invariant: one value a pixel at {size}");
        Self { size, data }
    }

    /// Its size.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// `[H, W]`.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// `[H, W]`, to change.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The values themselves.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The value at one pixel.
    pub fn at(&self, y: u32, x: u32) -> u8 {
        self.data[y as usize * self.size.width as usize + x as usize]
    }
}
