//! Floor 1: the street of one drive: its course, its strips from lane to grass, and how the ground looks.

use crate::synth::dice::Dice;
use crate::synth::texture::{Color, mix, octaves, times, unit_hash};
use crate::synth::vector::{Placement, sin_cos};
use std::f64::consts::TAU;
use suw_shared::class::SemanticClass;

/// Width of a lane, meters.
pub const LANE: f64 = 3.5;

/// Course and cross section; `u` is the offset to the right of the middle line, measured along x.
#[derive(Clone, Debug)]
pub struct Street {
    /// Amplitude of the bends, meters; radians per meter; phase.
    bend: [f64; 3],
    /// Where the roadway ends on the left and right (both positive).
    pub edge: [f64; 2],
    /// Width of the sidewalk on the left and right.
    pub sidewalk: [f64; 2],
    /// Where zebra crossings begin along z.
    pub crossings: Vec<f64>,
    asphalt: Color,
    paving: Color,
    grass: Color,
    slab: f64,
    seed: u32,
}

/// Length of a zebra crossing along the road.
pub const CROSSING: f64 = 3.2;

impl Street {
    /// Draws a street; `parking` says on which sides cars may park.
    pub fn draw(dice: &mut Dice, parking: [bool; 2], crossings: Vec<f64>) -> Self {
        let tone = dice.between(0.085, 0.15) as f32;
        let warm = dice.between(0.9, 1.12) as f32;
        let green = dice.between(0.0, 1.0) as f32;
        Self {
            bend: [
                dice.between(2.0, 7.0),
                TAU / dice.between(150.0, 260.0),
                dice.between(0.0, TAU),
            ],
            edge: parking.map(|park| LANE + if park { 2.4 } else { 0.35 }),
            sidewalk: [dice.between(2.2, 3.2), dice.between(2.2, 3.2)],
            crossings,
            asphalt: [tone * warm, tone, tone / warm * 1.02],
            paving: [0.36 * warm, 0.34, 0.31 / warm],
            grass: mix([0.10, 0.19, 0.045], [0.19, 0.23, 0.06], green),
            slab: dice.pick(&[0.5, 0.8, 1.0]),
            seed: dice.bits(),
        }
    }

    /// Where the middle line runs at `z`, and its slope dx/dz.
    pub fn middle(&self, z: f64) -> (f64, f64) {
        let [amplitude, pace, phase] = self.bend;
        let (sine, cosine) = sin_cos(pace * z + phase);
        (amplitude * sine, amplitude * pace * cosine)
    }

    /// A thing on the street at `z`, `u` meters right of the middle, facing along the road.
    pub fn place(&self, z: f64, u: f64, height: f64) -> Placement {
        let (x, slope) = self.middle(z);
        let length = (1.0 + slope * slope).sqrt();
        Placement { position: [x + u * length, height, z], heading: (slope / length, 1.0 / length) }
    }

    /// Offset to the right of the middle line.
    pub fn offset(&self, x: f64, z: f64) -> f64 {
        let (middle, slope) = self.middle(z);
        (x - middle) / (1.0 + slope * slope).sqrt()
    }

    /// Class of the ground there.
    pub fn class(&self, x: f64, z: f64) -> SemanticClass {
        let u = self.offset(x, z);
        let side = usize::from(u > 0.0);
        let beyond = u.abs() - self.edge[side];
        if beyond < 0.0 {
            SemanticClass::Road
        } else if beyond < self.sidewalk[side] {
            SemanticClass::Sidewalk
        } else {
            SemanticClass::Terrain
        }
    }

    /// Color of the ground there; details below `footprint` meters are left out.
    pub fn color(&self, x: f64, z: f64, footprint: f64) -> Color {
        let u = self.offset(x, z);
        let side = usize::from(u > 0.0);
        let beyond = u.abs() - self.edge[side];
        if beyond < 0.0 {
            self.road(u, beyond, z, footprint)
        } else if beyond < self.sidewalk[side] {
            self.pavement(u, beyond, z, footprint)
        } else {
            let layers = [(6.0, 0.22), (1.4, 0.22), (0.35, 0.2), (0.09, 0.16)];
            let shade = 1.0 + octaves([x, z], self.seed, footprint, &layers);
            let dry =
                octaves([x, z], self.seed ^ 77, footprint, &[(4.0, 0.7), (0.8, 0.4)]).max(0.0);
            times(mix(self.grass, [0.30, 0.26, 0.12], 0.55 * dry), shade)
        }
    }

