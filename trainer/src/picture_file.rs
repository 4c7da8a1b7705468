//! Floor 2: depth maps to files: a color PNG, KITTI's 16-bit PNG (metres times 256), and NumPy's .npy.
//!
//! Colors run over the logarithm of depth, near bright and far dark.

use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::{ImageBuffer, ImageFormat, Luma, Rgb};
use suw_shared::atomic_file;
use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;

use crate::color_map::ColorMap;

/// A picture that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file system says no.
    #[error("cannot write picture {path:?}: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No readable PNG or JPEG.
    #[error("cannot decode picture {path:?}: {message}")]
    Decode {
        /// Which file.
        path: PathBuf,
        /// Why.
        message: String,
    },
}

/// Depths at the two ends of the color scale, metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColorRange {
    /// Brightest.
    pub near_m: f32,
    /// Darkest.
    pub far_m: f32,
}

impl ColorRange {
    /// Nearly all of a map: its 2nd to its 98th percentile; 1 to 80 where nothing is measured.
    pub fn of(depth_m: &[f32]) -> Self {
        let mut measured: Vec<f32> = depth_m.iter().copied().filter(|d| *d > 0.0).collect();
        measured.sort_by(f32::total_cmp);
        let at = |percent: usize| measured.get(measured.len().saturating_sub(1) * percent / 100);
        match (at(2), at(98)) {
            // A map of one depth still needs two ends.
            (Some(&near_m), Some(&far_m)) => Self { near_m, far_m: far_m.max(near_m * 1.01) },
            _ => Self { near_m: 1.0, far_m: 80.0 },
        }
    }
}

/// A depth map in colors; 0 (not measured) is mid gray.
///
/// # Shapes
/// - `depth_m`: `[H, W]`
pub fn depth_colors(
    depth_m: &[f32],
    size: ImageSize,
    range: ColorRange,
    map: ColorMap,
) -> RgbImage {
    let span = (range.far_m / range.near_m).ln();
    let data = depth_m.iter().flat_map(|&depth| {
        if depth > 0.0 { map.color(1.0 - (depth / range.near_m).ln() / span) } else { [96; 3] }
    });
    RgbImage::new(size, data.collect())
}

/// The bytes of a PNG file.
pub fn png_of_rgb(picture: &RgbImage) -> Vec<u8> {
    let size = picture.size();
    let buffer: ImageBuffer<Rgb<u8>, &[u8]> =
        ImageBuffer::from_raw(size.width, size.height, picture.data())
            .expect("invariant: 3 bytes a pixel");
    encode(|out| buffer.write_to(out, ImageFormat::Png))
}

/// The bytes of KITTI's 16-bit PNG: metres times 256, rounded; at least 1, because 0 means not measured.
///
/// # Shapes
/// - `depth_m`: `[H, W]`
pub fn png_of_depth(depth_m: &[f32], size: ImageSize) -> Vec<u8> {
    let values: Vec<u16> = depth_m
        .iter()
        .map(
            |&depth| {
                if depth > 0.0 { (depth * 256.0).round().clamp(1.0, 65_535.0) as u16 } else { 0 }
            },
        )
        .collect();
    let buffer: ImageBuffer<Luma<u16>, Vec<u16>> =
        ImageBuffer::from_raw(size.width, size.height, values)
            .expect("invariant: one depth a pixel");
    encode(|out| buffer.write_to(out, ImageFormat::Png))
}

/// The bytes of a NumPy 1.0 file of float32 `[H, W]`.
pub fn npy_of_depth(depth_m: &[f32], size: ImageSize) -> Vec<u8> {
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}",
        size.height, size.width
    );
    // Magic, version, length and header together fill whole blocks of 64 bytes, the last one a line end.
    let filled = (10 + header.len() + 1).next_multiple_of(64);
    header.extend(std::iter::repeat_n(' ', filled - 11 - header.len()));
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(depth_m.iter().flat_map(|value| value.to_le_bytes()));
    out
}

/// Publishes the bytes; folders are made as needed.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), PictureError> {
    let failed = |source| PictureError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    atomic_file::write(path, bytes).map_err(failed)
}

/// Reads a PNG or JPEG as RGB.
pub fn read_rgb(path: &Path) -> Result<RgbImage, PictureError> {
    let failed = |message: String| PictureError::Decode { path: path.to_owned(), message };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let picture = image::load_from_memory(&bytes).map_err(|error| failed(error.to_string()))?;
    let rgb = picture.into_rgb8();
    Ok(RgbImage::new(ImageSize::new(rgb.width(), rgb.height()), rgb.into_raw()))
}

