//! Floor 1: color pictures resampled to another size: the one place that compiles fast_image_resize, whose generics are
//! slow to build. Typed for the same reason: `Resizer::resize` would compile its filters for every kind of pixel.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::image_size::{ImageSize, Window};
use crate::rgb_image::RgbImage;

/// A window of a picture at another size: a triangle filter whose support grows when shrinking. At the edges of the
/// window it reaches into the picture around it, as if the whole picture had been resampled.
///
/// # Panics
/// If the window does not fit into the picture.
pub fn resample_rgb(image: &RgbImage, window: Window, to: ImageSize) -> RgbImage {
    let size = image.size();
    assert!(window.fits(size), "invariant: {window:?} lies in {size}");
    let source = TypedImageRef::<U8x3>::from_buffer(size.width, size.height, image.data())
        .expect("invariant: a picture has 3 bytes a pixel");
    let mut pixels = vec![0; 3 * to.area()];
    let mut resized = TypedImage::<U8x3>::from_buffer(to.width, to.height, &mut pixels)
        .expect("invariant: a picture has 3 bytes a pixel");
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(
            f64::from(window.x),
            f64::from(window.y),
            f64::from(window.width),
            f64::from(window.height),
        )
        .use_alpha(false);
    Resizer::new()
        .resize_typed(&source, &mut resized, &options)
        .expect("invariant: the window fits");
    RgbImage::new(to, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_averages_with_a_triangle_of_four() {
        // Weights 1/8, 3/8, 3/8, 1/8 around each new center; at the ends the missing weight is shared out.
        let size = ImageSize::new(4, 1);
        let image = RgbImage::new(size, [0, 80, 160, 240].iter().flat_map(|&v| [v; 3]).collect());
        let half = resample_rgb(&image, size.window(), ImageSize::new(2, 1));
        // (3*0 + 3*80 + 1*160) / 7 = 57.1 and its mirror (1*80 + 3*160 + 3*240) / 7 = 182.9.
        assert_eq!((half.pixel(0, 0)[0], half.pixel(0, 1)[2]), (57, 183));
    }
}
