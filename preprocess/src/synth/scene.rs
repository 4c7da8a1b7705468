//! Floor 1: everything in one drive: the street, what stands beside it, who moves on it, and the light.

use crate::synth::camera_path::{CameraPath, RATE};
use crate::synth::dice::Dice;
use crate::synth::light::Light;
use crate::synth::planting::{self, Row};
use crate::synth::road_users::Reach;
use crate::synth::shapes::{ObjectId, Solid};
use crate::synth::street::Street;
use crate::synth::traffic::{self, Cast, Motion, Mover};
use suw_shared::class::InstanceClass;
use suw_shared::seed::Seed;

/// How far things stand beyond the last camera position, meters.
const AHEAD: f64 = 170.0;

/// One drive.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The ground.
    pub street: Street,
    /// Sun and sky.
    pub light: Light,
    /// The camera's drive.
    pub path: CameraPath,
    still: Vec<Solid>,
    movers: Vec<Mover>,
}

/// The solids of one frame near the camera.
pub struct Moment<'a> {
    /// What stands still.
    pub still: Vec<&'a Solid>,
    /// Persons, bicycles and cars, placed for this frame.
    pub objects: Vec<Solid>,
}

impl Moment<'_> {
    /// All of them, still ones first.
    pub fn solids(&self) -> Vec<&Solid> {
        self.still.iter().copied().chain(&self.objects).collect()
    }
}

impl Scene {
    /// Draws the drive of a seed.
    pub fn draw(seed: Seed, frames: usize) -> Self {
        let mut dice = Dice::new(seed.derive("street", ""));
        // One drive in three is quiet: no traffic, but people cross the road in front of the camera.
        let quiet = dice.chance(0.34);
        let parking = [dice.chance(0.65), dice.chance(0.65)];
        let mut crossings = vec![];
        let mut z = dice.between(25.0, 60.0);
        while z < frames as f64 + AHEAD {
            crossings.push(z);
            z += dice.between(55.0, 90.0);
        }
        let street = Street::draw(&mut dice, parking, crossings);
        let light = Light::draw(&mut Dice::new(seed.derive("light", "")));
        let path = CameraPath::draw(&mut Dice::new(seed.derive("camera", "")), &street, frames);
        let end = path.end() + AHEAD;

        let mut cast = Cast::default();
        let mut dice = Dice::new(seed.derive("traffic", ""));
        if quiet {
            traffic::crossing_people(&mut dice, &street, &path, &mut cast);
        } else {
            traffic::cars(&mut dice, &path, end, &mut cast);
        }
        let mut still = vec![];
        for side in [0, 1] {
            let mut dice = Dice::new(seed.derive_number("side", side as u64));
            let row = Row { street: &street, side, end };
            planting::plant(&mut dice, &row, &mut still);
            traffic::sidewalk(&mut dice, &row, &mut cast);
            if parking[side] {
                traffic::parked_cars(&mut dice, &row, &mut cast);
            }
        }
        planting::background(&mut Dice::new(seed.derive("far", "")), &street, end, &mut still);
        Self { street, light, path, still, movers: cast.movers }
    }

    /// What there is at a frame.
    pub fn moment(&self, frame: usize) -> Moment<'_> {
        let here = self.path.along(frame);
        let near = |z: f64, reach: f64| z > here - reach && z < here + 400.0;
        let still = self
            .still
            .iter()
            .filter(|solid| {
                let z = solid.placement.position[2];
                near(z, 40.0)
            })
            .collect();
        let time = frame as f64 / RATE;
        let objects = self
            .movers
            .iter()
            .filter_map(|mover| {
                let placement = mover.motion.place(&self.street, &self.path, frame)?;
                near(placement.position[2], 15.0).then(|| {
                    let reach = if matches!(mover.motion, Motion::Pushing { .. }) {
                        Reach::Handlebar
                    } else {
                        Reach::Swing
                    };
                    let parts = mover.model.parts(mover.motion.stride(time), reach);
                    let mut solid = Solid::new(placement, mover.seed, parts);
                    solid.object = Some(mover.id);
                    solid
                })
            })
            .collect();
        Moment { still, objects }
    }

    /// Whether an object ever changes its place; the rest is part of the static world.
    pub fn moves(&self, id: ObjectId) -> bool {
        self.movers
            .iter()
            .any(|mover| mover.id == id && !matches!(mover.motion, Motion::Still { .. }))
    }

    /// Numbers in use per class, for reports.
    pub fn objects(&self, class: InstanceClass) -> usize {
        self.movers.iter().filter(|mover| mover.id.class == class).count()
    }
}
