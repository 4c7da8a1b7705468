//! Floor 1: pairs of one class: of two places of one ground region the lower one is nearer (our reading of the paper's
//! "another strategy", which the supplement does not give).

use rand_pcg::Pcg64;

use crate::components::{LabelTable, NO_CLASS, components};
use crate::pairs::places::{Ends, Places, choose, draw, draw_with_list};
use crate::pairs::rules::SameClassRule;
use crate::pairs::scene::Scene;

/// Draws of two places before the gap is asked for first.
const TRIES: usize = 16;

/// The rule made ready for one frame.
#[derive(Debug)]
pub struct SameClassPairs<'a> {
    rule: &'a SameClassRule,
    height: u32,
    /// Regions that are tall enough: class and places.
    regions: Vec<(u8, Places)>,
}

impl<'a> SameClassPairs<'a> {
    /// Prepares the rule.
    pub fn new(scene: &Scene, rule: &'a SameClassRule) -> Self {
        let mut table: LabelTable = [NO_CLASS; 256];
        for id in rule.classes.ids() {
            table[usize::from(id)] = id;
        }
        let found = components(scene.input.size, scene.input.semantic, &table);
        let height = scene.input.size.height;
        let tall = least_gap(rule, height, 0);
        let mut regions = Vec::new();
        let position: Vec<Option<usize>> = (found.regions.iter())
            .map(|region| {
                (region.window.height > tall).then(|| {
                    regions.push((region.class, Places::default()));
                    regions.len() - 1
                })
            })
            .collect();
        for run in &found.runs {
            let Some(position) = position[run.region as usize] else { continue };
            let fits = scene.fits_in(run.y, run.left..run.right);
            regions[position].1.push_row(run.y as usize, run.left as usize, fits);
        }
        Self { rule, height, regions }
    }

    /// A pair of half width `half`: a class evenly, then any two places of one of its regions that are far enough
    /// apart, each such pair about equally likely.
    pub fn draw_ends(&self, half: usize, rng: &mut Pcg64) -> Option<Ends> {
        let gap = least_gap(self.rule, self.height, half);
        let able: Vec<(u8, &Places, (u32, u32))> = (self.regions.iter())
            .filter_map(|(class, places)| Some((*class, places, places.rows(half)?)))
            .filter(|(_, _, (first, last))| first + gap <= *last)
            .collect();
        let classes: Vec<u8> = (self.rule.classes.ids())
            .filter(|id| able.iter().any(|(class, ..)| class == id))
            .collect();
        let class = classes[choose(classes.len(), rng)?];
        let of_class: Vec<&Places> = able
            .iter()
            .filter(|(other, ..)| *other == class)
            .map(|(_, places, _)| *places)
            .collect();
        let whole = 0..self.height;
        let mut last_region = None;
        for _ in 0..TRIES {
            let (region, a) = draw_with_list(&of_class, half, &whole, rng)?;
            let b = draw(&[of_class[region]], half, &whole, rng)?;
            let (far, near) = if a.y <= b.y { (a, b) } else { (b, a) };
            if u32::from(far.y) + gap <= u32::from(near.y) {
                return Some(Ends { far, near });
            }
            last_region = Some(region);
        }
        // Few of its pairs are far enough apart: a far end that has a partner, then one of its partners.
        let places = of_class[last_region?];
        let (first, last) = places.rows(half)?;
        let far = draw(&[places], half, &(first..last + 1 - gap), rng)?;
        let near = draw(&[places], half, &(u32::from(far.y) + gap..last + 1), rng)?;
        Some(Ends { far, near })
    }
}

/// Least distance of the rows of the two centers.
fn least_gap(rule: &SameClassRule, height: u32, half: usize) -> u32 {
    let side = 2 * half as u32 + 1;
    let sides = (rule.gap_sizes * f64::from(side)).ceil() as u32;
    let share = (rule.gap * f64::from(height)).ceil() as u32;
    // At least one side: the ends do not overlap.
    sides.max(share).max(side)
}