    fn road(&self, u: f64, beyond: f64, z: f64, footprint: f64) -> Color {
        let layers = [(7.0, 0.14), (1.7, 0.16), (0.4, 0.13), (0.1, 0.12)];
        let grain = octaves([u, z], self.seed ^ 1, footprint, &layers);
        let tracks = ((u.abs() - 0.5 * LANE).abs() - 0.75).abs();
        let worn = if tracks < 0.35 { 0.88 } else { 1.0 };
        // Repaired patches: whole cells of a coarse, stretched grid.
        let patch = unit_hash((u / 1.75).floor() as i32, (z / 5.5).floor() as i32, self.seed ^ 2);
        let tone = if patch > 0.86 {
            0.68
        } else if patch < 0.06 {
            1.22
        } else {
            1.0
        };
        let gutter = if beyond > -0.3 { 0.8 } else { 1.0 };
        let ground = times(self.asphalt, (1.0 + grain) * worn * tone * gutter);
        let paint = self.marking(u, z);
        if paint > 0.0 {
            let wear = octaves([u, z], self.seed ^ 3, footprint, &[(0.6, 0.16), (0.15, 0.14)]);
            mix(ground, times([0.72, 0.72, 0.69], 1.0 + wear), 0.9 * paint)
        } else {
            ground
        }
    }

    /// 1 on white paint.
    fn marking(&self, u: f64, z: f64) -> f32 {
        for &start in &self.crossings {
            let along = z - start;
            if (0.0..CROSSING).contains(&along) {
                return f32::from(u8::from((u + 100.0).rem_euclid(1.0) < 0.5));
            }
            if (-2.0..-1.6).contains(&along) && u > 0.1 && u < LANE {
                return 1.0;
            }
            if (-9.0..CROSSING + 9.0).contains(&along) && u.abs() < 0.07 {
                return 1.0;
            }
        }
        let dashed = u.abs() < 0.07 && z.rem_euclid(9.0) < 4.0;
        let edge_line = (u.abs() - LANE + 0.05).abs() < 0.06;
        f32::from(u8::from(dashed || edge_line))
    }

    fn pavement(&self, u: f64, beyond: f64, z: f64, footprint: f64) -> Color {
        let layers = [(3.0, 0.12), (0.7, 0.1), (0.12, 0.1)];
        let grain = octaves([u, z], self.seed ^ 4, footprint, &layers);
        if beyond < 0.16 {
            let joint = if z.rem_euclid(1.0) < 0.04 && footprint < 0.1 { 0.6 } else { 1.0 };
            return times([0.46, 0.45, 0.43], (1.0 + grain) * joint);
        }
        let (column, row) = ((beyond / self.slab).floor(), (z / self.slab).floor());
        let tint = 0.24 * (unit_hash(column as i32, row as i32, self.seed ^ 5) - 0.5);
        let gap = |a: f64| a.rem_euclid(self.slab) < 0.035;
        let joint = if footprint < 0.08 && (gap(beyond) || gap(z)) { 0.6 } else { 1.0 };
        times(self.paving, (1.0 + grain + tint) * joint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use suw_shared::seed::Seed;

    #[test]
    fn strips_follow_the_bends() {
        let street = Street::draw(&mut Dice::new(Seed(3)), [false, true], vec![]);
        for step in 0..40 {
            let z = f64::from(step) * 7.0;
            for (u, class) in [
                (-1.0, SemanticClass::Road),
                (street.edge[1] - 0.1, SemanticClass::Road),
                (street.edge[1] + 0.1, SemanticClass::Sidewalk),
                (-street.edge[0] - 0.1, SemanticClass::Sidewalk),
                (-street.edge[0] - 3.4, SemanticClass::Terrain),
            ] {
                let [x, _, z] = street.place(z, u, 0.0).position;
                assert!((street.offset(x, z) - u).abs() < 1e-9);
                assert_eq!(street.class(x, z), class, "z {z} u {u}");
            }
        }
    }
}
