//! Floor 1: cars, persons and bicycles built from simple shapes, each facing along its own z axis.

use crate::synth::dice::Dice;
use crate::synth::shapes::{Material, Part, Shape, drawn_profile, ellipsoid};
use crate::synth::texture::Color;
use crate::synth::vector::{Vector, sin_cos};
use suw_shared::class::SemanticClass;

const DARK: Color = [0.018, 0.018, 0.02];

/// Colors of car paint, linear.
const PAINTS: [Color; 10] = [
    [0.46, 0.035, 0.03],
    [0.035, 0.09, 0.36],
    [0.62, 0.62, 0.60],
    [0.30, 0.31, 0.33],
    [0.045, 0.048, 0.055],
    [0.06, 0.20, 0.11],
    [0.55, 0.40, 0.05],
    [0.14, 0.16, 0.20],
    [0.25, 0.05, 0.09],
    [0.10, 0.32, 0.42],
];

/// Colors of clothes, linear.
const CLOTHES: [Color; 10] = [
    [0.50, 0.05, 0.06],
    [0.05, 0.10, 0.35],
    [0.55, 0.52, 0.46],
    [0.06, 0.06, 0.07],
    [0.10, 0.30, 0.15],
    [0.60, 0.38, 0.06],
    [0.28, 0.10, 0.32],
    [0.08, 0.33, 0.42],
    [0.42, 0.44, 0.10],
    [0.62, 0.25, 0.30],
];

fn plain(color: Color) -> Material {
    Material::Plain { color, grain: 0.12 }
}

fn part(shape: Shape, material: Material, class: SemanticClass) -> Part {
    Part { shape, material, class }
}

fn rod(from: Vector, to: Vector, radius: f64) -> Shape {
    Shape::Cylinder { from, to, radius }
}

fn block(center: Vector, half: Vector) -> Shape {
    Shape::Cuboid { center, half }
}

/// A car of its own; length 3.8 to 4.9 m.
#[derive(Clone, Debug)]
pub struct CarModel {
    paint: Color,
    rim: Color,
    half_length: f64,
    half_width: f64,
    shoulder: f64,
    roof: f64,
    /// Foot and top of the rear window, top and foot of the windscreen, along z.
    cabin: [f64; 4],
}

impl CarModel {
    /// Saloon, hatchback or van.
    pub fn draw(dice: &mut Dice) -> Self {
        let kind = dice.between(0.0, 1.0);
        let half_length = dice.between(1.95, 2.3);
        let shoulder = dice.between(0.84, 0.95);
        let (roof, cabin) = if kind < 0.4 {
            (1.46, [-1.75, -0.95, 0.35, 1.05])
        } else if kind < 0.75 {
            (1.52, [-half_length + 0.04, -half_length + 0.45, 0.25, 0.95])
        } else {
            (1.88, [-half_length + 0.03, -half_length + 0.16, 0.75, 1.35])
        };
        Self {
            paint: dice.pick(&PAINTS),
            rim: if dice.chance(0.7) { [0.42, 0.42, 0.44] } else { [0.10, 0.10, 0.11] },
            half_length,
            half_width: dice.between(0.84, 0.92),
            shoulder,
            roof: roof + dice.between(-0.04, 0.06),
            cabin,
        }
    }

    /// Height, width, length in meters.
    pub fn dimensions(&self) -> [f64; 3] {
        [self.roof, 2.0 * self.half_width, 2.0 * self.half_length]
    }

    /// Its parts.
    pub fn parts(&self) -> Vec<Part> {
        let class = SemanticClass::Car;
        let (l, w, y) = (self.half_length, self.half_width, self.shoulder);
        let paint = Material::Paint { color: self.paint };
        let body = [
            [-l, 0.34],
            [-l, y - 0.12],
            [-l + 0.12, y],
            [0.9, y],
            [l - 0.22, y - 0.13],
            [l, y - 0.28],
            [l, 0.34],
        ];
        let [a, b, c, d] = self.cabin;
        let cabin = [[a, y - 0.02], [b, self.roof], [c, self.roof], [d, y - 0.02]];
        let windows =
            Material::Cabin { paint: self.paint, low: y, high: self.roof, half_width: w - 0.06 };
        let mut parts = vec![
            part(drawn_profile(&body, w, 0.05, 0.4), paint, class),
            part(drawn_profile(&cabin, w - 0.05, 0.24, y), windows, class),
            part(block([0.0, 0.3, 0.0], [w - 0.08, 0.13, l - 0.15]), plain(DARK), class),
            part(block([0.0, 0.43, -l], [w - 0.03, 0.1, 0.06]), plain([0.05; 3]), class),
            part(block([0.0, 0.40, l], [w - 0.05, 0.1, 0.05]), plain([0.05; 3]), class),
            part(block([0.0, 0.62, -l - 0.01], [0.26, 0.06, 0.02]), plain([0.7, 0.7, 0.66]), class),
            part(block([0.0, 0.40, l + 0.05], [0.26, 0.06, 0.01]), plain([0.7, 0.7, 0.66]), class),
        ];
        for side in [-1.0, 1.0] {
            let lamp = |color| Material::Lamp { color };
            let rear = block([side * (w - 0.17), y - 0.2, -l], [0.13, 0.1, 0.04]);
            parts.push(part(rear, lamp([0.55, 0.02, 0.02]), class));
            let front = block([side * (w - 0.2), y - 0.3, l - 0.06], [0.17, 0.08, 0.09]);
            parts.push(part(front, lamp([0.8, 0.8, 0.75]), class));
            let mirror = block([side * (w + 0.05), y + 0.06, d - 0.35], [0.09, 0.07, 0.05]);
            parts.push(part(mirror, paint, class));
            for z in [-l + 0.75, l - 0.8] {
                let wheel = rod([side * (w - 0.2), 0.33, z], [side * (w + 0.015), 0.33, z], 0.33);
                let look = Material::Wheel { center: [z, 0.33], radius: 0.33, rim: self.rim };
                parts.push(part(wheel, look, class));
            }
        }
        parts
    }
}

