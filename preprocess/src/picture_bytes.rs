//! Floor 2: pictures of pages to file bytes: JPEG for frames, PNG with opacity for layers over them.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use suw_shared::rgb_image::RgbImage;

use crate::page::gallery::layers::Layer;

/// Good enough that blocks are not seen on a page, a fifth of the bytes of PNG.
const JPEG_QUALITY: u8 = 90;

/// A frame as JPEG.
///
/// # Panics
/// If a side is longer than 65535 pixels.
pub fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let size = image.size();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .write_image(image.data(), size.width, size.height, ExtendedColorType::Rgb8)
        .expect("invariant: pictures of a shard fit JPEG, and memory takes all bytes");
    bytes
}

/// A layer as PNG.
pub fn layer_png(layer: &Layer) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Flat colors: predicting them from their neighbors (filters) does not pay.
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::NoFilter)
        .write_image(&layer.data, layer.size.width, layer.size.height, ExtendedColorType::Rgba8)
        .expect("invariant: pictures of a shard fit PNG, and memory takes all bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use suw_shared::image_size::ImageSize;

    use super::*;

    #[test]
    fn layers_come_back_and_frames_nearly() {
        let size = ImageSize::new(16, 8);
        let layer = Layer { size, data: (0..512).map(|i| (i % 251) as u8).collect() };
        let read = image::load_from_memory(&layer_png(&layer)).unwrap().into_rgba8();
        assert_eq!(read.as_raw(), &layer.data);
        let frame = RgbImage::new(size, vec![100; 3 * size.area()]);
        let read = image::load_from_memory(&jpeg(&frame)).unwrap().into_rgb8();
        assert!(read.as_raw().iter().all(|value| value.abs_diff(100) < 3));
    }
}
