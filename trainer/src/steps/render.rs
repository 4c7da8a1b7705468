//! Floor 3: pictures for people: a frame, its predicted depth and its measured depth, one below the other.

use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;
use suw_shared::sample::Sample;

use crate::color_map::ColorMap;
use crate::picture_file::{ColorRange, depth_colors};

/// Frame t, prediction, and measured depth where there is some, from top to bottom.
///
/// # Shapes
/// - `depth_m`: `[H, W]` of `size`
pub fn comparison(
    sample: &Sample,
    depth_m: &[f32],
    size: ImageSize,
    range: ColorRange,
) -> RgbImage {
    let mut data = frame_pixels(sample, size);
    data.extend(depth_colors(depth_m, size, range, ColorMap::Magma).into_data());
    let mut n_rows = 2;
    if let Some(truth) = &sample.depth {
        data.extend(depth_colors(truth, size, range, ColorMap::Magma).into_data());
        n_rows = 3;
    }
    RgbImage::new(ImageSize::new(size.width, n_rows * size.height), data)
}

/// Frame t as interleaved RGB.
fn frame_pixels(sample: &Sample, size: ImageSize) -> Vec<u8> {
    let plane = size.area();
    let n_frames = sample.image.len() / (3 * plane);
    let target = &sample.image[n_frames / 2 * 3 * plane..][..3 * plane];
    (0..plane).flat_map(|at| [target[at], target[plane + at], target[2 * plane + at]]).collect()
}

#[cfg(test)]
mod tests {
    use suw_shared::sample_key::SampleKey;

    use super::*;

    #[test]
    fn the_three_pictures_stand_below_each_other() {
        let size = ImageSize::new(2, 1);
        let sample = Sample {
            key: SampleKey::new("a/1".to_owned()).unwrap(),
            native_size: size,
            native_window: size.window(),
            image: vec![1, 2, 3, 4, 5, 6],
            depth: Some(vec![1.0, 0.0]),
            intrinsics: None,
            pose: None,
            semantic: None,
            objects: None,
            pairs: None,
            ordinal: None,
            gt: None,
        };
        let range = ColorRange { near_m: 1.0, far_m: 80.0 };
        let picture = comparison(&sample, &[80.0, 1.0], size, range);
        assert_eq!(picture.size(), ImageSize::new(2, 3));
        assert_eq!(picture.pixel(0, 1), [2, 4, 6]);
        assert_eq!(picture.pixel(1, 0), [0, 0, 4]); // far is dark
        assert_eq!(picture.pixel(2, 0), picture.pixel(1, 1)); // near, and
        assert_eq!(picture.pixel(2, 1), [96; 3]); // not measured
    }
}