/// A person of its own; 1.55 to 1.9 m.
#[derive(Clone, Debug)]
pub struct PersonModel {
    height: f64,
    girth: f64,
    jacket: Color,
    trousers: Color,
    skin: Color,
    hair: Color,
    bag: Option<Color>,
}

impl PersonModel {
    /// Any grown-up.
    pub fn draw(dice: &mut Dice) -> Self {
        Self {
            height: dice.between(1.58, 1.9),
            girth: dice.between(0.95, 1.2),
            jacket: dice.pick(&CLOTHES),
            trousers: dice.pick(&[
                [0.03, 0.05, 0.12],
                [0.04, 0.04, 0.045],
                [0.20, 0.16, 0.10],
                [0.10, 0.14, 0.24],
                [0.30, 0.28, 0.25],
            ]),
            skin: dice.pick(&[[0.55, 0.34, 0.24], [0.38, 0.21, 0.13], [0.16, 0.085, 0.05]]),
            hair: dice.pick(&[
                [0.03, 0.02, 0.015],
                [0.12, 0.07, 0.03],
                [0.35, 0.26, 0.12],
                [0.3; 3],
            ]),
            bag: dice.chance(0.35).then(|| dice.pick(&CLOTHES)),
        }
    }

    /// Height, width, length in meters.
    pub fn dimensions(&self) -> [f64; 3] {
        [self.height, 0.56 * self.girth, 0.5]
    }

    /// Its parts; `stride` is the phase of walking in radians, or none for standing still; the arms reach
    /// forward when `pushing`.
    pub fn parts(&self, stride: Option<f64>, reach: Reach) -> Vec<Part> {
        let class = SemanticClass::Person;
        let h = self.height / 1.75;
        let g = self.girth;
        let swing = stride.map_or(0.0, |phase| sin_cos(phase).0);
        let cloth = |color| Material::Plain { color, grain: 0.22 };
        let bare = |color| Material::Plain { color, grain: 0.05 };
        let mut parts = vec![
            part(
                ellipsoid([0.0, 1.18 * h, 0.0], [0.225 * g, 0.34 * h, 0.15 * g]),
                cloth(self.jacket),
                class,
            ),
            part(
                block([0.0, 1.3 * h, 0.0], [0.19 * g, 0.13 * h, 0.085 * g]),
                cloth(self.jacket),
                class,
            ),
            part(
                ellipsoid([0.0, 0.93 * h, 0.0], [0.19 * g, 0.15 * h, 0.14 * g]),
                cloth(self.trousers),
                class,
            ),
            part(rod([0.0, 1.44 * h, 0.0], [0.0, 1.56 * h, 0.0], 0.06), bare(self.skin), class),
            part(
                ellipsoid([0.0, 1.62 * h, 0.015], [0.095, 0.125 * h, 0.115]),
                bare(self.skin),
                class,
            ),
            part(
                ellipsoid([0.0, 1.665 * h, -0.03], [0.105, 0.1 * h, 0.115]),
                Material::Plain { color: self.hair, grain: 0.3 },
                class,
            ),
        ];
        for side in [-1.0, 1.0] {
            let step = side * swing;
            let hip = [side * 0.1 * g, 0.92 * h, 0.0];
            let knee = [side * 0.105 * g, 0.5 * h, 0.17 * step + 0.03];
            let foot = [side * 0.105 * g, 0.08, 0.36 * step - 0.05 * step.abs()];
            parts.push(part(rod(hip, knee, 0.088 * g), cloth(self.trousers), class));
            parts.push(part(rod(knee, foot, 0.068 * g), cloth(self.trousers), class));
            let shoe = ellipsoid([foot[0], 0.055, foot[2] + 0.06], [0.06, 0.055, 0.14]);
            parts.push(part(shoe, plain([0.05, 0.04, 0.035]), class));
            let shoulder = [side * 0.235 * g, 1.4 * h, 0.0];
            let (elbow, hand) = match reach {
                Reach::Swing => (
                    [side * 0.27 * g, 1.13 * h, -0.1 * step - 0.02],
                    [side * 0.26 * g, 0.86 * h, -0.24 * step + 0.06],
                ),
                Reach::Handlebar => {
                    ([side * 0.26 * g, 1.18 * h, 0.14], [side * 0.2 - 0.12, 1.02, 0.42])
                }
            };
            parts.push(part(rod(shoulder, elbow, 0.058 * g), cloth(self.jacket), class));
            parts.push(part(rod(elbow, hand, 0.05 * g), cloth(self.jacket), class));
            let palm = ellipsoid(hand, [0.045, 0.07, 0.055]);
            parts.push(part(palm, bare(self.skin), class));
        }
        if let Some(color) = self.bag {
            parts.push(part(block([0.0, 1.2 * h, -0.2], [0.15, 0.2, 0.08]), cloth(color), class));
        }
        parts
    }
}

