//! Floor 1: how much a warped source differs from the target, and which source explains a pixel.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::ssim::{Compared, dissimilarity};
use crate::torch_shim;

/// The photometric error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhotometricConfig {
    /// Share of structural dissimilarity; the rest is L1. 0.85 is usual, struct2depth has 0.15.
    pub ssim_weight: f64,
    /// How the sources are joined.
    pub reprojection: Reprojection,
    /// Leave out what does not move?
    pub automask: Automask,
}

impl Default for PhotometricConfig {
    fn default() -> Self {
        Self {
            ssim_weight: 0.85,
            reprojection: Reprojection::default(),
            automask: Automask::default(),
        }
    }
}

/// How the errors of the sources are joined at a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reprojection {
    /// The least error among the sources valid there: a pixel hidden in one source is seen in the other.
    #[default]
    Minimum,
    /// The mean over the sources valid there.
    Mean,
}

/// Whether pixels that an unwarped source explains as well are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Automask {
    /// Keep all.
    #[default]
    Off,
    /// Keep where the warped error is strictly less than the unwarped one.
    On,
}

/// An error at every pixel, and where it means something.
pub struct ErrorMap {
    /// `[N, H, W]`.
    pub error: Tensor,
    /// `[N, H, W]`, bool.
    pub valid: Tensor,
}

/// ssim_weight * dissimilarity + (1 - ssim_weight) * L1, each the mean over the colors.
///
/// # Shapes
/// - `image`: `[N, 3, H, W]`, in [0, 1]
/// - returns: `[N, H, W]`
pub fn photometric_error(image: &Tensor, target: &Compared, ssim_weight: f64) -> Tensor {
    torch_shim::photometric(image, &target.windowed(), ssim_weight)
        .unwrap_or_else(|| photometric_error_exact(image, target, ssim_weight))
}

/// The same by libtorch's operations, on any device; equal pictures give exactly 0, which one pass rounds.
pub fn photometric_error_exact(image: &Tensor, target: &Compared, ssim_weight: f64) -> Tensor {
    let difference = (image - &target.image).abs() * (1.0 - ssim_weight);
    let structure = dissimilarity(image, target) * ssim_weight;
    (difference + structure).mean_dim([1i64].as_slice(), false, None)
}

/// One error from the sources; a pixel without a valid source is not valid.
pub fn join_sources(sources: &[ErrorMap], how: Reprojection) -> ErrorMap {
    let errors: Vec<Tensor> = sources.iter().map(|source| source.error.shallow_clone()).collect();
    let valid: Vec<Tensor> = sources.iter().map(|source| source.valid.shallow_clone()).collect();
    let (errors, valid) = (Tensor::stack(&errors, 0), Tensor::stack(&valid, 0)); // [F, N, H, W]
    let any = valid.any_dim(0, false);
    let error = match how {
        Reprojection::Minimum => {
            let least =
                errors.where_scalarother(&valid, f64::INFINITY).amin([0i64].as_slice(), false);
            least.where_scalarother(&any, 0.0)
        }
        Reprojection::Mean => {
            let sum = errors.where_scalarother(&valid, 0.0).sum_dim_intlist(0, false, None);
            sum / valid.sum_dim_intlist(0, false, errors.kind()).clamp_min(1.0)
        }
    };
    ErrorMap { error, valid: any }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(error: [f64; 4], valid: [bool; 4]) -> ErrorMap {
        ErrorMap {
            error: Tensor::from_slice(&error).view([1, 2, 2]),
            valid: Tensor::from_slice(&valid).view([1, 2, 2]),
        }
    }

    #[track_caller]
    fn check_joined(how: Reprojection, expected: [f64; 4]) {
        let sources = [
            map([0.1, 0.5, 0.2, 0.3], [true, true, true, false]),
            map([0.3, 0.4, 0.1, 0.1], [true, true, false, false]),
        ];
        let joined = join_sources(&sources, how);
        assert_eq!(
            Vec::<bool>::try_from(joined.valid.view([4])).unwrap(),
            [true, true, true, false]
        );
        let got = Vec::<f64>::try_from(joined.error.view([4])).unwrap();
        for (got, expected) in got.into_iter().zip(expected).take(3) {
            assert!((got - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn the_least_of_the_valid_sources() {
        check_joined(Reprojection::Minimum, [0.1, 0.4, 0.2, 0.0]);
    }

    #[test]
    fn the_mean_of_the_valid_sources() {
        check_joined(Reprojection::Mean, [0.2, 0.45, 0.2, 0.0]);
    }

    #[test]
    fn one_pass_gives_what_the_operations_give_and_the_same_gradient() {
        // Also where all windows are reflected, and where an odd number of rows is cut into parts.
        for size in [[2, 3, 9, 11], [1, 3, 2, 2], [1, 1, 3, 40], [3, 3, 17, 5]] {
            let n: i64 = size.iter().product();
            let wave = |f: f64| {
                let at = Tensor::arange(n, (tch::Kind::Double, tch::Device::Cpu)) * f;
                (at.sin() * 0.45 + 0.5).view(size)
            };
            let (a, b) = (wave(0.7).set_requires_grad(true), wave(0.7).set_requires_grad(true));
            let target = Compared::new(wave(2.3) * 0.5 + wave(0.7) * 0.5);
            for weight in [0.15, 0.85] {
                let (one, other) = (
                    photometric_error(&a, &target, weight),
                    photometric_error_exact(&b, &target, weight),
                );
                assert!(one.allclose(&other, 1e-12, 1e-14, false), "{size:?}");
                let weights = wave(1.1).select(1, 0);
                let gradient = |y: &Tensor, x: &Tensor| {
                    Tensor::run_backward(&[(y * &weights).sum(None)], &[x], false, false).remove(0)
                };
                let (one, other) = (gradient(&one, &a), gradient(&other, &b));
                assert!(one.allclose(&other, 1e-11, 1e-13, false), "{size:?}");
            }
        }
    }

    #[test]
    fn the_share_of_structure_is_a_weight() {
        // Black against white: L1 is 1, dissimilarity (1 - C1 / (1 + C1)) / 2.
        let black = Tensor::zeros([1, 3, 4, 4], (tch::Kind::Double, tch::Device::Cpu));
        let white = Compared::new(black.ones_like());
        let structure = (1.0 - 1e-4 / (1.0 + 1e-4)) / 2.0;
        for weight in [0.0, 0.15, 0.85, 1.0] {
            let error = photometric_error(&black, &white, weight).mean(None);
            let expected = weight * structure + (1.0 - weight);
            assert!((f64::try_from(error).unwrap() - expected).abs() < 1e-12);
        }
    }
}