/// Reads a PNG of 8-bit class numbers of a picture of `size`.
pub fn read_classes(path: &Path, size: ImageSize) -> Result<Vec<u8>, PictureError> {
    let failed = |message: String| PictureError::Decode { path: path.to_owned(), message };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let map = image::load_from_memory(&bytes).map_err(|error| failed(error.to_string()))?;
    let got = ImageSize::new(map.width(), map.height());
    if got != size {
        return Err(failed(format!("expected a map of {size} as its picture, got {got}")));
    }
    match map {
        image::DynamicImage::ImageLuma8(map) => Ok(map.into_raw()),
        other => Err(failed(format!("expected 8-bit gray, got {:?}", other.color()))),
    }
}

/// Two pictures of one size beside each other.
pub fn beside(left: &RgbImage, right: &RgbImage) -> RgbImage {
    let size = left.size();
    assert_eq!(size, right.size(), "invariant: pictures beside each other have one size");
    let row = 3 * size.width as usize;
    let rows = left.data().chunks_exact(row).zip(right.data().chunks_exact(row));
    let data = rows.flat_map(|(left, right)| left.iter().chain(right).copied()).collect();
    RgbImage::new(ImageSize::new(2 * size.width, size.height), data)
}

fn encode(write: impl FnOnce(&mut Cursor<Vec<u8>>) -> image::ImageResult<()>) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    write(&mut out).expect("invariant: encoding into memory cannot fail");
    out.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ImageSize = ImageSize::new(3, 1);

    #[test]
    fn sixteen_bits_hold_metres_times_256() {
        let png = png_of_depth(&[0.0, 1.5, 300.0], SIZE);
        let values = image::load_from_memory(&png).unwrap().into_luma16().into_raw();
        assert_eq!(values, [0, 384, 65_535]);
    }

    #[test]
    fn colors_run_from_bright_near_to_dark_far() {
        let range = ColorRange { near_m: 1.0, far_m: 100.0 };
        let picture = depth_colors(&[1.0, 10.0, 100.0], SIZE, range, ColorMap::Magma);
        assert_eq!(picture.pixel(0, 0), [252, 253, 191]);
        assert_eq!(picture.pixel(0, 1), [182, 55, 121]);
        assert_eq!(picture.pixel(0, 2), [0, 0, 4]);
        let decoded = image::load_from_memory(&png_of_rgb(&picture)).unwrap().into_rgb8();
        assert_eq!(decoded.into_raw(), picture.data());
    }

    #[test]
    fn a_range_leaves_out_two_percent_at_both_ends() {
        let depths: Vec<f32> = (0..=101).rev().map(|depth| depth as f32).collect();
        assert_eq!(ColorRange::of(&depths), ColorRange { near_m: 3.0, far_m: 99.0 });
        assert_eq!(ColorRange::of(&[0.0]), ColorRange { near_m: 1.0, far_m: 80.0 });
        let flat = ColorRange::of(&[5.0, 5.0]);
        assert!(flat.near_m == 5.0 && flat.far_m > 5.0);
    }

    #[test]
    fn pictures_stand_beside_each_other_row_by_row() {
        let size = ImageSize::new(1, 2);
        let picture = |from: u8| RgbImage::new(size, (from..from + 6).collect());
        let both = beside(&picture(0), &picture(10));
        assert_eq!(both.size(), ImageSize::new(2, 2));
        assert_eq!(both.data(), [0, 1, 2, 10, 11, 12, 3, 4, 5, 13, 14, 15]);
    }

    #[test]
    fn npy_files_are_read_by_an_independent_reader() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/a.npy");
        write(&path, &npy_of_depth(&[1.0, 2.5, 80.0], SIZE)).unwrap();
        let read = tch::Tensor::read_npy(&path).unwrap();
        assert_eq!(read.size(), [1, 3]);
        assert_eq!(Vec::<f32>::try_from(read.flatten(0, -1)).unwrap(), [1.0, 2.5, 80.0]);
        assert_eq!(std::fs::read(&path).unwrap().len() % 64, 12);
    }

    #[test]
    fn a_broken_picture_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.png");
        let png = png_of_rgb(&RgbImage::new(SIZE, vec![9; 9]));
        std::fs::write(&path, &png[..png.len() / 2]).unwrap();
        let message = read_rgb(&path).unwrap_err().to_string();
        assert!(message.contains("cut.png"), "{message}");
    }
}
