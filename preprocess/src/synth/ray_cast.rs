//! Floor 1: one picture of a scene with its exact truth, by casting rays; no threads, the caller has many frames.

use crate::synth::camera_path::View;
use crate::synth::light::display;
use crate::synth::look::{self, SurfacePoint};
use crate::synth::scene::Scene;
use crate::synth::shadow::ShadowGrid;
use crate::synth::shapes::{Meeting, ObjectId, Solid};
use crate::synth::texture::Color;
use crate::synth::vector::{Vector, add, dot, scale};
use suw_shared::class::{SemanticClass, UNLABELLED};
use suw_shared::depth_map::DepthMap;
use suw_shared::rgb_image::RgbImage;
use suw_shared::semantic_map::SemanticMap;

/// Edge of a tile with its own list of solids, pixels.
const TILE: usize = 16;
/// Beyond this the ground is lost in the haze and counts as sky, meters.
const HORIZON: f64 = 3000.0;
/// Offsets of the four samples of a pixel: a turned square.
const SAMPLES: [(f64, f64); 4] =
    [(-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125)];

/// A picture and the truth at its pixel centers.
pub struct Picture {
    /// Anti-aliased colors.
    pub image: RgbImage,
    /// Depth along the optical axis, meters; 0 in the sky. Not cut at any distance.
    pub depth: DepthMap,
    /// Train ids.
    pub semantic: SemanticMap,
    /// Row-major; the object seen at each pixel center.
    pub objects: Vec<Option<ObjectId>>,
}

/// What a ray meets first.
#[derive(Clone, Copy)]
enum Seen {
    Sky,
    Ground { t: f64 },
    Solid { index: usize, meeting: Meeting },
}

/// The solids of a frame, in lists per tile of the picture.
struct Tiles {
    columns: usize,
    /// Index and nearest depth, nearest first.
    lists: Vec<Vec<(u16, f64)>>,
}

impl Tiles {
    fn new(view: &View, solids: &[&Solid]) -> Self {
        let (width, height) = (view.size.width as usize, view.size.height as usize);
        let (columns, rows) = (width.div_ceil(TILE), height.div_ceil(TILE));
        let mut lists = vec![Vec::new(); columns * rows];
        let mut order: Vec<(f64, u16, [f64; 4])> = solids
            .iter()
            .enumerate()
            .filter_map(|(index, solid)| {
                screen_box(view, solid).map(|(near, area)| (near, index as u16, area))
            })
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (near, index, [left, top, right, bottom]) in order {
            let tile =
                |value: f64, last: usize| ((value / TILE as f64).max(0.0) as usize).min(last);
            for row in tile(top, rows - 1)..=tile(bottom, rows - 1) {
                for column in tile(left, columns - 1)..=tile(right, columns - 1) {
                    lists[row * columns + column].push((index, near));
                }
            }
        }
        Self { columns, lists }
    }

    fn at(&self, y: usize, x: usize) -> &[(u16, f64)] {
        &self.lists[y / TILE * self.columns + x / TILE]
    }
}

/// Nearest depth of a solid's bounds and the part of the picture they cover (left, top, right, bottom, one pixel
/// wider than exact); none where they lie outside.
pub fn screen_box(view: &View, solid: &Solid) -> Option<(f64, [f64; 4])> {
    let (width, height) = (f64::from(view.size.width), f64::from(view.size.height));
    let corners = solid.corners().map(|corner| view.to_camera(corner));
    let near = corners.iter().map(|c| c[2]).fold(f64::INFINITY, f64::min);
    let far = corners.iter().map(|c| c[2]).fold(f64::NEG_INFINITY, f64::max);
    if far < 0.05 {
        return None;
    }
    let mut area = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    let mut include = |point: Vector| {
        if let Some((x, y)) = view.pixel(point) {
            area = [area[0].min(x), area[1].min(y), area[2].max(x), area[3].max(y)];
        }
    };
    // Edges that pass the plane just before the camera are cut there.
    const NEAR: f64 = 0.05;
    for (i, a) in corners.iter().enumerate() {
        if a[2] >= NEAR {
            include(*a);
        }
        for bit in [1, 2, 4] {
            let b = &corners[i ^ bit];
            if a[2] < NEAR && b[2] >= NEAR {
                let share = (NEAR - a[2]) / (b[2] - a[2]);
                include(std::array::from_fn(|k| a[k] + share * (b[k] - a[k])));
            }
        }
    }
    let area = [area[0] - 1.0, area[1] - 1.0, area[2] + 1.0, area[3] + 1.0];
    let outside = area[2] < 0.0 || area[3] < 0.0 || area[0] > width || area[1] > height;
    (!outside).then_some((near.max(0.0), area))
}

/// Everything needed to follow rays in one frame.
struct Frame<'a> {
    scene: &'a Scene,
    view: &'a View,
    solids: &'a [&'a Solid],
    shadows: ShadowGrid,
}

