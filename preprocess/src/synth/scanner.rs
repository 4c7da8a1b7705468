//! Floor 1: a simulated scanner with 64 beams: field of view, drop-outs and range noise.

use crate::synth::calibration::Calibration;
use crate::synth::camera_path::View;
use crate::synth::look::{self, SurfacePoint};
use crate::synth::scene::Scene;
use crate::synth::shapes::{Material, Meeting, Solid};
use crate::synth::sight::Sight;
use crate::synth::texture::{hash, unit_hash};
use crate::synth::vector::{Vector, add, dot, scale, sin_cos};
use suw_shared::camera::Intrinsics;
use suw_shared::image_size::ImageSize;
use suw_shared::pose::RigidTransform;

/// Beams: the upper half every third of a degree from +2, the lower half about every half degree down to -24.8.
const BEAMS: usize = 64;
/// Directions a turn has in the front sector that is kept.
const STEPS: usize = 556;
/// Degrees between them.
const STEP: f64 = 0.18;
/// Longest range, meters.
const REACH: f64 = 120.0;
/// Standard deviation of the range, meters.
const NOISE: f64 = 0.015;
/// A picture that holds all beams, for sorting the solids; nothing is drawn in it.
const FIELD: (ImageSize, Intrinsics) =
    (ImageSize::new(384, 128), Intrinsics { fx: 160.0, fy: 160.0, cx: 192.0, cy: 10.0 });

/// Elevation of a beam in degrees, from the top.
fn elevation(beam: usize) -> f64 {
    if beam < 32 {
        2.0 - beam as f64 / 3.0
    } else {
        -8.83 - (beam - 32) as f64 * (24.8 - 8.83) / 31.0
    }
}

/// Points `x, y, z, reflectance` in the scanner's axes (x ahead, y left, z up), beam by beam from the top, each from
/// left to right. `salt` varies noise and drop-outs per frame.
pub fn scan(
    scene: &Scene,
    view: &View,
    calibration: &Calibration,
    solids: &[&Solid],
    salt: u32,
) -> Vec<[f32; 4]> {
    let pose = calibration.world_from_velo(view);
    let field = field(&pose);
    let sight = Sight::new(&field, solids);
    let azimuths: Vec<(f64, f64)> = (0..STEPS)
        .map(|step| (0.5 * (STEPS - 1) as f64 - step as f64) * STEP)
        .map(|azimuth| sin_cos(azimuth.to_radians()))
        .collect();
    let mut points = Vec::new();
    for beam in 0..BEAMS {
        let (up, level) = sin_cos(elevation(beam).to_radians());
        for (step, &(side, ahead)) in azimuths.iter().enumerate() {
            let local = [level * ahead, level * side, up];
            let direction = turn(&pose, local);
            let (x, y) = field.pixel(to_field(local)).expect("invariant: all beams look ahead");
            let candidates = sight.candidates(x as usize, y as usize);
            let met = sight.first(candidates, direction, 1.2 * REACH);
            let Some((range, strength, reflectance)) =
                echo(scene, solids, met, (field.position, direction))
            else {
                continue;
            };
            let cell = (beam * STEPS + step) as i32;
            let lost = unit_hash(cell, 1, salt);
            if range > REACH || lost < 0.03 || lost > strength {
                continue;
            }
            let noisy = range + NOISE * normal_draw(cell, salt);
            let [x, y, z] = scale(local, noisy);
            points.push([x as f32, y as f32, z as f32, reflectance]);
        }
    }
    points
}

/// KITTI's axes (y down) and the street's (y up).
fn to_street([x, y, z]: Vector) -> Vector {
    [x, -y, z]
}

fn turn(pose: &RigidTransform, d: Vector) -> Vector {
    to_street(std::array::from_fn(|row| (0..3).map(|k| pose.0[row][k] * d[k]).sum()))
}

/// The scanner's axes (x ahead, y left, z up) and a view's (x right, y up, z ahead).
fn to_field([x, y, z]: Vector) -> Vector {
    [-y, z, x]
}

