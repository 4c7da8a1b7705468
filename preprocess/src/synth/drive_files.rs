//! Floor 2: the files of a drive: PNG, scans and texts in the layout of KITTI raw.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use suw_shared::depth_map::DepthMap;
use suw_shared::image_size::ImageSize;
use suw_shared::pose::RigidTransform;
use thiserror::Error;

/// Depth beyond this is not in the depth pictures, meters.
pub const FARTHEST: f32 = 80.0;

/// A file of the street world could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The file system refuses.
    #[error("cannot write {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The encoder refuses.
    #[error("cannot encode {path}: {source}")]
    Encode {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: ImageError,
    },
}

/// Ten digits, as KITTI raw numbers its files.
pub fn stem(frame: usize) -> String {
    format!("{frame:010}")
}

/// Writes a file, making the folders above it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let fail = |source| WriteError::Io { path: path.to_path_buf(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(fail)?;
    }
    fs::write(path, bytes).map_err(fail)
}

fn write_png(
    path: &Path,
    size: ImageSize,
    bytes: &[u8],
    kind: ExtendedColorType,
) -> Result<(), WriteError> {
    let mut file = Vec::new();
    let filter = if kind == ExtendedColorType::L8 { FilterType::NoFilter } else { FilterType::Sub };
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, filter)
        .write_image(bytes, size.width, size.height, kind)
        .map_err(|source| WriteError::Encode { path: path.to_path_buf(), source })?;
    write(path, &file)
}

/// 8-bit RGB.
pub fn write_rgb(path: &Path, size: ImageSize, bytes: &[u8]) -> Result<(), WriteError> {
    write_png(path, size, bytes, ExtendedColorType::Rgb8)
}

/// 8-bit gray, such as train ids.
pub fn write_gray(path: &Path, size: ImageSize, bytes: &[u8]) -> Result<(), WriteError> {
    write_png(path, size, bytes, ExtendedColorType::L8)
}

/// 16-bit gray.
pub fn write_gray16(path: &Path, size: ImageSize, values: &[u16]) -> Result<(), WriteError> {
    // The encoder takes the machine's byte order and writes PNG's.
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    write_png(path, size, &bytes, ExtendedColorType::L16)
}

/// KITTI's depth pictures: meters times 256, rounded; 0 where there is none or it lies beyond 80 m.
pub fn depth_values(depth: &DepthMap) -> Vec<u16> {
    depth
        .data()
        .iter()
        .map(|&meters| if meters <= FARTHEST { (meters * 256.0 + 0.5) as u16 } else { 0 })
        .collect()
}

/// A scan: four little-endian f32 a point.
pub fn scan_bytes(points: &[[f32; 4]]) -> Vec<u8> {
    points.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// One line of KITTI's pose files: the upper three rows.
pub fn pose_line(pose: &RigidTransform) -> String {
    let numbers: Vec<String> =
        pose.0[..3].as_flattened().iter().map(|value| format!("{value:.9e}")).collect();
    numbers.join(" ") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_256ths_of_a_meter_up_to_80_meters() {
        let depth = DepthMap::new(ImageSize::new(5, 1), vec![0.0, 1.0, 79.999, 80.5, 10.003]);
        assert_eq!(depth_values(&depth), [0, 256, 20480, 0, 2561]);
    }

    #[test]
    fn sixteen_bit_pictures_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.png");
        write_gray16(&path, ImageSize::new(2, 2), &[0, 1, 256, 65535]).unwrap();
        let back = image::open(&path).unwrap().into_luma16();
        assert_eq!(back.as_raw(), &[0, 1, 256, 65535]);
    }
}