impl Frame<'_> {
    fn see(&self, list: &[(u16, f64)], direction: Vector) -> Seen {
        let origin = self.view.position;
        let mut limit = HORIZON;
        let mut seen = Seen::Sky;
        if direction[1] < 0.0 && -origin[1] / direction[1] < limit {
            limit = -origin[1] / direction[1];
            seen = Seen::Ground { t: limit };
        }
        for &(index, near) in list {
            // Depth is the ray's own measure: one unit of its direction is one meter along the optical axis.
            if near >= limit {
                break;
            }
            let index = usize::from(index);
            if let Some(meeting) = self.solids[index].meet(origin, direction, limit) {
                limit = meeting.t;
                seen = Seen::Solid { index, meeting };
            }
        }
        seen
    }

    fn color(&self, seen: Seen, direction: Vector) -> Color {
        let (origin, light) = (self.view.position, &self.scene.light);
        let length = dot(direction, direction).sqrt();
        // Meters between samples on a surface that faces the camera; four samples make half a pixel.
        let spacing = 0.5 / self.view.camera.fx.min(self.view.camera.fy);
        let (t, color, normal, glow) = match seen {
            Seen::Sky => return light.sky(direction),
            Seen::Ground { t } => {
                let point = add(origin, scale(direction, t));
                let grazing = (-direction[1] / length).max(1e-3);
                // Foreshortening stretches samples along one axis only; this is between both.
                let footprint = spacing * t / grazing.sqrt();
                (t, self.scene.street.color(point[0], point[2], footprint), [0.0, 1.0, 0.0], 0.0)
            }
            Seen::Solid { index, meeting } => {
                let solid = self.solids[index];
                let world = add(origin, scale(direction, meeting.t));
                let toward = solid.placement.local_direction(direction);
                let grazing = (-dot(toward, meeting.normal) / length).max(0.05);
                let mut point = SurfacePoint {
                    at: solid.placement.local_point(world),
                    normal: meeting.normal,
                    footprint: spacing * meeting.t / grazing.sqrt(),
                };
                let material = &solid.parts[meeting.part].material;
                let color = look::color(solid, material, &mut point);
                let normal = solid.placement.world_direction(point.normal);
                (meeting.t, color, normal, look::glow(material))
            }
        };
        let point = add(origin, scale(direction, t));
        let sunlit = if dot(normal, light.sun) > 0.0 {
            let lifted = add(point, scale(normal, 2e-3 + 2e-5 * t));
            self.shadows.sunlit(self.solids, light, lifted)
        } else {
            0.0
        };
        let mut leaving = light.reflected(color, normal, sunlit);
        for (channel, value) in leaving.iter_mut().zip(color) {
            *channel += glow * value;
        }
        light.through_air(leaving, t * length)
    }
}

/// Draws a frame as seen by `view`, with exact truth at the pixel centers.
pub fn draw(scene: &Scene, view: &View, solids: &[&Solid]) -> Picture {
    let (width, height) = (view.size.width as usize, view.size.height as usize);
    let around = [view.position[0], view.position[2]];
    let shadows = ShadowGrid::new(solids, &scene.light, around);
    let frame = Frame { scene, view, solids, shadows };
    let tiles = Tiles::new(view, solids);
    let mut image = Vec::with_capacity(3 * width * height);
    let mut depth = Vec::with_capacity(width * height);
    let mut semantic = Vec::with_capacity(width * height);
    let mut objects = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let list = tiles.at(y, x);
            let (px, py) = (x as f64, y as f64);
            let direction = view.direction(px, py);
            let (d, class, object) = match frame.see(list, direction) {
                Seen::Sky => (0.0, SemanticClass::Sky.id(), None),
                Seen::Ground { t } => {
                    let point = add(view.position, scale(direction, t));
                    (t, scene.street.class(point[0], point[2]).id(), None)
                }
                Seen::Solid { index, meeting } => {
                    let solid = solids[index];
                    (meeting.t, solid.parts[meeting.part].class.id(), solid.object)
                }
            };
            debug_assert_ne!(class, UNLABELLED);
            depth.push(d as f32);
            semantic.push(class);
            objects.push(object);
            let mut sum = [0.0; 3];
            for (dx, dy) in SAMPLES {
                let direction = view.direction(px + dx, py + dy);
                let color = frame.color(frame.see(list, direction), direction);
                for (total, value) in sum.iter_mut().zip(color) {
                    *total += 0.25 * value;
                }
            }
            image.extend(sum.map(display));
        }
    }
    Picture {
        image: RgbImage::new(view.size, image),
        depth: DepthMap::new(view.size, depth),
        semantic: SemanticMap::new(view.size, semantic),
        objects,
    }
}

/// Pixels that a solid would cover if nothing hid it, inside the picture.
pub fn unhidden_pixels(view: &View, solid: &Solid) -> usize {
    let Some((_, [left, top, right, bottom])) = screen_box(view, solid) else { return 0 };
    let clip = |value: f64, last: u32| value.clamp(0.0, f64::from(last)) as u32;
    let (x0, x1) = (clip(left, view.size.width), clip(right + 1.0, view.size.width));
    let (y0, y1) = (clip(top, view.size.height), clip(bottom + 1.0, view.size.height));
    (y0..y1)
        .flat_map(|y| (x0..x1).map(move |x| (x, y)))
        .filter(|&(x, y)| {
            let direction = view.direction(f64::from(x), f64::from(y));
            solid.meet(view.position, direction, HORIZON).is_some()
        })
        .count()
}
