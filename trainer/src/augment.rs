//! Floor 1: chance in training pictures: a crop, a mirror, a change of color; drawn from a seed, applied to everything alike.
//!
//! The color change is one affine map of RGB per clip: brightness, then contrast about the target frame's mean gray, then
//! saturation, then a turn of hue in YIQ. It is the same for all frames of a clip, so motion stays visible.

use rand::RngExt;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::pair::Pair;
use suw_shared::seed::Seed;

/// Luma of RGB (ITU-R BT.601).
const LUMA: [f64; 3] = [0.299, 0.587, 0.114];

/// How far chance may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AugmentParams {
    /// Size of the random crop; `None` keeps the whole picture.
    pub crop: Option<ImageSize>,
    /// Probability of a mirror.
    pub flip: f64,
    /// Brightness factor lies in 1 -+ this.
    pub brightness: f64,
    /// Contrast factor lies in 1 -+ this.
    pub contrast: f64,
    /// Saturation factor lies in 1 -+ this.
    pub saturation: f64,
    /// Hue turn lies in -+ this, in turns.
    pub hue: f64,
}

impl AugmentParams {
    /// Nothing changes.
    pub const OFF: Self =
        Self { crop: None, flip: 0.0, brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0 };
}

/// Whether a clip is mirrored left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// As stored.
    Off,
    /// Column x becomes W - 1 - x.
    On,
}

/// Factors of one color change; all 1 and no turn is no change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColorChange {
    /// Factor.
    pub brightness: f64,
    /// Factor about the mean gray.
    pub contrast: f64,
    /// Factor about each pixel's gray.
    pub saturation: f64,
    /// Turns.
    pub hue: f64,
}

/// What chance chose for one clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augmentation {
    /// The crop, in the stored picture.
    pub window: Window,
    /// Applied after the crop.
    pub mirror: Mirror,
    /// Applied to the networks' input only.
    pub color: ColorChange,
}

/// Draws for a picture of `size`; the same seed gives the same.
///
/// # Panics
/// If the crop is larger than the picture.
pub fn draw_augmentation(params: &AugmentParams, size: ImageSize, seed: Seed) -> Augmentation {
    let mut rng = seed.rng();
    // Every number is drawn whatever the settings, so that one switch does not change the others' draws.
    let mut unit = || rng.random::<f64>();
    let (row, column, flip) = (unit(), unit(), unit());
    let color = ColorChange {
        brightness: 1.0 + params.brightness * (2.0 * unit() - 1.0),
        contrast: 1.0 + params.contrast * (2.0 * unit() - 1.0),
        saturation: 1.0 + params.saturation * (2.0 * unit() - 1.0),
        hue: params.hue * (2.0 * unit() - 1.0),
    };
    let crop = params.crop.unwrap_or(size);
    assert!(
        crop.width <= size.width && crop.height <= size.height,
        "invariant: the crop {crop} fits into the picture {size}"
    );
    let start = |fraction: f64, room: u32| (fraction * f64::from(room + 1)) as u32;
    let window = Window {
        y: start(row, size.height - crop.height),
        x: start(column, size.width - crop.width),
        height: crop.height,
        width: crop.width,
    };
    let mirror = if flip < params.flip { Mirror::On } else { Mirror::Off };
    Augmentation { window, mirror, color }
}

/// The color change as a row-major 3x4 matrix on (R, G, B, 1) in [0, 1]; the result is still to be clamped.
pub fn color_matrix(change: &ColorChange, mean_gray: f64) -> [f32; 12] {
    let saturated: [[f64; 3]; 3] = std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            let own = if row == column { change.saturation } else { 0.0 };
            own + (1.0 - change.saturation) * LUMA[column]
        })
    });
    let colored = multiply(&hue_turn(change.hue), &saturated);
    let gain = change.brightness * change.contrast;
    // Gray stays gray under saturation and hue, so the offset passes them unchanged.
    let offset = (1.0 - change.contrast) * change.brightness * mean_gray;
    std::array::from_fn(|at| match at % 4 {
        3 => offset as f32,
        column => (gain * colored[at / 4][column]) as f32,
    })
}

/// Mean luma of a planar RGB picture, in [0, 1].
///
/// # Shapes
/// - `rgb`: `[3, H, W]`
pub fn mean_gray(rgb: &[u8]) -> f64 {
    let plane = rgb.len() / 3;
    let sums = rgb.chunks_exact(plane.max(1)).zip(LUMA).map(|(channel, weight)| {
        weight * channel.iter().map(|&value| u64::from(value)).sum::<u64>() as f64
    });
    sums.sum::<f64>() / (255.0 * plane.max(1) as f64)
}

