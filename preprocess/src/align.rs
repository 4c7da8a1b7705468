//! Floor 1: objects matched over the three frames of a clip by class and overlap (paper 2.1.1).
//!
//! The rule is the contract's, section 3, "Alignment": one to one by falling IoU of the native masks, compared as
//! fractions; then overlapping claims, network size, small objects dropped, numbers by falling score.

use std::cmp::Ordering;

use suw_shared::image_size::{ImageSize, Window};
use suw_shared::object::AlignedObject;
use suw_shared::sample::SampleObjects;

use crate::detected::Detection;
use crate::nearest::NearestGrid;

/// Most objects of one sample: they are numbered in 8 bits and 0 means none.
pub const OBJECTS_MAX: usize = 255;

/// Pixels that are skipped together where no object lies, as in most of a picture.
const CHUNK: usize = 64;

/// Thresholds of the alignment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlignParams {
    /// Detections below are ignored.
    pub score_min: f32,
    /// The IoU must be above `iou_num / iou_den`.
    pub iou_num: u32,
    /// See `iou_num`.
    pub iou_den: u32,
    /// Objects with fewer pixels at network size in any frame are dropped.
    pub min_area: u32,
}

impl AlignParams {
    /// The contract's: score 0.5, IoU above 3/10 (paper 2.1.1), 100 pixels.
    pub const CONTRACT: Self = Self { score_min: 0.5, iou_num: 3, iou_den: 10, min_area: 100 };
}

/// The masks of one clip.
#[derive(Clone, Copy, Debug)]
pub struct AlignInput<'a> {
    /// Detections of t-1, t, t+1.
    pub frames: [&'a [Detection]; 3],
    /// Size of the three pictures.
    pub native: ImageSize,
    /// The part that the network sees.
    pub window: Window,
    /// Network size.
    pub size: ImageSize,
}

/// Masks that cannot belong to the clip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlignError {
    /// A mask has another size than the picture.
    #[error("cannot align mask {index} of frame {frame}: expected a mask of {expected}, got {got}")]
    MaskSize {
        /// 0, 1, 2 for t-1, t, t+1.
        frame: usize,
        /// Index in the frame.
        index: usize,
        /// Size of the pictures.
        expected: ImageSize,
        /// Size of the mask.
        got: ImageSize,
    },
    /// The window does not lie inside the picture.
    #[error("cannot align masks: expected a window inside {native}, got {window:?}")]
    Window {
        /// Size of the pictures.
        native: ImageSize,
        /// The window.
        window: Window,
    },
}

/// Aligns the detections of three frames and brings them to network size.
///
/// # Errors
/// If a mask has another size than the pictures, or the window does not fit them.
pub fn align(input: &AlignInput, params: &AlignParams) -> Result<SampleObjects, AlignError> {
    check(input)?;
    let grid = NearestGrid::new(input.native, input.window, input.size);
    let chains = chains(input.frames, params);
    let mut map = claimed(&chains, input.frames, &grid);
    let numbers = numbers(&chains, input.frames[1], &map, params.min_area);
    let (chunks, rest) = map.as_chunks_mut();
    for pixel in chunks.iter_mut().filter(|chunk| is_painted(chunk)).flatten().chain(rest) {
        *pixel = numbers[usize::from(*pixel)];
    }
    let mut rows: Vec<AlignedObject> = chains
        .iter()
        .enumerate()
        .filter(|(number, _)| numbers[number + 1] != 0)
        .map(|(number, chain)| AlignedObject {
            index: numbers[number + 1],
            class: input.frames[1][chain.index[1]].class,
            score: std::array::from_fn(|t| input.frames[t][chain.index[t]].score),
            iou_prev: chain.iou[0].value(),
            iou_next: chain.iou[1].value(),
        })
        .collect();
    rows.sort_by_key(|row| row.index);

    let mut movable = vec![0; input.size.area()];
    for detection in input.frames[1].iter().filter(|d| d.score >= params.score_min) {
        grid.paint(&detection.mask, 1, &mut movable);
    }
    Ok(SampleObjects { map, rows, movable })
}

/// One object in the three frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chain {
    /// Index in t-1, t, t+1.
    index: [usize; 3],
    /// Overlap of (t-1, t) and (t, t+1).
    iou: [Iou; 2],
}

/// An overlap as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Iou {
    intersection: u64,
    /// Above 0.
    union: u64,
}

impl Iou {
    fn above(self, num: u32, den: u32) -> bool {
        u128::from(self.intersection) * u128::from(den) > u128::from(self.union) * u128::from(num)
    }

    fn compare(self, other: Self) -> Ordering {
        let left = u128::from(self.intersection) * u128::from(other.union);
        left.cmp(&(u128::from(other.intersection) * u128::from(self.union)))
    }

    fn value(self) -> f32 {
        (self.intersection as f64 / self.union as f64) as f32
    }
}

/// The same object in two neighboring frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    earlier: usize,
    later: usize,
    iou: Iou,
}

fn check(input: &AlignInput) -> Result<(), AlignError> {
    let (native, window) = (input.native, input.window);
    if !window.fits(native) {
        return Err(AlignError::Window { native, window });
    }
    for (frame, detections) in input.frames.iter().enumerate() {
        for (index, detection) in detections.iter().enumerate() {
            let got = detection.mask.size();
            if got != native {
                return Err(AlignError::MaskSize { frame, index, expected: native, got });
            }
        }
    }
    Ok(())
}

