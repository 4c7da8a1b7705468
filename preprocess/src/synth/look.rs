//! Floor 1: the color of a point on a solid, before light falls on it.

use crate::synth::shapes::{Material, Solid};
use crate::synth::texture::{
    Color, hash, mix, octaves, round_octaves, surface_coordinates, times, unit_hash,
};
use crate::synth::vector::Vector;

const GLASS: Color = [0.035, 0.05, 0.065];

/// A point on a surface, in the axes of its solid.
#[derive(Clone, Copy, Debug)]
pub struct SurfacePoint {
    /// Position.
    pub at: Vector,
    /// Outward normal of length 1.
    pub normal: Vector,
    /// Meters that one sample covers there; finer details are left out.
    pub footprint: f64,
}

/// Color of a material there; for leaves the normal is roughened too.
pub fn color(solid: &Solid, material: &Material, point: &mut SurfacePoint) -> Color {
    let SurfacePoint { at, normal, footprint } = *point;
    let seed = solid.seed;
    match *material {
        Material::Plain { color, grain } => {
            let layers = [(0.9, 0.6 * grain), (0.22, grain), (0.06, 0.6 * grain)];
            let [grain] = round_octaves(at, normal, [seed], footprint, &layers);
            times(color, 1.0 + grain)
        }
        Material::Foliage { color } => foliage(color, seed, point),
        Material::Facade { wall, trim, cell, height } => {
            facade(FacadeLook { wall, trim, cell, height, seed }, point)
        }
        Material::Roof { color } => {
            let [u, v] = surface_coordinates(at, normal);
            let row = if normal[1] > 0.3 { u } else { v };
            let course = if row.rem_euclid(0.4) < 0.09 && footprint < 0.2 { 0.7 } else { 1.0 };
            let layers = [(3.0, 0.16), (0.8, 0.14), (0.25, 0.14)];
            times(color, course * (1.0 + octaves([u, v], seed, footprint, &layers)))
        }
        Material::Boards { color } => {
            let [u, v] = surface_coordinates(at, normal);
            let width = 0.14;
            let tint = 0.45 * (unit_hash((u / width).floor() as i32, 3, seed) - 0.5);
            let gap = if u.rem_euclid(width) < 0.018 && footprint < 0.04 { 0.35 } else { 1.0 };
            let layers = [(0.5, 0.14), (0.12, 0.12)];
            let grain = octaves([u, 0.12 * v], seed, footprint, &layers);
            let broad = octaves([u, v], seed ^ 9, footprint, &[(2.2, 0.16)]);
            times(color, gap * (1.0 + tint + grain + broad))
        }
        Material::Paint { color } => paint(color, seed, point),
        Material::Cabin { paint: base, low, high, half_width } => {
            let rise = (at[1] - low) / (high - low);
            let across = at[0].abs() / half_width;
            let pillar = if normal[0].abs() > 0.6 {
                (at[2] + 0.12).abs() < 0.05 || (at[2] + 1.3).abs() < 0.06
            } else {
                across > 0.88 - 0.2 * rise
            };
            if normal[1] > 0.93 || !(0.1..0.88).contains(&rise) || pillar {
                paint(base, seed, point)
            } else {
                // What the windows mirror is fixed to them: motion stays readable, and truth stays exact.
                let view = octaves(
                    [at[0] + at[2], at[1]],
                    seed ^ 8,
                    footprint,
                    &[(0.5, 0.5), (0.15, 0.3)],
                );
                times(mix(GLASS, [0.22, 0.27, 0.32], 0.55 * rise as f32), 1.0 + view)
            }
        }
        Material::Wheel { center, radius, rim } => {
            let (dz, dy) = (at[2] - center[0], at[1] - center[1]);
            let share = (dz * dz + dy * dy).sqrt() / radius;
            if normal[0].abs() < 0.5 || share > 0.84 {
                [0.016; 3]
            } else if share > 0.76 {
                times(rim, 0.6)
            } else {
                // Ten sectors by the signs of five lines through the hub.
                let sector = [(1.0, 0.0), (0.81, 0.59), (0.31, 0.95), (-0.31, 0.95), (-0.81, 0.59)]
                    .iter()
                    .filter(|(a, b)| a * dz + b * dy > 0.0)
                    .count();
                let spoke = if (sector % 2 == 0) ^ (dy > 0.0) { 1.15 } else { 0.62 };
                times(rim, if share < 0.2 { 0.5 } else { spoke })
            }
        }
        Material::Sign { face, rim, center, radius } => {
            sign(face, rim, center, radius, seed, point)
        }
        Material::Lamp { color } => color,
    }
}

fn paint(color: Color, seed: u32, point: &SurfacePoint) -> Color {
    let SurfacePoint { at, normal, footprint } = *point;
    let layers = [(1.1, 0.12), (0.3, 0.09), (0.08, 0.05)];
    let [dust] = round_octaves(at, normal, [seed], footprint, &layers);
    // The lower body is dusty, seams of doors are dark.
    let seam = normal[0].abs() > 0.6
        && at[1] > 0.4
        && [-0.95, 0.15, 1.0].iter().any(|z| (at[2] - z).abs() < 0.018)
        && footprint < 0.05;
    let dusty = mix(color, [0.2, 0.18, 0.15], (0.35 - 0.6 * (at[1] as f32 - 0.3)).clamp(0.0, 0.3));
    times(dusty, (1.0 + dust) * if seam { 0.4 } else { 1.0 })
}