/// The window of every plane, mirrored or not.
///
/// # Shapes
/// - `planes`: `[.., H, W]` of `size`; returns `[.., window.height, window.width]`
pub fn cut_planes<T: Copy>(
    planes: &[T],
    size: ImageSize,
    window: Window,
    mirror: Mirror,
) -> Vec<T> {
    let (width, height) = (size.width as usize, size.height as usize);
    let n_planes = planes.len() / (width * height);
    let mut out = Vec::with_capacity(n_planes * window.size().area());
    for plane in planes.chunks_exact(width * height) {
        for y in window.y as usize..(window.y + window.height) as usize {
            let start = y * width + window.x as usize;
            let row = &plane[start..start + window.width as usize];
            let end = out.len();
            out.extend_from_slice(row);
            if mirror == Mirror::On {
                out[end..].reverse();
            }
        }
    }
    out
}

/// The camera matrix of the cut: the principal point moves with the corner, then `cx' = W - 1 - cx`.
pub fn cut_intrinsics(matrix: &[f32; 9], window: Window, mirror: Mirror) -> [f32; 9] {
    let mut out = *matrix;
    out[2] -= window.x as f32;
    out[5] -= window.y as f32;
    if mirror == Mirror::On {
        out[2] = window.width as f32 - 1.0 - out[2];
    }
    out
}

/// The motion in the mirrored world: F T F with F = diag(-1, 1, 1, 1).
pub fn cut_motion(motion: &[f32; 16], mirror: Mirror) -> [f32; 16] {
    match mirror {
        Mirror::Off => *motion,
        Mirror::On => std::array::from_fn(|at| {
            let crosses = (at / 4 == 0) != (at % 4 == 0);
            if crosses { -motion[at] } else { motion[at] }
        }),
    }
}

/// The pair in coordinates of the cut; it must lie inside the window.
pub fn cut_pair(pair: &Pair, window: Window, mirror: Mirror) -> Pair {
    let row = |y: u16| y - window.y as u16;
    let column = |x: u16| {
        let x = x - window.x as u16;
        match mirror {
            Mirror::Off => x,
            Mirror::On => window.width as u16 - 1 - x,
        }
    };
    Pair {
        far_y: row(pair.far_y),
        far_x: column(pair.far_x),
        near_y: row(pair.near_y),
        near_x: column(pair.near_x),
        ..*pair
    }
}

/// RGB to RGB: a turn of the chroma plane of YIQ.
fn hue_turn(turns: f64) -> [[f64; 3]; 3] {
    let yiq_from_rgb =
        [LUMA, [0.595_716, -0.274_453, -0.321_263], [0.211_456, -0.522_591, 0.311_135]];
    let rgb_from_yiq = [[1.0, 0.956_3, 0.621], [1.0, -0.272_1, -0.647_4], [1.0, -1.107, 1.704_6]];
    let (sine, cosine) = (std::f64::consts::TAU * turns).sin_cos();
    // The printed inverse has four digits, so the identity is left out and only the change goes through it.
    let change = [[0.0; 3], [0.0, cosine - 1.0, -sine], [0.0, sine, cosine - 1.0]];
    let changed = multiply(&rgb_from_yiq, &multiply(&change, &yiq_from_rgb));
    std::array::from_fn(|row| {
        std::array::from_fn(|column| changed[row][column] + if row == column { 1.0 } else { 0.0 })
    })
}

