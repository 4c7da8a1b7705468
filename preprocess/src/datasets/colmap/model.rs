//! Floor 0: a sparse COLMAP model: pinhole cameras, poses of pictures, points.

use std::collections::BTreeMap;

use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;

/// A quaternion may be this much longer or shorter than 1.
const NORM_TOLERANCE: f64 = 0.01;

/// Cameras by COLMAP's number.
pub type Cameras = BTreeMap<u32, ColmapCamera>;

/// Points by COLMAP's number, in the unit of the model.
pub type Points = BTreeMap<u64, [f64; 3]>;

/// A camera without distortion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColmapCamera {
    /// Of its pictures.
    pub size: ImageSize,
    /// Pixel centers at integers.
    pub intrinsics: Intrinsics,
}

/// A picture with a pose.
#[derive(Clone, Debug, PartialEq)]
pub struct ColmapImage {
    /// File name in `images/`.
    pub name: String,
    /// Number of its camera.
    pub camera: u32,
    /// `[3, 4]`, row-major: camera_from_world.
    pub pose: [f64; 12],
    /// Numbers of the points that it sees.
    pub seen: Vec<u64>,
}

/// A whole model; every picture has a camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    cameras: Cameras,
    images: BTreeMap<String, ColmapImage>,
    points: Points,
}

/// The camera of a model number: 0 is SIMPLE_PINHOLE (f, cx, cy), 1 is PINHOLE (fx, fy, cx, cy).
pub(crate) fn camera(model: u32, size: [u64; 2], params: &[f64]) -> Result<ColmapCamera, String> {
    let (fx, fy, cx, cy) = match (model, params) {
        (0, &[f, cx, cy]) => (f, f, cx, cy),
        (1, &[fx, fy, cx, cy]) => (fx, fy, cx, cy),
        _ => {
            return Err(format!(
                "expected cameras without distortion (SIMPLE_PINHOLE or PINHOLE), as in the sparse/ of a dense \
                 workspace, got model {model} with {} numbers",
                params.len()
            ));
        }
    };
    let side = |length: u64| u32::try_from(length).ok().filter(|l| (1..=65_535).contains(l));
    let (Some(width), Some(height)) = (side(size[0]), side(size[1])) else {
        return Err(format!("expected pictures of 1 to 65535 pixels a side, got {size:?}"));
    };
    if ![fx, fy, cx, cy].iter().all(|v| v.is_finite()) || fx <= 0.0 || fy <= 0.0 {
        return Err(format!("expected finite numbers and focal lengths above 0, got {params:?}"));
    }
    let intrinsics = Intrinsics { fx, fy, cx: cx - 0.5, cy: cy - 0.5 };
    Ok(ColmapCamera { size: ImageSize::new(width, height), intrinsics })
}

/// `[3, 4]` from a quaternion (w, x, y, z) and a translation.
pub(crate) fn pose([w, x, y, z]: [f64; 4], [tx, ty, tz]: [f64; 3]) -> Result<[f64; 12], String> {
    let norm = (w * w + x * x + y * y + z * z).sqrt();
    let finite = [tx, ty, tz, norm].iter().all(|value| value.is_finite());
    if !finite || (norm - 1.0).abs() > NORM_TOLERANCE {
        let got = format!("length {norm}, translation {:?}", [tx, ty, tz]);
        return Err(format!("expected a unit quaternion and a finite translation, got {got}"));
    }
    let [w, x, y, z] = [w, x, y, z].map(|value| value / norm);
    Ok([
        1.0 - 2.0 * (y * y + z * z),
        2.0 * (x * y - w * z),
        2.0 * (x * z + w * y),
        tx,
        2.0 * (x * y + w * z),
        1.0 - 2.0 * (x * x + z * z),
        2.0 * (y * z - w * x),
        ty,
        2.0 * (x * z - w * y),
        2.0 * (y * z + w * x),
        1.0 - 2.0 * (x * x + y * y),
        tz,
    ])
}

impl Model {
    /// A model from its parts.
    ///
    /// # Errors
    /// A picture without camera, a name that stands twice or leaves the folder.
    pub fn new(cameras: Cameras, images: Vec<ColmapImage>, points: Points) -> Result<Self, String> {
        let mut by_name = BTreeMap::new();
        for image in images {
            let name = image.name.clone();
            if !cameras.contains_key(&image.camera) {
                return Err(format!("picture {name:?}: expected its camera, got none"));
            }
            if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
                return Err(format!("picture {name:?}: expected a file name without folders"));
            }
            if by_name.insert(name.clone(), image).is_some() {
                return Err(format!("picture {name:?}: expected each name once"));
            }
        }
        Ok(Self { cameras, images: by_name, points })
    }

    /// Its pictures, by name.
    pub fn images(&self) -> impl Iterator<Item = &ColmapImage> {
        self.images.values()
    }

    /// The camera of a picture.
    pub fn camera(&self, image: &ColmapImage) -> ColmapCamera {
        self.cameras[&image.camera]
    }

    /// Number of points.
    pub fn n_points(&self) -> usize {
        self.points.len()
    }

    /// The points that a picture sees and that lie inside it: column, row, depth along the optical axis.
    ///
    /// Points are projected: what the model says about places may be in pixels of pictures before undistortion.
    pub fn sparse_depths(&self, image: &ColmapImage) -> Vec<(u32, u32, f64)> {
        let (m, camera) = (&image.pose, self.camera(image));
        let k = camera.intrinsics;
        let row = |r: usize, p: &[f64; 3]| {
            m[4 * r] * p[0] + m[4 * r + 1] * p[1] + m[4 * r + 2] * p[2] + m[4 * r + 3]
        };
        let pixel = |value: f64, side: u32| {
            let inside = value >= -0.5 && value < f64::from(side) - 0.5;
            inside.then(|| value.round().max(0.0) as u32)
        };
        let seen = image.seen.iter().filter_map(|id| self.points.get(id));
        seen.filter_map(|point| {
            let [x, y, z] = [0, 1, 2].map(|r| row(r, point));
            let column = pixel(k.fx * x / z + k.cx, camera.size.width)?;
            let line = pixel(k.fy * y / z + k.cy, camera.size.height)?;
            (z > 0.0).then_some((column, line, z))
        })
        .collect()
    }
}
