//! Floor 1: pictures, labels and depth brought to network size by one window and one rule for pixel centers.
//!
//! Pixel i of n covers i/n..(i+1)/n of the window, its center is at (i + 0.5)/n; that is the convention behind
//! `Intrinsics::resized`. Colors are averaged over what a new pixel covers (a triangle filter whose support grows when
//! shrinking), labels are taken at the new center. Depth has two ways: sparse measurements are moved to the new pixel
//! that contains their center, and the nearest wins, so that a far point never hides a near object; dense maps are
//! sampled at the new center like labels, because moving every pixel would grow the near objects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use suw_shared::depth_map::DepthMap;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::resample::resample_rgb;
use suw_shared::rgb_image::RgbImage;
use suw_shared::semantic_map::SemanticMap;

/// Rows and columns that `Fit::Crop` keeps: the part of KITTI's pictures that a laser scanner reaches (the KB crop).
pub const CROP_SIZE: ImageSize = ImageSize::new(1216, 352);

/// How a picture is brought to the network's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// The bottom 352 rows and middle 1216 columns, then resized.
    Crop,
    /// The whole picture, resized.
    Resize,
}

/// A picture that is too small for the crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot crop a picture of {native}: expected at least {CROP_SIZE}, got {native}; \
     use fit = \"resize\" for small pictures"
)]
pub struct WindowError {
    /// Size of the picture.
    pub native: ImageSize,
}

/// The part of a picture that the network sees.
pub fn native_window(fit: Fit, native: ImageSize) -> Result<Window, WindowError> {
    match fit {
        Fit::Resize => Ok(native.window()),
        Fit::Crop if native.height < CROP_SIZE.height || native.width < CROP_SIZE.width => {
            Err(WindowError { native })
        }
        Fit::Crop => Ok(Window {
            y: native.height - CROP_SIZE.height,
            x: (native.width - CROP_SIZE.width) / 2,
            height: CROP_SIZE.height,
            width: CROP_SIZE.width,
        }),
    }
}

/// The source index at the center of destination `i`: floor((i + 0.5) from_len / to_len).
///
/// With the lengths exchanged it is the destination that contains the center of source `i`.
pub const fn nearest_index(i: u32, from_len: u32, to_len: u32) -> u32 {
    ((2 * i as u64 + 1) * from_len as u64 / (2 * to_len as u64)) as u32
}

/// A window of a picture at network size. A window that has this size already is copied exactly. At the edges of the
/// window the filter reaches into the picture around it, as if the whole picture had been resized.
///
/// # Shapes
/// - returns: `[3, H, W]`
///
/// # Panics
/// If the window does not fit into the picture.
pub fn resize_rgb(image: &RgbImage, window: Window, to: ImageSize) -> Vec<u8> {
    assert!(window.fits(image.size()), "invariant: {window:?} lies in {}", image.size());
    if window.size() == to {
        let rows = window_rows(image.data(), 3 * image.size().width as usize, window, 3);
        return planar(rows, to);
    }
    let resampled = resample_rgb(image, window, to);
    planar(resampled.data().chunks_exact(3 * (to.width as usize).max(1)), to)
}

/// A window of a semantic map at network size: the label at each new center.
///
/// # Shapes
/// - returns: `[H, W]`
///
/// # Panics
/// If the window does not fit into the map.
pub fn resize_labels(map: &SemanticMap, window: Window, to: ImageSize) -> Vec<u8> {
    sample(map.data(), map.size(), window, to)
}

/// A window of a dense depth map at network size: the depth at each new center.
///
/// # Shapes
/// - returns: `[H, W]`
///
/// # Panics
/// If the window does not fit into the map.
pub fn sample_depth(depth: &DepthMap, window: Window, to: ImageSize) -> Vec<f32> {
    sample(depth.data(), depth.size(), window, to)
}

