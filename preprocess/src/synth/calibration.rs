//! Floor 1: the calibration of the street world's car, and the text files that KITTI readers expect.

use crate::synth::camera_path::{NATIVE, View};
use crate::synth::vector::{Vector, sin_cos};
use std::fmt::Write as _;
use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;
use suw_shared::pose::RigidTransform;

/// Positions of the four cameras in the rectified frame of camera 0: `p_i = p_0 + OFFSETS[i]`, meters.
const OFFSETS: [Vector; 4] =
    [[0.0, 0.0, 0.0], [-0.54, 0.0, 0.0], [0.06, -0.0004, 0.0027], [-0.474, 0.0029, 0.0026]];

/// What the calibration files say, already rounded as they say it.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Of all four cameras.
    pub camera: Intrinsics,
    /// Of the pictures.
    pub size: ImageSize,
    rectify: [Vector; 3],
    offsets: [Vector; 4],
    velo: [[f64; 4]; 3],
}

/// The number as a calibration file gives it back.
fn written(value: f64) -> f64 {
    number(value).parse().expect("invariant: a printed number reads back")
}

fn number(value: f64) -> String {
    // Rust writes 7.2e2 where KITTI writes 7.200000e+02.
    let text = format!("{value:.6e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let exponent: i32 = exponent.parse().unwrap_or(0);
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
        None => text,
    }
}

