//! Floor 2: depth maps of any format: 16-bit PNG (m * 256), NumPy, HDF5 (MegaDepth), COLMAP.
//!
//! What a value means is the caller's business; here it is a finite number. In HDF5 it may be negative. A NumPy map may hold NaN, infinities or
//! negative numbers for what was not measured: they become 0.

use std::path::Path;

use suw_shared::depth_map::DepthMap;

use crate::datasets::colmap::depth_map::depth_map;
use crate::decode::{IMAGE_PIXELS_MAX, depth_from_bytes};
use crate::hdf5_depth::read_hdf5_depth;
use crate::npy_depth::depth_from_npy;

/// The map in a file, by the end of its name; the cause where it has none.
///
/// `bytes` are those of the file. Messages do not name it.
pub fn read_depth(path: &Path, bytes: &[u8]) -> Result<DepthMap, String> {
    let name = path.to_string_lossy().to_ascii_lowercase();
    if name.ends_with(".npy") {
        let mut map = depth_from_npy(bytes, IMAGE_PIXELS_MAX).map_err(|error| error.to_string())?;
        for value in map.data_mut() {
            if !(value.is_finite() && *value > 0.0) {
                *value = 0.0;
            }
        }
        return Ok(map);
    }
    if name.ends_with(".h5") {
        let map = read_hdf5_depth(path, IMAGE_PIXELS_MAX).map_err(|error| error.to_string())?;
        return match map.data().iter().find(|value| !value.is_finite()) {
            Some(value) => Err(format!("expected finite numbers, got {value}")),
            None => Ok(map),
        };
    }
    if name.ends_with(".geometric.bin") {
        return depth_map(bytes);
    }
    depth_from_bytes(path, bytes).map_err(|error| error.cause())
}

#[cfg(test)]
mod tests {
    use suw_shared::image_size::ImageSize;

    use super::*;
    use crate::decode::depth_png16;

    #[test]
    fn the_end_of_the_name_decides() {
        let map = DepthMap::new(ImageSize::new(2, 1), vec![0.0, 2.5]);
        assert_eq!(read_depth(Path::new("a.png"), &depth_png16(&map)), Ok(map.clone()));
        let mut bytes = b"\x93NUMPY\x01\x00\x40\x00".to_vec();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
        bytes.extend(format!("{header:63}\n").into_bytes());
        for value in [f32::NAN, 1.0, f32::INFINITY, -1.0, 0.0, 9.0] {
            bytes.extend(value.to_le_bytes());
        }
        let map = read_depth(Path::new("a.NPY"), &bytes).unwrap();
        assert_eq!(map.data(), [0.0, 1.0, 0.0, 0.0, 0.0, 9.0]);
        assert!(read_depth(Path::new("a.png"), &bytes).unwrap_err().contains("PNG"));
        assert!(read_depth(Path::new("a.npy"), b"x").unwrap_err().contains("NumPy"));
    }
}
