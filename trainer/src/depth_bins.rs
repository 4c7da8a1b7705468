//! Floor 1: log10 depth bins (paper Eq. 1): quantize, soft decode.
//!
//! Eq. 1 sends a depth x in [alpha, beta] to b = round((log10 x - log10 alpha) / q) with
//! q = (log10 beta - log10 alpha) / B. The brackets in print do not balance; this is our reading. It gives B + 1
//! numbers, so b is clamped to B - 1; because it rounds, the center of bin b is log10 alpha + q b.

use tch::{Kind, Tensor};

use crate::dims::{Axis, expect_dims};

/// The bins of one network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthBins {
    alpha: f64,
    beta: f64,
    n_bins: i64,
}

impl DepthBins {
    /// 1 to 83 m in 128 bins: half a bin is 1.7 %, and the last center lies at 80.2 m.
    pub const KITTI: Self = Self { alpha: 1.0, beta: 83.0, n_bins: 128 };

    /// Bins from `alpha` to `beta` metres; none unless 0 < alpha < beta, both finite, and there are two bins or more.
    pub fn new(alpha: f64, beta: f64, n_bins: i64) -> Option<Self> {
        let valid = alpha > 0.0 && alpha < beta && beta.is_finite() && n_bins >= 2;
        valid.then_some(Self { alpha, beta, n_bins })
    }

    /// The nearest depth, metres.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The end of the scale, metres; the center of the last bin lies one width below.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// How many bins there are: B in the paper.
    pub fn n_bins(&self) -> i64 {
        self.n_bins
    }

    /// Width of a bin in log10 metres: q in the paper.
    pub fn width(&self) -> f64 {
        (self.beta.log10() - self.alpha.log10()) / self.n_bins as f64
    }

    /// Where depths lie on the scale of bins, not rounded, clamped to [0, B - 1].
    ///
    /// # Units
    /// `depth` in metres; depths outside [alpha, beta] count as its ends.
    pub fn position(&self, depth: &Tensor) -> Tensor {
        let log10 = depth.clamp(self.alpha, self.beta).log10();
        ((log10 - self.alpha.log10()) / self.width()).clamp(0.0, (self.n_bins - 1) as f64)
    }

    /// Bins of depths: i64 of the same shape, rounded half away from zero.
    pub fn quantize(&self, depth: &Tensor) -> Tensor {
        // Positions are not negative, so half away from zero is half up; libtorch's `round` goes to even.
        (self.position(depth) + 0.5).floor().clamp_max(self.n_bins - 1).to_kind(Kind::Int64)
    }

    /// The depth a network's output stands for: 10 to the expected bin center.
    ///
    /// # Shapes
    /// - `logits`: `[N, K, H, W]`
    /// - returns: `[N, 1, H, W]`, metres
    ///
    /// # Panics
    /// If `logits` has another rank or another `K` than there are bins.
    pub fn decode(&self, logits: &Tensor) -> Tensor {
        let expected = [Axis::Free("N"), Axis::Is(self.n_bins), Axis::Free("H"), Axis::Free("W")];
        expect_dims("logits", logits, &expected);
        let logits = at_least_float(logits);
        let bins =
            Tensor::arange(self.n_bins, (logits.kind(), logits.device())).view([1, -1, 1, 1]);
        // The expected bin first, its center after: the sum of the probabilities is 1.
        let bin = (logits.softmax(1, None) * bins).sum_dim_intlist(1, true, None);
        ((bin * self.width() + self.alpha.log10()) * std::f64::consts::LN_10).exp()
    }

    /// [`decode`](Self::decode), then bilinear to `size` = (H, W).
    pub fn depth(&self, logits: &Tensor, size: (i64, i64)) -> Tensor {
        self.decode(logits).upsample_bilinear2d([size.0, size.1], false, None, None)
    }
}

/// Half types to float32: a step of bf16 is 1.8 % at 60 m.
fn at_least_float(tensor: &Tensor) -> Tensor {
    match tensor.kind() {
        Kind::Half | Kind::BFloat16 => tensor.to_kind(Kind::Float),
        _ => tensor.shallow_clone(),
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn quantized(bins: DepthBins, depths: &[f64]) -> Vec<i64> {
        Vec::try_from(bins.quantize(&Tensor::from_slice(depths))).unwrap()
    }

    #[test]
    fn width_of_the_kitti_bins() {
        // log10 83 = 1.919078; / 128
        assert!((DepthBins::KITTI.width() - 0.014993).abs() < 1e-6);
    }

    #[test]
    fn two_decades_in_four_bins() {
        // q = 0.5: bin centers 1, 10^0.5 = 3.162, 10, 31.62 m; borders halfway at 10^0.25 = 1.7783, 10^0.75 = 5.623.
        let bins = DepthBins::new(1.0, 100.0, 4).unwrap();
        assert_eq!(quantized(bins, &[1.0, 1.77, 1.79, 5.62, 5.63, 10.0]), [0, 0, 1, 1, 2, 2]);
        // 100 m would be bin 4: clamped; so are depths outside.
        assert_eq!(quantized(bins, &[0.2, 100.0, 1000.0]), [0, 3, 3]);
    }

    #[test]
    fn halves_go_up() {
        // alpha 1, q = 1: position of sqrt(10^5) is 2.5, which rounds to even as 2 and away from zero as 3.
        let bins = DepthBins::new(1.0, 1e8, 8).unwrap();
        let position = bins.position(&Tensor::from_slice(&[10f64.powf(2.5)]));
        assert_eq!(f64::try_from(&position).unwrap(), 2.5);
        assert_eq!(quantized(bins, &[10f64.powf(2.5)]), [3]);
    }

    #[test]
    fn decode_is_the_geometric_mean_of_the_centers() {
        let bins = DepthBins::new(1.0, 100.0, 4).unwrap();
        // Half bin 0 (1 m), half bin 2 (10 m): the geometric mean is 10^0.5.
        let logits = Tensor::from_slice(&[0.0, -1e9, 0.0, -1e9]).view([1, 4, 1, 1]);
        assert!((f64::try_from(bins.decode(&logits)).unwrap() - 10f64.sqrt()).abs() < 1e-12);
        let one = Tensor::from_slice(&[-1e9, -1e9, -1e9, 0.0f64]).view([1, 4, 1, 1]);
        assert!((f64::try_from(bins.decode(&one)).unwrap() - 10f64.powf(1.5)).abs() < 1e-12);
    }

    #[test]
    fn half_logits_are_decoded_in_float32() {
        let logits = Tensor::zeros([1, 128, 1, 1], (Kind::BFloat16, Device::Cpu));
        let depth = DepthBins::KITTI.decode(&logits);
        assert_eq!(depth.kind(), Kind::Float);
        // All bins alike: bin 63.5.
        let expected = 83f64.powf(63.5 / 128.0);
        assert!((f64::try_from(depth).unwrap() / expected - 1.0).abs() < 1e-6);
    }

    #[test]
    fn impossible_bins_are_refused() {
        for (alpha, beta, n_bins) in
            [(0.0, 1.0, 8), (2.0, 1.0, 8), (1.0, 83.0, 1), (1.0, f64::INFINITY, 8)]
        {
            assert_eq!(DepthBins::new(alpha, beta, n_bins), None);
        }
    }
}
