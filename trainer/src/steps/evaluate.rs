//! Floor 3: one prediction beside its ground truth: at native resolution where the shard has it, else at network size.

use rand::RngExt;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::pair::PairKind;
use suw_shared::sample::Sample;
use suw_shared::seed::Seed;
use tch::{Kind, Tensor};

use crate::metrics::depth::ComparedPixel;
use crate::metrics::relative::RelativeErrors;

/// Evaluation draws the same points in every run.
const POINT_PAIRS: Seed = Seed(0x5d12);

/// Which ground truth a shard set offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TruthKind {
    /// `/gt`: measured pixels of the native picture.
    Native,
    /// `/depth`: the map at network size.
    Network,
}

/// The target frame of a sample.
///
/// # Shapes
/// - returns: `[3, H, W]` in [0, 1]
pub fn target_frame(sample: &Sample, size: ImageSize) -> Tensor {
    let bytes = 3 * size.area();
    let n_frames = sample.image.len() / bytes;
    let target = &sample.image[n_frames / 2 * bytes..][..bytes];
    let shape = [3, i64::from(size.height), i64::from(size.width)];
    Tensor::from_slice(target).view(shape).to_kind(Kind::Float) / 255.0
}

/// A prediction at the native size of the window that the network saw, bilinear.
///
/// # Shapes
/// - `depth`: `[H, W]`; returns `[window.height, window.width]`
pub fn to_native(depth: &Tensor, window: Window) -> Tensor {
    let size = [i64::from(window.height), i64::from(window.width)];
    depth
        .view([1, 1, depth.size()[0], depth.size()[1]])
        .upsample_bilinear2d(size, false, None, None)
        .view(size)
}

/// Measured pixels with what was predicted there; `depth` is at native size of the window for `TruthKind::Native`, else at
/// network size. Ground truth outside the window is passed over.
pub fn compared_pixels(
    sample: &Sample,
    depth: &[f32],
    size: ImageSize,
    kind: TruthKind,
) -> Vec<ComparedPixel> {
    match kind {
        TruthKind::Native => at_native_size(sample, depth),
        TruthKind::Network => at_network_size(sample, depth, size),
    }
}

/// Adds point pairs drawn among the measured pixels of `/depth`, the same for a sample whatever is evaluated, and the
/// sample's stored pixel pairs.
///
/// # Shapes
/// - `depth`: `[H, W]` of `size`, as predicted
pub fn add_orders(
    errors: &mut RelativeErrors,
    sample: &Sample,
    depth: &[f32],
    size: ImageSize,
    n_pairs: usize,
) {
    let truth = sample.depth.as_deref().unwrap_or_default();
    let points: Vec<(f64, f64)> = truth
        .iter()
        .zip(depth)
        .filter(|(truth, _)| **truth > 0.0)
        .map(|(truth, predicted)| (f64::from(*truth), f64::from(*predicted)))
        .collect();
    if points.len() > 1 {
        let mut rng = POINT_PAIRS.derive("sample", sample.key.as_str()).rng();
        for _ in 0..n_pairs {
            let first = rng.random_range(0..points.len());
            let second = rng.random_range(0..points.len() - 1);
            // Never the point itself.
            let second = second + usize::from(second >= first);
            errors.add_points(points[first], points[second]);
        }
    }
    let at =
        |y: u16, x: u16| f64::from(depth[usize::from(y) * size.width as usize + usize::from(x)]);
    for pair in sample.pairs.iter().flatten().filter(|pair| pair.kind == PairKind::Pixel) {
        errors.add_stored(at(pair.far_y, pair.far_x), at(pair.near_y, pair.near_x));
    }
}

fn at_native_size(sample: &Sample, depth: &[f32]) -> Vec<ComparedPixel> {
    let window = sample.native_window;
    let points = sample.gt.as_deref().unwrap_or_default().iter();
    points
        .filter_map(|point| {
            let (y, x) = (u32::from(point.y), u32::from(point.x));
            let row = y.checked_sub(window.y).filter(|row| *row < window.height)?;
            let column = x.checked_sub(window.x).filter(|column| *column < window.width)?;
            let predicted = depth[row as usize * window.width as usize + column as usize];
            Some(ComparedPixel {
                y,
                x,
                truth_m: f64::from(point.depth),
                predicted_m: f64::from(predicted),
            })
        })
        .collect()
}

