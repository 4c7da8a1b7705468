//! Floor 1: depth errors of one image by the Eigen protocol: crop, range, scaling, clamp, nine errors.
//!
//! Eigen et al. 2014 for the errors, Garg et al. 2016 for the usual crop. Crop and range choose the pixels first; the
//! median scaling looks at just those; predictions are then clamped to the range, and only then compared.

use std::fmt;
use std::str::FromStr;

use suw_shared::image_size::{ImageSize, Window};

/// Smallest depth that counts, metres; ground truth must lie strictly above it.
pub const DEPTH_M_MIN: f64 = 1e-3;

/// Which part of a picture counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crop {
    /// Rows .40810811 to .99189189, columns .03594771 to .96405229 of the native size.
    Garg,
    /// Rows .3324324 to .91351351, columns .0359477 to .96405229 of the native size.
    Eigen,
    /// The whole picture.
    None,
}

impl Crop {
    /// The part of a picture of `native` size; fractions are truncated to whole pixels.
    pub fn window(self, native: ImageSize) -> Window {
        let (rows, columns) = match self {
            Self::Garg => ((0.40810811, 0.99189189), (0.03594771, 0.96405229)),
            Self::Eigen => ((0.3324324, 0.91351351), (0.0359477, 0.96405229)),
            Self::None => ((0.0, 1.0), (0.0, 1.0)),
        };
        let at = |fraction: f64, length: u32| (fraction * f64::from(length)) as u32;
        let (y, x) = (at(rows.0, native.height), at(columns.0, native.width));
        Window {
            y,
            x,
            height: at(rows.1, native.height) - y,
            width: at(columns.1, native.width) - x,
        }
    }

    /// The word of the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Garg => "garg",
            Self::Eigen => "eigen",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Garg, Self::Eigen, Self::None]
            .into_iter()
            .find(|crop| crop.name() == text)
            .ok_or_else(|| format!("cannot use crop {text:?}: expected garg, eigen or none"))
    }
}

/// Whether predictions are scaled to the ground truth of their image before they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// As predicted.
    None,
    /// By median(ground truth) / median(prediction) over the pixels that count.
    Median,
}

impl Scaling {
    /// The word of reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Median => "median",
        }
    }
}

/// What decides which numbers can be compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthProtocol {
    /// Which part of a picture counts.
    pub crop: Crop,
    /// Ground truth must lie strictly below; predictions are clamped to it. Metres.
    pub cap_m: f64,
    /// Whether predictions are scaled per image.
    pub scaling: Scaling,
}

/// One measured pixel with what was predicted there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComparedPixel {
    /// Row in the native picture.
    pub y: u32,
    /// Column in the native picture.
    pub x: u32,
    /// Ground truth, metres.
    pub truth_m: f64,
    /// Prediction, metres.
    pub predicted_m: f64,
}

/// The nine errors of one image, or their mean over images. Shares are not percent; `silog` is times 100.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // the names papers print
pub struct DepthErrors {
    pub abs_rel: f64,
    pub sq_rel: f64,
    pub rmse: f64,
    pub rmse_log: f64,
    pub log10: f64,
    pub silog: f64,
    pub a1: f64,
    pub a2: f64,
    pub a3: f64,
}

