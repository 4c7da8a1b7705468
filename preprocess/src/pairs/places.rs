//! Floor 1: places for the ends of pairs, sorted, so that one of those between two rows is drawn at once.

use std::ops::Range;

use rand::RngExt;
use rand_pcg::Pcg64;

/// Half widths of ends: 0 for a pixel, 1 to 4 for patches of 3 to 9 pixels.
pub const HALVES: usize = 5;

/// A pixel at network size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Row.
    pub y: u16,
    /// Column.
    pub x: u16,
}

/// The centers of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ends {
    /// The farther one.
    pub far: Point,
    /// The nearer one.
    pub near: Point,
}

/// Centers of ends, by the largest half width that fits there, each list in raster order.
#[derive(Clone, Debug, Default)]
pub struct Places {
    by_half: [Vec<Point>; HALVES],
}

impl Places {
    /// Adds a center where ends up to half width `fits - 1` fit. Points come in raster order; 0 adds nothing.
    pub fn push(&mut self, point: Point, fits: u8) {
        if fits > 0 {
            self.by_half[usize::from(fits - 1).min(HALVES - 1)].push(point);
        }
    }

    /// `push` for pixels of row `y` from column `x` on.
    pub fn push_row(&mut self, y: usize, x: usize, fits: &[u8]) {
        for (x, &fits) in (x..).zip(fits) {
            self.push(Point { y: y as u16, x: x as u16 }, fits);
        }
    }

    /// First and last row with a center for ends of half width `half`.
    pub fn rows(&self, half: usize) -> Option<(u32, u32)> {
        let lists = || self.by_half[half..].iter();
        let first = lists().filter_map(|points| points.first()).map(|point| point.y).min()?;
        let last = lists().filter_map(|points| points.last()).map(|point| point.y).max()?;
        Some((u32::from(first), u32::from(last)))
    }
}

/// One of the centers of all `places` for ends of half width `half` in `rows`, each equally likely.
pub fn draw(places: &[&Places], half: usize, rows: &Range<u32>, rng: &mut Pcg64) -> Option<Point> {
    draw_with_list(places, half, rows, rng).map(|(_, point)| point)
}

/// `draw` with the position in `places` of the one the center comes from.
pub fn draw_with_list(
    places: &[&Places],
    half: usize,
    rows: &Range<u32>,
    rng: &mut Pcg64,
) -> Option<(usize, Point)> {
    let lists = || {
        let all = places.iter().enumerate();
        all.flat_map(|(list, places)| places.by_half[half..].iter().map(move |p| (list, p)))
            .map(|(list, points)| (list, within(points, rows)))
    };
    let count: usize = lists().map(|(_, points)| points.len()).sum();
    let mut position = choose(count, rng)?;
    for (list, points) in lists() {
        match points.get(position) {
            Some(&point) => return Some((list, point)),
            None => position -= points.len(),
        }
    }
    None
}

/// One of `count` positions, each equally likely; `None` of none.
pub fn choose(count: usize, rng: &mut Pcg64) -> Option<usize> {
    // A stated width, so that the stream does not depend on the machine.
    let count = u32::try_from(count).expect("invariant: fewer places than a picture has pixels");
    (count > 0).then(|| rng.random_range(0..count) as usize)
}

fn within<'a>(points: &'a [Point], rows: &Range<u32>) -> &'a [Point] {
    let start = points.partition_point(|point| u32::from(point.y) < rows.start);
    let end = points.partition_point(|point| u32::from(point.y) < rows.end);
    &points[start..end.max(start)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use suw_shared::seed::Seed;

    use super::*;

    #[test]
    fn draws_are_even_and_stay_within_rows_and_sizes() {
        let mut places = Places::default();
        for y in 0..6 {
            for x in 0..3 {
                places.push(Point { y, x }, x as u8 + 1);
            }
        }
        assert_eq!(places.rows(2), Some((0, 5)));
        assert_eq!(places.rows(3), None);
        let mut rng = Seed(1).rng();
        let mut seen: BTreeMap<Point, u32> = BTreeMap::new();
        for _ in 0..4000 {
            *seen.entry(draw(&[&places], 1, &(2..4), &mut rng).unwrap()).or_default() += 1;
        }
        assert_eq!(seen.len(), 4);
        for (point, count) in seen {
            assert!((2..4).contains(&point.y) && point.x >= 1);
            // Six deviations of a binomial of 4000 and 1/4.
            assert!(count.abs_diff(1000) < 165, "{point:?}: {count}");
        }
        assert_eq!(draw(&[&places], 0, &(6..9), &mut rng), None);
    }
}
