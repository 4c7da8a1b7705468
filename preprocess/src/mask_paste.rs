//! Floor 1: small mask probabilities of one detection, pasted at its box straight into run lengths.
//!
//! The geometry is that of torchvision (`paste_masks_in_image`): the map gets one pixel of zeros on every side, the box
//! grows about its center by (M + 2) / M and is cut to whole pixels, the map is resized bilinearly (align_corners =
//! false) to w = max(x2 - x1 + 1, 1) by h; what lies outside the picture is left out. Only the pixels inside the
//! picture are computed. Float32 throughout, as there.

use suw_shared::image_size::ImageSize;
use suw_shared::rle::Rle;

use crate::interpolate::Tap;

/// Probability from which a pixel belongs to the object.
pub const MASK_MIN: f32 = 0.5;

/// One detection's probabilities.
///
/// # Shapes
/// - `data`: `[height, width]`, row-major
#[derive(Clone, Copy, Debug)]
pub struct Probabilities<'a> {
    /// Values in 0..=1.
    pub data: &'a [f32],
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A box in pixels of the picture, corners as the network gives them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corners {
    /// Left.
    pub x1: f32,
    /// Top.
    pub y1: f32,
    /// Right.
    pub x2: f32,
    /// Bottom.
    pub y2: f32,
}

/// The object's pixels in a picture of `size`.
///
/// # Panics
/// If `roi.data` has another length than `height width`.
pub fn paste(roi: Probabilities, corners: Corners, size: ImageSize) -> Rle {
    let columns = Taps::of_box(corners.x1, corners.x2, roi.width, size.width);
    let rows = Taps::of_box(corners.y1, corners.y2, roi.height, size.height);
    runs_above(roi, &columns, &rows, size)
}

/// The object's pixels where the map covers a part of the network's input: full-size masks.
///
/// `covered` is the part of the map, from its top left corner, that shows the picture, in pixels of the map.
///
/// # Panics
/// If `map.data` has another length than `height width`, or nothing is covered.
pub fn resize_mask(map: Probabilities, covered: (f32, f32), size: ImageSize) -> Rle {
    let columns = Taps::of_whole(covered.0, map.width, size.width);
    let rows = Taps::of_whole(covered.1, map.height, size.height);
    runs_above(map, &columns, &rows, size)
}

/// Where along one axis the pixels `start..` of the picture read the map.
struct Taps {
    start: usize,
    taps: Vec<RingTap>,
}

/// A tap into a map with a ring of zeros, which is `None`.
struct RingTap {
    low: Option<usize>,
    high: Option<usize>,
    tap: Tap,
}

impl RingTap {
    fn read(&self, row: &[f32]) -> f32 {
        let at = |place: Option<usize>| place.map_or(0.0, |place| row[place]);
        self.tap.mix(at(self.low), at(self.high))
    }
}

impl Taps {
    fn of_box(from: f32, to: f32, len: usize, picture: u32) -> Self {
        let scale = (len + 2) as f32 / len as f32;
        let half = (to - from) * 0.5 * scale;
        let center = (to + from) * 0.5;
        // Casts cut toward zero, as torch's do, and saturate.
        let (first, last) = ((center - half) as i64, (center + half) as i64);
        let pasted = last.saturating_sub(first).saturating_add(1).max(1);
        let padded = len + 2;
        let step = padded as f32 / pasted as f32;
        let start = first.clamp(0, i64::from(picture));
        let end = first.saturating_add(pasted).clamp(start, i64::from(picture));
        // Place 0 and len + 1 of the padded map are zeros.
        let inner = |place: usize| place.checked_sub(1).filter(|&place| place < len);
        let taps = (start..end)
            .map(|at| {
                let tap = Tap::new((at - first) as f32, step, padded);
                RingTap { low: inner(tap.low), high: inner(tap.high), tap }
            })
            .collect();
        Self { start: start as usize, taps }
    }

