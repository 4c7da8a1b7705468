//! Floor 0: a color picture, u8, height x width x 3, row-major.

use crate::image_size::ImageSize;

/// A color picture.
///
/// # Shapes
/// - `data`: `[H, W, 3]`, RGB
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgbImage {
    size: ImageSize,
    data: Vec<u8>,
}

impl RgbImage {
    /// A picture from its bytes.
    ///
    /// # Panics
    /// If `data` has another length than `3 H W`.
    pub fn new(size: ImageSize, data: Vec<u8>) -> Self {
        assert_eq!(data.len(), 3 * size.area(), "invariant: 3 bytes a pixel at {size}");
        Self { size, data }
    }

    /// Its size.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// `[H, W, 3]`.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// `[H, W, 3]`, to change.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The bytes themselves.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// Red, green, blue of one pixel.
    pub fn pixel(&self, y: u32, x: u32) -> [u8; 3] {
        let at = 3 * (y as usize * self.size.width as usize + x as usize);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }
}
