//! Floor 1: the masks of a sample's aligned objects in its target frame, at network size or brought back to the picture.
//!
//! A native pixel inside the window has the value of the network pixel that its center lies in: row y shows network row
//! `floor((y - window.y + 0.5) H / window.height)`, in integers. Outside of the window nothing is known, so nothing is set.
//! Where the network sees the picture at its own scale or smaller, bringing the result to network size again
//! (`nearest`) gives the same mask.

use suw_shared::image_size::{ImageSize, Window};
use suw_shared::rle::Rle;
use suw_shared::sample::{Sample, SampleObjects};

use crate::detected::Detection;

/// Where a mask lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskPlace {
    /// In the picture on disk.
    Native,
    /// In the picture that the network sees.
    Network,
}

/// The aligned objects of a sample in its target frame, by rising number; the score is that of the target frame.
///
/// # Panics
/// If the object map has another size than `[3, H, W]`.
pub fn aligned_masks(sample: &Sample, size: ImageSize, place: MaskPlace) -> Vec<Detection> {
    let Some(SampleObjects { map, rows, .. }) = &sample.objects else { return Vec::new() };
    let area = size.area();
    assert_eq!(map.len(), 3 * area, "invariant: three maps at {size}");
    let target = &map[area..2 * area];
    let grid = Grid { native: sample.native_size, window: sample.native_window, size };
    rows.iter()
        .map(|row| {
            let mask = match place {
                MaskPlace::Network => {
                    let inside: Vec<u8> =
                        target.iter().map(|&i| u8::from(i == row.index)).collect();
                    Rle::from_mask(size, &inside)
                }
                MaskPlace::Native => grid.native_mask(target, row.index),
            };
            Detection { class: row.class, score: row.score[1], mask }
        })
        .collect()
}

struct Grid {
    native: ImageSize,
    window: Window,
    size: ImageSize,
}

impl Grid {
    fn native_mask(&self, map: &[u8], index: u8) -> Rle {
        let Window { y: top, x: left, height, width } = self.window;
        let shown = |at: u32, native: u32, network: u32| {
            ((2 * u64::from(at) + 1) * u64::from(network) / (2 * u64::from(native))) as usize
        };
        let columns: Vec<usize> = (0..width).map(|x| shown(x, width, self.size.width)).collect();
        let mut mask = vec![0; self.native.area()];
        for y in 0..height {
            let row = shown(y, height, self.size.height) * self.size.width as usize;
            let start = (top + y) as usize * self.native.width as usize + left as usize;
            for (pixel, &column) in mask[start..start + width as usize].iter_mut().zip(&columns) {
                *pixel = u8::from(map[row + column] == index);
            }
        }
        Rle::from_mask(self.native, &mask)
    }
}

#[cfg(test)]
mod tests {
    use suw_tests::samples;

    use super::*;
    use crate::nearest::NearestGrid;

    #[test]
    fn a_mask_at_network_size_is_its_part_of_the_map() {
        // The car of the street sample: rows 20..34, columns 10..24 of the target frame.
        let found = aligned_masks(&samples::sample(0), samples::SIZE, MaskPlace::Network);
        assert_eq!(
            (found.len(), found[0].mask.bbox(), found[0].score),
            (1, [10, 20, 14, 14], 0.875)
        );
        assert_eq!(found[0].mask.area(), 14 * 14);
        assert!(
            aligned_masks(&samples::bare_sample(0), samples::SIZE, MaskPlace::Native).is_empty()
        );
    }

    #[test]
    fn a_native_mask_fills_the_window_at_its_scale() {
        // The window of 128x96 at (2, 1) of a picture of 130x100 is seen at half its size.
        let found = aligned_masks(&samples::sample(0), samples::SIZE, MaskPlace::Native);
        assert_eq!(found[0].mask.size(), ImageSize::new(130, 100));
        assert_eq!(found[0].mask.bbox(), [1 + 20, 2 + 40, 28, 28]);
        assert_eq!(found[0].mask.area(), 28 * 28);
    }

    #[test]
    fn native_masks_come_back_at_network_size() {
        let mut sample = samples::sample(0);
        sample.native_size = ImageSize::new(170, 131);
        // 2.6 and 2.7 native pixels to one.
        sample.native_window = Window { y: 1, x: 2, height: 129, width: 167 };
        let size = samples::SIZE;
        let native = aligned_masks(&sample, size, MaskPlace::Native);
        let grid = NearestGrid::new(sample.native_size, sample.native_window, size);
        let mut map = vec![0; size.area()];
        grid.paint(&native[0].mask, 1, &mut map);
        let area = size.area();
        assert_eq!(map, sample.objects.unwrap().map[area..2 * area]);
    }
}
