//! Floor 1: the supervised loss of the hourglass: scale-invariant log depth and its gradients (MegaDepth).

use tch::{Kind, Tensor};

use super::term::{LossTerm, masked_sums, means};

/// Differences are taken at this many scales, every second sample of the one before.
const SCALES: usize = 4;

/// mean R^2 - (mean R)^2 of each image, R = log D - log D* at the measured pixels.
///
/// # Shapes
/// - `log_depth`: `[N, 1, H, W]`
/// - `truth`: `[N, H, W]`, 0 = not measured
pub fn data_loss(log_depth: &Tensor, truth: &Tensor) -> LossTerm {
    let (residual, measured) = log_residual(log_depth, truth);
    let (sums, counts) = masked_sums(&residual, &measured);
    let (squares, _) = masked_sums(&residual.square(), &measured);
    let n = counts.clamp_min(1).to_kind(sums.kind());
    // As a sum per image, for the mean over images takes the quotient.
    LossTerm::mean_of_means(&(squares - sums.square() / n), &counts)
}

/// Sum over four scales of |d_x R| + |d_y R|, neighbors both measured, over the scale's measured pixels.
///
/// # Shapes
/// - as [`data_loss`]
pub fn gradient_loss(log_depth: &Tensor, truth: &Tensor) -> LossTerm {
    let (mut residual, mut measured) = log_residual(log_depth, truth);
    let all = measured.sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Int64);
    let mut total = Tensor::zeros([truth.size()[0]], (log_depth.kind(), log_depth.device()));
    for scale in 0..SCALES {
        if scale > 0 {
            let halved = |t: &Tensor| t.slice(1, None, None, 2).slice(2, None, None, 2);
            (residual, measured) = (halved(&residual), halved(&measured));
        }
        let counts = measured.sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Int64);
        let steps = step_sums(&residual, &measured, 1) + step_sums(&residual, &measured, 2);
        total += means(&steps, &counts);
    }
    let pixels = all.clamp_min(1).to_kind(total.kind());
    LossTerm::mean_of_means(&(total * pixels), &all)
}

/// exp of the mean of log D* - log D of each image, without gradient; 1 where nothing is measured: `[N]`.
///
/// A scale-invariant loss leaves depth without a unit; warping needs the unit of the poses.
pub fn scale_to_truth(log_depth: &Tensor, truth: &Tensor) -> Tensor {
    let (residual, measured) = log_residual(&log_depth.detach(), truth);
    let (sums, counts) = masked_sums(&residual, &measured);
    (-means(&sums, &counts)).exp()
}

/// R and where it is measured, `[N, H, W]`; 0 elsewhere.
fn log_residual(log_depth: &Tensor, truth: &Tensor) -> (Tensor, Tensor) {
    let measured = truth.gt(0.0);
    let log_truth = truth.where_scalarother(&measured, 1.0).log().to_kind(log_depth.kind());
    ((log_depth.squeeze_dim(1) - log_truth).where_scalarother(&measured, 0.0), measured)
}

fn step_sums(residual: &Tensor, measured: &Tensor, axis: i64) -> Tensor {
    let n = residual.size()[axis as usize];
    let ends = |t: &Tensor| (t.narrow(axis, 1, n - 1), t.narrow(axis, 0, n - 1));
    let (after, before) = ends(residual);
    let (after_measured, before_measured) = ends(measured);
    masked_sums(&(after - before).abs(), &after_measured.logical_and(&before_measured)).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_depth(of: &[f64], height: i64, width: i64) -> Tensor {
        Tensor::from_slice(of).view([1, 1, height, width])
    }

    #[test]
    fn a_factor_costs_nothing() {
        let truth = Tensor::from_slice(&[1.0, 2.0, 0.0, 4.0]).view([1, 2, 2]);
        let scaled = (&truth * 3.0).log().unsqueeze(1);
        assert!(data_loss(&scaled, &truth).value_f64().abs() < 1e-12);
        assert!(gradient_loss(&scaled, &truth).value_f64().abs() < 1e-12);
        let scale = f64::try_from(scale_to_truth(&scaled, &truth)).unwrap();
        assert!((scale - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn data_is_the_variance_of_the_residual() {
        // Residuals 0, 1, 5 at measured pixels: mean 2, variance (4 + 1 + 9) / 3.
        let truth = Tensor::from_slice(&[1.0, 1.0, 0.0, 1.0]).view([1, 2, 2]);
        let term = data_loss(&log_depth(&[0.0, 1.0, 77.0, 5.0], 2, 2), &truth);
        assert!((term.value_f64() - 14.0 / 3.0).abs() < 1e-12);
        assert_eq!(term.count(), 3);
    }

    #[test]
    fn gradients_need_both_ends_and_are_summed_over_scales() {
        // Row 0 1 3 (gap) 4 with column 3 not measured: steps 1 and 2 over 4 measured pixels; at the second scale
        // columns 0, 2, 4 hold 0, 3, 4: steps 3 and 1 over 3; at the third 0 and 4: 4 over 2; at the fourth nothing.
        let truth = Tensor::from_slice(&[1.0, 1.0, 1.0, 0.0, 1.0]).view([1, 1, 5]);
        let term = gradient_loss(&log_depth(&[0.0, 1.0, 3.0, 9.0, 4.0], 1, 5), &truth);
        let expected = 3.0 / 4.0 + 4.0 / 3.0 + 4.0 / 2.0;
        assert!((term.value_f64() - expected).abs() < 1e-12);
    }
}
