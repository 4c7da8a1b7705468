//! Floor 1: how the camera drives: along its lane, faster and slower, swaying, turning and pitching a little.

use crate::synth::dice::Dice;
use crate::synth::street::{LANE, Street};
use crate::synth::vector::{Vector, add, dot, scale, sin_cos, sub};
use std::f64::consts::TAU;
use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;
use suw_shared::pose::RigidTransform;

/// Height of the camera above the road, meters.
pub const CAMERA_HEIGHT: f64 = 1.65;

/// Frames per second.
pub const RATE: f64 = 10.0;

/// The camera of the drives at KITTI's usual size.
pub const NATIVE: (ImageSize, Intrinsics) = (
    ImageSize::new(1242, 375),
    Intrinsics { fx: 721.5377, fy: 721.5377, cx: 609.5593, cy: 172.854 },
);

/// A camera in the world. Its axes are x right, y up, z ahead; a pixel `(x, y)` looks along `((x - cx) / fx, (cy - y) / fy, 1)`.
#[derive(Clone, Debug)]
pub struct View {
    /// The optical center in the world.
    pub position: Vector,
    /// World from camera, row-major.
    pub axes: [Vector; 3],
    /// Pinhole.
    pub camera: Intrinsics,
    /// Of the picture.
    pub size: ImageSize,
}

impl View {
    /// The direction of a pixel in the world; one unit of it is one meter along the optical axis.
    pub fn direction(&self, x: f64, y: f64) -> Vector {
        let c = &self.camera;
        self.to_world([(x - c.cx) / c.fx, (c.cy - y) / c.fy, 1.0])
    }

    /// A direction of the camera in the world.
    pub fn to_world(&self, d: Vector) -> Vector {
        self.axes.map(|row| dot(row, d))
    }

    /// A world point in the camera's axes.
    pub fn to_camera(&self, point: Vector) -> Vector {
        let d = sub(point, self.position);
        std::array::from_fn(|i| {
            self.axes[0][i] * d[0] + self.axes[1][i] * d[1] + self.axes[2][i] * d[2]
        })
    }

    /// Pixel of a point in the camera's axes, where it lies in front.
    pub fn pixel(&self, point: Vector) -> Option<(f64, f64)> {
        let c = &self.camera;
        (point[2] > 1e-6)
            .then(|| (c.cx + c.fx * point[0] / point[2], c.cy - c.fy * point[1] / point[2]))
    }

    /// The pose in KITTI's axes (x right, y down, z ahead on both sides): world from camera.
    pub fn world_from_camera(&self) -> RigidTransform {
        let flip = [1.0, -1.0, 1.0];
        let mut m = RigidTransform::IDENTITY.0;
        for row in 0..3 {
            for column in 0..3 {
                m[row][column] = flip[row] * self.axes[row][column] * flip[column];
            }
            m[row][3] = flip[row] * self.position[row];
        }
        RigidTransform(m)
    }
}

/// Positions along the street and wobbles of one drive.
#[derive(Clone, Debug)]
pub struct CameraPath {
    /// Position along z, one per frame.
    along: Vec<f64>,
    /// (amplitude, radians per frame, phase) of offset, turn, pitch, roll, height.
    wobbles: [[f64; 3]; 5],
}

impl CameraPath {
    /// Draws a drive of `frames` pictures with steps of 0.5 to 1.2 m.
    pub fn draw(dice: &mut Dice, street: &Street, frames: usize) -> Self {
        let pace = [dice.between(0.04, 0.09), dice.between(0.0, TAU)];
        let (mean, swing) = (dice.between(0.75, 0.9), dice.between(0.12, 0.24));
        let mut along = Vec::with_capacity(frames);
        let mut z = 0.0;
        for frame in 0..frames {
            along.push(z);
            let (_, slope) = street.middle(z);
            let step = mean + swing * sin_cos(pace[0] * frame as f64 + pace[1]).0;
            z += step / (1.0 + slope * slope).sqrt();
        }
        let mut wobble = |size: f64, slow: f64, fast: f64| {
            [size * dice.between(0.6, 1.0), dice.between(slow, fast), dice.between(0.0, TAU)]
        };
        let wobbles = [
            wobble(0.3, 0.03, 0.07),
            wobble(0.03, 0.05, 0.12),
            wobble(0.008, 0.15, 0.5),
            wobble(0.006, 0.1, 0.3),
            wobble(0.02, 0.2, 0.6),
        ];
        Self { along, wobbles }
    }

    /// Number of pictures.
    pub fn frames(&self) -> usize {
        self.along.len()
    }

    /// Position along z.
    pub fn along(&self, frame: usize) -> f64 {
        self.along[frame]
    }

    /// Where the drive ends along z.
    pub fn end(&self) -> f64 {
        self.along.last().copied().unwrap_or(0.0)
    }

    /// The camera at a frame.
    pub fn view(&self, street: &Street, frame: usize, camera: Intrinsics, size: ImageSize) -> View {
        let [offset, turn, pitch, roll, height] = self
            .wobbles
            .map(|[amplitude, pace, phase]| amplitude * sin_cos(pace * frame as f64 + phase).0);
        let placement =
            street.place(self.along[frame], 0.5 * LANE + offset, CAMERA_HEIGHT + height);
        let ((ts, tc), (ps, pc), (rs, rc)) = (sin_cos(turn), sin_cos(pitch), sin_cos(roll));
        let along_road = |d: Vector| {
            placement.world_direction([tc * d[0] + ts * d[2], d[1], tc * d[2] - ts * d[0]])
        };
        let (right, up, ahead) = ([1.0, 0.0, 0.0], [0.0, pc, -ps], [0.0, ps, pc]);
        let columns = [
            along_road(add(scale(right, rc), scale(up, rs))),
            along_road(add(scale(up, rc), scale(right, -rs))),
            along_road(ahead),
        ];
        let axes = std::array::from_fn(|row| columns.map(|column| column[row]));
        View { position: placement.position, axes, camera, size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use suw_shared::seed::Seed;

    #[test]
    fn views_are_rotations_and_steps_are_short() {
        let mut dice = Dice::new(Seed(4));
        let street = Street::draw(&mut dice, [true, true], vec![]);
        let path = CameraPath::draw(&mut dice, &street, 50);
        let (size, camera) = NATIVE;
        let views: Vec<View> = (0..50).map(|f| path.view(&street, f, camera, size)).collect();
        for view in &views {
            let pose = view.world_from_camera();
            let product = pose.compose(&pose.inverse());
            for row in 0..4 {
                for column in 0..4 {
                    let expected = f64::from(u8::from(row == column));
                    assert!((product.0[row][column] - expected).abs() < 1e-9);
                }
            }
            assert!((view.position[1] - 1.65).abs() < 0.03);
        }
        for pair in views.windows(2) {
            let d = sub(pair[1].position, pair[0].position);
            assert!((0.45..1.25).contains(&dot(d, d).sqrt()), "{d:?}");
        }
    }

    #[test]
    fn pixel_and_direction_are_inverse() {
        let mut dice = Dice::new(Seed(5));
        let street = Street::draw(&mut dice, [true, true], vec![]);
        let path = CameraPath::draw(&mut dice, &street, 5);
        let view = path.view(&street, 3, NATIVE.1, NATIVE.0);
        let d = view.direction(1000.0, 250.0);
        let point = add(view.position, scale(d, 12.0));
        let local = view.to_camera(point);
        assert!((local[2] - 12.0).abs() < 1e-9);
        let (x, y) = view.pixel(local).unwrap();
        assert!((x - 1000.0).abs() < 1e-6 && (y - 250.0).abs() < 1e-6);
    }
}
