//! Floor 1: connected regions of a label map; a pixel has 8 neighbors.

use suw_shared::image_size::{ImageSize, Window};

/// Entry of a `LabelTable` for labels that belong to no region.
pub const NO_CLASS: u8 = 255;

/// Which class the regions of a label have: `NO_CLASS` leaves the label out, equal classes merge.
pub type LabelTable = [u8; 256];

/// Pixels of one region side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Row.
    pub y: u32,
    /// First column.
    pub left: u32,
    /// Column after the last.
    pub right: u32,
    /// Position in `Components::regions`.
    pub region: u32,
}

/// Pixels of one class that touch each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// As the table says.
    pub class: u8,
    /// Number of pixels.
    pub area: u64,
    /// The box around it.
    pub window: Window,
}

/// The regions of a label map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// In raster order.
    pub runs: Vec<Run>,
    /// In raster order of their first pixels.
    pub regions: Vec<Region>,
}

impl Components {
    /// Position of the region with most pixels, the first of equals; `None` where there is none.
    pub fn largest(&self) -> Option<u32> {
        let most = self.regions.iter().map(|region| region.area).max()?;
        let position = self.regions.iter().position(|region| region.area == most)?;
        u32::try_from(position).ok()
    }
}

/// The 8-connected regions of `labels`, `[H, W]`.
///
/// # Panics
/// If `labels` has another length than `H W`.
pub fn components(size: ImageSize, labels: &[u8], table: &LabelTable) -> Components {
    assert_eq!(labels.len(), size.area(), "invariant: one label a pixel at {size}");
    let mut runs: Vec<Run> = Vec::new();
    let mut classes: Vec<u8> = Vec::new();
    let mut parents: Vec<u32> = Vec::new();
    let mut above = 0..0;
    for (y, row) in labels.chunks_exact((size.width as usize).max(1)).enumerate() {
        let first = runs.len();
        for (class, left, right) in runs_of(row, table) {
            let run = runs.len() as u32;
            runs.push(Run { y: y as u32, left, right, region: 0 });
            classes.push(class);
            parents.push(run);
            // Runs above that end before this one's left neighbor meet no later run of this row either.
            while above.start < above.end && runs[above.start].right < left {
                above.start += 1;
            }
            for other in above.clone() {
                if runs[other].left > right {
                    break;
                }
                if classes[other] == class {
                    join(&mut parents, other as u32, run);
                }
            }
        }
        above = first..runs.len();
    }
    number(runs, &classes, &mut parents)
}

/// Class, first column and column after the last of the runs of one row.
fn runs_of(row: &[u8], table: &LabelTable) -> impl Iterator<Item = (u8, u32, u32)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < row.len() {
            let (left, class) = (at, table[usize::from(row[at])]);
            while at < row.len() && table[usize::from(row[at])] == class {
                at += 1;
            }
            if class != NO_CLASS {
                return Some((class, left as u32, at as u32));
            }
        }
        None
    })
}

fn root(parents: &mut [u32], mut run: u32) -> u32 {
    while parents[run as usize] != run {
        let above = parents[parents[run as usize] as usize];
        parents[run as usize] = above;
        run = above;
    }
    run
}

/// Joins two trees under the earlier root, so that a root is the first run of its region.
fn join(parents: &mut [u32], a: u32, b: u32) {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b) as usize] = a.min(b);
}

