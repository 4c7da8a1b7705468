//! Floor 1: PSPNet outputs to a semantic map: bilinear upsampling of logits, argmax, class map.
//!
//! Where windows overlap, their logits are added. Equal logits go to the lower channel.

use suw_shared::class::UNLABELLED;
use suw_shared::image_size::ImageSize;
use suw_shared::semantic_map::SemanticMap;

use crate::interpolate::Tap;
use crate::tensors::View;

/// The logits of one view.
///
/// # Shapes
/// - `data`: `[C, height, width]`
#[derive(Clone, Debug)]
pub struct LogitMap {
    /// What part of the picture it shows.
    pub view: View,
    /// Values.
    pub data: Vec<f32>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// The class of every pixel of a picture whose views cover it. `train_ids[channel]` is the class of a channel.
///
/// # Panics
/// If a map has another length than `C height width`.
pub fn semantic_from_logits(maps: &[LogitMap], train_ids: &[u8], native: ImageSize) -> SemanticMap {
    let channels = train_ids.len();
    let width = native.width as usize;
    let maps: Vec<Upsampler> = maps.iter().map(|map| Upsampler::new(map, channels)).collect();
    let mut sums = vec![0.0; channels * width];
    let mut best = vec![0.0; width];
    let mut classes = vec![UNLABELLED; native.area()];
    let mut scratch = Vec::new();
    for (y, row) in classes.chunks_exact_mut(width).enumerate() {
        sums.fill(0.0);
        for map in &maps {
            map.add_row(y as u32, &mut sums, width, &mut scratch);
        }
        best.copy_from_slice(&sums[..width]);
        row.fill(train_ids[0]);
        for (values, &id) in sums.chunks_exact(width).zip(train_ids).skip(1) {
            for ((class, best), &value) in row.iter_mut().zip(&mut best).zip(values) {
                if value > *best {
                    (*class, *best) = (id, value);
                }
            }
        }
    }
    SemanticMap::new(native, classes)
}

/// One map with what its rows and columns read.
struct Upsampler<'a> {
    map: &'a LogitMap,
    rows: Vec<Tap>,
    columns: Vec<Tap>,
}

impl<'a> Upsampler<'a> {
    fn new(map: &'a LogitMap, channels: usize) -> Self {
        let expected = channels * map.height * map.width;
        assert_eq!(map.data.len(), expected, "invariant: one logit a channel and place");
        let (across, down) = map.view.covered(map.width, map.height);
        Self {
            map,
            rows: Tap::row(map.view.window.height, down, map.height),
            columns: Tap::row(map.view.window.width, across, map.width),
        }
    }

    /// Adds row `y` of the picture to `sums`, `[C, picture_width]`, if the view reaches it.
    fn add_row(&self, y: u32, sums: &mut [f32], picture_width: usize, scratch: &mut Vec<f32>) {
        let window = self.map.view.window;
        let Some(row) = y.checked_sub(window.y).and_then(|row| self.rows.get(row as usize)) else {
            return;
        };
        let (height, width) = (self.map.height, self.map.width);
        let planes = self.map.data.chunks_exact(height * width);
        for (plane, sums) in planes.zip(sums.chunks_exact_mut(picture_width)) {
            let low = &plane[row.low * width..][..width];
            let high = &plane[row.high * width..][..width];
            scratch.clear();
            scratch.extend(low.iter().zip(high).map(|(&low, &high)| row.mix(low, high)));
            for (sum, tap) in sums[window.x as usize..].iter_mut().zip(&self.columns) {
                *sum += tap.mix(scratch[tap.low], scratch[tap.high]);
            }
        }
    }
}