fn rotation([x, y, z]: Vector) -> [Vector; 3] {
    let ((sx, cx), (sy, cy), (sz, cz)) = (sin_cos(x), sin_cos(y), sin_cos(z));
    [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
}

fn product(a: &[Vector; 3], b: &[Vector; 3]) -> [Vector; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

impl Calibration {
    /// The car's calibration for pictures of a size.
    pub fn new(size: ImageSize) -> Self {
        let exact = NATIVE.1.resized(NATIVE.0, size);
        let camera = Intrinsics {
            fx: written(exact.fx),
            fy: written(exact.fy),
            cx: written(exact.cx),
            cy: written(exact.cy),
        };
        let rectify = rotation([0.0042, -0.0071, 0.0096]).map(|row| row.map(written));
        // LiDAR axes (x ahead, y left, z up) to camera axes, a little askew as mountings are.
        let swap = [[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]];
        let askew = product(&rotation([-0.0052, 0.0078, -0.0089]), &swap);
        let shift = [-0.004, -0.076, -0.272];
        let velo =
            std::array::from_fn(|i| [askew[i][0], askew[i][1], askew[i][2], shift[i]].map(written));
        // The files hold K t instead of t: round that, and take back the t it stands for.
        let offsets = OFFSETS.map(|t| {
            let z = written(t[2]);
            [
                (written(camera.fx * t[0] + camera.cx * z) - camera.cx * z) / camera.fx,
                (written(camera.fy * t[1] + camera.cy * z) - camera.cy * z) / camera.fy,
                z,
            ]
        });
        Self { camera, size, rectify, offsets, velo }
    }

    /// Camera 2 (axes x right, y down, z ahead) from LiDAR: rotation with the rectification, then the camera's offset.
    pub fn camera_from_velo(&self) -> RigidTransform {
        let turn = RigidTransform([
            [self.rectify[0][0], self.rectify[0][1], self.rectify[0][2], self.offsets[2][0]],
            [self.rectify[1][0], self.rectify[1][1], self.rectify[1][2], self.offsets[2][1]],
            [self.rectify[2][0], self.rectify[2][1], self.rectify[2][2], self.offsets[2][2]],
            [0.0, 0.0, 0.0, 1.0],
        ]);
        let [a, b, c] = self.velo;
        turn.compose(&RigidTransform([a, b, c, [0.0, 0.0, 0.0, 1.0]]))
    }

    /// Where the scanner is when the camera is at `view`: KITTI's axes.
    pub fn world_from_velo(&self, view: &View) -> RigidTransform {
        view.world_from_camera().compose(&self.camera_from_velo())
    }

    /// `calib_cam_to_cam.txt`.
    pub fn cam_to_cam(&self) -> String {
        let mut text =
            String::from("calib_time: 01-Jan-2026 12:00:00\ncorner_dist: 9.950000e-02\n");
        let Intrinsics { fx, fy, cx, cy } = self.camera;
        let size = [f64::from(self.size.width), f64::from(self.size.height)];
        for camera in 0..4 {
            let [x, y, z] = self.offsets[camera];
            let mut line = |key: &str, values: &[f64]| {
                let numbers: Vec<String> = values.iter().map(|&v| number(v)).collect();
                let _ = writeln!(text, "{key}_{camera:02}: {}", numbers.join(" "));
            };
            line("S", &size);
            line("K", &[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]);
            line("D", &[0.0; 5]);
            line("R", &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
            line("T", &[x, y, z]);
            line("S_rect", &size);
            line("R_rect", self.rectify.as_flattened());
            let shift = [fx * x + cx * z, fy * y + cy * z, z];
            line(
                "P_rect",
                &[fx, 0.0, cx, shift[0], 0.0, fy, cy, shift[1], 0.0, 0.0, 1.0, shift[2]],
            );
        }
        text
    }

    /// `calib_velo_to_cam.txt`.
    pub fn velo_to_cam(&self) -> String {
        let [a, b, c] = self.velo;
        let turn: Vec<String> =
            [a, b, c].iter().flat_map(|row| row[..3].iter().map(|&v| number(v))).collect();
        let shift = [a[3], b[3], c[3]].map(number);
        format!(
            "calib_time: 01-Jan-2026 12:00:00\nR: {}\nT: {}\ndelta_f: {zero} {zero}\ndelta_c: {zero} {zero}\n",
            turn.join(" "),
            shift.join(" "),
            zero = number(0.0),
        )
    }

    /// `calib_imu_to_velo.txt`.
    pub fn imu_to_velo(&self) -> String {
        let turn: Vec<String> =
            rotation([0.0148, -0.002, -0.0008]).as_flattened().iter().map(|&v| number(v)).collect();
        let shift = [-0.81, 0.32, -0.8].map(number);
        format!("calib_time: 01-Jan-2026 12:00:00\nR: {}\nT: {}\n", turn.join(" "), shift.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_like_kittis() {
        assert_eq!(number(721.5377), "7.215377e+02");
        assert_eq!(number(-0.0123), "-1.230000e-02");
        assert_eq!(number(0.0), "0.000000e+00");
        assert_eq!(written(0.1), 0.1);
    }

    #[test]
    fn the_projection_of_the_files_is_the_geometry_in_use() {
        for size in [ImageSize::new(1242, 375), ImageSize::new(416, 128)] {
            let calibration = Calibration::new(size);
            let text = calibration.cam_to_cam() + &calibration.velo_to_cam();
            let row = |key: &str| -> Vec<f64> {
                let line = text.lines().find(|l| l.starts_with(&format!("{key}: "))).unwrap();
                line[key.len() + 2..].split(' ').map(|v| v.parse().unwrap()).collect()
            };
            let (p, r, turn, shift) = (row("P_rect_02"), row("R_rect_00"), row("R"), row("T"));
            let point = [14.0, -3.0, -0.5];
            let times = |m: &[f64], v: &[f64]| -> Vec<f64> {
                (0..3).map(|i| (0..3).map(|k| m[3 * i + k] * v[k]).sum()).collect()
            };
            let mut camera = times(&turn, &point);
            camera.iter_mut().zip(&shift).for_each(|(c, s)| *c += s);
            let rectified = times(&r, &camera);
            let projected: Vec<f64> = (0..3)
                .map(|i| (0..3).map(|k| p[4 * i + k] * rectified[k]).sum::<f64>() + p[4 * i + 3])
                .collect();
            let [x, y, z] = calibration.camera_from_velo().apply(point);
            let c = calibration.camera;
            assert!((projected[2] - z).abs() < 1e-9);
            assert!((projected[0] / projected[2] - (c.fx * x / z + c.cx)).abs() < 1e-6);
            assert!((projected[1] / projected[2] - (c.fy * y / z + c.cy)).abs() < 1e-6);
        }
    }
}