/// A window of a sparse depth map at network size: each measurement goes to the new pixel that contains its center;
/// where several meet, the nearest stays.
///
/// # Shapes
/// - returns: `[H, W]`
///
/// # Panics
/// If the window does not fit into the map.
pub fn scatter_depth(depth: &DepthMap, window: Window, to: ImageSize) -> Vec<f32> {
    assert!(window.fits(depth.size()), "invariant: {window:?} lies in {}", depth.size());
    let mut out = vec![0.0f32; to.area()];
    let columns: Vec<usize> =
        (0..window.width).map(|x| nearest_index(x, to.width, window.width) as usize).collect();
    let rows = window_rows(depth.data(), depth.size().width as usize, window, 1);
    for (y, row) in (0..window.height).zip(rows) {
        let start = nearest_index(y, to.height, window.height) as usize * to.width as usize;
        for (&metres, &column) in row.iter().zip(&columns) {
            let cell = &mut out[start + column];
            if metres > 0.0 && (*cell == 0.0 || metres < *cell) {
                *cell = metres;
            }
        }
    }
    out
}

fn sample<T: Copy>(data: &[T], size: ImageSize, window: Window, to: ImageSize) -> Vec<T> {
    assert!(window.fits(size), "invariant: {window:?} lies in {size}");
    let columns: Vec<usize> = (0..to.width)
        .map(|x| (window.x + nearest_index(x, window.width, to.width)) as usize)
        .collect();
    let mut out = Vec::with_capacity(to.area());
    for y in 0..to.height {
        let from = (window.y + nearest_index(y, window.height, to.height)) as usize;
        let row = &data[from * size.width as usize..][..size.width as usize];
        out.extend(columns.iter().map(|&x| row[x]));
    }
    out
}

/// The rows of a window in row-major data of `stride` values a row and `channels` values a pixel.
fn window_rows<T>(
    data: &[T],
    stride: usize,
    window: Window,
    channels: usize,
) -> impl Iterator<Item = &[T]> {
    data.chunks_exact(stride)
        .skip(window.y as usize)
        .take(window.height as usize)
        .map(move |row| &row[channels * window.x as usize..][..channels * window.width as usize])
}

