//! Floor 1: rule B: a tree or building is farther than the ground below it on the same side of the picture.

use rand_pcg::Pcg64;

use crate::pairs::places::{Ends, Places, Point, draw};
use crate::pairs::rules::{Contact, TreeBuildingRule, clear_row};
use crate::pairs::scene::Scene;

/// Rule B made ready for one frame.
#[derive(Debug)]
pub struct TreeBuildingPairs<'a> {
    scene: &'a Scene<'a>,
    rule: &'a TreeBuildingRule,
    /// `[H, W]`: the first ground row at or below a pixel, H where there is none. Empty without `contact`.
    ground: Vec<u16>,
}

impl<'a> TreeBuildingPairs<'a> {
    /// Prepares the rule.
    pub fn new(scene: &'a Scene<'a>, rule: &'a TreeBuildingRule) -> Self {
        let ground = rule.contact.as_ref().map(|contact| ground_below(scene, contact));
        Self { scene, rule, ground: ground.unwrap_or_default() }
    }

    /// A pair of half width `half`: any far place, then any near place that it allows.
    pub fn draw_ends(&self, half: usize, rng: &mut Pcg64) -> Option<Ends> {
        let height = self.scene.input.size.height;
        let far_end = self.rule.far_above.map_or(height, |share| {
            // Centers strictly above the share of H.
            (f64::from(height) * share).ceil().max(0.0) as u32
        });
        let far_places: Vec<&Places> =
            self.rule.far.ids().flat_map(|class| self.scene.places(class)).collect();
        let far = draw(&far_places, half, &(0..far_end), rng)?;
        let side = self.scene.side(far.x)?;
        let rows = self.near_top(far, half)? + half as u32..height;
        let near_places: Vec<&Places> =
            self.rule.near.ids().map(|class| self.scene.places_on(class, side)).collect();
        let near = draw(&near_places, half, &rows, rng)?;
        (self.scene.side(near.x) == Some(side)).then_some(Ends { far, near })
    }

    /// First row that the near end may cover.
    fn near_top(&self, far: Point, half: usize) -> Option<u32> {
        let (width, height) = (self.scene.input.size.width, self.scene.input.size.height);
        let below = u32::from(far.y) + half as u32 + 1;
        if below >= height {
            return None;
        }
        let Some(contact) = &self.rule.contact else { return Some(below) };
        let reach = half as u32 + (contact.widen * f64::from(width)).ceil() as u32;
        let left = u32::from(far.x).saturating_sub(reach) as usize;
        let right = (u32::from(far.x) + reach + 1).min(width) as usize;
        let row = &self.ground[(below * width) as usize..][..width as usize];
        let lowest = row[left..right].iter().copied().max()?;
        Some(clear_row(contact.clear, u32::from(lowest), self.scene.horizon).max(below))
    }
}

fn ground_below(scene: &Scene, contact: &Contact) -> Vec<u16> {
    let (width, height) = (scene.input.size.width as usize, scene.input.size.height as usize);
    let is_ground: [bool; 256] = std::array::from_fn(|id| contact.ground.contains(id as u8));
    let mut ground = vec![height as u16; width * height];
    let mut below = vec![height as u16; width];
    for y in (0..height).rev() {
        let labels = &scene.input.semantic[y * width..(y + 1) * width];
        let mut x = 0;
        for run in labels.chunk_by(|left, right| left == right) {
            if is_ground[usize::from(run[0])] {
                below[x..x + run.len()].fill(y as u16);
            }
            x += run.len();
        }
        ground[y * width..(y + 1) * width].copy_from_slice(&below);
    }
    ground
}
