//! Floor 1: structural dissimilarity of two pictures (Wang et al. 2004, in the 3x3 form of monocular depth papers).
//!
//! Windows of 3x3, plain mean, reflected at the border without repeating the edge, population variance.

use tch::Tensor;

use crate::torch_shim::Windowed;

const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// A picture with the window statistics that every comparison with it needs.
pub struct Compared {
    /// `[N, C, H, W]`, in [0, 1].
    pub image: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl Compared {
    /// Computes the statistics once.
    pub fn new(image: Tensor) -> Self {
        let mean = box_mean(&image);
        let variance = box_mean(&image.square()) - mean.square();
        Self { image, mean, variance }
    }

    /// Picture and statistics together.
    pub fn windowed(&self) -> Windowed<'_> {
        Windowed { image: &self.image, mean: &self.mean, variance: &self.variance }
    }

    /// Some of the pictures, also repeated.
    ///
    /// # Shapes
    /// - `index`: `[M]`, i64
    pub fn select(&self, index: &Tensor) -> Self {
        Self {
            image: self.image.index_select(0, index),
            mean: self.mean.index_select(0, index),
            variance: self.variance.index_select(0, index),
        }
    }
}

/// (1 - SSIM) / 2, clipped to [0, 1].
///
/// # Shapes
/// - `image`: `[N, C, H, W]`, in [0, 1]
/// - returns: `[N, C, H, W]`
pub fn dissimilarity(image: &Tensor, target: &Compared) -> Tensor {
    let mean = box_mean(image);
    let variance = box_mean(&image.square()) - mean.square();
    let covariance = box_mean(&(image * &target.image)) - &mean * &target.mean;
    let numerator = (&mean * &target.mean * 2.0 + C1) * (covariance * 2.0 + C2);
    let denominator =
        (mean.square() + target.mean.square() + C1) * (variance + &target.variance + C2);
    let ssim: Tensor = numerator / denominator;
    ((-ssim + 1.0) * 0.5).clamp(0.0, 1.0)
}

fn box_mean(image: &Tensor) -> Tensor {
    image.reflection_pad2d([1, 1, 1, 1]).avg_pool2d([3, 3], [1, 1], [0, 0], false, true, None)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// The definition, pixel by pixel.
    fn slow(a: &[f64], b: &[f64], height: i64, width: i64) -> Vec<f64> {
        let reflect = |i: i64, n: i64| {
            if i < 0 {
                -i
            } else if i >= n {
                2 * n - 2 - i
            } else {
                i
            }
        };
        let mut out = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let window: Vec<usize> = (-1..=1)
                    .flat_map(|dy| (-1..=1).map(move |dx| (dy, dx)))
                    .map(|(dy, dx)| {
                        (reflect(y + dy, height) * width + reflect(x + dx, width)) as usize
                    })
                    .collect();
                let mean = |v: &[f64]| window.iter().map(|&i| v[i]).sum::<f64>() / 9.0;
                let (ma, mb) = (mean(a), mean(b));
                let spread = |p: &[f64], mp: f64, q: &[f64], mq: f64| {
                    window.iter().map(|&i| (p[i] - mp) * (q[i] - mq)).sum::<f64>() / 9.0
                };
                let ssim = (2.0 * ma * mb + C1) * (2.0 * spread(a, ma, b, mb) + C2)
                    / ((ma * ma + mb * mb + C1)
                        * (spread(a, ma, a, ma) + spread(b, mb, b, mb) + C2));
                out.push(((1.0 - ssim) / 2.0).clamp(0.0, 1.0));
            }
        }
        out
    }

    #[test]
    fn equals_the_definition() {
        let wave =
            |f: f64| (0..35).map(|i| 0.5 + 0.4 * (f * f64::from(i)).sin()).collect::<Vec<_>>();
        let (a, b) = (wave(0.7), wave(2.3));
        let tensor = |v: &[f64]| Tensor::from_slice(v).view([1, 1, 5, 7]);
        let got = dissimilarity(&tensor(&a), &Compared::new(tensor(&b)));
        for (got, expected) in
            Vec::<f64>::try_from(got.view([35])).unwrap().iter().zip(slow(&a, &b, 5, 7))
        {
            assert!((got - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_picture_equals_itself_and_black_differs_from_white() {
        let black = Tensor::zeros([1, 3, 4, 4], (Kind::Double, Device::Cpu));
        let same = dissimilarity(&black, &Compared::new(black.shallow_clone()));
        assert_eq!(f64::try_from(same.max()).unwrap(), 0.0);
        // Means 0 and 1, no variance: SSIM = C1 / (1 + C1).
        let other = dissimilarity(&black, &Compared::new(black.ones_like()));
        let expected = (1.0 - C1 / (1.0 + C1)) / 2.0;
        assert!((f64::try_from(other.mean(None)).unwrap() - expected).abs() < 1e-12);
    }
}
