//! Floor 1: edge-aware smoothness: inverse depth may change where the picture changes.

use tch::Tensor;

use super::term::LossTerm;

/// First-order smoothness of inverse depth over its mean: |d_x| exp(-|I_x|) and the same along y, each a mean.
///
/// # Shapes
/// - `depth`: `[N, 1, H, W]`, any unit: a factor cancels
/// - `image`: `[N, 3, H, W]`, in [0, 1]
/// - `images`: `[N]`, bool: which images have the term
pub fn smoothness_loss(depth: &Tensor, image: &Tensor, images: &Tensor) -> LossTerm {
    let inverse = depth.reciprocal();
    let all = [1i64, 2, 3];
    let inverse = &inverse / inverse.mean_dim(all.as_slice(), true, None);
    let along = |axis: i64| {
        let change = step(&inverse, axis).abs();
        let edge = step(image, axis).abs().mean_dim([1i64].as_slice(), true, None);
        (change * (-edge).exp()).mean_dim(all.as_slice(), false, None) // [N]
    };
    let roughness = along(3) + along(2);
    let pixels = image.size()[2] * image.size()[3];
    let counts = images.to_kind(tch::Kind::Int64) * pixels;
    LossTerm::mean_of_means(&(roughness.where_scalarother(images, 0.0) * pixels as f64), &counts)
}

fn step(of: &Tensor, axis: i64) -> Tensor {
    let n = of.size()[axis as usize];
    of.narrow(axis, 1, n - 1) - of.narrow(axis, 0, n - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(image: [f64; 4]) -> f64 {
        // Inverse depths 1, 3 / 1, 3: mean 2, so 0.5, 1.5 / 0.5, 1.5.
        let depth = Tensor::from_slice(&[1.0, 1.0 / 3.0, 1.0, 1.0 / 3.0]).view([1, 1, 2, 2]);
        let image = Tensor::from_slice(&image).view([1, 1, 2, 2]).expand([1, 3, 2, 2], false);
        smoothness_loss(&depth, &image, &Tensor::from_slice(&[true])).value_f64()
    }

    #[test]
    fn a_step_costs_its_height_over_the_mean() {
        assert!((loss([0.5; 4]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_edge_in_the_picture_makes_it_cheaper() {
        assert!((loss([0.0, 1.0, 0.0, 1.0]) - (-1f64).exp()).abs() < 1e-12);
        // An edge the other way does not help.
        assert!((loss([0.0, 0.0, 1.0, 1.0]) - 1.0).abs() < 1e-12);
    }
}