    fn of_whole(covered: f32, len: usize, picture: u32) -> Self {
        let taps = Tap::row(picture, covered, len)
            .into_iter()
            .map(|tap| RingTap { low: Some(tap.low), high: Some(tap.high), tap })
            .collect();
        Self { start: 0, taps }
    }
}

/// Runs of the pixels whose interpolated probability is at least `MASK_MIN`.
fn runs_above(map: Probabilities, columns: &Taps, rows: &Taps, size: ImageSize) -> Rle {
    assert_eq!(map.data.len(), map.height * map.width, "invariant: one value a place");
    let height = size.height as usize;
    let mut runs = Runs::default();
    let mut column = vec![0.0; map.height];
    for (offset, tap) in columns.taps.iter().enumerate() {
        for (value, row) in column.iter_mut().zip(map.data.chunks_exact(map.width)) {
            *value = tap.read(row);
        }
        let top = (columns.start + offset) * height + rows.start;
        for (below, tap) in rows.taps.iter().enumerate() {
            if tap.read(&column) >= MASK_MIN {
                runs.add(top + below);
            }
        }
    }
    Rle::from_counts(size, runs.counts(size.area()))
        .expect("invariant: pixels are added in rising order, all inside the picture")
}

/// Run lengths, zeros first, out of rising pixel numbers.
#[derive(Default)]
struct Runs {
    counts: Vec<u32>,
    end: usize,
}

impl Runs {
    fn add(&mut self, pixel: usize) {
        match self.counts.last_mut() {
            Some(ones) if pixel == self.end => *ones += 1,
            _ => self.counts.extend([(pixel - self.end) as u32, 1]),
        }
        self.end = pixel + 1;
    }

    fn counts(mut self, area: usize) -> Vec<u32> {
        if self.end < area || self.counts.is_empty() {
            self.counts.push((area - self.end) as u32);
        }
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    fn map(data: &[f32], height: usize, width: usize) -> Probabilities<'_> {
        Probabilities { data, height, width }
    }

    fn corners(box_: [f32; 4]) -> Corners {
        Corners { x1: box_[0], y1: box_[1], x2: box_[2], y2: box_[3] }
    }

    #[derive(Deserialize)]
    struct Reference {
        height: u32,
        width: u32,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        r#box: [f32; 4],
        rows: Vec<String>,
        mask: Vec<f32>,
    }