fn multiply(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| (0..3).map(|k| a[row][k] * b[k][column]).sum())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use suw_shared::pair::{Origin, PairKind, Rule};

    use super::*;

    const SIZE: ImageSize = ImageSize::new(8, 6);
    const WINDOW: Window = Window { y: 1, x: 2, height: 4, width: 5 };
    const SAME: ColorChange =
        ColorChange { brightness: 1.0, contrast: 1.0, saturation: 1.0, hue: 0.0 };

    fn apply(matrix: &[f32; 12], rgb: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|row| {
            let m = &matrix[4 * row..4 * row + 4];
            m[0] * rgb[0] + m[1] * rgb[1] + m[2] * rgb[2] + m[3]
        })
    }

    fn close(a: [f32; 3], b: [f32; 3]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
    }

    proptest! {
        #[test]
        fn crops_lie_inside_and_every_draw_repeats(seed: u64) {
            let params = AugmentParams {
                crop: Some(ImageSize::new(5, 4)), flip: 0.5, hue: 0.1, ..AugmentParams::OFF
            };
            let drawn = draw_augmentation(&params, SIZE, Seed(seed));
            prop_assert!(drawn.window.fits(SIZE));
            prop_assert!(drawn.color.hue.abs() <= 0.1);
            prop_assert_eq!(drawn, draw_augmentation(&params, SIZE, Seed(seed)));
        }

        /// A scene point keeps its picture value: project, cut, and read at the moved place.
        #[test]
        fn intrinsics_follow_the_pixels(x in 2u32..7, y in 1u32..5, depth in 1.0f32..50.0) {
            let camera = [7.0f32, 0.0, 3.4, 0.0, 6.0, 2.8, 0.0, 0.0, 1.0];
            for mirror in [Mirror::Off, Mirror::On] {
                // The ray of pixel (x, y), in a mirrored world mirrored too.
                let sign = if mirror == Mirror::On { -1.0 } else { 1.0 };
                let point_x = sign * (x as f32 - camera[2]) / camera[0] * depth;
                let point_y = (y as f32 - camera[5]) / camera[4] * depth;
                let cut = cut_intrinsics(&camera, WINDOW, mirror);
                let u = cut[0] * point_x / depth + cut[2];
                let v = cut[4] * point_y / depth + cut[5];
                // Where the pixel itself went: a picture that holds 1 there and 0 elsewhere.
                let mut picture = vec![0u8; SIZE.area()];
                picture[(y * SIZE.width + x) as usize] = 1;
                let moved = cut_planes(&picture, SIZE, WINDOW, mirror);
                let at = moved.iter().position(|&value| value == 1).unwrap();
                let width = WINDOW.width as usize;
                prop_assert!((u - (at % width) as f32).abs() < 1e-3);
                prop_assert!((v - (at / width) as f32).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn pairs_move_with_the_pixels() {
        let pair = Pair {
            kind: PairKind::Pixel,
            origin: Origin::SameClass,
            rule: Rule::None,
            size: 1,
            far_y: 2,
            far_x: 3,
            near_y: 4,
            near_x: 6,
            far_class: 0,
            near_class: 0,
        };
        let mut picture = vec![0u8; SIZE.area()];
        picture[2 * 8 + 3] = 1;
        picture[4 * 8 + 6] = 2;
        for mirror in [Mirror::Off, Mirror::On] {
            let moved = cut_planes(&picture, SIZE, WINDOW, mirror);
            let pair = cut_pair(&pair, WINDOW, mirror);
            assert_eq!(moved[usize::from(pair.far_y * 5 + pair.far_x)], 1);
            assert_eq!(moved[usize::from(pair.near_y * 5 + pair.near_x)], 2);
        }
    }

    #[test]
    fn a_mirrored_motion_moves_mirrored_points() {
        // A quarter turn about y and a step: x to -z, z to x.
        let motion =
            [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 2.0, -1.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 1.0];
        let apply = |m: &[f32; 16], p: [f32; 3]| -> [f32; 3] {
            std::array::from_fn(|r| {
                m[4 * r] * p[0] + m[4 * r + 1] * p[1] + m[4 * r + 2] * p[2] + m[4 * r + 3]
            })
        };
        let [x, y, z] = apply(&motion, [0.5, 0.7, 9.0]);
        assert_eq!(apply(&cut_motion(&motion, Mirror::On), [-0.5, 0.7, 9.0]), [-x, y, z]);
        assert_eq!(cut_motion(&motion, Mirror::Off), motion);
    }

    #[test]
    fn no_change_is_the_identity_and_gray_stays_gray() {
        assert!(close(apply(&color_matrix(&SAME, 0.4), [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9]));
        let wild = ColorChange { saturation: 0.3, hue: 0.21, ..SAME };
        assert!(close(apply(&color_matrix(&wild, 0.4), [0.5; 3]), [0.5; 3]));
    }

    #[test]
    fn each_change_by_hand() {
        let bright = ColorChange { brightness: 1.2, ..SAME };
        assert!(close(apply(&color_matrix(&bright, 0.4), [0.1, 0.5, 0.3]), [0.12, 0.6, 0.36]));
        let flat = ColorChange { contrast: 0.5, ..SAME };
        assert!(close(apply(&color_matrix(&flat, 0.4), [0.0, 0.4, 0.8]), [0.2, 0.4, 0.6]));
        let gray = ColorChange { saturation: 0.0, ..SAME };
        assert!(close(apply(&color_matrix(&gray, 0.4), [1.0, 0.0, 0.0]), [0.299; 3]));
        // Half a turn of hue sends the chroma to its opposite: gray + (gray - color).
        let turned = ColorChange { hue: 0.5, ..SAME };
        let out = apply(&color_matrix(&turned, 0.4), [0.6, 0.4, 0.5]);
        let luma = 0.299 * 0.6 + 0.587 * 0.4 + 0.114 * 0.5;
        let expected = [2.0 * luma - 0.6, 2.0 * luma - 0.4, 2.0 * luma - 0.5];
        assert!(out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-3), "{out:?}");
    }

    #[test]
    fn mean_gray_weighs_channels_by_luma() {
        // Two pixels: pure red and black.
        assert!((mean_gray(&[255, 0, 0, 0, 0, 0]) - 0.1495).abs() < 1e-9);
    }
}
