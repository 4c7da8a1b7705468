//! Floor 1: rule C: an object is farther than the road below it, within its columns.

use std::ops::Range;

use rand_pcg::Pcg64;
use suw_shared::class::{InstanceClass, SemanticClass};
use suw_shared::image_size::{ImageSize, Window};

use crate::components::{LabelTable, NO_CLASS, components};
use crate::nearest::NetworkInstance;
use crate::pairs::places::{Ends, HALVES, Places, Point, choose, draw};
use crate::pairs::purity::reach;
use crate::pairs::rules::{ClassSet, ObjectBottom, ObjectRegions, ObjectRule, clear_row};
use crate::pairs::scene::Scene;

/// Rule C made ready for one frame.
#[derive(Debug)]
pub struct ObjectPairs<'a> {
    scene: &'a Scene<'a>,
    rule: &'a ObjectRule,
    objects: Vec<Candidate>,
}

/// One object with the places of both ends.
#[derive(Debug)]
struct Candidate {
    far: Places,
    near: Places,
    /// First column.
    left: u32,
    /// Lowest row of each column from `left` on.
    lowest: Vec<u32>,
}

/// The pixels of one object before its places are known.
struct Object {
    window: Window,
    /// Row, first column, column after the last.
    runs: Vec<(u32, u32, u32)>,
    /// `[window.height, window.width]`, what fits inside the piece; `None` where the class decides alone.
    fits: Option<Vec<u8>>,
}

impl<'a> ObjectPairs<'a> {
    /// Prepares the rule.
    pub fn new(scene: &'a Scene<'a>, rule: &'a ObjectRule) -> Self {
        let found = match (rule.regions, scene.input.instances) {
            (ObjectRegions::Instances, Some(instances)) => {
                let pieces = instances.iter().filter_map(|instance| piece(scene, rule, instance));
                pieces.collect()
            }
            _ => semantic_objects(scene, rule),
        };
        let objects = found.iter().filter_map(|object| candidate(scene, rule, object)).collect();
        Self { scene, rule, objects }
    }

    /// A pair of half width `half`: an object evenly, then a place of each end.
    pub fn draw_ends(&self, half: usize, rng: &mut Pcg64) -> Option<Ends> {
        let rows = 0..self.scene.input.size.height;
        let able: Vec<&Candidate> = (self.objects.iter())
            .filter(|object| object.far.rows(half).is_some() && object.near.rows(half).is_some())
            .collect();
        let object = able[choose(able.len(), rng)?];
        let far = draw(&[&object.far], half, &rows, rng)?;
        let near = draw(&[&object.near], half, &rows, rng)?;
        (near.y > far.y && self.below(object, near, half)).then_some(Ends { far, near })
    }

    /// What the places do not say yet: the object's own lowest row in the columns of the near end.
    fn below(&self, object: &Candidate, near: Point, half: usize) -> bool {
        if self.rule.below == ObjectBottom::Object {
            return true;
        }
        let first = usize::from(near.x) - half - object.left as usize;
        let lowest = object.lowest[first..=first + 2 * half].iter().copied().max().unwrap_or(0);
        let (top, bottom) = near_rows(self.scene, self.rule, lowest);
        let near_y = u32::from(near.y);
        near_y >= top + half as u32 && near_y + (half as u32) < bottom
    }
}

/// The largest piece of an instance mask that its semantic class confirms.
fn piece(scene: &Scene, rule: &ObjectRule, instance: &NetworkInstance) -> Option<Object> {
    let confirmed = ClassSet::new(match instance.class {
        InstanceClass::Person => &[SemanticClass::Person, SemanticClass::Rider],
        InstanceClass::Bicycle => &[SemanticClass::Bicycle],
        InstanceClass::Car => &[SemanticClass::Car],
    });
    let window = instance.window;
    let (width, height) = (window.width as usize, window.height as usize);
    let mut labels = vec![NO_CLASS; width * height];
    for y in 0..height {
        let at = (window.y as usize + y) * scene.input.size.width as usize + window.x as usize;
        let semantic = &scene.input.semantic[at..at + width];
        let mask = &instance.mask[y * width..(y + 1) * width];
        let row = &mut labels[y * width..(y + 1) * width];
        for ((label, &inside), &class) in row.iter_mut().zip(mask).zip(semantic) {
            if inside != 0 && confirmed.contains(class) && rule.far.contains(class) {
                *label = 0;
            }
        }
    }
    let mut table = [NO_CLASS; 256];
    table[0] = 0;
    let found = components(window.size(), &labels, &table);
    let largest = found.largest()?;
    let inner = found.regions[largest as usize].window;
    let own = found.runs.iter().filter(|run| run.region == largest);
    let runs: Vec<(u32, u32, u32)> =
        own.map(|run| (window.y + run.y, window.x + run.left, window.x + run.right)).collect();
    let window = Window { y: window.y + inner.y, x: window.x + inner.x, ..inner };
    let fits = Some(fits_inside(window, &runs));
    Some(Object { window, runs, fits })
}

