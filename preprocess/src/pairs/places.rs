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
    by_half: [Points; HALVES],
}

/// Points in raster order, as runs of neighbors in a row: areas are wide, so they are few.
#[derive(Clone, Debug, Default)]
struct Points {
    runs: Vec<Run>,
    count: u32,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    /// The first point.
    first: Point,
    /// Points in the runs before this one.
    before: u32,
}

impl Points {
    fn push_run(&mut self, first: Point, length: u32) {
        let goes_on = self.runs.last().is_some_and(|last| {
            let end = u32::from(last.first.x) + (self.count - last.before);
            last.first.y == first.y && end == u32::from(first.x)
        });
        if !goes_on {
            self.runs.push(Run { first, before: self.count });
        }
        self.count += length;
    }

    /// Positions of the points in `rows`.
    fn within(&self, rows: &Range<u32>) -> Range<u32> {
        let before = |row: u32| {
            let run = self.runs.partition_point(|run| u32::from(run.first.y) < row);
            self.runs.get(run).map_or(self.count, |run| run.before)
        };
        let start = before(rows.start);
        start..before(rows.end).max(start)
    }

    /// The point at a position below `count`.
    fn at(&self, position: u32) -> Point {
        let run = self.runs[self.runs.partition_point(|run| run.before <= position) - 1];
        Point { x: run.first.x + (position - run.before) as u16, ..run.first }
    }
}

impl Places {
    /// Adds centers in row `y` from column `x` on, where ends up to half width `fits - 1` fit; 0 adds nothing. Points come
    /// in raster order.
    pub fn push_row(&mut self, y: usize, x: usize, fits: &[u8]) {
        let mut x = x;
        for run in fits.chunk_by(|left, right| left == right) {
            if run[0] > 0 {
                let points = &mut self.by_half[usize::from(run[0] - 1).min(HALVES - 1)];
                points.push_run(Point { y: y as u16, x: x as u16 }, run.len() as u32);
            }
            x += run.len();
        }
    }

    /// First and last row with a center for ends of half width `half`.
    pub fn rows(&self, half: usize) -> Option<(u32, u32)> {
        let lists = || self.by_half[half..].iter();
        let first =
            lists().filter_map(|points| points.runs.first()).map(|run| run.first.y).min()?;
        let last = lists().filter_map(|points| points.runs.last()).map(|run| run.first.y).max()?;
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
            .map(|(list, points)| (list, points, points.within(rows)))
    };
    let count: usize = lists().map(|(_, _, within)| within.len()).sum();
    let mut position = choose(count, rng)? as u32;
    for (list, points, within) in lists() {
        let n = within.end - within.start;
        if position < n {
            return Some((list, points.at(within.start + position)));
        }
        position -= n;
    }
    None
}

/// One of `count` positions, each equally likely; `None` of none.
pub fn choose(count: usize, rng: &mut Pcg64) -> Option<usize> {
    // A stated width, so that the stream does not depend on the machine.
    let count = u32::try_from(count).expect("invariant: fewer places than a picture has pixels");
    (count > 0).then(|| rng.random_range(0..count) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use suw_shared::seed::Seed;

    use super::*;

    proptest! {
        #[test]
        fn positions_are_those_of_a_plain_list(
            fits in prop::collection::vec(0..7_u8, 60), rows in (0..7_u32, 0..7_u32), half in 0..HALVES
        ) {
            let mut places = Places::default();
            let mut plain: Vec<(usize, Point)> = Vec::new();
            for (y, fits) in fits.chunks(10).enumerate() {
                // A row whole, or in two parts.
                let (first, second) = fits.split_at(5 * (y % 2));
                places.push_row(y, 3, first);
                places.push_row(y, 3 + first.len(), second);
                for (x, &fits) in (3..).zip(fits).filter(|(_, fits)| **fits > 0) {
                    let point = Point { y: y as u16, x };
                    plain.push((usize::from(fits - 1).min(HALVES - 1), point));
                }
            }
            let points = &places.by_half[half];
            let plain: Vec<Point> =
                plain.into_iter().filter(|(fits, _)| *fits == half).map(|(_, point)| point).collect();
            let all: Vec<Point> = (0..points.count).map(|at| points.at(at)).collect();
            prop_assert_eq!(&all, &plain);
            let rows = rows.0..rows.1;
            let within: Vec<Point> = points.within(&rows).map(|at| points.at(at)).collect();
            let expected: Vec<Point> =
                plain.into_iter().filter(|point| rows.contains(&u32::from(point.y))).collect();
            prop_assert_eq!(within, expected);
        }
    }

    #[test]
    fn draws_are_even_and_stay_within_rows_and_sizes() {
        let mut places = Places::default();
        for y in 0..6 {
            places.push_row(y, 0, &[1, 2, 3]);
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
