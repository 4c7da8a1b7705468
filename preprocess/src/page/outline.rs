//! Floor 1: the border of the pixels with one label as an SVG path, so that a page can light up a single object.
//!
//! The path follows the edges between pixels, in pixel units: pixel (y, x) covers the square from (x, y) to (x + 1, y + 1).
//! Holes are loops of their own; `fill-rule: evenodd` leaves them empty.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use suw_shared::image_size::ImageSize;

/// A corner between pixels: row, column.
type Corner = (u32, u32);

/// The SVG path around all pixels of `map`, `[H, W]`, for which `inside` holds; empty where there is none.
///
/// # Panics
/// If `map` has another length than `H W`.
pub fn outline<T: Copy>(map: &[T], size: ImageSize, inside: impl Fn(T) -> bool) -> String {
    assert_eq!(map.len(), size.area(), "invariant: one value a pixel at {size}");
    let mut edges = edges(map, size, inside);
    let mut path = String::new();
    while let Some((&start, _)) = edges.first_key_value() {
        let mut at = start;
        let mut last_step = (0, 0);
        let mut corners = vec![start];
        loop {
            let next = take(&mut edges, at);
            let step = direction(at, next);
            // A straight line has no corner in the middle.
            if step == last_step {
                corners.pop();
            }
            last_step = step;
            if next == start {
                break;
            }
            corners.push(next);
            at = next;
        }
        write_loop(&corners, &mut path);
    }
    path
}

/// Every edge between inside and outside, from its first to its second corner, with the inside to the right.
fn edges<T: Copy>(
    map: &[T],
    size: ImageSize,
    inside: impl Fn(T) -> bool,
) -> BTreeMap<Corner, Vec<Corner>> {
    let (width, height) = (size.width, size.height);
    let at = |y: u32, x: u32| inside(map[(y * width + x) as usize]);
    let mut edges: BTreeMap<Corner, Vec<Corner>> = BTreeMap::new();
    for y in 0..height {
        for x in (0..width).filter(|&x| at(y, x)) {
            let mut edge = |from: Corner, to: Corner| edges.entry(from).or_default().push(to);
            if y == 0 || !at(y - 1, x) {
                edge((y, x), (y, x + 1));
            }
            if x + 1 == width || !at(y, x + 1) {
                edge((y, x + 1), (y + 1, x + 1));
            }
            if y + 1 == height || !at(y + 1, x) {
                edge((y + 1, x + 1), (y + 1, x));
            }
            if x == 0 || !at(y, x - 1) {
                edge((y + 1, x), (y, x));
            }
        }
    }
    edges
}

/// Takes an edge that begins at `at`. Where two pixels meet at a corner only there are two, and either will do.
fn take(edges: &mut BTreeMap<Corner, Vec<Corner>>, at: Corner) -> Corner {
    let from_here = edges.get_mut(&at).expect("invariant: borders are closed");
    let next = from_here.pop().expect("invariant: a corner is kept while an edge begins there");
    if from_here.is_empty() {
        edges.remove(&at);
    }
    next
}

fn direction(from: Corner, to: Corner) -> (i64, i64) {
    (i64::from(to.0) - i64::from(from.0), i64::from(to.1) - i64::from(from.1))
}

/// Steps along one axis each, as differences: `h` across, `v` down.
fn write_loop(corners: &[Corner], path: &mut String) {
    let start = corners[0];
    let _ = write!(path, "M{} {}", start.1, start.0);
    for two in corners.windows(2) {
        let (dy, dx) = direction(two[0], two[1]);
        let _ = if dy == 0 { write!(path, "h{dx}") } else { write!(path, "v{dy}") };
    }
    path.push('z');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_is_four_corners_and_a_hole_is_a_loop() {
        #[rustfmt::skip]
        let map = [
            0, 1, 1, 0,
            0, 1, 1, 0,
        ];
        let size = ImageSize::new(4, 2);
        assert_eq!(outline(&map, size, |v| v == 1), "M1 0h2v2h-2z");
        assert_eq!(outline(&map, size, |v| v == 7), "");
        let ring = [1, 1, 1, 1, 0, 1, 1, 1, 1];
        let path = outline(&ring, ImageSize::new(3, 3), |v| v == 1);
        assert_eq!(path.matches('M').count(), 2, "{path}");
    }

    /// Fills a path by the even-odd rule: a pixel is inside if a ray to the left crosses an odd number of vertical edges.
    fn filled(path: &str, size: ImageSize) -> Vec<u8> {
        let mut crossings = vec![0_u8; size.area()];
        for text in path.split('M').filter(|text| !text.is_empty()) {
            let body = text.trim_end_matches('z');
            let first = body.find(['h', 'v']).unwrap();
            let start: Vec<i64> = body[..first].split(' ').map(|n| n.parse().unwrap()).collect();
            let (mut x, mut y) = (start[0], start[1]);
            let mut vertical = |x: i64, from: i64, to: i64| {
                for row in from.min(to)..from.max(to) {
                    for column in x..i64::from(size.width) {
                        crossings[(row * i64::from(size.width) + column) as usize] ^= 1;
                    }
                }
            };
            let mut steps = body[first..].char_indices().filter(|(_, c)| matches!(c, 'h' | 'v'));
            let mut next = steps.next();
            while let Some((at, axis)) = next {
                next = steps.next();
                let end = next.map_or(body.len() - first, |(end, _)| end);
                let by: i64 = body[first + at + 1..first + end].parse().unwrap();
                if axis == 'h' {
                    x += by;
                } else {
                    vertical(x, y, y + by);
                    y += by;
                }
            }
            vertical(x, y, start[1]);
            assert!(x == start[0] || y == start[1], "loops close along an axis");
        }
        crossings
    }

    proptest! {
        #[test]
        fn filling_the_path_gives_the_map_again(
            (width, height, map) in (1..9_u32, 1..9_u32).prop_flat_map(|(w, h)| {
                (Just(w), Just(h), prop::collection::vec(0..2_u8, (w * h) as usize))
            }),
        ) {
            let size = ImageSize::new(width, height);
            prop_assert_eq!(filled(&outline(&map, size, |v| v == 1), size), map);
        }
    }
}
