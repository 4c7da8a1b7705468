//! Floor 1: who is on the road and the sidewalks, and how they move: pure functions of the frame.

use crate::synth::camera_path::{CameraPath, RATE};
use crate::synth::dice::Dice;
use crate::synth::planting::Row;
use crate::synth::road_users::{BicycleModel, CarModel, PersonModel, Reach};
use crate::synth::shapes::{ObjectId, Part};
use crate::synth::street::{LANE, Street};
use crate::synth::vector::{Placement, sin_cos};
use std::f64::consts::{FRAC_PI_2, PI, TAU};
use suw_shared::class::InstanceClass;

/// One of the three kinds.
#[derive(Clone, Debug)]
pub enum Model {
    /// A car.
    Car(CarModel),
    /// A person.
    Person(PersonModel),
    /// A bicycle.
    Bicycle(BicycleModel),
}

impl Model {
    /// Its class.
    pub fn class(&self) -> InstanceClass {
        match self {
            Self::Car(_) => InstanceClass::Car,
            Self::Person(_) => InstanceClass::Person,
            Self::Bicycle(_) => InstanceClass::Bicycle,
        }
    }

    /// Its parts in this phase of walking.
    pub fn parts(&self, stride: Option<f64>, reach: Reach) -> Vec<Part> {
        match self {
            Self::Car(model) => model.parts(),
            Self::Person(model) => model.parts(stride, reach),
            Self::Bicycle(model) => model.parts(),
        }
    }
}

/// How an object moves; meters and seconds.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // z along the road, u right of its middle, speeds in m/s
pub enum Motion {
    /// It stays, turned by an angle from the road's direction.
    Still { z: f64, u: f64, turn: f64 },
    /// Along the road, forward or (negative speed) backward, facing its way.
    Along { z: f64, u: f64, speed: f64 },
    /// As `Along`, holding a bicycle.
    Pushing { z: f64, u: f64, speed: f64 },
    /// In front of the camera, at a gap that breathes: mean, swing, radians per frame, phase.
    Ahead { gap: [f64; 4], u: f64 },
    /// Across the road at `z`, from `u` at time 0, speed positive to the right.
    Across { z: f64, u: f64, speed: f64, limits: [f64; 2] },
}

impl Motion {
    /// Where it is at a frame; none where it is not there at all.
    pub fn place(&self, street: &Street, path: &CameraPath, frame: usize) -> Option<Placement> {
        let time = frame as f64 / RATE;
        let turned = |placement: Placement, turn: f64| {
            let ((s, c), (ts, tc)) = (placement.heading, sin_cos(turn));
            Placement { heading: (s * tc + c * ts, c * tc - s * ts), ..placement }
        };
        Some(match *self {
            Self::Still { z, u, turn } => turned(street.place(z, u, 0.0), turn),
            Self::Along { z, u, speed } | Self::Pushing { z, u, speed } => {
                let placement = street.place(z + speed * time, u, 0.0);
                if speed < 0.0 { turned(placement, PI) } else { placement }
            }
            Self::Ahead { gap: [mean, swing, pace, phase], u } => {
                let gap = mean + swing * sin_cos(pace * frame as f64 + phase).0;
                street.place(path.along(frame) + gap, u, 0.0)
            }
            Self::Across { z, u, speed, limits } => {
                let across = u + speed * time;
                let at = across.clamp(limits[0], limits[1]);
                turned(street.place(z, at, 0.0), FRAC_PI_2 * speed.signum())
            }
        })
    }

    /// Phase of walking.
    pub fn stride(&self, time: f64) -> Option<f64> {
        match *self {
            Self::Along { speed, z, .. } | Self::Pushing { speed, z, .. } => {
                Some(z + 4.2 * speed.abs() * time)
            }
            Self::Across { speed, u, limits, .. } => {
                let at = u + speed * time;
                (limits[0] < at && at < limits[1]).then_some(4.2 * speed.abs() * time)
            }
            Self::Still { .. } | Self::Ahead { .. } => None,
        }
    }
}

/// An object with its look, motion and number.
#[derive(Clone, Debug)]
pub struct Mover {
    /// Look.
    pub model: Model,
    /// Motion.
    pub motion: Motion,
    /// Class and number.
    pub id: ObjectId,
    /// Varies textures.
    pub seed: u32,
}

/// Lane centers: own and oncoming.
pub(crate) const LANES: [f64; 2] = [0.5 * LANE, -0.5 * LANE];

/// Hands out numbers per class; 255 a class at most, later objects do not appear.
#[derive(Default)]
pub(crate) struct Cast {
    pub(crate) movers: Vec<Mover>,
    used: [u8; 3],
}

impl Cast {
    pub(crate) fn add(&mut self, model: Model, motion: Motion, seed: u32) {
        let class = model.class();
        let used = &mut self.used[usize::from(class.coco()) - 1];
        if let Some(number) = used.checked_add(1) {
            *used = number;
            self.movers.push(Mover { model, motion, id: ObjectId { class, number }, seed });
        }
    }
}

