//! Floor 1: a source picture seen from the target view.

use tch::Tensor;

use super::project::{Projection, project};
use crate::dims::{Axis, expect_dims};

/// libtorch's numbers for bilinear interpolation and for clamping to the border.
const BILINEAR: i64 = 0;
const BORDER_PADDING: i64 = 1;

/// A warped picture.
pub struct Warped {
    /// `[N, C, H, W]`; border pixels repeated where not valid.
    pub image: Tensor,
    /// `[N, H, W]`, bool: in front of the source camera and within its picture.
    pub valid: Tensor,
}

/// Inverse warp: every target pixel takes the color at its place in the source picture.
///
/// # Shapes
/// - `source`: `[N, C, H, W]`
/// - `depth`, `intrinsics`, `source_from_target`: see [`project`]
pub fn inverse_warp(
    source: &Tensor,
    depth: &Tensor,
    intrinsics: &Tensor,
    source_from_target: &Tensor,
) -> Warped {
    let projection = project(depth, intrinsics, source_from_target);
    Warped { image: sample(source, &projection), valid: projection.valid() }
}

/// The colors of a source picture at projected places, bilinear, clamped to the border.
pub fn sample(source: &Tensor, at: &Projection) -> Tensor {
    let size = at.column.size();
    let (n, height, width) = (size[0], size[1], size[2]);
    expect_dims(
        "source",
        source,
        &[Axis::Is(n), Axis::Free("C"), Axis::Is(height), Axis::Is(width)],
    );
    // With aligned corners -1 and 1 are the outermost pixel centers.
    let scaled = |position: &Tensor, n: i64| position * (2.0 / (n - 1).max(1) as f64) - 1.0;
    let grid = Tensor::stack(&[scaled(&at.column, width), scaled(&at.row, height)], -1);
    source.grid_sampler_2d(&grid, BILINEAR, BORDER_PADDING, true)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::super::rotation::transform_from_vector;
    use super::*;

    fn camera() -> Tensor {
        Tensor::from_slice(&[10.0, 0.0, 3.5, 0.0, 10.0, 2.0, 0.0, 0.0, 1.0f64]).view([1, 3, 3])
    }

    fn picture() -> Tensor {
        Tensor::arange(40, (Kind::Double, Device::Cpu)).pow_tensor_scalar(2).view([1, 1, 5, 8])
    }

    fn warped(step_x: f64) -> Warped {
        let depth = Tensor::full([1, 1, 5, 8], 5.0, (Kind::Double, Device::Cpu));
        let step = Tensor::from_slice(&[step_x, 0.0, 0.0, 0.0, 0.0, 0.0]).view([1, 6]);
        inverse_warp(&picture(), &depth, &camera(), &transform_from_vector(&step))
    }

    #[test]
    fn no_motion_warps_a_picture_to_itself() {
        let same = warped(0.0);
        assert!(f64::try_from((same.image - picture()).abs().max()).unwrap() < 1e-9);
        assert_eq!(same.valid.all().int64_value(&[]), 1);
    }

    #[test]
    fn one_and_a_half_pixels_to_the_right() {
        // 10 * 0.75 / 5 = 1.5 px: target column 2 lies between source columns 3 and 4.
        let shifted = warped(0.75);
        let expected = (19f64.powi(2) + 20f64.powi(2)) / 2.0; // row 2: 16 + 3, 16 + 4
        assert!((shifted.image.double_value(&[0, 0, 2, 2]) - expected).abs() < 1e-9);
        // Column 6 would be 7.5: outside, clamped to the last column.
        assert_eq!(shifted.valid.int64_value(&[0, 2, 6]), 0);
        assert_eq!(shifted.valid.int64_value(&[0, 2, 5]), 1);
        assert!((shifted.image.double_value(&[0, 0, 2, 6]) - 23f64.powi(2)).abs() < 1e-9);
    }

    #[test]
    fn the_gradient_of_depth_equals_finite_differences() {
        let step = Tensor::from_slice(&[0.3, 0.1, -0.2, 0.01, -0.02, 0.03]).view([1, 6]);
        let motion = transform_from_vector(&step);
        let depth = Tensor::linspace(4.0, 7.0, 40, (Kind::Double, Device::Cpu)).view([1, 1, 5, 8]);
        let value =
            |depth: &Tensor| inverse_warp(&picture(), depth, &camera(), &motion).image.sum(None);
        let leaf = depth.copy().set_requires_grad(true);
        value(&leaf).backward();
        for (row, column) in [(1, 2), (2, 3), (3, 4)] {
            let moved = |h: f64| {
                let depth = depth.copy();
                let _ = depth.narrow(2, row, 1).narrow(3, column, 1).g_add_scalar_(h);
                f64::try_from(value(&depth)).unwrap()
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let got = leaf.grad().double_value(&[0, 0, row, column]);
            assert!((got - expected).abs() < 1e-5 * expected.abs().max(1.0), "{got} {expected}");
        }
    }
}
