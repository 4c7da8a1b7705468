//! Floor 1: one loss term: its value, and how many pixels or pairs it stands on.

use tch::{Kind, Tensor};

/// A raw loss term, not weighted.
#[derive(Debug)]
pub struct LossTerm {
    /// Scalar, with its graph.
    pub value: Tensor,
    count: Tensor,
}

impl LossTerm {
    /// A term that nothing stands for: 0, without a graph.
    pub fn absent(like: &Tensor) -> Self {
        Self {
            value: Tensor::zeros([] as [i64; 0], (like.kind(), like.device())),
            count: Tensor::zeros([] as [i64; 0], (Kind::Int64, like.device())),
        }
    }

    /// The mean inside each group, then the mean over the groups that hold anything.
    ///
    /// # Shapes
    /// - `sums`: `[G]`, the sum over what a group holds
    /// - `counts`: `[G]`, how much it holds, of any kind
    pub fn mean_of_means(sums: &Tensor, counts: &Tensor) -> Self {
        let means = means(sums, counts);
        let groups = counts.gt(0).to_kind(sums.kind()).sum(None).clamp_min(1.0);
        Self { value: means.sum(None) / groups, count: counts.to_kind(Kind::Int64).sum(None) }
    }

    /// The mean over the kept pixels of each image, then over the images that have any.
    ///
    /// # Shapes
    /// - `values`: `[N, H, W]`; may be anything, also not finite, where not kept
    /// - `keep`: `[N, H, W]`, bool
    pub fn mean_over_images(values: &Tensor, keep: &Tensor) -> Self {
        let (sums, counts) = masked_sums(values, keep);
        Self::mean_of_means(&sums, &counts)
    }

    /// A term made of others: a value of its own, the count of the parts together.
    pub fn combined(value: Tensor, parts: &[&Self]) -> Self {
        let zero = Tensor::zeros([] as [i64; 0], (Kind::Int64, value.device()));
        Self { value, count: parts.iter().fold(zero, |sum, part| sum + &part.count) }
    }

    /// The same value, standing on another number of pixels: a scalar of kind i64.
    pub(super) fn standing_on(self, count: Tensor) -> Self {
        Self { count, ..self }
    }

    /// The same, or NaN where one of the numbers `by` a network is not finite: the pixels that they move count as invalid, so
    /// that the term alone would look as if it had no labels.
    pub(super) fn unless_spoiled(self, by: &Tensor) -> Self {
        let zero = (by.detach() * 0.0).sum(self.value.kind());
        Self { value: self.value + zero, ..self }
    }

    /// How many pixels or pairs it stands on; 0 where there were no labels. Waits for the device.
    pub fn count(&self) -> i64 {
        self.count.int64_value(&[])
    }

    /// The same as it lies on its device: a scalar of kind i64.
    pub(crate) fn count_tensor(&self) -> &Tensor {
        &self.count
    }

    /// Were there no labels? Waits for the device.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The value as a number. Waits for the device.
    pub fn value_f64(&self) -> f64 {
        self.value.double_value(&[])
    }
}

/// Sum of the kept values and their number in each image: `[N]`, `[N]`.
pub(super) fn masked_sums(values: &Tensor, keep: &Tensor) -> (Tensor, Tensor) {
    let sums =
        values.where_scalarother(keep, 0.0).sum_dim_intlist([1i64, 2].as_slice(), false, None);
    (sums, keep.sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Int64))
}

/// The mean of each group, 0 for empty ones: `[G]`.
pub(super) fn means(sums: &Tensor, counts: &Tensor) -> Tensor {
    sums / counts.clamp_min(1).to_kind(sums.kind())
}

/// Adds up values by group: `[P]` values to `[G]` sums.
pub(super) fn sums_by_group(values: &Tensor, group: &Tensor, n_groups: i64) -> Tensor {
    Tensor::zeros([n_groups], (values.kind(), values.device())).index_add(0, group, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_count_alike_however_many_pixels_they_have() {
        // Image 0: pixels 1, 3 kept, mean 2; image 1: 10 kept; image 2: nothing. (2 + 10) / 2 = 6.
        let values = Tensor::from_slice(&[1.0, 3.0, 99.0, 99.0, 10.0, f64::NAN, 1.0, 1.0, 1.0]);
        let keep =
            Tensor::from_slice(&[true, true, false, false, true, false, false, false, false]);
        let term = LossTerm::mean_over_images(&values.view([3, 1, 3]), &keep.view([3, 1, 3]));
        assert_eq!((term.value_f64(), term.count()), (6.0, 3));
    }

    #[test]
    fn nothing_gives_zero_and_a_zero_gradient() {
        let values = Tensor::from_slice(&[1.0, 2.0f64]).view([1, 1, 2]).set_requires_grad(true);
        let keep = Tensor::from_slice(&[false, false]).view([1, 1, 2]);
        let term = LossTerm::mean_over_images(&values, &keep);
        assert!(term.is_empty());
        assert_eq!(term.value_f64(), 0.0);
        term.value.backward();
        assert_eq!(Vec::<f64>::try_from(values.grad().view([2])).unwrap(), [0.0, 0.0]);
    }
}
