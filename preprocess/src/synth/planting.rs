//! Floor 1: what stands along both sides of the road, and far away.

use crate::synth::dice::Dice;
use crate::synth::roadside;
use crate::synth::shapes::Solid;
use crate::synth::street::Street;
use crate::synth::vector::Placement;
use std::f64::consts::{FRAC_PI_2, PI};

/// One side of the street from behind the start to `end`.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The street.
    pub street: &'a Street,
    /// 0 left, 1 right.
    pub side: usize,
    /// Where things end along z, meters.
    pub end: f64,
}

/// Distance of lamp posts, signs and bicycle racks along the curb, meters.
const SLOT: f64 = 4.5;

impl Row<'_> {
    /// -1 left, +1 right.
    pub fn sign(&self) -> f64 {
        if self.side == 0 { -1.0 } else { 1.0 }
    }

    /// Inner and outer edge of the sidewalk.
    pub fn walk(&self) -> [f64; 2] {
        let edge = self.street.edge[self.side];
        [edge, edge + self.street.sidewalk[self.side]]
    }

    /// Where bicycle racks may be: slots without a lamp post or sign.
    pub fn racks(&self) -> impl Iterator<Item = f64> {
        let first = self.side as f64 * 2.0 - 6.0;
        let count = ((self.end - first) / SLOT) as usize;
        (0..count).filter(|slot| slot % 2 == 1).map(move |slot| first + SLOT * slot as f64)
    }

    fn furniture(&self) -> impl Iterator<Item = (usize, f64)> {
        let first = self.side as f64 * 2.0 - 6.0;
        let count = ((self.end - first) / SLOT) as usize;
        (0..count)
            .filter(|slot| slot % 2 == 0)
            .map(move |slot| (slot / 2, first + SLOT * slot as f64))
    }

    fn place(&self, z: f64, u: f64, turn: f64) -> Placement {
        let placement = self.street.place(z, self.sign() * u, 0.0);
        let (s, c) = placement.heading;
        let (ts, tc) = crate::synth::vector::sin_cos(turn);
        Placement { heading: (s * tc + c * ts, c * tc - s * ts), ..placement }
    }
}

/// Lamp posts, signs, trees, fences and buildings of one side.
pub fn plant(dice: &mut Dice, row: &Row<'_>, still: &mut Vec<Solid>) {
    let [near, far] = row.walk();
    for (slot, z) in row.furniture() {
        if slot % 3 == 0 {
            let turn = if row.side == 0 { 0.0 } else { PI };
            still.push(roadside::lamp_post(dice, row.place(z, near + 0.35, turn)));
        } else if dice.chance(0.6) {
            // Most signs face the camera's way of driving, some the other.
            let away = if row.side == 0 { dice.chance(0.5) } else { dice.chance(0.12) };
            let turn = if away { PI } else { 0.0 } + dice.between(-0.1, 0.1);
            still.push(roadside::sign(dice, row.place(z, near + 0.6, turn)));
        }
    }
    let verge = dice.between(2.4, 4.2);
    let mut z = dice.between(-12.0, -4.0);
    while z < row.end {
        let size = dice.between(0.85, 1.25);
        if dice.chance(0.75) {
            still.push(roadside::tree(dice, row.place(z, far + 0.9 * size, 0.0), size));
        }
        z += dice.between(8.0, 15.0);
    }
    let mut z = -30.0;
    while z < row.end + 60.0 {
        let half_length = dice.between(4.5, 9.5);
        let half_depth = dice.between(4.0, 6.0);
        let middle = z + half_length;
        let front = far + verge;
        if dice.chance(0.7) {
            let placement = row.place(middle, front + half_depth + dice.between(0.3, 2.0), 0.0);
            still.push(roadside::building(dice, placement, [half_depth, half_length - 0.4]));
            if dice.chance(0.45) {
                let place = row.place(middle, front - 0.6, 0.0);
                still.push(roadside::fence(dice, place, half_length - 0.6));
            } else if dice.chance(0.5) {
                for share in [-0.6, 0.1, 0.7] {
                    let place = row.place(middle + share * half_length, front - 0.5, 0.0);
                    still.push(roadside::bush(dice, place));
                }
            }
        } else {
            let place = row.place(middle, front - 0.6, 0.0);
            still.push(roadside::fence(dice, place, half_length));
            for share in [-0.5, 0.5] {
                let size = dice.between(1.1, 1.7);
                let place = row.place(middle + share * half_length, front + 3.5, 0.0);
                still.push(roadside::tree(dice, place, size));
            }
            if dice.chance(0.3) {
                still.push(roadside::kiosk(dice, row.place(middle, front + 1.2, 0.0)));
            }
        }
        z += 2.0 * half_length + dice.pick(&[0.0, 0.0, 1.5, 4.0]);
    }
}

/// Big trees behind the houses, and wooded hills at the end of the street.
pub fn background(dice: &mut Dice, street: &Street, end: f64, still: &mut Vec<Solid>) {
    for side in [-1.0, 1.0] {
        let mut z = -20.0;
        while z < end + 40.0 {
            let placement = street.place(z, side * dice.between(30.0, 42.0), 0.0);
            let size = dice.between(1.8, 2.8);
            still.push(roadside::tree(dice, placement, size));
            z += dice.between(7.0, 14.0);
        }
    }
    for step in -6..=6 {
        let x = 32.0 * f64::from(step) + dice.between(-8.0, 8.0);
        let placement = Placement::new([x, 0.0, end + 110.0 + dice.between(0.0, 30.0)], FRAC_PI_2);
        let radius = dice.between(20.0, 34.0);
        still.push(roadside::hill(dice, placement, radius));
    }
}