/// The scanner as a view of its own.
fn field(pose: &RigidTransform) -> View {
    let columns = [[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]].map(|d| turn(pose, d));
    View {
        position: to_street(pose.apply([0.0; 3])),
        axes: std::array::from_fn(|row| columns.map(|column| column[row])),
        camera: FIELD.1,
        size: FIELD.0,
    }
}

/// Range, chance of an echo, and reflectance.
fn echo(
    scene: &Scene,
    solids: &[&Solid],
    met: Option<(usize, Meeting)>,
    (origin, direction): (Vector, Vector),
) -> Option<(f64, f32, f32)> {
    let mut range = met.map_or(1.2 * REACH, |(_, meeting)| meeting.t);
    let ground = -origin[1] / direction[1];
    let point = add(origin, scale(direction, range));
    let (color, slant, glassy) = match met {
        _ if ground > 0.0 && ground < range => {
            range = ground;
            let point = add(origin, scale(direction, range));
            (scene.street.color(point[0], point[2], 0.05), -direction[1], false)
        }
        Some((index, meeting)) => {
            let solid = solids[index];
            let material = &solid.parts[meeting.part].material;
            let at = solid.placement.local_point(point);
            let mut surface = SurfacePoint { at, normal: meeting.normal, footprint: 0.05 };
            let color = look::color(solid, material, &mut surface);
            let local = solid.placement.local_direction(direction);
            let glassy = matches!(material, Material::Cabin { .. }) && color[0] < 0.12;
            (color, -dot(local, meeting.normal), glassy)
        }
        None => return None,
    };
    let reflectance = (0.3 * color[0] + 0.6 * color[1] + 0.1 * color[2]).clamp(0.02, 0.99);
    let fading = (40.0 / range.max(10.0)) as f32;
    let signal = (0.1 + reflectance) * slant.max(0.0) as f32 * fading * fading;
    let strength = if glassy { 0.35 } else { 1.0 } * signal / (signal + 0.0015);
    Some((range, strength, (reflectance * (0.4 + 0.6 * slant.max(0.0) as f32)).min(0.99)))
}

/// Close to a standard normal draw: twelve even draws summed (Irwin and Hall), plain arithmetic.
fn normal_draw(cell: i32, salt: u32) -> f64 {
    let sum: f64 = (0..12).map(|k| f64::from(hash(cell, 2 + k, salt)) / 4_294_967_296.0).sum();
    sum - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beams_cover_the_field_of_view_downwards() {
        assert_eq!(elevation(0), 2.0);
        assert!((elevation(63) + 24.8).abs() < 1e-9);
        assert!((1..BEAMS).all(|beam| elevation(beam) < elevation(beam - 1)));
    }

    #[test]
    fn the_field_holds_all_beams() {
        let (size, camera) = FIELD;
        let widest = (0.5 * (STEPS - 1) as f64 * STEP).to_radians();
        for side in [-widest, 0.0, widest] {
            for beam in 0..BEAMS {
                let up = elevation(beam).to_radians();
                let x = camera.cx + camera.fx * side.tan();
                let y = camera.cy - camera.fy * up.tan() / side.cos();
                assert!(x >= 0.0 && x < f64::from(size.width), "{x}");
                assert!(y >= 0.0 && y < f64::from(size.height), "{y}");
            }
        }
    }

    #[test]
    fn a_beam_lies_in_the_field_where_its_direction_points() {
        let pose = RigidTransform([
            [0.0, -1.0, 0.0, 3.0],
            [0.0, 0.0, -1.0, -1.7],
            [1.0, 0.0, 0.0, 8.0],
            [0.0, 0.0, 0.0, 1.0],
        ]);
        let field = field(&pose);
        assert_eq!(field.position, [3.0, 1.7, 8.0]);
        // Ahead, to the left and a little down is the same for the scanner and for the street.
        assert_eq!(turn(&pose, [0.8, 0.4, -0.2]), [-0.4, -0.2, 0.8]);
        assert_eq!(field.to_world(to_field([0.8, 0.4, -0.2])), [-0.4, -0.2, 0.8]);
    }

    #[test]
    fn normal_draws_have_the_moments_of_a_normal() {
        let draws: Vec<f64> = (0..20_000).map(|cell| normal_draw(cell, 7)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
