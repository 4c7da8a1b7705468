//! Floor 1: why a detection of the target frame is no aligned object: the overlaps that it found, in words of the rule.

use suw_shared::class::InstanceClass;

use super::{AlignError, AlignInput, AlignParams, Iou, chains, check, claimed, matches, numbers};
use crate::detected::Detection;
use crate::nearest::{NearestGrid, NetworkInstance};

/// A detection of the target frame that the alignment did not keep.
#[derive(Clone, Debug)]
pub struct Unaligned {
    /// Class.
    pub class: InstanceClass,
    /// Score in the target frame.
    pub score: f32,
    /// Pixels in the picture on disk.
    pub area: u64,
    /// Its mask at network size; `None` where the network sees nothing of it.
    pub shown: Option<NetworkInstance>,
    /// What it found in t-1 and in t+1.
    pub sides: [Side; 2],
    /// Fewest pixels of it in any frame at network size, where it was found in all three.
    pub least_pixels: Option<u32>,
}

/// What a detection found in a neighboring frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    /// Its partner, with this IoU.
    Matched(f32),
    /// The best overlap of its class is above the threshold, and that mask has a better partner.
    Taken(f32),
    /// The best overlap of its class is too small.
    Below(f32),
    /// No mask of its class overlaps; the best of another class does, so much.
    OtherClass(InstanceClass, f32),
    /// Nothing overlaps.
    Nothing,
}

/// The detections of the target frame with at least `score_min` that are no objects of `align`'s result, in their order.
///
/// # Errors
/// As `align`.
pub fn unaligned(input: &AlignInput, params: &AlignParams) -> Result<Vec<Unaligned>, AlignError> {
    check(input)?;
    let [before, target, after] = input.frames;
    let grid = NearestGrid::new(input.native, input.window, input.size);
    let chains = chains(input.frames, params);
    let map = claimed(&chains, input.frames, &grid);
    let numbers = numbers(&chains, target, &map, params.min_area);
    let pairs = [matches(before, target, params), matches(target, after, params)];
    let mut found = Vec::new();
    for (index, detection) in target.iter().enumerate() {
        let chain = chains.iter().position(|chain| chain.index[1] == index);
        let kept = chain.is_some_and(|chain| numbers[chain + 1] != 0);
        if kept || detection.score < params.score_min {
            continue;
        }
        let partner = |side: usize| {
            pairs[side]
                .iter()
                .find(|pair| if side == 0 { pair.later == index } else { pair.earlier == index })
                .map(|pair| pair.iou.value())
        };
        let sides = [(0, before), (1, after)].map(|(side, frame)| match partner(side) {
            Some(iou) => Side::Matched(iou),
            None => without_partner(detection, frame, params),
        });
        let area = |t: usize, chain: usize| {
            let frame = &map[t * input.size.area()..(t + 1) * input.size.area()];
            frame.iter().filter(|&&value| usize::from(value) == chain + 1).count() as u32
        };
        found.push(Unaligned {
            class: detection.class,
            score: detection.score,
            area: detection.mask.area(),
            shown: grid.instance(detection),
            sides,
            least_pixels: chain.and_then(|chain| (0..3).map(|t| area(t, chain)).min()),
        });
    }
    Ok(found)
}

fn without_partner(detection: &Detection, frame: &[Detection], params: &AlignParams) -> Side {
    let overlap = |other: &Detection| {
        let intersection = detection.mask.intersection_area(&other.mask);
        let union = detection.mask.area() + other.mask.area() - intersection;
        Iou { intersection, union: union.max(1) }
    };
    let best = |same_class: bool| {
        frame
            .iter()
            .filter(|other| other.score >= params.score_min)
            .filter(|other| (other.class == detection.class) == same_class)
            .map(|other| (other.class, overlap(other)))
            .filter(|(_, iou)| iou.intersection > 0)
            .max_by(|(_, a), (_, b)| a.compare(*b))
    };
    match (best(true), best(false)) {
        (Some((_, iou)), _) if iou.above(params.iou_num, params.iou_den) => {
            Side::Taken(iou.value())
        }
        (Some((_, iou)), _) => Side::Below(iou.value()),
        (None, Some((class, iou))) => Side::OtherClass(class, iou.value()),
        (None, None) => Side::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use suw_shared::image_size::ImageSize;
    use suw_shared::rle::Rle;

    use super::super::align;
    use super::*;

    const SIZE: ImageSize = ImageSize::new(100, 20);

    /// A box of 20 x 10 pixels.
    fn car(class: InstanceClass, left: usize) -> Detection {
        let inside =
            |at: usize| (left..left + 20).contains(&(at % 100)) && (5..15).contains(&(at / 100));
        let mask: Vec<u8> = (0..SIZE.area()).map(|at| u8::from(inside(at))).collect();
        Detection { class, score: 0.9, mask: Rle::from_mask(SIZE, &mask) }
    }

    #[test]
    fn every_reason_has_its_overlap() {
        use InstanceClass::{Car, Person};
        let before = [car(Car, 0), car(Person, 72)];
        let target = [car(Car, 2), car(Car, 0), car(Car, 40), car(Car, 70)];
        let after = [car(Car, 0), car(Car, 54)];
        let input = AlignInput {
            frames: [&before, &target, &after],
            native: SIZE,
            window: SIZE.window(),
            size: SIZE,
        };
        let objects = align(&input, &AlignParams::CONTRACT).unwrap();
        let left = unaligned(&input, &AlignParams::CONTRACT).unwrap();
        assert_eq!(objects.rows.len() + left.len(), target.len());
        // The second is aligned: IoU 1 on both sides. The first overlaps by 18 of 22 columns, and comes second.
        assert_eq!(left[0].sides, [Side::Taken(18.0 / 22.0); 2]);
        // 6 of 34 columns with a car that stands 14 on; nothing before.
        assert_eq!(left[1].sides, [Side::Nothing, Side::Below(6.0 / 34.0)]);
        // 18 of 22 with a person; 4 of 36 with the car.
        assert_eq!(left[2].sides, [Side::OtherClass(Person, 18.0 / 22.0), Side::Below(4.0 / 36.0)]);
        assert!(left.iter().all(|one| one.least_pixels.is_none() && one.area == 200));
    }

    #[test]
    fn an_object_that_is_too_small_says_how_small() {
        let frame = [car(InstanceClass::Car, 40)];
        let input = AlignInput {
            frames: [&frame, &frame, &frame],
            native: SIZE,
            window: SIZE.window(),
            size: ImageSize::new(50, 10),
        };
        let left = unaligned(&input, &AlignParams::CONTRACT).unwrap();
        assert_eq!((left.len(), left[0].least_pixels), (1, Some(50)));
        assert_eq!(left[0].sides, [Side::Matched(1.0); 2]);
        assert!(
            unaligned(&input, &AlignParams { min_area: 50, ..AlignParams::CONTRACT })
                .unwrap()
                .is_empty()
        );
    }
}
