//! Floor 0: pinhole intrinsics in pixels. The one statement of the pixel-center convention:
//! pixel centers lie at integer coordinates, so a picture spans -0.5 to W - 0.5.

use crate::image_size::{ImageSize, Window};

/// A pinhole camera without distortion, in pixels of the picture it is stored with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intrinsics {
    /// Focal length along x, pixels.
    pub fx: f64,
    /// Focal length along y, pixels.
    pub fy: f64,
    /// Principal point, column.
    pub cx: f64,
    /// Principal point, row.
    pub cy: f64,
}

impl Intrinsics {
    /// The camera of the same picture resized from `from` to `to`: `f' = s f`, `c' = (c + 0.5) s - 0.5`.
    pub fn resized(self, from: ImageSize, to: ImageSize) -> Self {
        let sx = f64::from(to.width) / f64::from(from.width);
        let sy = f64::from(to.height) / f64::from(from.height);
        Self {
            fx: self.fx * sx,
            fy: self.fy * sy,
            cx: (self.cx + 0.5) * sx - 0.5,
            cy: (self.cy + 0.5) * sy - 0.5,
        }
    }

    /// The camera of a window of the picture.
    pub fn cropped(self, window: Window) -> Self {
        Self { cx: self.cx - f64::from(window.x), cy: self.cy - f64::from(window.y), ..self }
    }

    /// The camera of the mirrored picture: `cx' = W - 1 - cx`.
    pub fn flipped(self, width: u32) -> Self {
        Self { cx: f64::from(width) - 1.0 - self.cx, ..self }
    }

    /// Row-major 3x3 matrix.
    pub fn matrix(self) -> [f64; 9] {
        [self.fx, 0.0, self.cx, 0.0, self.fy, self.cy, 0.0, 0.0, 1.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: Intrinsics = Intrinsics { fx: 700.0, fy: 710.0, cx: 609.5, cy: 172.0 };

    #[test]
    fn halving_a_picture_moves_the_center_by_a_quarter_pixel() {
        // The middle of 1242 columns is 620.5; of 621 columns it is 310.
        let camera = Intrinsics { cx: 620.5, ..CAMERA };
        let half = camera.resized(ImageSize::new(1242, 376), ImageSize::new(621, 188));
        assert_eq!(half.cx, 310.0);
        assert_eq!(half.fx, 350.0);
        assert_eq!(half.cy, 85.75);
    }

    #[test]
    fn flipping_twice_changes_nothing() {
        assert_eq!(CAMERA.flipped(1242).flipped(1242), CAMERA);
        assert_eq!(CAMERA.flipped(1242).cx, 631.5);
    }

    #[test]
    fn cropping_subtracts_the_corner() {
        let cropped = CAMERA.cropped(Window { y: 23, x: 13, height: 352, width: 1216 });
        assert_eq!((cropped.cx, cropped.cy), (596.5, 149.0));
    }
}