fn foliage(color: Color, seed: u32, point: &mut SurfacePoint) -> Color {
    let SurfacePoint { at, normal, footprint } = *point;
    let layers = [(1.3, 0.3), (0.45, 0.36), (0.19, 0.36), (0.08, 0.3)];
    let [leaves] = round_octaves(at, normal, [seed], footprint, &layers);
    let seeds = [seed ^ 0x51, seed ^ 0x52, seed ^ 0x53];
    let rough =
        round_octaves(at, normal, seeds, footprint, &[(0.6, 0.5), (0.22, 0.7)]).map(f64::from);
    let bent = [normal[0] + rough[0], normal[1] + 0.25 + rough[1], normal[2] + rough[2]];
    point.normal = crate::synth::vector::unit(bent);
    times(color, (1.0 + 1.1 * leaves).max(0.15))
}

struct FacadeLook {
    wall: Color,
    trim: Color,
    cell: [f64; 2],
    height: f64,
    seed: u32,
}

fn facade(look: FacadeLook, point: &SurfacePoint) -> Color {
    let SurfacePoint { at, normal, footprint } = *point;
    let [u, v] = surface_coordinates(at, normal);
    let seed = look.seed;
    let layers = [(5.0, 0.13), (1.3, 0.11), (0.35, 0.1), (0.1, 0.08)];
    let plaster = times(look.wall, 1.0 + octaves([u, v], seed, footprint, &layers));
    if normal[1].abs() > 0.5 {
        return plaster;
    }
    if v < 0.55 {
        return times(plaster, 0.55);
    }
    let [width, storey] = look.cell;
    if v > look.height - 0.35 {
        return times(look.trim, 1.0 + octaves([u, v], seed ^ 6, footprint, &[(0.6, 0.12)]));
    }
    let level = (v - 0.6) / storey;
    let (column, row) = ((u / width).floor() as i32, level.floor() as i32);
    let (across, up) =
        ((u / width - f64::from(column) - 0.5) * width, (level - level.floor()) * storey);
    let ground_door = row == 0 && hash(column, 1, seed ^ 11).is_multiple_of(4);
    let (half, low, high) =
        if ground_door { (0.55, -0.1, 2.3) } else { (0.3 * width, 0.85, storey - 0.55) };
    let frame = 0.1;
    if across.abs() < half && up > low && up < high {
        let edge = across.abs() > half - frame || up < low + frame || up > high - frame;
        let cross = !ground_door && across.abs() < 0.04;
        if edge || cross {
            return look.trim;
        }
        if ground_door {
            let grain = octaves([u, v], seed ^ 12, footprint, &[(0.4, 0.2)]);
            return times([0.16, 0.09, 0.05], 1.0 + grain);
        }
        let lit = unit_hash(column, row, seed ^ 7);
        let pane = mix([0.03, 0.045, 0.06], [0.20, 0.25, 0.30], lit * 0.8);
        let curtain = if lit > 0.6 && up > high - 0.5 { [0.42, 0.38, 0.32] } else { pane };
        return times(
            curtain,
            1.0 + octaves([u, v], seed ^ 8, footprint, &[(0.7, 0.4), (0.2, 0.2)]),
        );
    }
    // A sill below the window and a string course between storeys.
    if (across.abs() < half + 0.12 && up > low - 0.12 && up <= low) || up < 0.12 {
        return times(look.trim, 0.8);
    }
    plaster
}

fn sign(
    face: Color,
    rim: Color,
    center: [f64; 2],
    radius: f64,
    seed: u32,
    point: &SurfacePoint,
) -> Color {
    let SurfacePoint { at, normal, .. } = *point;
    if normal[2] > -0.5 {
        return [0.2, 0.2, 0.2];
    }
    let (dx, dy) = (at[0] - center[0], at[1] - center[1]);
    let share = (dx * dx + dy * dy).sqrt() / radius;
    if share > 0.76 && share < 3.0 && (share <= 1.01 || radius < 0.35) {
        return rim;
    }
    let glyph = match seed % 4 {
        0 => dx.abs() < 0.3 * radius && dy.abs() < 0.1,
        1 => {
            dx.abs() < 0.09 * radius + 0.5 * (0.2 - dy).clamp(0.0, 0.12) && dy.abs() < 0.5 * radius
        }
        2 => (dx.abs() - 0.2 * radius).abs() < 0.08 && dy.abs() < 0.45 * radius,
        _ => dy.abs() < 0.08 || (dx.abs() < 0.05 && dy > 0.0 && dy < 0.3),
    };
    if glyph {
        let bright = face[0] + face[1] + face[2] > 1.2;
        return if bright { [0.03; 3] } else { [0.75; 3] };
    }
    face
}

/// Light that a material gives off by itself, as a multiple of its color.
pub fn glow(material: &Material) -> f32 {
    if matches!(material, Material::Lamp { .. }) { 0.35 } else { 0.0 }
}
