//! Floor 1: a running mean of depth errors that counts what it averaged and what it left out.

use crate::metrics::depth::DepthErrors;

/// Mean over images, each with the same weight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanErrors {
    sums: [f64; DepthErrors::NAMES.len()],
    n_images: u64,
    n_left_out: u64,
}

impl MeanErrors {
    /// Adds one image; `None` is an image without pixels, which is only counted.
    pub fn add(&mut self, errors: Option<DepthErrors>) {
        match errors {
            Some(errors) => {
                for (sum, value) in self.sums.iter_mut().zip(errors.to_array()) {
                    *sum += value;
                }
                self.n_images += 1;
            }
            None => self.n_left_out += 1,
        }
    }

    /// Images in the mean.
    pub fn n_images(&self) -> u64 {
        self.n_images
    }

    /// Images without pixels to compare.
    pub fn n_left_out(&self) -> u64 {
        self.n_left_out
    }

    /// The mean; `None` where there is no image.
    pub fn mean(&self) -> Option<DepthErrors> {
        (self.n_images > 0)
            .then(|| DepthErrors::from_array(self.sums.map(|sum| sum / self.n_images as f64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_weigh_the_same_and_empty_ones_are_counted() {
        let mut mean = MeanErrors::default();
        assert_eq!(mean.mean(), None);
        mean.add(Some(DepthErrors { abs_rel: 0.1, a3: 1.0, ..DepthErrors::from_array([0.0; 9]) }));
        mean.add(None);
        mean.add(Some(DepthErrors { abs_rel: 0.3, a3: 0.5, ..DepthErrors::from_array([0.0; 9]) }));
        let errors = mean.mean().unwrap();
        assert!((errors.abs_rel - 0.2).abs() < 1e-15);
        assert_eq!(errors.a3, 0.75);
        assert_eq!((mean.n_images(), mean.n_left_out()), (2, 1));
    }
}
