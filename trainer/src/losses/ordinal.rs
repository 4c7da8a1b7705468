//! Floor 1: the weak loss: the farther end of a pair should be predicted farther, for pixels and for patches.
//!
//! A patch pair compares two patches of equal size; the paper's exact formula is not at hand, so the four plausible
//! readings are switches. All equal the pixel loss where a patch is one pixel.

use serde::{Deserialize, Serialize};
use suw_shared::pair::Origin;
use tch::{Kind, Tensor};

use super::term::{LossTerm, sums_by_group};
use crate::to_device::to_device;

/// The weak loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeakConfig {
    /// lambda_w.
    pub weight: f64,
    /// How two patches are compared.
    pub patch_mode: PatchMode,
    /// What is compared.
    pub space: DepthSpace,
    /// Where the robust loss leaves the soft hinge, in units of `space`.
    pub tau: f64,
    /// Same-class pairs already right by more than this are left out, metres.
    pub margin_same_m: Option<f64>,
    /// The same for pairs of any other origin.
    pub margin_different_m: Option<f64>,
}

impl Default for WeakConfig {
    fn default() -> Self {
        Self {
            weight: 0.1,
            patch_mode: PatchMode::default(),
            space: DepthSpace::default(),
            tau: 1.0,
            margin_same_m: Some(1.0),
            margin_different_m: None,
        }
    }
}

/// How two patches are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchMode {
    /// Pixel by pixel at the same place in both patches.
    #[default]
    Aligned,
    /// Pixel by pixel after sorting both.
    Sorted,
    /// Every pixel of one with every pixel of the other.
    AllPairs,
    /// The two means, once.
    Mean,
}

/// What is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepthSpace {
    /// Depth in units of 1 m.
    #[default]
    Depth,
    /// Its natural logarithm.
    Log,
}

/// A pair drawn for one image of a batch, in pixels of the network's input; the first end is farther.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnPair {
    /// Which image of the batch.
    pub image: i64,
    /// Center row of the farther end.
    pub far_y: i64,
    /// Center column of the farther end.
    pub far_x: i64,
    /// Center row of the nearer end.
    pub near_y: i64,
    /// Center column of the nearer end.
    pub near_x: i64,
    /// Pixels a side, odd; 1 for a pixel.
    pub size: i64,
    /// Where its order comes from; decides the margin.
    pub origin: Origin,
}

/// The robust ordinal loss of pairs, mean over an image's pairs, then over the images that have any.
///
/// # Shapes
/// - `depth`: `[N, 1, H, W]`, metres
///
/// # Panics
/// If a pair reaches beyond its image.
pub fn ordinal_loss(depth: &Tensor, pairs: &[DrawnPair], config: &WeakConfig) -> LossTerm {
    let compared = match config.space {
        DepthSpace::Depth => depth.shallow_clone(),
        DepthSpace::Log => depth.log(),
    };
    ordinal_loss_in(&compared, Some(depth), pairs, config)
}