fn number(mut runs: Vec<Run>, classes: &[u8], parents: &mut [u32]) -> Components {
    let mut regions: Vec<Region> = Vec::new();
    for index in 0..runs.len() {
        let first = root(parents, index as u32) as usize;
        let Run { y, left, right, .. } = runs[index];
        if first == index {
            runs[index].region = regions.len() as u32;
            let window = Window { y, x: left, height: 1, width: right - left };
            regions.push(Region { class: classes[index], area: u64::from(right - left), window });
            continue;
        }
        let number = runs[first].region;
        runs[index].region = number;
        let region = &mut regions[number as usize];
        region.area += u64::from(right - left);
        let window = &mut region.window;
        let end = right.max(window.x + window.width);
        window.x = window.x.min(left);
        window.width = end - window.x;
        window.height = y + 1 - window.y;
    }
    Components { runs, regions }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(pairs: &[(u8, u8)]) -> LabelTable {
        let mut table = [NO_CLASS; 256];
        for &(label, class) in pairs {
            table[usize::from(label)] = class;
        }
        table
    }

    #[test]
    fn corners_touch_and_merged_labels_are_one_region() {
        #[rustfmt::skip]
        let labels = [
            1, 0, 2, 2,
            0, 1, 0, 9,
            3, 0, 0, 2,
        ];
        let found =
            components(ImageSize::new(4, 3), &labels, &table(&[(1, 1), (2, 2), (9, 2), (3, 3)]));
        let classes: Vec<(u8, u64)> = found.regions.iter().map(|r| (r.class, r.area)).collect();
        assert_eq!(classes, [(1, 2), (2, 4), (3, 1)]);
        assert_eq!(found.regions[1].window, Window { y: 0, x: 2, height: 3, width: 2 });
        assert_eq!(found.largest(), Some(1));
        let apart = components(ImageSize::new(4, 3), &labels, &table(&[(2, 2)]));
        assert_eq!(apart.regions.len(), 2);
        assert_eq!(components(ImageSize::new(4, 3), &labels, &table(&[])).largest(), None);
    }

    /// Flood fill: region number of every pixel, in raster order of first pixels; `None` where there is none.
    fn flood(size: ImageSize, labels: &[u8], table: &LabelTable) -> Vec<Option<u32>> {
        let (w, h) = (size.width as i64, size.height as i64);
        let mut regions = vec![None; labels.len()];
        let mut count = 0;
        for start in 0..labels.len() {
            let class = table[usize::from(labels[start])];
            if class == NO_CLASS || regions[start].is_some() {
                continue;
            }
            regions[start] = Some(count);
            let mut open = vec![start as i64];
            while let Some(at) = open.pop() {
                for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
                    let (y, x) = (at / w + dy, at % w + dx);
                    if !(0..h).contains(&y) || !(0..w).contains(&x) {
                        continue;
                    }
                    let next = (y * w + x) as usize;
                    if regions[next].is_none() && table[usize::from(labels[next])] == class {
                        regions[next] = Some(count);
                        open.push(next as i64);
                    }
                }
            }
            count += 1;
        }
        regions
    }

    proptest! {
        #[test]
        fn regions_equal_a_flood_fill(
            (w, h) in (1..14_u32, 1..14_u32),
            pixels in prop::collection::vec(0..4_u8, 196),
        ) {
            let size = ImageSize::new(w, h);
            let labels = &pixels[..size.area()];
            let table = table(&[(1, 7), (2, 8), (3, 7)]);
            let found = components(size, labels, &table);
            let expected = flood(size, labels, &table);
            let mut painted = vec![None; labels.len()];
            for run in &found.runs {
                for x in run.left..run.right {
                    painted[(run.y * w + x) as usize] = Some(run.region);
                }
            }
            prop_assert_eq!(&painted, &expected);
            for (number, region) in found.regions.iter().enumerate() {
                let inside: Vec<u32> = (0..labels.len() as u32)
                    .filter(|&p| expected[p as usize] == Some(number as u32))
                    .collect();
                let xs = inside.iter().map(|p| p % w);
                let ys = inside.iter().map(|p| p / w);
                let window = Window {
                    y: ys.clone().min().unwrap(),
                    x: xs.clone().min().unwrap(),
                    height: ys.clone().max().unwrap() + 1 - ys.min().unwrap(),
                    width: xs.clone().max().unwrap() + 1 - xs.min().unwrap(),
                };
                prop_assert_eq!(region.window, window);
                prop_assert_eq!(region.area, inside.len() as u64);
                prop_assert_eq!(region.class, table[usize::from(labels[inside[0] as usize])]);
            }
        }
    }
}
