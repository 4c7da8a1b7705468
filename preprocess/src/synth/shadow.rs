//! Floor 1: where the sun shines: a grid of the solids' shadows on the ground says what can shade a point.

use crate::synth::candidates::Candidates;
use crate::synth::light::Light;
use crate::synth::shapes::{PartSet, Ray, Solid, corners};
use crate::synth::vector::Vector;

/// Edge of a grid cell, meters.
const CELL: f64 = 1.0;
/// Cells along x and z.
const CELLS: [usize; 2] = [160, 320];
/// What is farther from a point does not shade it, meters.
const REACH: f64 = 200.0;

/// Shadows of one frame.
pub struct ShadowGrid<'a> {
    solids: &'a [&'a Solid],
    /// Towards the sun, in the axes of each solid.
    sunward: Vec<Ray>,
    corner: [f64; 2],
    /// Steps along x and z per meter of height, towards the sun.
    slant: [f64; 2],
    cells: Candidates,
}

impl<'a> ShadowGrid<'a> {
    /// Projects the solids along the sun's rays; around `(x, z)`, mostly ahead of it.
    pub fn new(solids: &'a [&'a Solid], light: &Light, around: [f64; 2]) -> Self {
        let ray = |solid: &&Solid| Ray::new([0.0; 3], solid.placement.local_direction(light.sun));
        let mut grid = Self {
            solids,
            sunward: solids.iter().map(ray).collect(),
            corner: [around[0] - 0.5 * CELL * CELLS[0] as f64, around[1] - 30.0],
            slant: [light.sun[0] / light.sun[1], light.sun[2] / light.sun[1]],
            cells: Candidates::new(CELLS[0], CELLS[1]),
        };
        for (index, solid) in solids.iter().enumerate() {
            for (number, part) in solid.parts.iter().enumerate() {
                let mut area = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
                for corner in corners(&solid.placement, &part.shape.bounds()) {
                    let [x, z] = grid.on_ground(corner);
                    area = [area[0].min(x), area[1].min(z), area[2].max(x), area[3].max(z)];
                }
                grid.cells.add(area, index as u16, PartSet::one(number));
            }
        }
        grid
    }

    /// Where the sun's ray through a point reaches the ground, in cells.
    fn on_ground(&self, [x, y, z]: Vector) -> [f64; 2] {
        [
            (x - y * self.slant[0] - self.corner[0]) / CELL,
            (z - y * self.slant[1] - self.corner[1]) / CELL,
        ]
    }

    /// 1 where the sun reaches the point, else 0.
    pub fn sunlit(&self, point: Vector) -> f32 {
        let [x, z] = self.on_ground(point);
        if x < 0.0 || z < 0.0 || x >= CELLS[0] as f64 || z >= CELLS[1] as f64 {
            return 1.0;
        }
        let shaded = self.cells.at(x as usize, z as usize).iter().any(|candidate| {
            let index = usize::from(candidate.solid);
            let solid = self.solids[index];
            let ray = self.sunward[index].through(solid.placement.local_point(point));
            solid.blocks(&ray, candidate.parts, REACH)
        });
        f32::from(u8::from(!shaded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::scene::Scene;
    use suw_shared::seed::Seed;

    #[test]
    fn the_grid_leaves_out_nothing_that_shades_a_point() {
        let (mut bright, mut dark) = (0, 0);
        for seed in [1, 2, 3] {
            let scene = Scene::draw(Seed(seed), 10);
            let moment = scene.moment(3);
            let solids = moment.solids();
            let sun = scene.light.sun;
            let grid = ShadowGrid::new(&solids, &scene.light, [0.0, 2.0]);
            for step in 0..2000 {
                let share = f64::from(step) / 2000.0;
                let along = f64::from(step % 100) - 20.0;
                let point = [24.0 * share - 12.0, 0.02 * f64::from(step % 150), along];
                let lit = !solids.iter().any(|solid| {
                    let (start, direction) =
                        (solid.placement.local_point(point), solid.placement.local_direction(sun));
                    solid.blocks(&Ray::new(start, direction), solid.all_parts(), REACH)
                });
                assert_eq!(grid.sunlit(point), f32::from(u8::from(lit)), "{point:?} seed {seed}");
                if lit { bright += 1 } else { dark += 1 }
            }
        }
        assert!(bright > 500 && dark > 500, "{bright} {dark}");
    }
}
