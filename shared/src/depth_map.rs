//! Floor 0: depth along the optical axis, one value per pixel.

use crate::image_size::ImageSize;

/// Depth in metres (or the scene's unit); 0 = not measured.
///
/// # Shapes
/// - `data`: `[H, W]`, row-major
#[derive(Clone, Debug, PartialEq)]
pub struct DepthMap {
    size: ImageSize,
    data: Vec<f32>,
}

impl DepthMap {
    /// A map from its values.
    ///
    /// # Panics
    /// If `data` has another length than `H W`.
    pub fn new(size: ImageSize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), size.area(), "invariant: one value a pixel at {size}");
        Self { size, data }
    }

    /// Its size.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// `[H, W]`.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// `[H, W]`, to change.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values themselves.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The value at one pixel.
    pub fn at(&self, y: u32, x: u32) -> f32 {
        self.data[y as usize * self.size.width as usize + x as usize]
    }
}