/// The class of every pixel out of a map of label numbers, by the nearest place.
///
/// # Errors
/// The first number that is no label; 255 is none.
pub fn semantic_from_labels(
    labels: &[i64],
    (height, width): (usize, usize),
    train_ids: &[u8],
    view: &View,
) -> Result<SemanticMap, i64> {
    let ids: Vec<u8> = labels
        .iter()
        .map(|&label| match usize::try_from(label) {
            Ok(255) => Ok(UNLABELLED),
            Ok(index) if index < train_ids.len() => Ok(train_ids[index]),
            _ => Err(label),
        })
        .collect::<Result<_, _>>()?;
    let nearest = |pixels: u32, covered: f32, len: usize| -> Vec<usize> {
        let step = covered / pixels as f32;
        (0..pixels).map(|at| (((at as f32 + 0.5) * step) as usize).min(len - 1)).collect()
    };
    let native = view.window.size();
    let (across, down) = view.covered(width, height);
    let columns = nearest(native.width, across, width);
    let rows = nearest(native.height, down, height);
    let data = rows.iter().flat_map(|row| columns.iter().map(move |x| row * width + x));
    Ok(SemanticMap::new(native, data.map(|place| ids[place]).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use suw_shared::image_size::Window;

    use super::*;

    fn whole(native: ImageSize, scaled: ImageSize, input: ImageSize) -> View {
        View { window: native.window(), scaled, input }
    }

    /// Logits of one pixel of a window by definition, in f64.
    fn slow_logits(map: &LogitMap, channels: usize, y: u32, x: u32) -> Vec<f64> {
        let place = |at: u32, pixels: u32, scaled: u32, input: u32, len: usize| {
            // The pixel's center in the picture, the scaled picture, the input, the map.
            let in_input = (f64::from(at) + 0.5) * f64::from(scaled) / f64::from(pixels);
            let place = in_input * len as f64 / f64::from(input) - 0.5;
            let place = place.clamp(0.0, (len - 1) as f64);
            let low = (place.floor() as usize).min(len.saturating_sub(2));
            (low, (low + 1).min(len - 1), place - low as f64)
        };
        let view = &map.view;
        let (window, scaled, input) = (view.window, view.scaled, view.input);
        let (y0, y1, b) = place(y, window.height, scaled.height, input.height, map.height);
        let (x0, x1, a) = place(x, window.width, scaled.width, input.width, map.width);
        (0..channels)
            .map(|channel| {
                let at = |y: usize, x: usize| {
                    f64::from(map.data[(channel * map.height + y) * map.width + x])
                };
                let upper = at(y0, x0) * (1.0 - a) + at(y0, x1) * a;
                let lower = at(y1, x0) * (1.0 - a) + at(y1, x1) * a;
                upper * (1.0 - b) + lower * b
            })
            .collect()
    }

    fn check(maps: &[LogitMap], channels: usize, native: ImageSize) -> Result<(), TestCaseError> {
        let train_ids: Vec<u8> = (0..channels as u8).map(|id| 18 - id).collect();
        let map = semantic_from_logits(maps, &train_ids, native);
        for y in 0..native.height {
            for x in 0..native.width {
                let mut sums = vec![0.0; channels];
                for map in maps {
                    let Window { y: top, x: left, height, width } = map.view.window;
                    if (top..top + height).contains(&y) && (left..left + width).contains(&x) {
                        let logits = slow_logits(map, channels, y - top, x - left);
                        sums.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += logit);
                    }
                }
                let best = sums.iter().copied().fold(f64::MIN, f64::max);
                let channel = train_ids.iter().position(|&id| id == map.at(y, x)).unwrap();
                prop_assert!(
                    sums[channel] > best - 1e-4,
                    "({y}, {x}): channel {channel} has {}, best {best}",
                    sums[channel]
                );
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn upsampling_equals_the_definition(
            data in prop::collection::vec(-3.0f32..3.0, 3 * 4 * 5),
            width in 1u32..17,
            height in 1u32..13,
            room in 0u32..3,
        ) {
            let native = ImageSize::new(width, height);
            let scaled = ImageSize::new(20, 16 - room);
            let view = whole(native, scaled, ImageSize::new(20, 16));
            check(&[LogitMap { view, data, height: 4, width: 5 }], 3, native)?;
        }

        #[test]
        fn overlapping_windows_are_added(data in prop::collection::vec(-3.0f32..3.0, 2 * 3 * 12)) {
            let native = ImageSize::new(9, 4);
            let size = ImageSize::new(6, 4);
            let maps: Vec<LogitMap> = [0, 3]
                .iter()
                .zip(data.chunks(36))
                .map(|(&x, data)| LogitMap {
                    view: View { window: Window { y: 0, x, height: 4, width: 6 }, scaled: size, input: size },
                    data: data.to_vec(),
                    height: 4,
                    width: 3,
                })
                .collect();
            check(&maps, 3, native)?;
        }
    }

    #[test]
    fn equal_logits_go_to_the_lower_channel() {
        let native = ImageSize::new(1, 1);
        let map = LogitMap {
            view: whole(native, native, native),
            data: vec![-2.0, -1.0, -1.0],
            height: 1,
            width: 1,
        };
        assert_eq!(semantic_from_logits(&[map], &[5, 7, 9], native).data(), [7]);
    }

    #[test]
    fn labels_are_read_at_the_nearest_place() {
        let native = ImageSize::new(4, 2);
        let view = whole(native, native, native);
        // One row of two places: the left half of the picture and the right half.
        let map = semantic_from_labels(&[1, 255], (1, 2), &[10, 20], &view).unwrap();
        assert_eq!(map.data(), [20, 20, 255, 255, 20, 20, 255, 255]);
        for odd in [-1, 2, 256, i64::MIN] {
            assert_eq!(semantic_from_labels(&[0, odd], (1, 2), &[10, 20], &view), Err(odd));
        }
    }
}
