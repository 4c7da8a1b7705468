//! Floor 1: run-length masks brought to network size by nearest neighbor, without decoding them.
//!
//! Pixel centers lie at i + 0.5: network row i shows native row `window.y + floor((i + 0.5) window.height / H)`,
//! in integers, and the same for columns (contract, section 3, "Alignment").

use suw_shared::class::InstanceClass;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::rle::Rle;

use crate::detected::Detection;

/// Which network pixels show which native pixels.
#[derive(Clone, Debug)]
pub struct NearestGrid {
    native: ImageSize,
    size: ImageSize,
    /// `[native height + 1]`: the first network row that shows a native row at or after this one.
    first_row: Vec<u32>,
    /// `[native width + 1]`: the same for columns.
    first_column: Vec<u32>,
}

/// One object of the target frame at network size, cut to the box around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInstance {
    /// Its class.
    pub class: InstanceClass,
    /// The box, in network pixels.
    pub window: Window,
    /// `[window.height, window.width]`: 1 inside.
    pub mask: Vec<u8>,
}

impl NearestGrid {
    /// The grid that shows `window` of a picture of size `native` at `size`.
    ///
    /// # Panics
    /// If the window does not fit the picture.
    pub fn new(native: ImageSize, window: Window, size: ImageSize) -> Self {
        assert!(window.fits(native), "invariant: window {window:?} lies inside {native}");
        Self {
            native,
            size,
            first_row: first_shown(native.height, window.y, window.height, size.height),
            first_column: first_shown(native.width, window.x, window.width, size.width),
        }
    }

    /// The network size.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// Sets the pixels of `mask` to `value` in `map`, `[H, W]`.
    ///
    /// # Panics
    /// If the mask or the map has another size than the grid.
    pub fn paint(&self, mask: &Rle, value: u8, map: &mut [u8]) {
        assert_eq!(map.len(), self.size.area(), "invariant: one value a pixel at {}", self.size);
        self.paint_window(mask, value, self.size.window(), map);
    }

    /// The mask cut to the box around it; `None` where no pixel of it is shown.
    ///
    /// # Panics
    /// If the mask has another size than the grid.
    pub fn instance(&self, detection: &Detection) -> Option<NetworkInstance> {
        let [x, y, width, height] = detection.mask.bbox().map(|side| side as usize);
        let (left, right) = (self.first_column[x], self.first_column[x + width]);
        let (top, bottom) = (self.first_row[y], self.first_row[y + height]);
        let window = Window { y: top, x: left, height: bottom - top, width: right - left };
        let mut mask = vec![0; window.size().area()];
        self.paint_window(&detection.mask, 1, window, &mut mask);
        mask.contains(&1).then_some(NetworkInstance { class: detection.class, window, mask })
    }

    fn paint_window(&self, mask: &Rle, value: u8, window: Window, map: &mut [u8]) {
        assert_eq!(mask.size(), self.native, "invariant: masks have the size of their picture");
        for segment in mask.segments() {
            let left = self.first_column[segment.x as usize];
            let right = self.first_column[segment.x as usize + 1];
            if left == right {
                continue;
            }
            let (left, right) = ((left - window.x) as usize, (right - window.x) as usize);
            let top = self.first_row[segment.top as usize] - window.y;
            let bottom = self.first_row[segment.bottom as usize] - window.y;
            let rows = map.chunks_exact_mut(window.width as usize);
            let rows = rows.skip(top as usize).take((bottom - top) as usize);
            // Mostly one column wide, for which a fill is a call too many.
            if right == left + 1 {
                rows.for_each(|row| row[left] = value);
            } else {
                rows.for_each(|row| row[left..right].fill(value));
            }
        }
    }
}

/// The detections of a frame with at least `score_min`, at network size, in their order.
pub fn network_instances(
    detections: &[Detection],
    score_min: f32,
    grid: &NearestGrid,
) -> Vec<NetworkInstance> {
    let kept = detections.iter().filter(|detection| detection.score >= score_min);
    kept.filter_map(|detection| grid.instance(detection)).collect()
}

/// For each native place (and the end): the first of `shown` network places whose source is at or after it.
fn first_shown(native: u32, start: u32, length: u32, shown: u32) -> Vec<u32> {
    let source = |i: u32| {
        u64::from(start) + (2 * u64::from(i) + 1) * u64::from(length) / (2 * u64::from(shown))
    };
    let mut first = 0;
    (0..=native)
        .map(|place| {
            while first < shown && source(first) < u64::from(place) {
                first += 1;
            }
            first
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The formula in floating point, pixel by pixel.
    fn dense(native: ImageSize, window: Window, size: ImageSize, mask: &[u8]) -> Vec<u8> {
        let source = |i: u32, start: u32, length: u32, shown: u32| {
            let at = (f64::from(i) + 0.5) * f64::from(length) / f64::from(shown);
            (start + at.floor() as u32) as usize
        };
        let mut out = Vec::new();
        for y in 0..size.height {
            for x in 0..size.width {
                let row = source(y, window.y, window.height, size.height);
                let column = source(x, window.x, window.width, size.width);
                out.push(mask[row * native.width as usize + column]);
            }
        }
        out
    }

    #[test]
    fn a_third_of_the_size_shows_every_third_pixel_from_the_second() {
        let native = ImageSize::new(6, 3);
        let grid = NearestGrid::new(native, native.window(), ImageSize::new(2, 1));
        let mut mask = [0; 18];
        mask[7] = 1;
        let mut map = [0; 2];
        grid.paint(&Rle::from_mask(native, &mask), 9, &mut map);
        assert_eq!(map, [9, 0]);
    }

    proptest! {
        #[test]
        fn painting_equals_sampling_a_dense_mask(
            (nw, nh, w, h) in (1..20_u32, 1..20_u32, 1..30_u32, 1..30_u32),
            (left, top, right, bottom) in (0..5_u32, 0..5_u32, 0..5_u32, 0..5_u32),
            pixels in prop::collection::vec(0..2_u8, 400),
        ) {
            let native = ImageSize::new(nw + left + right, nh + top + bottom);
            let window = Window { y: top, x: left, height: nh, width: nw };
            let size = ImageSize::new(w, h);
            let mask: Vec<u8> = pixels.iter().copied().cycle().take(native.area()).collect();
            let grid = NearestGrid::new(native, window, size);
            let mut map = vec![0; size.area()];
            let rle = Rle::from_mask(native, &mask);
            grid.paint(&rle, 1, &mut map);
            let expected = dense(native, window, size, &mask);
            prop_assert_eq!(&map, &expected);

            let detection = Detection { class: InstanceClass::Car, score: 1.0, mask: rle };
            let mut placed = vec![0; size.area()];
            if let Some(instance) = grid.instance(&detection) {
                for y in 0..instance.window.height as usize {
                    for x in 0..instance.window.width as usize {
                        let at = (instance.window.y as usize + y) * w as usize;
                        placed[at + instance.window.x as usize + x] =
                            instance.mask[y * instance.window.width as usize + x];
                    }
                }
            }
            prop_assert_eq!(placed, expected);
        }
    }
}
