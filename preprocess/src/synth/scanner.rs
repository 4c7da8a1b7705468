//! Floor 1: a simulated scanner with 64 beams: field of view, drop-outs and range noise.

use crate::synth::calibration::Calibration;
use crate::synth::camera_path::View;
use crate::synth::look::{self, SurfacePoint};
use crate::synth::scene::Scene;
use crate::synth::shapes::{Material, Solid};
use crate::synth::texture::{hash, unit_hash};
use crate::synth::vector::{Vector, add, dot, scale, sin_cos};
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
/// Bins over the tangent of the azimuth, which stays within 1.2 in the sector.
const BINS: usize = 96;

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
    let bins = bins(&pose, solids);
    let origin = to_street(pose.apply([0.0; 3]));
    let mut points = Vec::new();
    for beam in 0..BEAMS {
        let (up, level) = sin_cos(elevation(beam).to_radians());
        for step in 0..STEPS {
            let azimuth = (0.5 * (STEPS - 1) as f64 - step as f64) * STEP;
            let (side, ahead) = sin_cos(azimuth.to_radians());
            let local = [level * ahead, level * side, up];
            let direction = turn(&pose, local);
            let list = &bins[bin(local[1] / local[0])];
            let Some((range, strength, reflectance)) =
                echo(scene, solids, list, (origin, direction))
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

fn bin(tangent: f64) -> usize {
    (((tangent + 1.2) / 2.4 * BINS as f64).max(0.0) as usize).min(BINS - 1)
}

/// Solids that each sector of azimuth can meet.
fn bins(pose: &RigidTransform, solids: &[&Solid]) -> Vec<Vec<u16>> {
    let back = pose.inverse();
    let mut bins = vec![Vec::new(); BINS];
    for (index, solid) in solids.iter().enumerate() {
        let corners = solid.corners().map(|corner| back.apply(to_street(corner)));
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        let farthest = corners.iter().map(|c| c[0]).fold(f64::NEG_INFINITY, f64::max);
        let nearest = corners.iter().map(|c| c[0]).fold(f64::INFINITY, f64::min);
        if farthest < 0.05 || nearest > REACH {
            continue;
        }
        if nearest < 0.05 {
            (low, high) = (-2.0, 2.0);
        }
        for [x, y, _] in corners.into_iter().filter(|c| c[0] >= 0.05) {
            low = low.min(y / x);
            high = high.max(y / x);
        }
        if high >= -1.2 && low <= 1.2 {
            for list in &mut bins[bin(low)..=bin(high)] {
                list.push(index as u16);
            }
        }
    }
    bins
}

/// Range, chance of an echo, and reflectance.
fn echo(
    scene: &Scene,
    solids: &[&Solid],
    list: &[u16],
    (origin, direction): (Vector, Vector),
) -> Option<(f64, f32, f32)> {
    let mut range = 1.2 * REACH;
    let mut found = None;
    for &index in list {
        let index = usize::from(index);
        if let Some(meeting) = solids[index].meet(origin, direction, range) {
            range = meeting.t;
            found = Some((index, meeting));
        }
    }
    let ground = -origin[1] / direction[1];
    let point = add(origin, scale(direction, range));
    let (color, slant, glassy) = match found {
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
    fn normal_draws_have_the_moments_of_a_normal() {
        let draws: Vec<f64> = (0..20_000).map(|cell| normal_draw(cell, 7)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
