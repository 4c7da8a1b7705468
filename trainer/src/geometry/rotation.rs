//! Floor 1: pose vectors to rigid motions.
//!
//! A pose vector is (tx, ty, tz, rx, ry, rz), the angles in radians; R = Rx(rx) Ry(ry) Rz(rz) on column vectors,
//! right-handed, so z turns first. Motions are `[.., 4, 4]`, named `target_from_source`.

use tch::Tensor;

/// R = Rx Ry Rz.
///
/// # Shapes
/// - `angles`: `[.., 3]`, radians
/// - returns: `[.., 3, 3]`
pub fn rotation_matrix(angles: &Tensor) -> Tensor {
    let (sin, cos) = (angles.sin(), angles.cos());
    let pick = |t: &Tensor, axis: i64| t.select(-1, axis);
    let (sx, sy, sz) = (pick(&sin, 0), pick(&sin, 1), pick(&sin, 2));
    let (cx, cy, cz) = (pick(&cos, 0), pick(&cos, 1), pick(&cos, 2));
    let rows = [
        Tensor::stack(&[&cy * &cz, -(&cy * &sz), sy.shallow_clone()], -1),
        Tensor::stack(
            &[&cx * &sz + &sx * &sy * &cz, &cx * &cz - &sx * &sy * &sz, -(&sx * &cy)],
            -1,
        ),
        Tensor::stack(&[&sx * &sz - &cx * &sy * &cz, &sx * &cz + &cx * &sy * &sz, &cx * &cy], -1),
    ];
    Tensor::stack(&rows, -2)
}

/// The motion of a pose vector.
///
/// # Shapes
/// - `vector`: `[.., 6]`
/// - returns: `[.., 4, 4]`
pub fn transform_from_vector(vector: &Tensor) -> Tensor {
    let rotation = rotation_matrix(&vector.narrow(-1, 3, 3));
    with_last_row(&rotation, &vector.narrow(-1, 0, 3))
}

/// The pose vector of a motion; the inverse of [`transform_from_vector`] while |ry| < 90 degrees.
///
/// # Shapes
/// - `transform`: `[.., 4, 4]`
/// - returns: `[.., 6]`
pub fn vector_from_transform(transform: &Tensor) -> Tensor {
    let r = |i: i64, j: i64| transform.select(-2, i).select(-1, j);
    // The first row is (cy cz, -cy sz, sy), the last column (sy, -sx cy, cx cy).
    let angles = [(-r(1, 2)).atan2(&r(2, 2)), r(0, 2).asin(), (-r(0, 1)).atan2(&r(0, 0))];
    Tensor::cat(&[translation_of(transform), Tensor::stack(&angles, -1)], -1)
}

/// `b_from_a` of `a_from_b`: the rotation transposed, the translation turned back.
pub fn inverse_transform(transform: &Tensor) -> Tensor {
    let turned = rotation_of(transform).transpose(-1, -2);
    let back =
        -(&turned * translation_of(transform).unsqueeze(-2)).sum_dim_intlist(-1, false, None);
    with_last_row(&turned, &back)
}

/// `a_from_c` of `a_from_b` and `b_from_c`; leading axes are broadcast.
pub fn compose_transforms(a_from_b: &Tensor, b_from_c: &Tensor) -> Tensor {
    (a_from_b.unsqueeze(-1) * b_from_c.unsqueeze(-3)).sum_dim_intlist(-2, false, None)
}

/// The rotation part, `[.., 3, 3]`.
pub fn rotation_of(transform: &Tensor) -> Tensor {
    transform.narrow(-2, 0, 3).narrow(-1, 0, 3)
}

/// The translation part, `[.., 3]`.
pub fn translation_of(transform: &Tensor) -> Tensor {
    transform.narrow(-2, 0, 3).select(-1, 3)
}

