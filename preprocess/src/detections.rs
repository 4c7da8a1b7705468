//! Floor 1: Mask R-CNN outputs to detections: score cut, class filter, mask at native size.

use suw_shared::image_size::ImageSize;

use crate::class_table::InstanceTable;
use crate::detected::Detection;
use crate::mask_paste::{Corners, Probabilities, paste, resize_mask};
use crate::tensors::View;

/// Detections below are not kept. Alignment asks for 0.5; the rest serves whoever looks at a store with other thresholds.
pub const SCORE_MIN: f32 = 0.05;

/// What a mask output shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskForm {
    /// `[n, 1, M, M]`: the box of its detection.
    Roi,
    /// `[n, 1, H, W]`: the whole input.
    Full,
}

/// The outputs of one picture, lengths already compared with each other.
///
/// # Shapes
/// - `boxes`: `[n, 4]`, x1, y1, x2, y2 in pixels of the input
/// - `labels`, `scores`: `[n]`
/// - `masks`: `[n, 1, mask_height, mask_width]`, probabilities
#[derive(Clone, Copy, Debug)]
pub struct RawDetections<'a> {
    /// Corners.
    pub boxes: &'a [f32],
    /// Numbers of the class table.
    pub labels: &'a [i64],
    /// Confidences.
    pub scores: &'a [f32],
    /// Probabilities of the own class.
    pub masks: &'a [f32],
    /// Rows of one mask.
    pub mask_height: usize,
    /// Columns of one mask.
    pub mask_width: usize,
    /// What they show.
    pub form: MaskForm,
}

/// The persons, bicycles and cars of one picture, in the order of the network; masks without a pixel are left out.
///
/// # Errors
/// Expected and got, if a number is not finite or a score is no confidence.
pub fn detections_from_outputs(
    raw: &RawDetections,
    table: InstanceTable,
    view: &View,
    native: ImageSize,
) -> Result<Vec<Detection>, (String, String)> {
    let finite = |name: &str, values: &[f32]| match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err((format!("finite {name}"), value.to_string())),
        None => Ok(()),
    };
    let mask_len = raw.mask_height * raw.mask_width;
    let (across, down) = view.native_per_input();
    let mut detections = Vec::new();
    for (index, (&label, &score)) in raw.labels.iter().zip(raw.scores).enumerate() {
        if !(0.0..=1.0).contains(&score) {
            return Err(("scores in 0..=1".to_owned(), score.to_string()));
        }
        let Some(class) = table.class(label).filter(|_| score >= SCORE_MIN) else { continue };
        let corners = &raw.boxes[4 * index..4 * index + 4];
        let data = &raw.masks[mask_len * index..mask_len * (index + 1)];
        finite("boxes", corners)?;
        finite("mask probabilities", data)?;
        let map = Probabilities { data, height: raw.mask_height, width: raw.mask_width };
        let mask = match raw.form {
            MaskForm::Roi => {
                let corners = Corners {
                    x1: corners[0] * across,
                    y1: corners[1] * down,
                    x2: corners[2] * across,
                    y2: corners[3] * down,
                };
                paste(map, corners, native)
            }
            MaskForm::Full => {
                resize_mask(map, view.covered(raw.mask_width, raw.mask_height), native)
            }
        };
        if mask.area() > 0 {
            detections.push(Detection { class, score, mask });
        }
    }
    Ok(detections)
}

#[cfg(test)]
mod tests {
    use suw_shared::class::InstanceClass;

    use super::*;

    const NATIVE: ImageSize = ImageSize::new(20, 10);

    fn half_size() -> View {
        let input = ImageSize::new(10, 5);
        View { window: NATIVE.window(), scaled: input, input }
    }

    fn raw<'a>(labels: &'a [i64], scores: &'a [f32], boxes: &'a [f32]) -> RawDetections<'a> {
        const ONES: [f32; 3 * 784] = [1.0; 3 * 784];
        RawDetections {
            boxes,
            labels,
            scores,
            masks: &ONES[..784 * labels.len()],
            mask_height: 28,
            mask_width: 28,
            form: MaskForm::Roi,
        }
    }

    fn find(raw: &RawDetections) -> Result<Vec<Detection>, (String, String)> {
        detections_from_outputs(raw, InstanceTable::Coco91, &half_size(), NATIVE)
    }

    #[test]
    fn boxes_are_pasted_at_native_size() {
        // Box 1..6 by 1..4 of the input is 2..12 by 2..8 of the picture; the ring of zeros stays below 0.5 outside of
        // the box by torchvision's rounding: grown to 1.64..12.36 and 1.79..8.21, cut to 1..=12 and 1..=8.
        let found = find(&raw(&[3], &[0.75], &[1.0, 1.0, 6.0, 4.0])).unwrap();
        assert_eq!((found[0].class, found[0].score), (InstanceClass::Car, 0.75));
        assert_eq!(found[0].mask.bbox(), [1, 1, 12, 8]);
        assert_eq!(found[0].mask.size(), NATIVE);
    }

    #[test]
    fn low_scores_other_classes_and_empty_masks_are_left_out() {
        let inside = [0.0, 0.0, 5.0, 5.0];
        let outside = [50.0, 50.0, 60.0, 60.0];
        let boxes = [inside, inside, outside].concat();
        assert_eq!(find(&raw(&[8, 1, 2], &[0.9, 0.04, 0.9], &boxes)).unwrap(), []);
        assert_eq!(find(&raw(&[], &[], &[])).unwrap(), []);
        let kept = find(&raw(&[8, 1, 2], &[0.9, 0.05, 0.9], &boxes)).unwrap();
        assert_eq!(kept.len(), 1);
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let good = [1.0, 1.0, 6.0, 4.0];
        for score in [f32::NAN, -0.1, 1.1, f32::INFINITY] {
            assert!(find(&raw(&[3], &[score], &good)).is_err(), "{score}");
        }
        for corner in [f32::NAN, f32::INFINITY] {
            assert!(find(&raw(&[3], &[0.9], &[corner, 1.0, 6.0, 4.0])).is_err(), "{corner}");
        }
        let masks = [f32::NAN; 784];
        let broken = RawDetections { masks: &masks, ..raw(&[3], &[0.9], &good) };
        assert_eq!(find(&broken).unwrap_err().0, "finite mask probabilities");
    }
}