    #[test]
    fn pasting_equals_torchvision() {
        let text = include_str!("../tests/fixtures/paste.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        let size = ImageSize::new(reference.width, reference.height);
        assert_eq!(reference.cases.len(), 7);
        for case in reference.cases {
            let pasted = paste(map(&case.mask, 28, 28), corners(case.r#box), size);
            let expected: Vec<u8> =
                case.rows.concat().bytes().map(|byte| u8::from(byte == b'#')).collect();
            assert_eq!(pasted, Rle::from_mask(size, &expected), "{:?}", case.r#box);
        }
    }

    /// The same by definition, in f64, every pixel of the picture on its own.
    fn slow_paste(data: &[f32], side: usize, box_: [f32; 4], size: ImageSize) -> Vec<f64> {
        let grow = (side + 2) as f64 / side as f64;
        let axis = |from: f32, to: f32| {
            let (from, to) = (f64::from(from), f64::from(to));
            let (center, half) = ((from + to) / 2.0, (to - from) / 2.0 * grow);
            let (first, last) = ((center - half).trunc(), (center + half).trunc());
            (first, (last - first + 1.0).max(1.0))
        };
        let (left, width) = axis(box_[0], box_[2]);
        let (top, height) = axis(box_[1], box_[3]);
        let padded = |y: i64, x: i64| {
            let last = side as i64 + 1;
            let (y, x) = (y.clamp(0, last), x.clamp(0, last));
            let ring = y == 0 || x == 0 || y == last || x == last;
            if ring { 0.0 } else { f64::from(data[(y as usize - 1) * side + x as usize - 1]) }
        };
        let mut pixels = Vec::new();
        for y in 0..size.height {
            for x in 0..size.width {
                let (u, v) = (f64::from(x) - left, f64::from(y) - top);
                if u < 0.0 || v < 0.0 || u >= width || v >= height {
                    pixels.push(0.0);
                    continue;
                }
                let step = (side + 2) as f64;
                let (u, v) = ((u + 0.5) * step / width - 0.5, (v + 0.5) * step / height - 0.5);
                let (x0, y0) = (u.floor(), v.floor());
                let (a, b) = (u - x0, v - y0);
                let at = |dy, dx| padded(y0 as i64 + dy, x0 as i64 + dx);
                pixels.push(
                    (at(0, 0) * (1.0 - a) + at(0, 1) * a) * (1.0 - b)
                        + (at(1, 0) * (1.0 - a) + at(1, 1) * a) * b,
                );
            }
        }
        pixels
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pasting_equals_the_definition(
            data in prop::collection::vec(0.0f32..1.0, 25),
            // Quarters, so that f32 and f64 cut the same whole pixels.
            box_ in prop::array::uniform4(-30i32..100).prop_map(|b| b.map(|c| c as f32 / 4.0)),
        ) {
            let size = ImageSize::new(14, 11);
            let pasted = paste(map(&data, 5, 5), corners(box_), size).to_mask();
            // 7/5 of a half is no quarter: skip boxes whose edges fall on whole pixels but for rounding.
            let edge = |from: f32, to: f32| {
                let (c, h) = (f64::from(from + to) / 2.0, f64::from(to - from) / 2.0 * 1.4);
                [c - h, c + h].iter().any(|e| (e - e.round()).abs() < 1e-4)
            };
            prop_assume!(!edge(box_[0], box_[2]) && !edge(box_[1], box_[3]));
            for (got, want) in pasted.iter().zip(slow_paste(&data, 5, box_, size)) {
                prop_assert!(
                    (want - 0.5).abs() < 1e-4 || (*got == 1) == (want >= 0.5),
                    "{box_:?}: {want}"
                );
            }
        }

        #[test]
        fn no_box_is_too_odd(box_ in prop::array::uniform4(prop::num::f32::ANY)) {
            let data = [1.0; 4];
            let size = ImageSize::new(9, 7);
            prop_assert!(paste(map(&data, 2, 2), corners(box_), size).area() <= 63);
        }
    }

    #[test]
    fn a_full_size_mask_of_the_same_size_is_its_threshold() {
        let data = [0.1, 0.5, 0.9, 0.4999, 0.7, 0.0];
        let size = ImageSize::new(3, 2);
        let mask = resize_mask(map(&data, 2, 3), (3.0, 2.0), size);
        assert_eq!(mask.to_mask(), [0, 1, 1, 0, 1, 0]);
    }

    #[test]
    fn a_full_size_mask_leaves_the_letterbox_out() {
        // The left half of the map shows the picture; by hand: columns at 0.25 and 0.75 of two places 0 and 1.
        let data = [0.0, 1.0, 1.0, 1.0];
        let mask = resize_mask(map(&data, 1, 4), (2.0, 1.0), ImageSize::new(4, 1));
        // Places -0.25, 0.25, 0.75, 1.25: values 0, 0.25, 0.75, 1.
        assert_eq!(mask.to_mask(), [0, 0, 1, 1]);
    }

    #[test]
    fn runs_cross_columns() {
        let data = [1.0; 4];
        let size = ImageSize::new(3, 2);
        let mask = resize_mask(map(&data, 2, 2), (2.0, 2.0), size);
        assert_eq!(mask, Rle::from_mask(size, &[1; 6]));
        let mask = resize_mask(map(&[0.0; 4], 2, 2), (2.0, 2.0), size);
        assert_eq!(mask, Rle::from_mask(size, &[0; 6]));
    }
}