/// Half widths of ends that lie wholly inside the piece, counted from the pixel itself.
fn fits_inside(window: Window, runs: &[(u32, u32, u32)]) -> Vec<u8> {
    // One pixel of outside on every side, since `reach` cuts its windows at the border.
    let padded = ImageSize::new(window.width + 2, window.height + 2);
    let mut labels = vec![0; padded.area()];
    for &(y, left, right) in runs {
        let row = ((y + 1 - window.y) * padded.width) as usize;
        let columns = (left + 1 - window.x) as usize..(right + 1 - window.x) as usize;
        labels[row..][columns].fill(1);
    }
    let reach = reach(padded, &labels, HALVES as u8 - 1);
    let inner = |y: u32| {
        let start = ((y + 1) * padded.width + 1) as usize;
        start..start + window.width as usize
    };
    let rows = (0..window.height).map(inner);
    rows.flat_map(|row| labels[row.clone()].iter().zip(&reach[row]))
        .map(|(&inside, &reach)| if inside == 1 { reach + 1 } else { 0 })
        .collect()
}

/// Regions of the semantic map; rider counts as person.
fn semantic_objects(scene: &Scene, rule: &ObjectRule) -> Vec<Object> {
    let mut table: LabelTable = [NO_CLASS; 256];
    for id in rule.far.ids() {
        let is_rider = id == SemanticClass::Rider.id();
        table[usize::from(id)] = if is_rider { SemanticClass::Person.id() } else { id };
    }
    let found = components(scene.input.size, scene.input.semantic, &table);
    let mut objects: Vec<Object> = (found.regions.iter())
        .map(|region| Object { window: region.window, runs: Vec::new(), fits: None })
        .collect();
    for run in &found.runs {
        objects[run.region as usize].runs.push((run.y, run.left, run.right));
    }
    objects
}

/// Places of both ends; `None` where one end has none.
fn candidate(scene: &Scene, rule: &ObjectRule, object: &Object) -> Option<Candidate> {
    let far = far_places(scene, object);
    far.rows(0)?;
    let left = object.window.x;
    let mut lowest = vec![0; object.window.width as usize];
    for &(y, first, end) in &object.runs {
        // Runs come from top to bottom.
        lowest[(first - left) as usize..(end - left) as usize].fill(y);
    }
    let (highest_bottom, lowest_bottom) = (*lowest.iter().min()?, *lowest.iter().max()?);
    let (top, bottom) = match rule.below {
        ObjectBottom::Object => near_rows(scene, rule, lowest_bottom),
        ObjectBottom::Columns => {
            (near_rows(scene, rule, highest_bottom).0, near_rows(scene, rule, lowest_bottom).1)
        }
    };
    let near = near_places(scene, rule, object.window, top..bottom);
    near.rows(0)?;
    Some(Candidate { far, near, left, lowest })
}

fn far_places(scene: &Scene, object: &Object) -> Places {
    let mut far = Places::default();
    let mut row = Vec::new();
    for &(y, left, right) in &object.runs {
        row.clear();
        row.extend_from_slice(scene.fits_in(y, left..right));
        if let Some(fits) = &object.fits {
            let window = object.window;
            let start = ((y - window.y) * window.width + left - window.x) as usize;
            for (row, inside) in row.iter_mut().zip(&fits[start..]) {
                *row = (*row).min(*inside);
            }
        }
        far.push_row(y as usize, left as usize, &row);
    }
    far
}

/// First row that the near end may cover below an object whose lowest row is `lowest`, and the row after the last.
fn near_rows(scene: &Scene, rule: &ObjectRule, lowest: u32) -> (u32, u32) {
    let height = scene.input.size.height;
    let clear = rule.clear.map_or(0, |clear| clear_row(clear, lowest, scene.horizon));
    let gap = rule.gap_max.map_or(height, |share| (share * f64::from(height)).floor() as u32);
    ((lowest + 1).max(clear), height.min(lowest.saturating_add(gap).saturating_add(1)))
}

/// Ends on the near classes, wholly within the columns of `window` and within `rows`.
fn near_places(scene: &Scene, rule: &ObjectRule, window: Window, rows: Range<u32>) -> Places {
    let mut near = Places::default();
    let (left, right) = (window.x, window.x + window.width);
    let last = HALVES as u32 - 1;
    let to_edge: Vec<u8> =
        (left..right).map(|x| (x - left).min(right - 1 - x).min(last) as u8 + 1).collect();
    let mut row = Vec::new();
    for y in rows.clone() {
        let to_rows = (y - rows.start).min(rows.end - 1 - y).min(last) as u8 + 1;
        let classes = scene.classes_in(y, left..right).iter();
        let fits = classes.zip(scene.fits_in(y, left..right)).zip(&to_edge);
        row.clear();
        row.extend(fits.map(|((&class, &fits), &to_edge)| {
            if rule.near.contains(class) { fits.min(to_edge).min(to_rows) } else { 0 }
        }));
        near.push_row(y as usize, left as usize, &row);
    }
    near
}