/// Rows of `[H, W, 3]` to `[3, H, W]`.
fn planar<'a>(rows: impl Iterator<Item = &'a [u8]>, size: ImageSize) -> Vec<u8> {
    let mut out = vec![0; 3 * size.area()];
    let (red, others) = out.split_at_mut(size.area());
    let (green, blue) = others.split_at_mut(size.area());
    let width = (size.width as usize).max(1);
    let planes = red.chunks_exact_mut(width).zip(green.chunks_exact_mut(width));
    for (row, ((red, green), blue)) in rows.zip(planes.zip(blue.chunks_exact_mut(width))) {
        let pixels = row.chunks_exact(3).zip(red).zip(green.iter_mut().zip(blue));
        for ((pixel, red), (green, blue)) in pixels {
            (*red, *green, *blue) = (pixel[0], pixel[1], pixel[2]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use suw_shared::camera::Intrinsics;

    use super::*;

    #[test]
    fn windows_of_kittis_five_sizes() {
        // The bottom 352 rows begin at H - 352; the middle 1216 columns at (W - 1216) / 2, an odd column stays on the right.
        for (width, height, y, x) in [
            (1242, 375, 23, 13),
            (1241, 376, 24, 12),
            (1226, 370, 18, 5),
            (1224, 370, 18, 4),
            (1238, 374, 22, 11),
            (1216, 352, 0, 0),
        ] {
            let native = ImageSize::new(width, height);
            let window = native_window(Fit::Crop, native).unwrap();
            assert_eq!(window, Window { y, x, height: 352, width: 1216 }, "{native}");
            assert!(window.fits(native));
            let whole = Window { y: 0, x: 0, height, width };
            assert_eq!(native_window(Fit::Resize, native), Ok(whole), "{native}");
        }
    }

    #[test]
    fn principal_points_of_kittis_five_sizes() {
        // Worked out with fractions. Cropped to 1216x352: cx - x, cy - y. That at 608x176: (cx - x + 0.5) / 2 - 0.5, the same
        // for y. The whole picture at 1216x352: (cx + 0.5) 1216 / W - 0.5, (cy + 0.5) 352 / H - 0.5.
        let network = ImageSize::new(1216, 352);
        let half = ImageSize::new(608, 176);
        for ((width, height), [cx, cy], cropped, halved, resized) in [
            (
                (1242, 375),
                [609.5593, 172.854],
                [596.5593, 149.854],
                [298.02965, 74.677],
                [596.788_332, 162.221_621],
            ),
            (
                (1241, 376),
                [607.1928, 185.2157],
                [595.1928, 161.2157],
                [297.3464, 80.35785],
                [594.950_802, 173.361_506],
            ),
            (
                (1226, 370),
                [601.8873, 183.1104],
                [596.8873, 165.1104],
                [298.19365, 82.3052],
                [596.973_864, 174.178_002],
            ),
            (
                (1224, 370),
                [604.0814, 180.5066],
                [600.0814, 162.5066],
                [299.7907, 81.0033],
                [600.129_888, 171.700_874],
            ),
            (
                (1238, 374),
                [600.3891, 181.5122],
                [589.3891, 159.5122],
                [294.44455, 79.5061],
                [589.710_942, 170.805_6],
            ),
        ] {
            let native = ImageSize::new(width, height);
            let camera = Intrinsics { fx: 700.0, fy: 710.0, cx, cy };
            for (fit, to, expected) in [
                (Fit::Crop, network, cropped),
                (Fit::Crop, half, halved),
                (Fit::Resize, network, resized),
            ] {
                let window = native_window(fit, native).unwrap();
                let seen = camera.cropped(window).resized(window.size(), to);
                let off = [seen.cx - expected[0], seen.cy - expected[1]];
                assert!(off.iter().all(|o| o.abs() < 1e-6), "{native} {fit:?} {to}: {seen:?}");
            }
        }
    }

    #[test]
    fn a_picture_too_small_to_crop_names_both_sizes() {
        for small in [ImageSize::new(1215, 400), ImageSize::new(2000, 351)] {
            let message = native_window(Fit::Crop, small).unwrap_err().to_string();
            assert!(message.contains("1216x352"), "{message}");
            assert!(message.contains(&small.to_string()), "{message}");
        }
    }

    #[test]
    fn nearest_indices_by_hand() {
        let indices = |from, to| (0..to).map(|i| nearest_index(i, from, to)).collect::<Vec<_>>();
        assert_eq!(indices(2, 4), [0, 0, 1, 1]);
        assert_eq!(indices(4, 2), [1, 3]); // centers 1.0 and 3.0 lie on edges and belong to the right
        assert_eq!(indices(3, 2), [0, 2]); // centers 0.75 and 2.25
        assert_eq!(indices(5, 5), [0, 1, 2, 3, 4]);
        assert_eq!(indices(10, 3), [1, 5, 8]); // centers 1.67, 5, 8.33
    }

    #[test]
    fn labels_and_dense_depth_take_the_center_of_a_window() {
        // 4x3, value = 10 y + x; the window is the right 3x2 below the first row, halved in width it is 1 column.
        let values: Vec<u8> = (0..3).flat_map(|y| (0..4).map(move |x| 10 * y + x)).collect();
        let window = Window { y: 1, x: 1, height: 2, width: 3 };
        let map = SemanticMap::new(ImageSize::new(4, 3), values.clone());
        assert_eq!(resize_labels(&map, window, ImageSize::new(1, 2)), [12, 22]);
        assert_eq!(resize_labels(&map, window, ImageSize::new(3, 2)), [11, 12, 13, 21, 22, 23]);
        let depth = DepthMap::new(map.size(), values.iter().map(|&v| f32::from(v)).collect());
        assert_eq!(sample_depth(&depth, window, ImageSize::new(1, 2)), [12.0, 22.0]);
    }

    #[test]
    fn a_near_measurement_is_not_hidden_by_a_far_one() {
        // One row of 6 to 2: columns 0..3 and 3..6.
        let depth = DepthMap::new(ImageSize::new(6, 1), vec![0.0, 30.0, 4.0, 0.0, 0.0, 70.0]);
        let window = depth.size().window();
        assert_eq!(scatter_depth(&depth, window, ImageSize::new(2, 1)), [4.0, 70.0]);
        let window = Window { y: 0, x: 3, height: 1, width: 2 };
        assert_eq!(scatter_depth(&depth, window, ImageSize::new(1, 1)), [0.0]);
    }

    #[test]
    fn equal_sizes_copy_exactly() {
        let size = ImageSize::new(3, 2);
        let image = RgbImage::new(size, (0..18).collect());
        let window = Window { y: 1, x: 1, height: 1, width: 2 };
        // Pixels (1,1) = 12 13 14 and (1,2) = 15 16 17, by channel.
        let out = resize_rgb(&image, window, ImageSize::new(2, 1));
        assert_eq!(out, [12, 15, 13, 16, 14, 17]);
    }

    #[test]
    fn halving_a_ramp_keeps_pixel_centers() {
        // Value 4 x: new center x' lies at 2 x' + 0.5, so the value is 8 x' + 2 away from the borders.
        let size = ImageSize::new(32, 4);
        let data = (0..size.area()).flat_map(|i| [4 * (i % 32) as u8, 0, 200]).collect();
        let out = resize_rgb(&RgbImage::new(size, data), size.window(), ImageSize::new(16, 2));
        for y in 0..2 {
            for x in 1..15 {
                assert_eq!(usize::from(out[16 * y + x]), 8 * x + 2);
            }
        }
        assert!(out[32..64].iter().all(|&green| green == 0));
        assert!(out[64..].iter().all(|&blue| blue == 200));
    }

    /// Weights of all pixels of a side for one new center, by the definition of the triangle filter.
    fn triangle(i: u32, start: u32, length: u32, side: u32, to: u32) -> Vec<f64> {
        let scale = f64::from(length) / f64::from(to);
        let center = f64::from(start) + (f64::from(i) + 0.5) * scale;
        let weights: Vec<f64> = (0..side)
            .map(|j| (1.0 - ((f64::from(j) + 0.5 - center) / scale.max(1.0)).abs()).max(0.0))
            .collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    #[test]
    fn any_resize_is_the_triangle_filter_to_one_gray_level() {
        let (from, to) = (ImageSize::new(23, 17), ImageSize::new(9, 20));
        let data: Vec<u8> = (0..3 * from.area()).map(|i| (i * i % 251) as u8).collect();
        let image = RgbImage::new(from, data);
        let window = Window { y: 2, x: 3, height: 13, width: 19 };
        let out = resize_rgb(&image, window, to);
        for y in 0..to.height {
            for x in 0..to.width {
                let rows = triangle(y, window.y, window.height, from.height, to.height);
                let columns = triangle(x, window.x, window.width, from.width, to.width);
                for channel in 0..3 {
                    let mut sum = 0.0;
                    for (j, row) in (0..).zip(&rows) {
                        for (i, column) in (0..).zip(&columns) {
                            sum += row * column * f64::from(image.pixel(j, i)[channel]);
                        }
                    }
                    let at = channel * to.area() + (y * to.width + x) as usize;
                    // Rows and columns are rounded one after the other.
                    assert!((f64::from(out[at]) - sum).abs() <= 1.01, "{} {sum}", out[at]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn nearest_indices_stay_inside_and_rise(from in 1u32..70_000, to in 1u32..70_000) {
            let last = nearest_index(to - 1, from, to);
            prop_assert!(last < from);
            prop_assert!(nearest_index(0, from, to) <= last);
        }

        #[test]
        fn scattering_keeps_the_nearest_and_invents_nothing(
            values in prop::collection::vec(prop_oneof![Just(0.0f32), 1.0f32..80.0], 40),
            width in 1u32..12,
            height in 1u32..8,
        ) {
            let depth = DepthMap::new(ImageSize::new(8, 5), values.clone());
            let out = scatter_depth(&depth, depth.size().window(), ImageSize::new(width, height));
            prop_assert!(out.iter().all(|v| *v == 0.0 || values.contains(v)));
            let nearest = |all: &[f32]| {
                all.iter().copied().filter(|v| *v > 0.0).fold(f32::INFINITY, f32::min)
            };
            prop_assert_eq!(nearest(&out), nearest(&values));
        }
    }
}
