//! Floor 1: rule A: sky is farther than anything else.

use rand_pcg::Pcg64;

use crate::pairs::places::{Ends, choose, draw};
use crate::pairs::rules::SkyRule;
use crate::pairs::scene::Scene;

/// A pair of half width `half`: a class present beside sky, evenly, then a place of each.
pub fn draw_ends(scene: &Scene, rule: &SkyRule, half: usize, rng: &mut Pcg64) -> Option<Ends> {
    let rows = 0..scene.input.size.height;
    let far_classes = scene.present(rule.far, half);
    let near_classes = scene.present(rule.near, half);
    let far_class = far_classes[choose(far_classes.len(), rng)?];
    let near_class = near_classes[choose(near_classes.len(), rng)?];
    let far = draw(&scene.places(far_class), half, &rows, rng)?;
    let near = draw(&scene.places(near_class), half, &rows, rng)?;
    Some(Ends { far, near })
}