/// Cars ahead in the own lane and a stream that comes against it.
pub(crate) fn cars(dice: &mut Dice, path: &CameraPath, end: f64, cast: &mut Cast) {
    let mut gap = dice.between(11.0, 17.0);
    for _ in 0..3 {
        let breath =
            [gap, dice.between(1.0, 2.5), dice.between(0.03, 0.07), dice.between(0.0, TAU)];
        let motion = Motion::Ahead { gap: breath, u: LANES[0] + dice.between(-0.2, 0.2) };
        cast.add(Model::Car(CarModel::draw(dice)), motion, dice.bits());
        gap += dice.between(11.0, 20.0);
    }
    let speed = -dice.between(4.5, 7.5);
    let mut z = dice.between(6.0, 20.0);
    while z < end - speed * path.frames() as f64 / RATE {
        let motion = Motion::Along { z, u: LANES[1] + dice.between(-0.25, 0.25), speed };
        cast.add(Model::Car(CarModel::draw(dice)), motion, dice.bits());
        z += dice.between(9.0, 30.0);
    }
}

/// People, some with bicycles, who cross at the zebra crossings shortly before the camera comes.
pub(crate) fn crossing_people(
    dice: &mut Dice,
    street: &Street,
    path: &CameraPath,
    cast: &mut Cast,
) {
    let limits = [-street.edge[0] - 1.2, street.edge[1] + 1.2];
    for &start in &street.crossings {
        // The frame at which the camera is 14 m before the crossing; by then the own lane must be free.
        let Some(frame) = (0..path.frames()).find(|&f| path.along(f) > start - 14.0) else {
            continue;
        };
        let time = frame as f64 / RATE;
        for _ in 0..3 {
            let speed = dice.between(1.2, 1.7) * dice.pick(&[-1.0, 1.0]);
            let clear =
                if speed > 0.0 { LANE + 0.6 } else { -0.4 } + speed * dice.between(0.0, 1.5);
            let z = start + dice.between(0.5, 2.7);
            let u = clear - speed * time;
            let motion = Motion::Across { z, u, speed, limits };
            cast.add(Model::Person(PersonModel::draw(dice)), motion, dice.bits());
        }
    }
    // One car far ahead keeps the road alive.
    let gap = [dice.between(38.0, 48.0), 3.0, 0.04, dice.between(0.0, TAU)];
    cast.add(Model::Car(CarModel::draw(dice)), Motion::Ahead { gap, u: LANES[0] }, dice.bits());
}

/// Distance of parked bicycles along the curb, meters: like cars, they overlap in the picture, but each shows a shape
/// of its own. (At 0.75 m a rack is one thicket that a network at 416x128 cannot take apart.)
const BICYCLE_GAP: f64 = 2.2;

/// Walkers, people who stand and talk, parked bicycles and bicycles that are pushed.
pub(crate) fn sidewalk(dice: &mut Dice, row: &Row<'_>, cast: &mut Cast) {
    let [near, far] = row.walk();
    let mut z = -4.0 + dice.between(0.0, 4.0);
    while z < row.end {
        let what = dice.between(0.0, 1.0);
        let u = |share: f64| row.sign() * (near + 1.25 + share * (far - near - 1.5));
        let speed = dice.between(0.8, 1.5) * dice.pick(&[-1.0, 1.0]);
        if what < 0.5 {
            let motion = Motion::Along { z, u: u(dice.between(0.0, 1.0)), speed };
            cast.add(Model::Person(PersonModel::draw(dice)), motion, dice.bits());
        } else if what < 0.7 {
            let (u, turn) = (u(0.6), dice.between(0.0, TAU));
            let motion = Motion::Still { z, u, turn };
            cast.add(Model::Person(PersonModel::draw(dice)), motion, dice.bits());
            let (s, c) = sin_cos(turn);
            let motion = Motion::Still { z: z + 0.8 * c, u: u + 0.8 * s, turn: turn + PI };
            cast.add(Model::Person(PersonModel::draw(dice)), motion, dice.bits());
        } else if what < 0.85 {
            // The bicycle rolls at the person's left hand.
            let u = u(dice.between(0.2, 0.9));
            let left = -0.42 * speed.signum();
            let motion = Motion::Pushing { z, u, speed };
            cast.add(Model::Person(PersonModel::draw(dice)), motion, dice.bits());
            let motion = Motion::Along { z: z + 0.2 * speed.signum(), u: u + left, speed };
            cast.add(Model::Bicycle(BicycleModel::draw(dice)), motion, dice.bits());
        } else {
            let motion = Motion::Still { z, u: u(0.9), turn: row.sign() * -FRAC_PI_2 };
            cast.add(Model::Person(PersonModel::draw(dice)), motion, dice.bits());
        }
        z += dice.between(2.8, 7.5);
    }
    for z in row.racks() {
        if dice.chance(0.55) {
            let turn = dice.pick(&[-1.0, 1.0]) * dice.between(0.75, 1.5);
            for bicycle in 0..dice.pick(&[1, 1, 2]) {
                let motion = Motion::Still {
                    z: z + BICYCLE_GAP * f64::from(bicycle),
                    u: row.sign() * (near + 0.75),
                    turn: turn + dice.between(-0.08, 0.08),
                };
                cast.add(Model::Bicycle(BicycleModel::draw(dice)), motion, dice.bits());
            }
        }
    }
}

/// Cars at the curb, facing the way their side drives.
pub(crate) fn parked_cars(dice: &mut Dice, row: &Row<'_>, cast: &mut Cast) {
    let mut z = dice.between(-8.0, 4.0);
    while z < row.end {
        if dice.chance(0.62) {
            let turn = if row.side == 1 { 0.0 } else { PI } + dice.between(-0.03, 0.03);
            let motion = Motion::Still { z, u: row.sign() * (LANE + 1.2), turn };
            cast.add(Model::Car(CarModel::draw(dice)), motion, dice.bits());
        }
        z += dice.between(5.4, 7.5);
    }
}