/// Objects found in all three frames, the best `OBJECTS_MAX` by falling target score, then target index.
fn chains(frames: [&[Detection]; 3], params: &AlignParams) -> Vec<Chain> {
    let before = matches(frames[0], frames[1], params);
    let after = matches(frames[1], frames[2], params);
    let mut chains: Vec<Chain> = before
        .iter()
        .filter_map(|first| {
            let second = after.iter().find(|second| second.earlier == first.later)?;
            let index = [first.earlier, first.later, second.later];
            Some(Chain { index, iou: [first.iou, second.iou] })
        })
        .collect();
    let target_score = |chain: &Chain| frames[1][chain.index[1]].score;
    chains.sort_by(|a, b| {
        target_score(b).total_cmp(&target_score(a)).then(a.index[1].cmp(&b.index[1]))
    });
    chains.truncate(OBJECTS_MAX);
    chains
}

/// One-to-one matches of two frames by falling IoU; ties by the earlier index, then the later.
fn matches(earlier: &[Detection], later: &[Detection], params: &AlignParams) -> Vec<Match> {
    let measured = |frame: &[Detection]| -> Vec<(u64, [u32; 4])> {
        frame.iter().map(|d| (d.mask.area(), d.mask.bbox())).collect()
    };
    let (earlier_measured, later_measured) = (measured(earlier), measured(later));
    let mut candidates = Vec::new();
    for (i, a) in earlier.iter().enumerate().filter(|(_, a)| a.score >= params.score_min) {
        for (j, b) in later.iter().enumerate().filter(|(_, b)| b.score >= params.score_min) {
            let ((a_area, a_box), (b_area, b_box)) = (earlier_measured[i], later_measured[j]);
            if a.class != b.class || !boxes_meet(a_box, b_box) {
                continue;
            }
            let intersection = a.mask.intersection_area(&b.mask);
            let iou = Iou { intersection, union: a_area + b_area - intersection };
            if iou.above(params.iou_num, params.iou_den) {
                candidates.push(Match { earlier: i, later: j, iou });
            }
        }
    }
    candidates.sort_by(|a, b| {
        b.iou.compare(a.iou).then(a.earlier.cmp(&b.earlier)).then(a.later.cmp(&b.later))
    });
    let (mut used_earlier, mut used_later) = (vec![false; earlier.len()], vec![false; later.len()]);
    candidates.retain(|found| {
        let free = !used_earlier[found.earlier] && !used_later[found.later];
        if free {
            used_earlier[found.earlier] = true;
            used_later[found.later] = true;
        }
        free
    });
    candidates
}

/// Whether two boxes (x, y, width, height) share a pixel.
fn boxes_meet(a: [u32; 4], b: [u32; 4]) -> bool {
    let meet = |i: usize| a[i] < b[i] + b[i + 2] && b[i] < a[i] + a[i + 2];
    meet(0) && meet(1)
}

/// `[3, H, W]`: position of the chain plus 1; a pixel claimed twice belongs to the higher score in that frame.
fn claimed(chains: &[Chain], frames: [&[Detection]; 3], grid: &NearestGrid) -> Vec<u8> {
    let area = grid.size().area();
    let mut map = vec![0; 3 * area];
    for (t, frame) in frames.into_iter().enumerate() {
        let mut order: Vec<usize> = (0..chains.len()).collect();
        // The weakest claim first; later ones paint over it.
        order.sort_by(|&a, &b| {
            let (a, b) = (chains[a].index[t], chains[b].index[t]);
            frame[a].score.total_cmp(&frame[b].score).then(b.cmp(&a))
        });
        for number in order {
            let value = u8::try_from(number + 1).expect("invariant: at most 255 chains");
            let mask = &frame[chains[number].index[t]].mask;
            grid.paint(mask, value, &mut map[t * area..(t + 1) * area]);
        }
    }
    map
}

/// New number of each painted value: 0 for objects that are too small in some frame, else 1..=K in order.
fn numbers(chains: &[Chain], target: &[Detection], map: &[u8], min_area: u32) -> [u8; 256] {
    debug_assert!(
        chains
            .windows(2)
            .all(|two| { target[two[0].index[1]].score >= target[two[1].index[1]].score })
    );
    let mut areas = [[0_u32; 256]; 3];
    for (areas, frame) in areas.iter_mut().zip(map.chunks_exact((map.len() / 3).max(1))) {
        let (chunks, rest) = frame.as_chunks();
        for &pixel in chunks.iter().filter(|chunk| is_painted(chunk)).flatten().chain(rest) {
            areas[usize::from(pixel)] += 1;
        }
    }
    let mut numbers = [0; 256];
    let mut last = 0;
    for value in 1..=chains.len() {
        if areas.iter().all(|areas| areas[value] >= min_area) {
            last += 1;
            numbers[value] = last;
        }
    }
    numbers
}

/// Whether any pixel is not 0, without a branch a pixel.
fn is_painted(pixels: &[u8; CHUNK]) -> bool {
    pixels.iter().fold(0, |all, pixel| all | pixel) != 0
}

pub mod explain;
#[cfg(test)]
mod tests;
