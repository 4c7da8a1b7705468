//! Floor 1: where the pixels of the target view lie in a source view.

use tch::Tensor;

use super::grid::{columns, rows};
use super::rotation::{rotation_of, translation_of};
use crate::dims::{Axis, expect_dims};

/// Points in front of this are not divided by: metres.
pub const DEPTH_MIN: f64 = 1e-3;
/// A point this far outside the outermost pixel centers still counts as inside: pixels.
pub const BORDER: f64 = 1e-3;

/// Every target pixel in the source view.
pub struct Projection {
    /// Column, `[N, H, W]`, pixels.
    pub column: Tensor,
    /// Row, `[N, H, W]`, pixels.
    pub row: Tensor,
    /// Depth in the source camera, `[N, H, W]`, metres; may be negative.
    pub depth: Tensor,
}

impl Projection {
    /// In front of the camera and within the picture: `[N, H, W]`, bool.
    pub fn valid(&self) -> Tensor {
        let size = self.column.size();
        let inside = |position: &Tensor, n: i64| {
            position.ge(-BORDER).logical_and(&position.le((n - 1) as f64 + BORDER))
        };
        self.depth
            .gt(DEPTH_MIN)
            .logical_and(&inside(&self.column, size[2]))
            .logical_and(&inside(&self.row, size[1]))
    }
}

/// p_source ~ K T D(p) K^-1 p for every pixel p of the target view.
///
/// # Shapes
/// - `depth`: `[N, 1, H, W]`, metres in the target view
/// - `intrinsics`: `[N, 3, 3]`, pinhole without skew, of both views
/// - `source_from_target`: `[N, 4, 4]`
pub fn project(depth: &Tensor, intrinsics: &Tensor, source_from_target: &Tensor) -> Projection {
    let size = depth.size();
    let (n, height, width) = (size[0], size[2], size[3]);
    expect_dims("depth", depth, &[Axis::Free("N"), Axis::Is(1), Axis::Free("H"), Axis::Free("W")]);
    expect_dims("intrinsics", intrinsics, &[Axis::Is(n), Axis::Is(3), Axis::Is(3)]);
    expect_dims("source_from_target", source_from_target, &[Axis::Is(n), Axis::Is(4), Axis::Is(4)]);

    let depth = depth.squeeze_dim(1); // [N, H, W]
    let camera = |i: i64, j: i64| intrinsics.select(1, i).select(1, j).view([n, 1, 1]);
    let (fx, fy, cx, cy) = (camera(0, 0), camera(1, 1), camera(0, 2), camera(1, 2));
    let ray_x = (columns(width, &depth) - &cx) / &fx; // [N, 1, W]
    let ray_y = (rows(height, &depth) - &cy) / &fy; // [N, H, 1]

    let rotation = rotation_of(source_from_target);
    let translation = translation_of(source_from_target);
    let coordinate = |i: i64| {
        let r = |j: i64| rotation.select(1, i).select(1, j).view([n, 1, 1]);
        let turned = (&ray_x * r(0) + r(2)) + &ray_y * r(1); // [N, H, W]
        turned * &depth + translation.select(1, i).view([n, 1, 1])
    };
    let (x, y, z) = (coordinate(0), coordinate(1), coordinate(2));
    let near = z.clamp_min(DEPTH_MIN);
    Projection { column: x / &near * fx + cx, row: y / near * fy + cy, depth: z }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::super::rotation::transform_from_vector;
    use super::*;

    fn camera() -> Tensor {
        Tensor::from_slice(&[10.0, 0.0, 3.5, 0.0, 20.0, 2.0, 0.0, 0.0, 1.0f64]).view([1, 3, 3])
    }

    fn plane(depth: f64) -> Tensor {
        Tensor::full([1, 1, 5, 8], depth, (Kind::Double, Device::Cpu))
    }

    fn motion(vector: [f64; 6]) -> Tensor {
        transform_from_vector(&Tensor::from_slice(&vector).view([1, 6]))
    }

    #[track_caller]
    fn check_close(got: &Tensor, expected: &Tensor) {
        assert!(f64::try_from((got - expected).abs().max()).unwrap() < 1e-12);
    }

    #[test]
    fn a_sideways_step_shifts_a_plane_by_f_t_over_z() {
        // 10 px * 2 m / 5 m = 4 px to the right; down: 20 * -1 / 5 = -4 px.
        let p = project(&plane(5.0), &camera(), &motion([2.0, -1.0, 0.0, 0.0, 0.0, 0.0]));
        check_close(&p.column, &(columns(8, &p.column) + 4.0).expand([1, 5, 8], false));
        check_close(&p.row, &(rows(5, &p.row) - 4.0).expand([1, 5, 8], false));
        // Columns 0 to 3 stay within 0..=7, row 4 alone stays.
        let valid: Vec<bool> = Vec::try_from(p.valid().reshape([-1])).unwrap();
        let expected: Vec<bool> = (0..40).map(|i| i / 8 == 4 && i % 8 <= 3).collect();
        assert_eq!(valid, expected);
    }

    #[test]
    fn a_step_forward_spreads_a_plane_from_the_principal_point() {
        // Source camera 5 m nearer to a plane at 10 m: distances from (3.5, 2) double.
        let p = project(&plane(10.0), &camera(), &motion([0.0, 0.0, -5.0, 0.0, 0.0, 0.0]));
        check_close(
            &p.column,
            &((columns(8, &p.column) - 3.5) * 2.0 + 3.5).expand([1, 5, 8], false),
        );
        check_close(&p.depth, &(plane(5.0).squeeze_dim(1)));
    }

    #[test]
    fn a_turn_about_y_moves_the_center_by_f_tan_whatever_the_depth() {
        let angle = 0.2f64;
        for depth in [1.0, 50.0] {
            let at_center = Tensor::from_slice(&[10.0, 0.0, 4.0, 0.0, 20.0, 2.0, 0.0, 0.0, 1.0f64]);
            let turn = motion([0.0, 0.0, 0.0, 0.0, angle, 0.0]);
            let p = project(&plane(depth), &at_center.view([1, 3, 3]), &turn);
            let column = p.column.double_value(&[0, 2, 4]);
            assert!((column - (4.0 + 10.0 * angle.tan())).abs() < 1e-12);
        }
    }

    #[test]
    fn points_behind_the_source_camera_are_not_valid() {
        let p = project(&plane(3.0), &camera(), &motion([0.0, 0.0, -4.0, 0.0, 0.0, 0.0]));
        assert_eq!(i64::try_from(p.valid().to_kind(Kind::Int64).sum(None)).unwrap(), 0);
        assert!(p.column.isfinite().all().int64_value(&[]) == 1);
    }
}
