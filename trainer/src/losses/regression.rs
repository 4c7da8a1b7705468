//! Floor 1: how far a depth is from the measured one: L1, reversed Huber, or the logarithms.
//!
//! The paper does not print its regression term; these are the three candidates of its neighbors.

use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Which distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regression {
    /// |D - D*|, metres.
    #[default]
    L1,
    /// |e| up to c, then (e^2 + c^2) / 2c, with c = 0.2 max |e| of the image; metres.
    Berhu,
    /// |ln D - ln D*|.
    Log,
}

/// The distance at every pixel.
///
/// # Shapes
/// - `depth`, `truth`: `[N, H, W]`, metres
/// - `measured`: `[N, H, W]`, bool; only these pixels count for the c of berHu
/// - returns: `[N, H, W]`; meaningless where not measured
pub fn regression_error(
    depth: &Tensor,
    truth: &Tensor,
    measured: &Tensor,
    kind: Regression,
) -> Tensor {
    match kind {
        Regression::L1 => (depth - truth).abs(),
        Regression::Berhu => berhu(&(depth - truth).abs(), measured),
        Regression::Log => (depth.log() - truth.log()).abs(),
    }
}

fn berhu(error: &Tensor, measured: &Tensor) -> Tensor {
    let kept = error.detach().where_scalarother(measured, 0.0);
    let c = kept.amax([1i64, 2].as_slice(), true) * 0.2; // [N, 1, 1]
    // Without any error c is 0 and every pixel takes the linear branch.
    let tiny = f64::from(f32::MIN_POSITIVE);
    let square = (error.square() + c.square()) / (c.clamp_min(tiny) * 2.0);
    error.where_self(&error.le_tensor(&c), &square)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(kind: Regression) -> Vec<f64> {
        let depth = Tensor::from_slice(&[1.0, 2.0, 20.0, 50.0]).view([1, 1, 4]);
        let truth = Tensor::from_slice(&[2.0, 2.0, 10.0, 1.0]).view([1, 1, 4]);
        let measured = Tensor::from_slice(&[true, true, true, false]).view([1, 1, 4]);
        let error = regression_error(&depth, &truth, &measured, kind);
        Vec::try_from(error.view([4]).narrow(0, 0, 3)).unwrap()
    }

    #[test]
    fn l1_is_the_difference_in_metres() {
        assert_eq!(errors(Regression::L1), [1.0, 0.0, 10.0]);
    }

    #[test]
    fn berhu_is_linear_up_to_a_fifth_of_the_largest_error() {
        // c = 0.2 * 10 = 2 (the pixel that is 49 m off is not measured); (100 + 4) / 4 = 26.
        assert_eq!(errors(Regression::Berhu), [1.0, 0.0, 26.0]);
    }

    #[test]
    fn log_is_natural() {
        let expected = [2f64.ln(), 0.0, 2f64.ln()];
        for (got, expected) in errors(Regression::Log).into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn berhu_without_any_error_is_zero_with_a_finite_gradient() {
        let depth = Tensor::from_slice(&[3.0, 4.0f64]).view([1, 1, 2]).set_requires_grad(true);
        let truth = depth.detach();
        let error = regression_error(&depth, &truth, &truth.gt(0.0), Regression::Berhu).sum(None);
        error.backward();
        assert_eq!(f64::try_from(&error).unwrap(), 0.0);
        assert_eq!(depth.grad().isfinite().all().int64_value(&[]), 1);
    }
}