/// What the arms do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// They swing.
    Swing,
    /// They hold a bicycle on the left.
    Handlebar,
}

/// A bicycle of its own.
#[derive(Clone, Debug)]
pub struct BicycleModel {
    frame: Color,
    cover: Color,
    basket: bool,
}

impl BicycleModel {
    /// Any city bicycle with covered wheels, which are solid for rays of every kind.
    pub fn draw(dice: &mut Dice) -> Self {
        Self {
            frame: dice.pick(&PAINTS),
            cover: dice.pick(&[[0.30, 0.30, 0.31], [0.22, 0.23, 0.25], [0.38, 0.37, 0.34]]),
            basket: dice.chance(0.4),
        }
    }

    /// Height, width, length in meters.
    pub fn dimensions(&self) -> [f64; 3] {
        [1.08, 0.56, 1.76]
    }

    /// Its parts.
    pub fn parts(&self) -> Vec<Part> {
        let class = SemanticClass::Bicycle;
        let paint = Material::Paint { color: self.frame };
        let metal = plain([0.25, 0.25, 0.26]);
        let black = plain(DARK);
        let (rear, front, crank) = ([0.0, 0.35, -0.53], [0.0, 0.35, 0.53], [0.0, 0.3, -0.08]);
        let (seat, head) = ([0.0, 0.82, -0.25], [0.0, 0.86, 0.36]);
        let mut parts = vec![
            part(rod(crank, seat, 0.032), paint, class),
            part(rod(crank, [0.0, 0.74, 0.39], 0.036), paint, class),
            part(rod([0.0, 0.74, -0.22], head, 0.032), paint, class),
            part(rod(rear, seat, 0.026), paint, class),
            part(rod(rear, crank, 0.026), paint, class),
            part(rod(front, head, 0.032), paint, class),
            part(rod(head, [0.0, 1.02, 0.33], 0.025), metal, class),
            part(rod([-0.28, 1.02, 0.28], [0.28, 1.02, 0.28], 0.026), black, class),
            part(rod(seat, [0.0, 0.92, -0.27], 0.02), metal, class),
            part(ellipsoid([0.0, 0.95, -0.27], [0.1, 0.05, 0.15]), black, class),
            part(rod([-0.13, 0.3, -0.08], [0.13, 0.3, -0.08], 0.08), metal, class),
        ];
        for center in [rear, front] {
            let wheel = rod([-0.03, center[1], center[2]], [0.03, center[1], center[2]], 0.35);
            let look =
                Material::Wheel { center: [center[2], center[1]], radius: 0.35, rim: self.cover };
            parts.push(part(wheel, look, class));
        }
        if self.basket {
            let basket = block([0.0, 0.9, 0.52], [0.17, 0.12, 0.13]);
            parts.push(part(basket, Material::Boards { color: [0.25, 0.16, 0.08] }, class));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::shapes::Solid;
    use crate::synth::vector::Placement;
    use suw_shared::seed::Seed;

    #[test]
    fn models_stand_on_the_ground_and_fill_their_dimensions() {
        let mut dice = Dice::new(Seed(1));
        for _ in 0..20 {
            let (car, person, bicycle) = (
                CarModel::draw(&mut dice),
                PersonModel::draw(&mut dice),
                BicycleModel::draw(&mut dice),
            );
            let models = [
                (car.parts(), car.dimensions()),
                (person.parts(Some(1.0), Reach::Swing), person.dimensions()),
                (bicycle.parts(), bicycle.dimensions()),
            ];
            for (parts, [height, width, length]) in models {
                let solid = Solid::new(Placement::new([0.0; 3], 0.0), 0, parts);
                let [low, high] = solid.bounds;
                assert!(low[1].abs() < 0.05, "{low:?}");
                assert!((high[1] - height).abs() < 0.12, "{high:?} {height}");
                assert!((high[0] - low[0] - width).abs() < 0.35, "{width} {low:?} {high:?}");
                assert!((high[2] - low[2] - length).abs() < 0.6, "{length} {low:?} {high:?}");
            }
        }
    }
}
