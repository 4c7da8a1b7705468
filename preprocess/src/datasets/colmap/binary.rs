//! Floor 1: COLMAP's binary model files. Nothing is allocated from a count: lists grow as bytes are there to fill them.

use std::collections::BTreeMap;

use super::model::{Cameras, ColmapImage, Points, camera, pose};

/// Parameters of COLMAP's camera models by number; those with distortion are refused later, by name of the number.
const N_PARAMS: [usize; 11] = [3, 4, 4, 5, 8, 8, 12, 5, 4, 5, 12];

/// `cameras.bin`
pub fn cameras(bytes: &[u8]) -> Result<Cameras, String> {
    let mut rest = Rest { bytes };
    let mut cameras = BTreeMap::new();
    for _ in 0..rest.u64()? {
        let id = rest.u32()?;
        let model = rest.u32()?;
        let size = [rest.u64()?, rest.u64()?];
        let n = N_PARAMS.get(model as usize);
        let n = *n.ok_or_else(|| format!("expected camera models 0 to 10, got {model}"))?;
        let params = (0..n).map(|_| rest.f64()).collect::<Result<Vec<_>, _>>()?;
        cameras.insert(id, camera(model, size, &params)?);
    }
    rest.end()?;
    Ok(cameras)
}

/// `images.bin`
pub fn images(bytes: &[u8]) -> Result<Vec<ColmapImage>, String> {
    let mut rest = Rest { bytes };
    let mut images = Vec::new();
    for _ in 0..rest.u64()? {
        rest.u32()?;
        let quaternion = [rest.f64()?, rest.f64()?, rest.f64()?, rest.f64()?];
        let translation = [rest.f64()?, rest.f64()?, rest.f64()?];
        let camera = rest.u32()?;
        let name = rest.text()?;
        let mut seen = Vec::new();
        for _ in 0..rest.u64()? {
            rest.take(16)?; // column, row
            let point = rest.u64()?;
            // All bits set: a feature without a point.
            if point != u64::MAX {
                seen.push(point);
            }
        }
        let pose = pose(quaternion, translation)
            .map_err(|reason| format!("picture {name:?}: {reason}"))?;
        images.push(ColmapImage { name, camera, pose, seen });
    }
    rest.end()?;
    Ok(images)
}

/// `points3D.bin`
pub fn points(bytes: &[u8]) -> Result<Points, String> {
    let mut rest = Rest { bytes };
    let mut points = BTreeMap::new();
    for _ in 0..rest.u64()? {
        let id = rest.u64()?;
        let place = [rest.f64()?, rest.f64()?, rest.f64()?];
        rest.take(3 + 8)?; // color, error
        let track = rest.u64()?;
        let bytes = usize::try_from(track).ok().and_then(|n| n.checked_mul(8));
        rest.take(bytes.unwrap_or(usize::MAX))?;
        if !place.iter().all(|value| value.is_finite()) {
            return Err(format!("expected finite points, got {place:?}"));
        }
        points.insert(id, place);
    }
    rest.end()?;
    Ok(points)
}

/// What is not read yet.
struct Rest<'a> {
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (head, tail) = self
            .bytes
            .split_at_checked(n)
            .ok_or_else(|| format!("expected {n} more bytes, got {}", self.bytes.len()))?;
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn f64(&mut self) -> Result<f64, String> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// Up to a zero byte.
    fn text(&mut self) -> Result<String, String> {
        let end = self.bytes.iter().position(|byte| *byte == 0);
        let end = end.ok_or("expected a name that ends with a zero byte, got none")?;
        let text = self.take(end)?;
        self.take(1)?;
        String::from_utf8(text.to_vec()).map_err(|_| "expected a name in UTF-8".to_owned())
    }

    fn end(&self) -> Result<(), String> {
        match self.bytes.len() {
            0 => Ok(()),
            more => Err(format!("expected the end of the file, got {more} more bytes")),
        }
    }
}
