//! Floor 1: rule B: a tree or building is farther than the ground below it on the same side of the picture.

use std::ops::Range;

use rand_pcg::Pcg64;

use crate::pairs::places::{Ends, Point, choose, draw};
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

    /// A pair of half width `half`: a far class that is there, evenly, and a place of it; then a near class and place that
    /// it allows.
    pub fn draw_ends(&self, half: usize, rng: &mut Pcg64) -> Option<Ends> {
        let height = self.scene.input.size.height;
        let far_end = self.rule.far_above.map_or(height, |share| {
            // Centers strictly above the share of H.
            (f64::from(height) * share).ceil().max(0.0) as u32
        });
        let far_classes = self.scene.present(self.rule.far, half);
        let far_class = far_classes[choose(far_classes.len(), rng)?];
        let far = draw(&self.scene.places(far_class), half, &(0..far_end), rng)?;
        let side = self.scene.side(far.x)?;
        let rows = self.near_top(far_class, far, half)? + half as u32..height;
        let near_classes = self.scene.present(self.rule.near, half);
        let near_class = near_classes[choose(near_classes.len(), rng)?];
        let near = draw(&[self.scene.places_on(near_class, side)], half, &rows, rng)?;
        (self.scene.side(near.x) == Some(side)).then_some(Ends { far, near })
    }

    /// The columns of a crown about a place: all of its row that is of its class, up to `reach` on both sides. `None` where
    /// they end at the border: what hangs into the picture may stand outside it.
    fn crown_columns(&self, class: u8, at: Point, reach: usize) -> Option<Range<usize>> {
        let width = self.scene.input.size.width as usize;
        let row = &self.scene.input.semantic[usize::from(at.y) * width..][..width];
        let x = usize::from(at.x);
        let of_class = |&&id: &&u8| id == class;
        let left = row[..x].iter().rev().take(reach).take_while(of_class).count();
        let right = row[x + 1..].iter().take(reach).take_while(of_class).count();
        let columns = x - left..x + 1 + right;
        (columns.start > 0 && columns.end < width).then_some(columns)
    }

    /// First row that the near end may cover.
    fn near_top(&self, class: u8, far: Point, half: usize) -> Option<u32> {
        let (width, height) = (self.scene.input.size.width, self.scene.input.size.height);
        let below = u32::from(far.y) + half as u32 + 1;
        if below >= height {
            return None;
        }
        let Some(contact) = &self.rule.contact else { return Some(below) };
        let reach = half as u32 + (contact.widen * f64::from(width)).ceil() as u32;
        let mut left = u32::from(far.x).saturating_sub(reach) as usize;
        let mut right = (u32::from(far.x) + reach + 1).min(width) as usize;
        if let Some(crown) = contact.crown.as_ref().filter(|crown| crown.classes.contains(class)) {
            let reach = (crown.reach * f64::from(width)).ceil() as usize;
            let columns = self.crown_columns(class, far, reach)?;
            left = left.min(columns.start);
            right = right.max(columns.end);
        }
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
