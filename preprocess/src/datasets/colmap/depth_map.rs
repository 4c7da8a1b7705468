//! Floor 1: COLMAP's depth maps: the text `w&h&c&`, then w h little-endian floats, row by row; 0 = not measured.

use suw_shared::depth_map::DepthMap;
use suw_shared::image_size::ImageSize;

/// Longest header: three numbers of ten digits.
const HEADER_BYTES_MAX: usize = 33;

/// The map in the bytes of a `*.geometric.bin` or `*.photometric.bin`.
///
/// # Errors
/// Another format, another length, or values that are not finite or below 0.
pub fn depth_map(bytes: &[u8]) -> Result<DepthMap, String> {
    let head = &bytes[..bytes.len().min(HEADER_BYTES_MAX)];
    let not = || "expected a COLMAP depth map that begins with w&h&1&, got other bytes".to_owned();
    let mut ends = (0..head.len()).filter(|&at| head[at] == b'&');
    let end = ends.nth(2).ok_or_else(not)?;
    let text = std::str::from_utf8(&head[..end]).map_err(|_| not())?;
    let sides: Vec<u32> = text.split('&').filter_map(|side| side.parse().ok()).collect();
    let &[width, height, 1] = sides.as_slice() else { return Err(not()) };
    let size = ImageSize::new(width, height);
    let values = &bytes[end + 1..];
    if size.area() == 0 || size.area().checked_mul(4) != Some(values.len()) {
        return Err(format!("expected 4 bytes for each of {size} pixels, got {}", values.len()));
    }
    let depth: Vec<f32> =
        values.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match depth.iter().find(|value| !(value.is_finite() && **value >= 0.0)) {
        Some(value) => Err(format!("expected finite depth from 0, got {value}")),
        None => Ok(DepthMap::new(size, depth)),
    }
}
