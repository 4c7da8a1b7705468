//! Floor 1: which solids can shade a point: a grid of their shadows on the ground.

use crate::synth::light::Light;
use crate::synth::shapes::Solid;
use crate::synth::vector::Vector;

/// Edge of a grid cell, meters.
const CELL: f64 = 2.0;
/// Cells along x and z.
const CELLS: [usize; 2] = [80, 160];

/// Shadows of one frame.
pub struct ShadowGrid {
    corner: [f64; 2],
    /// Steps along x and z per meter of height, towards the sun.
    slant: [f64; 2],
    cells: Vec<Vec<u16>>,
}

impl ShadowGrid {
    /// Projects the solids along the sun's rays; around `(x, z)`, mostly ahead of it.
    pub fn new(solids: &[&Solid], light: &Light, around: [f64; 2]) -> Self {
        let slant = [light.sun[0] / light.sun[1], light.sun[2] / light.sun[1]];
        let corner = [around[0] - 0.5 * CELL * CELLS[0] as f64, around[1] - 30.0];
        let mut cells = vec![Vec::new(); CELLS[0] * CELLS[1]];
        for (index, solid) in solids.iter().enumerate() {
            let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
            for [x, y, z] in solid.corners() {
                for (axis, value) in [x - y * slant[0], z - y * slant[1]].into_iter().enumerate() {
                    low[axis] = low[axis].min(value);
                    high[axis] = high[axis].max(value);
                }
            }
            let cell = |value: f64, axis: usize| ((value - corner[axis]) / CELL).floor();
            let range = |axis: usize| {
                let last = CELLS[axis] as f64 - 1.0;
                let (a, b) = (cell(low[axis], axis), cell(high[axis], axis));
                if b < 0.0 || a > last {
                    0..0
                } else {
                    a.max(0.0) as usize..b.min(last) as usize + 1
                }
            };
            for row in range(1) {
                for column in range(0) {
                    cells[row * CELLS[0] + column].push(index as u16);
                }
            }
        }
        Self { corner, slant, cells }
    }

    /// 1 where the sun reaches the point, else 0.
    pub fn sunlit(&self, solids: &[&Solid], light: &Light, point: Vector) -> f32 {
        let x = (point[0] - point[1] * self.slant[0] - self.corner[0]) / CELL;
        let z = (point[2] - point[1] * self.slant[1] - self.corner[1]) / CELL;
        if x < 0.0 || z < 0.0 || x >= CELLS[0] as f64 || z >= CELLS[1] as f64 {
            return 1.0;
        }
        let list = &self.cells[z as usize * CELLS[0] + x as usize];
        let shaded =
            list.iter().any(|&index| solids[usize::from(index)].blocks(point, light.sun, 200.0));
        f32::from(u8::from(!shaded))
    }
}
