//! Floor 1: what one eye, a camera or a scanner, sees first along a ray.

use crate::synth::camera_path::View;
use crate::synth::candidates::{Candidate, Candidates};
use crate::synth::shapes::{Meeting, PartSet, Ray, Solid, corners};
use crate::synth::vector::Vector;
use suw_shared::image_size::ImageSize;

/// Edge of a tile with its own list of candidates, pixels.
const TILE: usize = 4;
/// Solids at most this wide and high are listed as a whole, pixels.
const SMALL: f64 = 8.0;

/// The solids of a frame as one eye sees them.
pub struct Sight<'a> {
    solids: &'a [&'a Solid],
    /// Where the eye is in the axes of each solid.
    eyes: Vec<Vector>,
    /// Depth of the nearest corner of each solid's bounds.
    nears: Vec<f64>,
    /// Nearest first.
    tiles: Candidates,
}

impl<'a> Sight<'a> {
    /// Sorts the solids into the tiles of the view's picture.
    pub fn new(view: &View, solids: &'a [&'a Solid]) -> Self {
        let eyes = solids.iter().map(|s| s.placement.local_point(view.position)).collect();
        let mut nears = vec![f64::INFINITY; solids.len()];
        let mut order = Vec::with_capacity(solids.len());
        for (index, solid) in solids.iter().enumerate() {
            if let Some((near, area)) = screen_box(view, solid.corners()) {
                nears[index] = near;
                order.push((near, index, area));
            }
        }
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let ImageSize { width, height } = view.size;
        let mut tiles =
            Candidates::new((width as usize).div_ceil(TILE), (height as usize).div_ceil(TILE));
        let in_tiles = |area: [f64; 4]| area.map(|pixels| pixels / TILE as f64);
        for (_, index, area) in order {
            let solid = solids[index];
            if area[2] - area[0] <= SMALL && area[3] - area[1] <= SMALL {
                tiles.add(in_tiles(area), index as u16, solid.all_parts());
                continue;
            }
            for (number, part) in solid.parts.iter().enumerate() {
                let corners = corners(&solid.placement, &part.shape.bounds());
                if let Some((_, area)) = screen_box(view, corners) {
                    tiles.add(in_tiles(area), index as u16, PartSet::one(number));
                }
            }
        }
        Self { solids, eyes, nears, tiles }
    }

    /// What rays through a pixel may meet.
    pub fn candidates(&self, x: usize, y: usize) -> &[Candidate] {
        self.tiles.at(x / TILE, y / TILE)
    }

    /// What a ray of the eye meets first before `limit`: the index of the solid, and where. One unit of its direction
    /// is at most a meter along the optical axis.
    pub fn first(
        &self,
        candidates: &[Candidate],
        direction: Vector,
        limit: f64,
    ) -> Option<(usize, Meeting)> {
        let mut limit = limit;
        let mut found = None;
        for candidate in candidates {
            let index = usize::from(candidate.solid);
            if self.nears[index] >= limit {
                break;
            }
            let solid = self.solids[index];
            let ray = Ray::new(self.eyes[index], solid.placement.local_direction(direction));
            if let Some(meeting) = solid.meet(&ray, candidate.parts, limit) {
                limit = meeting.t;
                found = Some((index, meeting));
            }
        }
        found
    }
}