/// Crops are fractions of the native size, so a pixel counts as the native pixel under its center.
fn at_network_size(sample: &Sample, depth: &[f32], size: ImageSize) -> Vec<ComparedPixel> {
    let window = sample.native_window;
    let native = |at: usize, length: u32, start: u32, native_length: u32| {
        let scale = f64::from(native_length) / f64::from(length);
        start + ((at as f64 + 0.5) * scale) as u32
    };
    let width = size.width as usize;
    let truth = sample.depth.as_deref().unwrap_or_default();
    truth
        .iter()
        .zip(depth)
        .enumerate()
        .filter(|(_, (truth, _))| **truth > 0.0)
        .map(|(at, (&truth, &predicted))| ComparedPixel {
            y: native(at / width, size.height, window.y, window.height),
            x: native(at % width, size.width, window.x, window.width),
            truth_m: f64::from(truth),
            predicted_m: f64::from(predicted),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use suw_shared::pair::{Origin, Pair, Rule};
    use suw_shared::sample::GtPoint;
    use suw_shared::sample_key::SampleKey;

    use super::*;

    fn sample() -> Sample {
        Sample {
            key: SampleKey::new("a/1".to_owned()).unwrap(),
            native_size: ImageSize::new(10, 8),
            native_window: Window { y: 2, x: 1, height: 4, width: 8 },
            image: vec![0; 24],
            depth: Some(vec![5.0, 0.0, 6.0, 0.0, 0.0, 0.0, 0.0, 7.0]),
            intrinsics: None,
            pose: None,
            semantic: None,
            objects: None,
            pairs: None,
            ordinal: None,
            gt: Some(vec![
                GtPoint { y: 1, x: 1, depth: 1.0 }, // above the window
                GtPoint { y: 2, x: 1, depth: 2.0 },
                GtPoint { y: 5, x: 8, depth: 3.0 },
                GtPoint { y: 5, x: 9, depth: 4.0 }, // right of it
            ]),
        }
    }

    #[test]
    fn native_points_read_the_window_at_their_place() {
        let depth: Vec<f32> = (0..32).map(|value| value as f32).collect();
        let size = ImageSize::new(4, 2);
        let pixels = compared_pixels(&sample(), &depth, size, TruthKind::Native);
        let got: Vec<(u32, u32, f64)> =
            pixels.iter().map(|pixel| (pixel.y, pixel.x, pixel.predicted_m)).collect();
        assert_eq!(got, [(2, 1, 0.0), (5, 8, 31.0)]);
    }

    #[test]
    fn network_pixels_stand_for_the_native_pixel_under_their_center() {
        let depth: Vec<f32> = (0..8).map(|value| value as f32).collect();
        let size = ImageSize::new(4, 2);
        let pixels = compared_pixels(&sample(), &depth, size, TruthKind::Network);
        // Each network pixel covers 2x2 native ones; centers lie on native 1 + 2 + 2k, rounded down.
        let got: Vec<(u32, u32, f64)> =
            pixels.iter().map(|pixel| (pixel.y, pixel.x, pixel.truth_m)).collect();
        assert_eq!(got, [(3, 2, 5.0), (3, 6, 6.0), (5, 8, 7.0)]);
        assert_eq!(pixels[2].predicted_m, 7.0);
    }

    #[test]
    fn orders_are_those_of_the_measured_points_and_of_the_stored_pairs() {
        let pair = |far_x, near_x| Pair {
            kind: PairKind::Pixel,
            origin: Origin::OrdinalMap,
            rule: Rule::None,
            size: 1,
            far_y: 0,
            far_x,
            near_y: 1,
            near_x,
            far_class: 255,
            near_class: 255,
        };
        let patch = Pair { kind: PairKind::Patch, ..pair(0, 3) };
        let sample = Sample { pairs: Some(vec![pair(0, 0), pair(1, 3), patch]), ..sample() };
        let size = ImageSize::new(4, 2);
        // Measured 5, 6, 7 at pixels 0, 2, 7, all unlike by 1.1; predicted the other way round.
        let depth = [7.0, 2.0, 6.0, 0.0, 9.0, 0.0, 0.0, 5.0];
        let mut errors = RelativeErrors::default();
        add_orders(&mut errors, &sample, &depth, size, 50);
        assert_eq!((errors.equal.n, errors.unequal.n, errors.unequal.n_wrong), (0, 50, 50));
        // 7 before 9 is wrong, 2 before 5 too; the patch is passed over.
        assert_eq!((errors.stored.n, errors.stored.n_wrong), (2, 2));
        let truth: Vec<f32> = sample.depth.clone().unwrap();
        let mut right = RelativeErrors::default();
        add_orders(&mut right, &sample, &truth, size, 50);
        assert_eq!((right.unequal.n, right.unequal.n_wrong), (50, 0));
    }

    #[test]
    fn a_native_prediction_keeps_pixel_centers() {
        // Half-pixel centers: doubling [0, 4] gives 0, 1, 3, 4.
        let depth = Tensor::from_slice(&[0f32, 4.0]).view([1, 2]);
        let window = Window { y: 0, x: 0, height: 1, width: 4 };
        let native = to_native(&depth, window);
        assert_eq!(Vec::<f32>::try_from(native.flatten(0, -1)).unwrap(), [0.0, 1.0, 3.0, 4.0]);
    }
}
