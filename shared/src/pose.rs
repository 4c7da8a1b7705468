//! Floor 0: rigid motions, always named `target_from_source`: they map points from source to target coordinates.

/// A rotation and a translation, as a row-major 4x4 matrix whose last row is 0 0 0 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RigidTransform(pub [[f64; 4]; 4]);

impl RigidTransform {
    /// No motion.
    pub const IDENTITY: Self = Self([
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 1.0],
    ]);

    /// `a_from_c` where `self` is `a_from_b` and `other` is `b_from_c`.
    pub fn compose(&self, other: &Self) -> Self {
        let mut out = [[0.0; 4]; 4];
        for (row, out_row) in out.iter_mut().enumerate() {
            for (column, cell) in out_row.iter_mut().enumerate() {
                *cell = (0..4).map(|k| self.0[row][k] * other.0[k][column]).sum();
            }
        }
        Self(out)
    }

    /// `b_from_a` where `self` is `a_from_b`: the rotation transposed, the translation turned back.
    pub fn inverse(&self) -> Self {
        let m = &self.0;
        let mut out = Self::IDENTITY.0;
        for row in 0..3 {
            for column in 0..3 {
                out[row][column] = m[column][row];
            }
            out[row][3] = -(0..3).map(|k| m[k][row] * m[k][3]).sum::<f64>();
        }
        Self(out)
    }

    /// The point in the other coordinates.
    pub fn apply(&self, point: [f64; 3]) -> [f64; 3] {
        let m = &self.0;
        std::array::from_fn(|row| {
            m[row][0] * point[0] + m[row][1] * point[1] + m[row][2] * point[2] + m[row][3]
        })
    }

    /// The sixteen numbers, row-major, as the shard stores them.
    pub fn to_f32(&self) -> [f32; 16] {
        std::array::from_fn(|i| self.0[i / 4][i % 4] as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_undoes_a_quarter_turn_and_a_step() {
        // Quarter turn about y: x to -z, z to x; then a step of (1, 2, 3).
        let motion = RigidTransform([
            [0.0, 0.0, 1.0, 1.0],
            [0.0, 1.0, 0.0, 2.0],
            [-1.0, 0.0, 0.0, 3.0],
            [0.0, 0.0, 0.0, 1.0],
        ]);
        assert_eq!(motion.apply([1.0, 0.0, 0.0]), [1.0, 2.0, 2.0]);
        assert_eq!(motion.inverse().apply([1.0, 2.0, 2.0]), [1.0, 0.0, 0.0]);
        assert_eq!(motion.compose(&motion.inverse()), RigidTransform::IDENTITY);
    }
}