/// [`ordinal_loss`] of something else than depth that is larger where farther; `depth` is for the margins alone.
pub(super) fn ordinal_loss_in(
    compared: &Tensor,
    depth: Option<&Tensor>,
    pairs: &[DrawnPair],
    config: &WeakConfig,
) -> LossTerm {
    if pairs.is_empty() {
        return LossTerm::absent(compared);
    }
    let mut sizes: Vec<i64> = pairs.iter().map(|pair| pair.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let n = compared.size()[0];
    let (mut sums, mut counts) = (Vec::new(), Vec::new());
    for size in sizes {
        let alike: Vec<&DrawnPair> = pairs.iter().filter(|pair| pair.size == size).collect();
        let ends = Ends::new(&alike, compared);
        let losses = patch_losses(&ends.far(compared), &ends.near(compared), config); // [P]
        let keep = kept(&ends, depth, &alike, config);
        sums.push(sums_by_group(&losses.where_scalarother(&keep, 0.0), &ends.image, n));
        counts.push(sums_by_group(&keep.to_kind(Kind::Int64), &ends.image, n));
    }
    let total = |parts: &[Tensor]| Tensor::stack(parts, 0).sum_dim_intlist(0, false, None);
    LossTerm::mean_of_means(&total(&sums), &total(&counts))
}

/// log(1 + e^p) up to tau, then log(1 + e^sqrt(p)) plus what makes it continuous; p > 0 where the order is wrong.
pub fn robust_ordinal(p: &Tensor, tau: f64) -> Tensor {
    let soft = |x: &Tensor| x.logaddexp(&x.zeros_like());
    let step = tau.exp().ln_1p() - tau.max(0.0).sqrt().exp().ln_1p();
    // Clamped before the root: a `where` alone would let the root's infinite slope through as NaN.
    let root = p.clamp_min(tau.max(1e-12)).sqrt();
    soft(p).where_self(&p.le(tau), &(soft(&root) + step))
}

/// Where the ends of pairs of one size lie in a flattened `[N, 1, H, W]`.
struct Ends {
    image: Tensor,
    far: Tensor,
    near: Tensor,
}

impl Ends {
    fn new(pairs: &[&DrawnPair], of: &Tensor) -> Self {
        let shape = of.size();
        let (n, height, width) = (shape[0], shape[2], shape[3]);
        let patch = |pair: &DrawnPair, y: i64, x: i64| -> Vec<i64> {
            let half = pair.size / 2;
            let inside = |center: i64, n: i64| half <= center && center + half < n;
            assert!(
                pair.size % 2 == 1
                    && (0..n).contains(&pair.image)
                    && inside(y, height)
                    && inside(x, width),
                "cannot compare pair {pair:?}: not wholly inside its picture; expected {n} images of {width}x{height}"
            );
            let row =
                |y| (0..pair.size).map(move |i| (pair.image * height + y) * width + x - half + i);
            (y - half..=y + half).flat_map(row).collect()
        };
        let index = |places: Vec<i64>| {
            to_device(&Tensor::from_slice(&places).view([pairs.len() as i64, -1]), of.device())
        };
        Self {
            image: to_device(
                &Tensor::from_slice(&pairs.iter().map(|p| p.image).collect::<Vec<_>>()),
                of.device(),
            ),
            far: index(pairs.iter().flat_map(|p| patch(p, p.far_y, p.far_x)).collect()),
            near: index(pairs.iter().flat_map(|p| patch(p, p.near_y, p.near_x)).collect()),
        }
    }

    /// Values of the farther ends, `[P, size^2]`, row by row.
    fn far(&self, of: &Tensor) -> Tensor {
        gathered(of, &self.far)
    }

    /// Values of the nearer ends.
    fn near(&self, of: &Tensor) -> Tensor {
        gathered(of, &self.near)
    }
}

fn gathered(of: &Tensor, places: &Tensor) -> Tensor {
    of.reshape([-1]).index_select(0, &places.reshape([-1])).view_as(places)
}

/// `[P, size^2]` twice to `[P]`.
fn patch_losses(far: &Tensor, near: &Tensor, config: &WeakConfig) -> Tensor {
    let mean = |t: &Tensor| t.mean_dim([1i64].as_slice(), true, None);
    let wrong_by = match config.patch_mode {
        PatchMode::Aligned => near - far,
        PatchMode::Sorted => near.sort(1, false).0 - far.sort(1, false).0,
        PatchMode::AllPairs => (near.unsqueeze(2) - far.unsqueeze(1)).flatten(1, 2),
        PatchMode::Mean => mean(near) - mean(far),
    };
    robust_ordinal(&wrong_by, config.tau).mean_dim([1i64].as_slice(), false, None)
}

/// Pairs that are not yet right by their margin: `[P]`, bool.
fn kept(ends: &Ends, depth: Option<&Tensor>, pairs: &[&DrawnPair], config: &WeakConfig) -> Tensor {
    let margins: Vec<f64> = pairs
        .iter()
        .map(|pair| match pair.origin {
            Origin::SameClass => config.margin_same_m,
            _ => config.margin_different_m,
        })
        .map(|margin| margin.unwrap_or(f64::INFINITY))
        .collect();
    let Some(depth) = depth.filter(|_| margins.iter().any(|margin| margin.is_finite())) else {
        return Tensor::ones([pairs.len() as i64], (Kind::Bool, ends.image.device()));
    };
    let depth = depth.detach();
    let mean = |t: Tensor| t.mean_dim([1i64].as_slice(), false, None);
    let right_by = mean(ends.far(&depth)) - mean(ends.near(&depth));
    let margins = to_device(&Tensor::from_slice(&margins).to_kind(depth.kind()), depth.device());
    right_by.le_tensor(&margins)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of 3 x 6; columns 0 to 2 form one patch, 3 to 5 the other.
    fn depth() -> Tensor {
        let first = [
            9.0, 8.0, 7.0, 1.0, 2.0, 3.0, 6.0, 5.0, 4.0, 4.0, 5.0, 6.0, 3.0, 2.0, 1.0, 7.0, 8.0,
            9.0f64,
        ];
        let second = first.map(|d| d + 1.0);
        Tensor::from_slice(&[first, second].concat()).view([2, 1, 3, 6])
    }

    fn pair(image: i64, size: i64, origin: Origin) -> DrawnPair {
        DrawnPair { image, far_y: 1, far_x: 1, near_y: 1, near_x: 4, size, origin }
    }

    fn plain(patch_mode: PatchMode, space: DepthSpace) -> WeakConfig {
        WeakConfig { patch_mode, space, margin_same_m: None, ..WeakConfig::default() }
    }

    fn softplus(p: f64) -> f64 {
        p.exp().ln_1p()
    }

    #[track_caller]
    fn check_close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
    }

    #[test]
    fn a_pixel_pair_costs_the_soft_hinge_of_its_difference() {
        // Centers 5 and 5 in both images; then near 6 against far 4, in the second image 7 against 5.
        let both = [pair(0, 1, Origin::DifferentClass), pair(1, 1, Origin::DifferentClass)];
        let loss = ordinal_loss(&depth(), &both, &plain(PatchMode::Aligned, DepthSpace::Depth));
        check_close(loss.value_f64(), 2f64.ln());
        assert_eq!(loss.count(), 2);
        let wrong = DrawnPair { far_x: 2, near_x: 5, ..both[0] };
        // P = 2 > tau = 1: log(1 + e^sqrt 2) + 0.
        let loss = ordinal_loss(&depth(), &[wrong], &plain(PatchMode::Mean, DepthSpace::Depth));
        check_close(loss.value_f64(), softplus(2f64.sqrt()));
        let log = WeakConfig { tau: 0.25, ..plain(PatchMode::Mean, DepthSpace::Log) };
        // ln 6 - ln 4 = 0.405 > 0.25; the constant as published for tau = 0.25.
        let loss = ordinal_loss(&depth(), &[wrong], &log);
        let expected = softplus(1.5f64.ln().sqrt()) - 0.148_137_54;
        assert!((loss.value_f64() - expected).abs() < 1e-7);
    }

    #[test]
    fn patch_modes_by_hand() {
        // far rows: 9 8 7 / 6 5 4 / 3 2 1; near rows: 1 2 3 / 4 5 6 / 7 8 9. tau is out of reach.
        let mean_of = |values: Vec<f64>| {
            let n = values.len() as f64;
            values.into_iter().map(softplus).sum::<f64>() / n
        };
        let (far, near) =
            ([9., 8., 7., 6., 5., 4., 3., 2., 1.], [1., 2., 3., 4., 5., 6., 7., 8., 9.0f64]);
        let all = near.iter().flat_map(|n| far.iter().map(move |f| n - f)).collect();
        let cases = [
            (PatchMode::Aligned, mean_of(vec![-8., -6., -4., -2., 0., 2., 4., 6., 8.])),
            (PatchMode::Sorted, 2f64.ln()),
            (PatchMode::AllPairs, mean_of(all)),
            (PatchMode::Mean, 2f64.ln()),
        ];
        for (mode, expected) in cases {
            let config = WeakConfig { tau: 100.0, ..plain(mode, DepthSpace::Depth) };
            let patch = pair(0, 3, Origin::DifferentClass);
            check_close(ordinal_loss(&depth(), &[patch], &config).value_f64(), expected);
        }
    }

    #[test]
    fn images_count_alike_whatever_the_sizes_of_their_pairs() {
        let config = WeakConfig { tau: 100.0, ..plain(PatchMode::Mean, DepthSpace::Depth) };
        let one = |image, near_x, far_x, size| DrawnPair {
            far_x,
            near_x,
            ..pair(image, size, Origin::GroundTruth)
        };
        // Image 0: pixel P = 2 and patch P = 0; image 1: pixel P = -2 (near 4 + 1, far 6 + 1).
        let pairs = [one(0, 5, 2, 1), one(0, 4, 1, 3), one(1, 3, 0, 1)];
        let expected = ((softplus(2.0) + softplus(0.0)) / 2.0 + softplus(-2.0)) / 2.0;
        check_close(ordinal_loss(&depth(), &pairs, &config).value_f64(), expected);
    }

    #[test]
    fn pairs_right_by_more_than_their_margin_are_left_out() {
        let right = |origin| DrawnPair { far_x: 0, near_x: 3, ..pair(0, 1, origin) }; // 6 against 4
        let config = WeakConfig::default();
        let loss = ordinal_loss(&depth(), &[right(Origin::SameClass)], &config);
        assert_eq!((loss.count(), loss.value_f64()), (0, 0.0));
        assert_eq!(ordinal_loss(&depth(), &[right(Origin::DifferentClass)], &config).count(), 1);
        let wide = WeakConfig { margin_same_m: Some(2.5), ..config };
        assert_eq!(ordinal_loss(&depth(), &[right(Origin::SameClass)], &wide).count(), 1);
        let both = WeakConfig { margin_different_m: Some(1.0), ..config };
        assert_eq!(ordinal_loss(&depth(), &[right(Origin::DifferentClass)], &both).count(), 0);
    }

    #[test]
    fn the_robust_loss_is_continuous_and_its_gradient_finite() {
        for tau in [0.0, 0.25, 1.0, 4.0] {
            let at =
                |p: f64| f64::try_from(robust_ordinal(&Tensor::from_slice(&[p]), tau)).unwrap();
            assert!((at(tau) - at(tau + 1e-9)).abs() < 1e-4);
            let p = Tensor::from_slice(&[-50.0, -1.0, 0.0, tau, tau + 1.0, 900.0f64])
                .set_requires_grad(true);
            robust_ordinal(&p, tau).sum(None).backward();
            assert_eq!(p.grad().isfinite().all().int64_value(&[]), 1, "tau {tau}");
        }
    }
}
