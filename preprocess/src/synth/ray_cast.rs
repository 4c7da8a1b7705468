//! Floor 1: one picture of a scene with its exact truth, by casting rays; no threads, the caller has many frames.

use crate::synth::camera_path::View;
use crate::synth::candidates::Candidate;
use crate::synth::light::display;
use crate::synth::look::{self, SurfacePoint};
use crate::synth::scene::Scene;
use crate::synth::shadow::ShadowGrid;
use crate::synth::shapes::{Meeting, ObjectId, Solid};
use crate::synth::sight::Sight;
use crate::synth::texture::Color;
use crate::synth::vector::{Vector, add, dot, scale};
use suw_shared::class::{SemanticClass, UNLABELLED};
use suw_shared::depth_map::DepthMap;
use suw_shared::rgb_image::RgbImage;
use suw_shared::semantic_map::SemanticMap;

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

/// Everything needed to follow rays in one frame.
struct Frame<'a> {
    scene: &'a Scene,
    view: &'a View,
    solids: &'a [&'a Solid],
    sight: Sight<'a>,
    shadows: ShadowGrid<'a>,
}

impl Frame<'_> {
    fn see(&self, candidates: &[Candidate], direction: Vector) -> Seen {
        let ground = -self.view.position[1] / direction[1];
        // Depth is the ray's own measure: one unit of its direction is one meter along the optical axis.
        let (limit, beyond) = if direction[1] < 0.0 && ground < HORIZON {
            (ground, Seen::Ground { t: ground })
        } else {
            (HORIZON, Seen::Sky)
        };
        let first = self.sight.first(candidates, direction, limit);
        first.map_or(beyond, |(index, meeting)| Seen::Solid { index, meeting })
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
            self.shadows.sunlit(lifted)
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
    let frame = Frame { scene, view, solids, sight: Sight::new(view, solids), shadows };
    let mut image = Vec::with_capacity(3 * width * height);
    let mut depth = Vec::with_capacity(width * height);
    let mut semantic = Vec::with_capacity(width * height);
    let mut objects = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let candidates = frame.sight.candidates(x, y);
            let (px, py) = (x as f64, y as f64);
            let direction = view.direction(px, py);
            let (d, class, object) = match frame.see(candidates, direction) {
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
                let color = frame.color(frame.see(candidates, direction), direction);
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