impl DepthErrors {
    /// Names in the order of `to_array`.
    pub const NAMES: [&'static str; 9] =
        ["abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "a1", "a2", "a3"];

    /// The nine values in the order of `NAMES`.
    pub fn to_array(self) -> [f64; 9] {
        [
            self.abs_rel,
            self.sq_rel,
            self.rmse,
            self.rmse_log,
            self.log10,
            self.silog,
            self.a1,
            self.a2,
            self.a3,
        ]
    }

    /// The errors from nine values in the order of `NAMES`.
    pub fn from_array(values: [f64; 9]) -> Self {
        let [abs_rel, sq_rel, rmse, rmse_log, log10, silog, a1, a2, a3] = values;
        Self { abs_rel, sq_rel, rmse, rmse_log, log10, silog, a1, a2, a3 }
    }
}

/// The pixels of one image that count: inside the crop, `1e-3 < truth < cap`.
pub fn counted_pixels(
    pixels: &[ComparedPixel],
    native: ImageSize,
    protocol: &DepthProtocol,
) -> Vec<(f64, f64)> {
    let window = protocol.crop.window(native);
    pixels
        .iter()
        .filter(|pixel| {
            let row_inside = pixel.y >= window.y && pixel.y - window.y < window.height;
            let column_inside = pixel.x >= window.x && pixel.x - window.x < window.width;
            row_inside
                && column_inside
                && pixel.truth_m > DEPTH_M_MIN
                && pixel.truth_m < protocol.cap_m
        })
        .map(|pixel| (pixel.truth_m, pixel.predicted_m))
        .collect()
}

/// Errors of one image; `None` where no pixel counts.
///
/// # Units
/// Metres in; `rmse` in metres, `sq_rel` in metres, `silog` times 100, the rest without a unit.
pub fn image_errors(
    pixels: &[ComparedPixel],
    native: ImageSize,
    protocol: &DepthProtocol,
) -> Option<DepthErrors> {
    let pairs = counted_pixels(pixels, native, protocol);
    let scale = match protocol.scaling {
        Scaling::None => 1.0,
        Scaling::Median => {
            let truth = median(pairs.iter().map(|pair| pair.0).collect())?;
            truth / median(pairs.iter().map(|pair| pair.1).collect())?
        }
    };
    errors_of(
        pairs.into_iter().map(|(truth, predicted)| {
            (truth, (predicted * scale).clamp(DEPTH_M_MIN, protocol.cap_m))
        }),
    )
}

/// The median; of an even count the mean of the middle two. `None` of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    let upper = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, middle, _) = values.select_nth_unstable_by(upper, f64::total_cmp);
    let middle = *middle;
    Some(if even {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (lower + middle) / 2.0
    } else {
        middle
    })
}

fn errors_of(pairs: impl Iterator<Item = (f64, f64)>) -> Option<DepthErrors> {
    let mut sums = [0.0; 9];
    let mut log_sum = 0.0;
    let mut n = 0.0;
    for (truth, predicted) in pairs {
        let difference = predicted - truth;
        let log_difference = predicted.ln() - truth.ln();
        let ratio = (predicted / truth).max(truth / predicted);
        let share = |power: i32| if ratio < 1.25f64.powi(power) { 1.0 } else { 0.0 };
        let values = [
            difference.abs() / truth,
            difference * difference / truth,
            difference * difference,
            log_difference * log_difference,
            (predicted.log10() - truth.log10()).abs(),
            0.0, // silog, from the sums below
            share(1),
            share(2),
            share(3),
        ];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
        log_sum += log_difference;
        n += 1.0;
    }
    if n == 0.0 {
        return None;
    }
    let mut errors = DepthErrors::from_array(sums.map(|sum| sum / n));
    // Rounding may leave the variance of equal values slightly below zero.
    let variance = (errors.rmse_log - (log_sum / n) * (log_sum / n)).max(0.0);
    errors.silog = 100.0 * variance.sqrt();
    errors.rmse = errors.rmse.sqrt();
    errors.rmse_log = errors.rmse_log.sqrt();
    Some(errors)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const KITTI: ImageSize = ImageSize::new(1242, 375);
    const WHOLE: DepthProtocol =
        DepthProtocol { crop: Crop::None, cap_m: 80.0, scaling: Scaling::None };

    fn pixels(pairs: &[(f64, f64)]) -> Vec<ComparedPixel> {
        pairs
            .iter()
            .enumerate()
            .map(|(i, &(truth_m, predicted_m))| ComparedPixel {
                y: 0,
                x: i as u32,
                truth_m,
                predicted_m,
            })
            .collect()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs().max(1.0)
    }

    #[test]
    fn two_pixels_by_hand() {
        // 10 m seen as 11 m, 20 m seen as 10 m.
        let errors = image_errors(&pixels(&[(10.0, 11.0), (20.0, 10.0)]), KITTI, &WHOLE).unwrap();
        let (e0, e1) = (1.1f64.ln(), 0.5f64.ln());
        assert!(close(errors.abs_rel, (0.1 + 0.5) / 2.0));
        assert!(close(errors.sq_rel, (0.1 + 5.0) / 2.0));
        assert!(close(errors.rmse, 50.5f64.sqrt()));
        assert!(close(errors.rmse_log, ((e0 * e0 + e1 * e1) / 2.0).sqrt()));
        assert!(close(errors.log10, (1.1f64.log10() + 2.0f64.log10()) / 2.0));
        // The deviation of two values is half their distance.
        assert!(close(errors.silog, 100.0 * (e0 - e1) / 2.0));
        assert_eq!((errors.a1, errors.a2, errors.a3), (0.5, 0.5, 0.5));
    }

    #[test]
    fn range_is_strict_and_predictions_are_clamped() {
        let odd = pixels(&[(80.0, 1.0), (1e-3, 1.0), (0.0, 1.0), (f64::NAN, 1.0)]);
        assert_eq!(image_errors(&odd, KITTI, &WHOLE), None);
        let errors = image_errors(&pixels(&[(40.0, 500.0)]), KITTI, &WHOLE).unwrap();
        assert_eq!(errors.rmse, 40.0);
        assert_eq!(errors.silog, 0.0);
    }

    #[test]
    fn the_garg_crop_of_kitti_has_the_published_corners() {
        let window = Crop::Garg.window(KITTI);
        assert_eq!((window.y, window.y + window.height), (153, 371));
        assert_eq!((window.x, window.x + window.width), (44, 1197));
        let window = Crop::Eigen.window(KITTI);
        assert_eq!((window.y, window.y + window.height), (124, 342));
        assert_eq!(Crop::None.window(KITTI), KITTI.window());
    }

    #[test]
    fn the_median_of_an_even_count_is_the_mean_of_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0, 9.0, 2.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 9.0]), Some(4.0));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn median_scaling_forgives_a_factor_and_nothing_else() {
        let protocol = DepthProtocol { scaling: Scaling::Median, ..WHOLE };
        let errors =
            image_errors(&pixels(&[(10.0, 5.0), (30.0, 15.0), (70.0, 35.0)]), KITTI, &protocol);
        assert_eq!(errors.unwrap().abs_rel, 0.0);
    }

    /// The errors that monodepth2's tool gives for three made-up predictions (see the golden folder's README).
    #[test]
    fn golden_errors_of_a_public_tool() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/golden");
        let Ok(text) = std::fs::read_to_string(golden.join("depth_errors_frame0.json")) else {
            println!("skipped: no {}", golden.display());
            return;
        };
        let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        let arrays = tch::Tensor::read_npz(golden.join("velo_depth_f00_veldepth1.npz")).unwrap();
        let depth = &arrays.iter().find(|(name, _)| name.starts_with("depth")).unwrap().1;
        let (height, width) = depth.size2().unwrap();
        let truth = Vec::<f64>::try_from(depth.to_kind(tch::Kind::Double).flatten(0, -1)).unwrap();
        let native = ImageSize::new(width as u32, height as u32);
        let mut n_checked = 0;
        for name in ["const12", "ramp", "sin10"] {
            let compared: Vec<ComparedPixel> = truth
                .iter()
                .enumerate()
                .map(|(at, &truth_m)| {
                    let (y, x) = (at as i64 / width, at as i64 % width);
                    let predicted_m = match name {
                        "const12" => 12.0,
                        "ramp" => 4.0 + 36.0 * (1.0 - y as f64 / (height - 1) as f64),
                        _ => {
                            let base = if truth_m > 0.0 { truth_m } else { 10.0 };
                            base * (1.0 + 0.1 * (x as f64 / 50.0).sin())
                        }
                    };
                    ComparedPixel { y: y as u32, x: x as u32, truth_m, predicted_m }
                })
                .collect();
            for (word, scaling) in [("False", Scaling::None), ("True", Scaling::Median)] {
                let protocol = DepthProtocol { crop: Crop::Garg, cap_m: 80.0, scaling };
                let row = &expected[format!("f0_{name}_median_scaling={word}")];
                let n = counted_pixels(&compared, native, &protocol).len();
                assert_eq!(row["n"].as_u64(), Some(n as u64));
                let errors = image_errors(&compared, native, &protocol).unwrap();
                for (key, value) in DepthErrors::NAMES.iter().zip(errors.to_array()) {
                    if let Some(golden) = row[*key].as_f64() {
                        // The tool worked on float32 ground truth.
                        let off = (value - golden).abs();
                        assert!(
                            off < 1e-6 * golden.max(1.0),
                            "{name} {word} {key}: {value} {golden}"
                        );
                        n_checked += 1;
                    }
                }
            }
        }
        assert_eq!(n_checked, 42);
    }
}