fn with_last_row(rotation: &Tensor, translation: &Tensor) -> Tensor {
    let upper = Tensor::cat(&[rotation, &translation.unsqueeze(-1)], -1);
    let mut shape = upper.size();
    let rank = shape.len();
    shape[rank - 2] = 1;
    // Made there: a copy from the host would be waited for.
    let last = Tensor::zeros(shape, (upper.kind(), upper.device()));
    let _ = last.select(-1, 3).fill_(1.0);
    Tensor::cat(&[upper, last], -2)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_2;

    use tch::Kind;

    use super::*;

    fn turned(angles: [f64; 3], point: [f64; 3]) -> Vec<f64> {
        let rotation = rotation_matrix(&Tensor::from_slice(&angles));
        Vec::try_from(rotation.matmul(&Tensor::from_slice(&point))).unwrap()
    }

    #[track_caller]
    fn check_turned(angles: [f64; 3], point: [f64; 3], expected: [f64; 3]) {
        for (got, expected) in turned(angles, point).into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
        }
    }

    #[test]
    fn quarter_turns_are_right_handed() {
        check_turned([FRAC_PI_2, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]); // y to z
        check_turned([0.0, FRAC_PI_2, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]); // z to x
        check_turned([0.0, 0.0, FRAC_PI_2], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]); // x to y
    }

    #[test]
    fn z_turns_first_then_y_then_x() {
        // z sends x to y, y leaves it, x sends y to z.
        check_turned([FRAC_PI_2; 3], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]);
        // z sends y to -x, y sends -x to z, x sends z to -y.
        check_turned([FRAC_PI_2; 3], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]);
    }

    #[test]
    fn any_angles_equal_the_product_of_the_three_turns() {
        let (x, y, z) = (0.3f64, -0.7f64, 1.1f64);
        let turn = |m: [f64; 9]| Tensor::from_slice(&m).view([3, 3]);
        let rx = turn([1.0, 0.0, 0.0, 0.0, x.cos(), -x.sin(), 0.0, x.sin(), x.cos()]);
        let ry = turn([y.cos(), 0.0, y.sin(), 0.0, 1.0, 0.0, -y.sin(), 0.0, y.cos()]);
        let rz = turn([z.cos(), -z.sin(), 0.0, z.sin(), z.cos(), 0.0, 0.0, 0.0, 1.0]);
        let expected = rx.matmul(&ry).matmul(&rz);
        let difference = (rotation_matrix(&Tensor::from_slice(&[x, y, z])) - expected).abs().max();
        assert!(f64::try_from(difference).unwrap() < 1e-15);
    }

    #[test]
    fn a_motion_and_its_inverse_cancel() {
        let vector =
            Tensor::from_slice(&[1.0, -2.0, 3.0, 0.2, 0.4, -0.3, 0.0, 0.5, 0.0, -1.0, 0.1, 2.0]);
        let transform = transform_from_vector(&vector.view([2, 6]));
        assert_eq!(transform.size(), [2, 4, 4]);
        let product = compose_transforms(&inverse_transform(&transform), &transform);
        let identity = Tensor::eye(4, (Kind::Double, tch::Device::Cpu));
        assert!(f64::try_from((product - identity).abs().max()).unwrap() < 1e-14);
    }

    #[test]
    fn a_motion_gives_its_vector_back() {
        let vector =
            Tensor::from_slice(&[1.0, -2.0, 3.0, 2.2, -1.4, -3.0, 0.0, 0.5, 0.0, -1.0, 0.1, 2.0])
                .view([2, 6]);
        let back = vector_from_transform(&transform_from_vector(&vector));
        assert!(f64::try_from((back - vector).abs().max()).unwrap() < 1e-14);
    }

    #[test]
    fn the_right_hand_motion_comes_first() {
        // A step of 1 along x, then a quarter turn about y: x goes to -z.
        let step = transform_from_vector(&Tensor::from_slice(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0f64]));
        let turn =
            transform_from_vector(&Tensor::from_slice(&[0.0, 0.0, 0.0, 0.0, FRAC_PI_2, 0.0]));
        let moved: Vec<f64> =
            Vec::try_from(translation_of(&compose_transforms(&turn, &step))).unwrap();
        for (got, expected) in moved.into_iter().zip([0.0, 0.0, -1.0]) {
            assert!((got - expected).abs() < 1e-12);
        }
    }
}
