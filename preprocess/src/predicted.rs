//! Floor 2: predictions that the trainer left as `<key>.npy`, beside the truth of their sample.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use suw_shared::image_size::ImageSize;
use suw_shared::rgb_image::RgbImage;
use suw_shared::sample::Sample;

use crate::page::canvas::colored_depth;
use crate::page::sample_pictures::{DEPTH_RANGE_M, plain_frame};
use crate::resize::nearest_index;

/// A prediction that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PredictedError {
    /// No such file, or none that can be read.
    #[error("cannot read prediction {path:?}: {message}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Of another size than the window of its sample.
    #[error("cannot use prediction {path:?}: expected {expected}, the native window, got {got}")]
    Size {
        /// Which.
        path: PathBuf,
        /// Size of the window.
        expected: ImageSize,
        /// Size of the file.
        got: ImageSize,
    },
}

/// Pictures of one prediction at the size of the native window, but the frame, which has network size.
pub struct Comparison {
    /// The target frame.
    pub frame: RgbImage,
    /// Predicted depth.
    pub predicted: RgbImage,
    /// True depth.
    pub truth: RgbImage,
    /// |predicted - true| / true.
    pub error: RgbImage,
    /// Its mean over measured pixels nearer than 80 m.
    pub abs_rel: f64,
}

/// Lays a sample's prediction beside its truth: native ground truth where it is stored, else depth at network size.
pub fn compare(
    sample: &Sample,
    size: ImageSize,
    folder: &Path,
) -> Result<Comparison, PredictedError> {
    let path = folder.join(format!("{}.npy", sample.key));
    let array: Array2<f32> = ndarray_npy::read_npy(&path)
        .map_err(|error| PredictedError::Read { path: path.clone(), message: error.to_string() })?;
    let (height, width) = array.dim();
    let got = ImageSize::new(width as u32, height as u32);
    let window = sample.native_window;
    if got != window.size() {
        return Err(PredictedError::Size { path, expected: window.size(), got });
    }
    let predicted: Vec<f32> = array.iter().copied().collect();
    let truth = native_truth(sample, size, got);
    let mut sum = 0.0;
    let mut count = 0;
    let errors: Vec<f32> = predicted
        .iter()
        .zip(&truth)
        .map(|(&p, &t)| {
            if t <= 0.0 {
                return f32::NAN;
            }
            let error = (p - t).abs() / t;
            if t < 80.0 {
                sum += f64::from(error);
                count += 1;
            }
            error
        })
        .collect();
    let (near, far) = DEPTH_RANGE_M;
    let frames = sample.image.len() / (3 * size.area());
    Ok(Comparison {
        frame: plain_frame(sample, size, frames / 2),
        predicted: colored_depth(&predicted, got, near, far),
        truth: colored_depth(&truth, got, near, far),
        error: error_picture(&errors, got),
        abs_rel: if count > 0 { sum / f64::from(count) } else { f64::NAN },
    })
}

fn native_truth(sample: &Sample, size: ImageSize, window: ImageSize) -> Vec<f32> {
    let corner = sample.native_window;
    if let Some(points) = &sample.gt {
        let mut truth = vec![0.0; window.area()];
        for point in points {
            let y = u32::from(point.y).wrapping_sub(corner.y);
            let x = u32::from(point.x).wrapping_sub(corner.x);
            if y < window.height && x < window.width {
                truth[(y * window.width + x) as usize] = point.depth;
            }
        }
        return truth;
    }
    let Some(depth) = &sample.depth else { return vec![0.0; window.area()] };
    (0..window.height)
        .flat_map(|y| (0..window.width).map(move |x| (y, x)))
        .map(|(y, x)| {
            let from = nearest_index(y, size.height, window.height) * size.width
                + nearest_index(x, size.width, window.width);
            depth[from as usize]
        })
        .collect()
}

/// Black where there is no error, bright from half of the true depth on, gray where nothing was measured.
fn error_picture(errors: &[f32], size: ImageSize) -> RgbImage {
    let data = errors
        .iter()
        .flat_map(|error| {
            if !error.is_finite() {
                return [46, 46, 52];
            }
            let t = (error / 0.5).min(1.0);
            [(255.0 * t.sqrt()) as u8, (200.0 * t) as u8, (90.0 * t * t) as u8]
        })
        .collect();
    RgbImage::new(size, data)
}
