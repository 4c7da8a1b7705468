//! Floor 0: what a walk through a data set of pictures finds, before any picture is opened. Paths are relative to the
//! root, `/` between parts.

use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;
use suw_shared::problem::{Problem, ProblemKind};

/// What lies under a root.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// Sorted by name.
    pub scenes: Vec<PictureScene>,
    /// What is missing or cannot be used.
    pub problems: Vec<Problem>,
}

/// A picture whose name cannot be a part of a sample key.
pub(crate) fn unusable_name(image: String, reason: &str) -> Problem {
    Problem {
        item: image,
        kind: ProblemKind::ImageUnreadable,
        reason: format!("{reason}; give the file another name"),
    }
}

/// Pictures that belong together: a folder, or a clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PictureScene {
    /// First part of the sample keys.
    pub name: String,
    /// By rising number, each stem once.
    pub frames: Vec<Picture>,
    /// Files that cameras, poses and depth were read from, beside those of the frames.
    pub sources: Vec<String>,
    /// Camera of all pictures that have none of their own, where known.
    pub camera: Option<Camera>,
}

/// One picture and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Position in time; a clip of three frames needs numbers at equal distance.
    pub number: u64,
    /// Last part of the sample keys.
    pub stem: String,
    /// Color picture.
    pub image: String,
    /// Depth map.
    pub depth: Option<String>,
    /// Depth that is believed, nearest and farthest.
    pub depth_range: Option<[f64; 2]>,
    /// Its own camera, where known.
    pub camera: Option<Camera>,
    /// `[3, 4]`, row-major: camera_from_world.
    pub pose: Option<[f64; 12]>,
}

/// How a source states a camera.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Camera {
    /// In pixels of pictures of any size.
    Pixels(Intrinsics),
    /// In pixels of pictures of this size.
    PixelsAt(Intrinsics, ImageSize),
    /// Focal lengths and principal point as shares of width and height, corners at 0 and 1 (Mannequin Challenge).
    Shares([f64; 4]),
}

impl Camera {
    /// Intrinsics in pixels of a picture, centers at integers: `cx = cx_share W - 0.5`.
    pub fn at(self, size: ImageSize) -> Intrinsics {
        match self {
            Self::Pixels(intrinsics) => intrinsics,
            Self::PixelsAt(intrinsics, stated) => intrinsics.resized(stated, size),
            Self::Shares([fx, fy, cx, cy]) => {
                let (width, height) = (f64::from(size.width), f64::from(size.height));
                Intrinsics {
                    fx: fx * width,
                    fy: fy * height,
                    cx: cx * width - 0.5,
                    cy: cy * height - 0.5,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_stated_sizes_become_pixels() {
        let size = ImageSize::new(640, 360);
        let camera = Camera::Shares([0.5, 0.9, 0.5, 0.25]).at(size);
        let expected = Intrinsics { fx: 320.0, fy: 324.0, cx: 319.5, cy: 89.5 };
        assert_eq!(camera, expected);
        // The same camera stated for a picture of half the size.
        let half = Intrinsics { fx: 160.0, fy: 162.0, cx: 159.5, cy: 44.5 };
        assert_eq!(Camera::PixelsAt(half, ImageSize::new(320, 180)).at(size), expected);
        assert_eq!(Camera::Pixels(half).at(size), half);
    }
}
