//! Floor 1: shape checks with a readable message.
//!
//! Axis letters: `N` batch, `C` channel, `H`, `W`, `K` bins, `F` frames, `M` objects, `P` pairs.

use tch::Tensor;

/// A tensor that has another shape than its name promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use tensor {name:?}: wrong shape; expected {expected}, got {got:?}")]
pub struct DimsError {
    /// What the tensor is.
    pub name: String,
    /// The shape it should have, free axes by their letters: `[N, 3, 32, 64]`.
    pub expected: String,
    /// The shape it has.
    pub got: Vec<i64>,
}

/// One axis of an expected shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// This many.
    Is(i64),
    /// Any number; the letter is for the message.
    Free(&'static str),
}

/// Is the shape as expected?
///
/// # Errors
/// [`DimsError`] with both shapes when the rank or a fixed axis differs.
pub fn check_dims(name: &str, tensor: &Tensor, expected: &[Axis]) -> Result<(), DimsError> {
    let got = tensor.size();
    let fits = got.len() == expected.len()
        && got.iter().zip(expected).all(|(got, axis)| match axis {
            Axis::Is(n) => got == n,
            Axis::Free(_) => true,
        });
    if fits {
        return Ok(());
    }
    let axes: Vec<String> = expected
        .iter()
        .map(|axis| match axis {
            Axis::Is(n) => n.to_string(),
            Axis::Free(letter) => (*letter).to_string(),
        })
        .collect();
    Err(DimsError { name: name.into(), expected: format!("[{}]", axes.join(", ")), got })
}

/// The shape as expected, or our mistake.
///
/// # Panics
/// With the sentence of [`DimsError`].
#[track_caller]
pub fn expect_dims(name: &str, tensor: &Tensor, expected: &[Axis]) {
    if let Err(error) = check_dims(name, tensor, expected) {
        panic!("{error}");
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn free_axes_fit_anything_and_fixed_axes_only_themselves() {
        let image = Tensor::zeros([2, 3, 4, 5], (Kind::Float, Device::Cpu));
        let any = [Axis::Free("N"), Axis::Is(3), Axis::Free("H"), Axis::Free("W")];
        assert_eq!(check_dims("image", &image, &any), Ok(()));
        let error = check_dims("image", &image, &[Axis::Free("N"), Axis::Is(1), Axis::Is(4)]);
        assert_eq!(
            error.map_err(|e| e.to_string()),
            Err("cannot use tensor \"image\": wrong shape; expected [N, 1, 4], got [2, 3, 4, 5]"
                .into())
        );
    }
}