/// Nearest depth of a box given by its corners, and the part of the picture that it covers (left, top, right, bottom,
/// one pixel wider than exact); none where it lies outside.
fn screen_box(view: &View, corners: [Vector; 8]) -> Option<(f64, [f64; 4])> {
    // Edges that pass the plane just before the eye are cut there.
    const NEAR: f64 = 0.05;
    let (width, height) = (f64::from(view.size.width), f64::from(view.size.height));
    let corners = corners.map(|corner| view.to_camera(corner));
    let near = corners.iter().map(|c| c[2]).fold(f64::INFINITY, f64::min);
    let far = corners.iter().map(|c| c[2]).fold(f64::NEG_INFINITY, f64::max);
    if far < NEAR {
        return None;
    }
    let mut area = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    let mut include = |point: Vector| {
        if let Some((x, y)) = view.pixel(point) {
            area = [area[0].min(x), area[1].min(y), area[2].max(x), area[3].max(y)];
        }
    };
    for (i, a) in corners.iter().enumerate() {
        if a[2] >= NEAR {
            include(*a);
            continue;
        }
        for bit in [1, 2, 4] {
            let b = &corners[i ^ bit];
            if b[2] >= NEAR {
                let share = (NEAR - a[2]) / (b[2] - a[2]);
                include(std::array::from_fn(|k| a[k] + share * (b[k] - a[k])));
            }
        }
    }
    let area = [area[0] - 1.0, area[1] - 1.0, area[2] + 1.0, area[3] + 1.0];
    let outside = area[2] < 0.0 || area[3] < 0.0 || area[0] > width || area[1] > height;
    (!outside).then_some((near.max(0.0), area))
}

/// Pixels that a solid would cover if nothing hid it, inside the picture.
pub fn unhidden_pixels(view: &View, solid: &Solid) -> usize {
    let Some((_, [left, top, right, bottom])) = screen_box(view, solid.corners()) else {
        return 0;
    };
    let clip = |value: f64, last: u32| value.clamp(0.0, f64::from(last)) as u32;
    let (x0, x1) = (clip(left, view.size.width), clip(right + 1.0, view.size.width));
    let (y0, y1) = (clip(top, view.size.height), clip(bottom + 1.0, view.size.height));
    let eye = solid.placement.local_point(view.position);
    (y0..y1)
        .flat_map(|y| (x0..x1).map(move |x| (x, y)))
        .filter(|&(x, y)| {
            let direction = view.direction(f64::from(x), f64::from(y));
            let ray = Ray::new(eye, solid.placement.local_direction(direction));
            solid.blocks(&ray, solid.all_parts(), f64::INFINITY)
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::calibration::Calibration;
    use crate::synth::scene::Scene;
    use suw_shared::seed::Seed;

    /// Tries every part of every solid.
    fn first_of_all(
        view: &View,
        solids: &[&Solid],
        direction: Vector,
    ) -> Option<(usize, usize, f64)> {
        let mut found: Option<(usize, usize, f64)> = None;
        for (index, solid) in solids.iter().enumerate() {
            let eye = solid.placement.local_point(view.position);
            let ray = Ray::new(eye, solid.placement.local_direction(direction));
            for number in 0..solid.parts.len() {
                let limit = found.map_or(500.0, |(_, _, t)| t);
                if let Some(meeting) = solid.meet(&ray, PartSet::one(number), limit) {
                    found = Some((index, number, meeting.t));
                }
            }
        }
        found
    }

    #[test]
    fn tiles_leave_out_nothing_that_a_ray_meets() {
        let size = ImageSize::new(416, 128);
        let (mut met, mut missed) = (0, 0);
        for (seed, frame) in [(1, 2), (2, 5), (3, 8)] {
            let scene = Scene::draw(Seed(seed), 10);
            let view = scene.path.view(&scene.street, frame, Calibration::new(size).camera, size);
            let moment = scene.moment(frame);
            let solids = moment.solids();
            let sight = Sight::new(&view, &solids);
            for (x, y) in (0..128).step_by(3).flat_map(|y| (0..416).step_by(5).map(move |x| (x, y)))
            {
                // The corners of a pixel lie farther out than its samples.
                let direction = view.direction(x as f64 + 0.5, y as f64 - 0.5);
                let found = sight.first(sight.candidates(x, y), direction, 500.0);
                let found = found.map(|(index, meeting)| (index, meeting.part, meeting.t));
                assert_eq!(found, first_of_all(&view, &solids, direction), "seed {seed} {x} {y}");
                if found.is_some() { met += 1 } else { missed += 1 }
            }
        }
        assert!(met > 1000 && missed > 1000, "{met} {missed}");
    }
}
