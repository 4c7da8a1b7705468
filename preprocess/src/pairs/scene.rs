//! Floor 1: one frame made ready for drawing pairs: where ends of each class and size fit.

use std::ops::Range;

use suw_shared::image_size::ImageSize;

use crate::nearest::NetworkInstance;
use crate::pairs::places::{HALVES, Places, Point};
use crate::pairs::purity::reach;
use crate::pairs::rules::{ClassSet, Rules};

/// Number of semantic classes.
const CLASSES: usize = 19;

/// What pairs are drawn from: one target frame at network size.
#[derive(Clone, Copy, Debug)]
pub struct PoolInput<'a> {
    /// Network size.
    pub size: ImageSize,
    /// `[H, W]`, train ids, 255 = unlabelled.
    pub semantic: &'a [u8],
    /// The detections of the frame (`nearest::network_instances`); `None` where the data set has no instance masks.
    pub instances: Option<&'a [NetworkInstance]>,
    /// Row of the horizon, `cy` as it is stored; `None` without intrinsics: H/2.
    pub horizon: Option<f64>,
    /// `[H, W]`, 0 = not measured.
    pub depth: Option<&'a [f32]>,
}

/// Left or right of W/2; a center on W/2 is on neither side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Columns below W/2.
    Left,
    /// Columns above W/2.
    Right,
}

/// A frame made ready.
#[derive(Debug)]
pub struct Scene<'a> {
    /// What it is made of.
    pub input: PoolInput<'a>,
    /// Row of the horizon.
    pub horizon: f64,
    /// `[H, W]`: half widths of ends that fit at a pixel, counted from the pixel itself: 0 none, 5 all.
    pub fits: Vec<u8>,
    /// Per class and side; the second one holds the column W/2 too.
    places: Vec<[Places; 2]>,
}

impl<'a> Scene<'a> {
    /// Prepares a frame.
    ///
    /// # Panics
    /// If a map has another size than the frame, or a side is longer than 65535 pixels.
    pub fn new(input: PoolInput<'a>, rules: &Rules) -> Self {
        let size = input.size;
        assert!(
            size.width <= 65_535 && size.height <= 65_535,
            "invariant: coordinates of pairs have 16 bits, not enough for {size}"
        );
        let horizon = input.horizon.unwrap_or(f64::from(size.height) / 2.0);
        let fits = fits(size, input.semantic, rules.margin_px);
        let mut places: Vec<[Places; 2]> = (0..CLASSES).map(|_| Default::default()).collect();
        let width = size.width.max(1) as usize;
        let rows = input.semantic.chunks_exact(width).zip(fits.chunks_exact(width));
        for (y, (classes, fits)) in rows.enumerate() {
            let mut x = 0;
            for run in classes.chunk_by(|left, right| left == right) {
                if let Some(sides) = places.get_mut(usize::from(run[0])) {
                    let middle = width.div_ceil(2).clamp(x, x + run.len());
                    let [left, right] = sides;
                    left.push_row(y, x, &fits[x..middle]);
                    right.push_row(y, middle, &fits[middle..x + run.len()]);
                }
                x += run.len();
            }
        }
        Self { input, horizon, fits, places }
    }

    /// Places of a class on both sides.
    pub fn places(&self, class: u8) -> [&Places; 2] {
        let [left, right] = &self.places[usize::from(class)];
        [left, right]
    }

    /// Places of a class on one side; on the right with those of the column W/2.
    pub fn places_on(&self, class: u8, side: Side) -> &Places {
        &self.places[usize::from(class)][usize::from(side == Side::Right)]
    }

    /// The side of a column.
    pub fn side(&self, x: u16) -> Option<Side> {
        match (2 * u32::from(x)).cmp(&self.input.size.width) {
            std::cmp::Ordering::Less => Some(Side::Left),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Side::Right),
        }
    }

    /// The classes of a set that have a place for ends of half width `half`.
    pub fn present(&self, classes: ClassSet, half: usize) -> Vec<u8> {
        let has = |places: &Places| places.rows(half).is_some();
        classes.ids().filter(|&id| self.places(id).into_iter().any(has)).collect()
    }

    /// The class at a point.
    pub fn class_at(&self, point: Point) -> u8 {
        self.input.semantic[self.index(point)]
    }

    /// The classes of some pixels of row `y`.
    pub fn classes_in(&self, y: u32, columns: Range<u32>) -> &[u8] {
        &self.input.semantic[self.places_of(y, columns)]
    }

    /// `fits` of some pixels of row `y`.
    pub fn fits_in(&self, y: u32, columns: Range<u32>) -> &[u8] {
        &self.fits[self.places_of(y, columns)]
    }

    fn places_of(&self, y: u32, columns: Range<u32>) -> Range<usize> {
        let row = y as usize * self.input.size.width as usize;
        row + columns.start as usize..row + columns.end as usize
    }

    /// Position of a point in the maps.
    pub fn index(&self, point: Point) -> usize {
        usize::from(point.y) * self.input.size.width as usize + usize::from(point.x)
    }
}

/// How many half widths fit: the end lies inside the picture and its class reaches `margin` pixels beyond it.
fn fits(size: ImageSize, semantic: &[u8], margin: u8) -> Vec<u8> {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut fits = reach(size, semantic, margin + HALVES as u8 - 1);
    let border = HALVES - 1;
    for (y, row) in fits.chunks_exact_mut(width.max(1)).enumerate() {
        let to_rows = y.min(height - 1 - y).min(border) as u8;
        for fits in row.iter_mut() {
            *fits = (*fits + 1).saturating_sub(margin).min(to_rows + 1);
        }
        for x in (0..border.min(width)).chain(width.saturating_sub(border)..width) {
            row[x] = row[x].min(x.min(width - 1 - x) as u8 + 1);
        }
    }
    fits
}
