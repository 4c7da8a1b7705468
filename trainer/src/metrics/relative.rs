//! Floor 1: errors of depth without a unit (MegaDepth): scale-invariant error, and how often two points stand in the wrong
//! order.
//!
//! The order of two points is +1 where the first is farther by more than a tenth (ratio above 1.1), -1 where it is nearer
//! by as much, else 0. The SfM disagreement rate (SDR) is the share of point pairs whose predicted order is not that of
//! the measured depth: SDR= among pairs of measured order 0, SDR!= among the others. Pairs are pooled over all images.

/// Ratio of two depths above which one counts as farther.
const RATIO: f64 = 1.1;

/// Which of two points is farther.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first.
    First,
    /// Neither by a tenth.
    Neither,
    /// The second.
    Second,
}

/// The order of two depths above 0.
pub fn order_of(first: f64, second: f64) -> Order {
    if first > RATIO * second {
        Order::First
    } else if second > RATIO * first {
        Order::Second
    } else {
        Order::Neither
    }
}

/// sqrt(mean R^2 - (mean R)^2) with R = ln predicted - ln truth: the error that no scale of the prediction changes; `None`
/// of nothing.
///
/// # Shapes
/// - `pixels`: (truth, predicted), both above 0
pub fn si_rmse(pixels: &[(f64, f64)]) -> Option<f64> {
    let n = pixels.len() as f64;
    let residuals = || pixels.iter().map(|(truth, predicted)| (predicted / truth).ln());
    let mean = residuals().sum::<f64>() / n;
    // As a sum of squares about the mean, which rounding cannot make negative.
    let variance = residuals().map(|r| (r - mean).powi(2)).sum::<f64>() / n;
    (!pixels.is_empty()).then(|| variance.sqrt())
}

/// Pairs looked at, and those in the wrong order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub n: u64,
    /// In another order than they should be.
    pub n_wrong: u64,
}

impl Tally {
    fn add(&mut self, wrong: bool) {
        self.n += 1;
        self.n_wrong += u64::from(wrong);
    }

    /// The share that is wrong; `None` of nothing.
    pub fn share(&self) -> Option<f64> {
        (self.n > 0).then(|| self.n_wrong as f64 / self.n as f64)
    }
}

/// Everything of one evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RelativeErrors {
    si_rmse_sum: f64,
    n_images: u64,
    /// Point pairs whose measured depths are alike.
    pub equal: Tally,
    /// Point pairs whose measured depths differ.
    pub unequal: Tally,
    /// Stored pixel pairs (ordinal maps, rules): the far end should be predicted farther, by however little.
    pub stored: Tally,
}

impl RelativeErrors {
    /// Adds one image.
    ///
    /// # Shapes
    /// - `pixels`: (truth, predicted)
    pub fn add_image(&mut self, pixels: &[(f64, f64)]) {
        if let Some(value) = si_rmse(pixels) {
            self.si_rmse_sum += value;
            self.n_images += 1;
        }
    }

    /// Adds two points, each (truth, predicted).
    pub fn add_points(&mut self, first: (f64, f64), second: (f64, f64)) {
        let (expected, got) = (order_of(first.0, second.0), order_of(first.1, second.1));
        let tally = if expected == Order::Neither { &mut self.equal } else { &mut self.unequal };
        tally.add(expected != got);
    }

    /// Adds the predicted depths of a stored pair.
    pub fn add_stored(&mut self, far: f64, near: f64) {
        self.stored.add(far <= near);
    }

    /// si-RMSE, mean over images.
    pub fn si_rmse(&self) -> Option<f64> {
        (self.n_images > 0).then(|| self.si_rmse_sum / self.n_images as f64)
    }

    /// SDR over equal and unequal pairs together.
    pub fn all(&self) -> Tally {
        let (equal, unequal) = (self.equal, self.unequal);
        Tally { n: equal.n + unequal.n, n_wrong: equal.n_wrong + unequal.n_wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_makes_the_order() {
        assert_eq!(order_of(11.1, 10.0), Order::First);
        assert_eq!(order_of(10.9, 10.0), Order::Neither);
        assert_eq!(order_of(9.2, 10.0), Order::Neither); // 10 / 9.2 = 1.087
        assert_eq!(order_of(9.0, 10.0), Order::Second); // 10 / 9 = 1.11
    }

    #[test]
    fn a_scale_costs_nothing_and_the_rest_is_the_deviation_of_logarithms() {
        let e = std::f64::consts::E;
        assert!(si_rmse(&[(1.0, 3.0), (2.0, 6.0)]).unwrap() < 1e-15);
        // Residuals 0, 1, 5: mean 2, variance (4 + 1 + 9) / 3.
        let pixels = [(1.0, 1.0), (2.0, 2.0 * e), (1.0, e.powi(5))];
        assert!((si_rmse(&pixels).unwrap() - (14.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(si_rmse(&[]), None);
    }

    #[test]
    fn disagreement_is_pooled_over_all_pairs() {
        let mut errors = RelativeErrors::default();
        assert_eq!((errors.all().share(), errors.si_rmse()), (None, None));
        errors.add_points((1.0, 1.0), (1.0, 2.0)); // alike, predicted otherwise
        errors.add_points((1.0, 5.0), (1.05, 5.0)); // alike, predicted so
        errors.add_points((1.0, 1.0), (2.0, 3.0)); // right
        errors.add_points((1.0, 3.0), (2.0, 1.0)); // the wrong way round
        errors.add_points((2.0, 3.0), (1.0, 3.0)); // predicted alike
        errors.add_stored(2.0, 1.9);
        errors.add_stored(1.0, 1.0);
        assert_eq!(errors.equal, Tally { n: 2, n_wrong: 1 });
        assert_eq!(errors.unequal, Tally { n: 3, n_wrong: 2 });
        assert_eq!(errors.all().share(), Some(0.6));
        assert_eq!(errors.stored.share(), Some(0.5));
        errors.add_image(&[(1.0, 1.0), (1.0, 1.0)]);
        errors.add_image(&[]);
        assert_eq!(errors.si_rmse(), Some(0.0));
    }
}
