//! Floor 1: depth maps in NumPy's format (`.npy`): two axes, little-endian f4, f8 or u2, row-major.
//!
//! A reader of its own because every length is compared with the bytes at hand before anything is allocated.

use suw_shared::depth_map::DepthMap;
use suw_shared::image_size::ImageSize;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Why an array is no depth map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpyError {
    /// Another file, another version, or a header that is cut off.
    #[error("expected a NumPy file of version 1 to 3, got {0}")]
    NotNpy(String),
    /// A header that says something else than a row-major map of numbers.
    #[error("expected a row-major array [H, W] of <f4, <f8 or <u2, got {0}")]
    OtherArray(String),
    /// Another length than the header says.
    #[error("expected {expected} bytes of values, got {got}")]
    Length {
        /// By shape and type.
        expected: usize,
        /// In the file.
        got: usize,
    },
}

/// The map in a NumPy file, at most `pixels_max` pixels. Values are taken as they are: metres, or the scene's unit.
pub fn depth_from_npy(bytes: &[u8], pixels_max: usize) -> Result<DepthMap, NpyError> {
    let (header, values) = split(bytes)?;
    let other = || NpyError::OtherArray(header.chars().take(120).collect());
    if field(header, "fortran_order").is_none_or(|value| !value.starts_with("False")) {
        return Err(other());
    }
    let kind = field(header, "descr")
        .and_then(|value| value.strip_prefix('\'')?.split('\'').next())
        .ok_or_else(other)?;
    let shape = field(header, "shape")
        .and_then(|value| value.strip_prefix('(')?.split(')').next())
        .ok_or_else(other)?;
    let axes: Vec<u32> = shape.split(',').filter_map(|axis| axis.trim().parse().ok()).collect();
    let (&[height, width], 2) = (axes.as_slice(), shape.split(',').count()) else {
        return Err(other());
    };
    let bytes_each = match kind {
        "<f4" => 4,
        "<f8" => 8,
        "<u2" => 2,
        _ => return Err(other()),
    };
    let size = ImageSize::new(width, height);
    if height == 0 || width == 0 || size.area() > pixels_max {
        return Err(other());
    }
    let expected = size.area() * bytes_each;
    if values.len() != expected {
        return Err(NpyError::Length { expected, got: values.len() });
    }
    let depth = match kind {
        "<f4" => values.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        "<f8" => values.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        _ => values.as_chunks().0.iter().map(|b| f32::from(u16::from_le_bytes(*b))).collect(),
    };
    Ok(DepthMap::new(size, depth))
}

/// Header text and values.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), NpyError> {
    let not = |what: &str| NpyError::NotNpy(what.to_owned());
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| not("another kind of file"))?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [version, ..] => return Err(not(&format!("version {version}, or its first bytes only"))),
        [] => return Err(not("its first bytes only")),
    };
    let (header, values) = rest.split_at_checked(length).ok_or_else(|| not("half a header"))?;
    let header = std::str::from_utf8(header).map_err(|_| not("a header that is no text"))?;
    Ok((header, values))
}

/// What stands behind `'name':` in the header.
fn field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{name}':"))?;
    Some(rest.trim_start())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn npy(header: &str, values: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values);
        bytes
    }

    const HEADER: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";

    fn values() -> Vec<u8> {
        [0.0f32, 1.0, 2.5, 4.0, 80.0, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn values_stand_row_by_row() {
        let map = depth_from_npy(&npy(HEADER, &values()), 100).unwrap();
        assert_eq!(map.size(), ImageSize::new(3, 2));
        assert_eq!((map.at(0, 2), map.at(1, 1)), (2.5, 80.0));
        let header = HEADER.replace("<f4", "<u2");
        let short = [0u16, 1, 2, 3, 4, 65_535].iter().flat_map(|v| v.to_le_bytes());
        let map = depth_from_npy(&npy(&header, &short.collect::<Vec<_>>()), 100).unwrap();
        assert_eq!(map.at(1, 2), 65_535.0);
        let double = [0.5f64; 6].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let map = depth_from_npy(&npy(&HEADER.replace("<f4", "<f8"), &double), 100).unwrap();
        assert_eq!(map.at(0, 0), 0.5);
    }

    #[test]
    fn other_arrays_are_refused_with_what_they_are() {
        let refused = |from: &str, to: &str| {
            depth_from_npy(&npy(&HEADER.replace(from, to), &values()), 100).unwrap_err()
        };
        for (from, to) in [
            ("<f4", ">f4"),
            ("<f4", "<i8"),
            ("False", "True"),
            ("(2, 3)", "(6,)"),
            ("(2, 3)", "(1, 2, 3)"),
            ("(2, 3)", "(0, 3)"),
            ("(2, 3)", "(2, 4294967295)"),
            ("(2, 3)", "(2, -3)"),
            ("shape", "form"),
        ] {
            assert!(matches!(refused(from, to), NpyError::OtherArray(_)), "{to}");
        }
        let error = refused("(2, 3)", "(2, 4)");
        assert_eq!(error, NpyError::Length { expected: 32, got: 24 });
        assert!(matches!(depth_from_npy(b"PK", 100), Err(NpyError::NotNpy(_))));
        assert!(depth_from_npy(&npy(HEADER, &values()), 5).is_err());
    }

    proptest! {
        #[test]
        fn no_damage_makes_the_reader_panic(
            at in 0usize..100, change in prop::collection::vec(any::<u8>(), 0..6), end in 0usize..110
        ) {
            let mut bytes = npy(HEADER, &values());
            let at = at.min(bytes.len());
            let last = (at + change.len()).min(bytes.len());
            bytes.splice(at..last, change);
            bytes.truncate(end.max(8));
            if let Ok(map) = depth_from_npy(&bytes, 100) {
                prop_assert!(map.data().len() <= 100);
            }
        }
    }
}
