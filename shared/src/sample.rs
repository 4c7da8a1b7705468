//! Floor 0: everything that is stored for one clip. What a data set does not have is `None`, not zeros.
//!
//! `T` is 3 (frames t-1, t, t+1) or 1; `H x W` is the network's input size.

use crate::image_size::{ImageSize, Window};
use crate::object::AlignedObject;
use crate::pair::Pair;
use crate::sample_key::SampleKey;

/// One clip, ready for a shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Unique in the set.
    pub key: SampleKey,
    /// Size of the picture on disk.
    pub native_size: ImageSize,
    /// The part of it that the network sees.
    pub native_window: Window,
    /// `[T, 3, H, W]`, RGB.
    pub image: Vec<u8>,
    /// `[H, W]`, target frame, 0 = not measured.
    pub depth: Option<Vec<f32>>,
    /// `[3, 3]` row-major, pixels at H x W; all NaN where unknown.
    pub intrinsics: Option<[f32; 9]>,
    /// `[T-1, 4, 4]`: source_from_target for t-1, then t+1; NaN where unknown.
    pub pose: Option<Vec<[f32; 16]>>,
    /// `[H, W]`, Cityscapes train ids, 255 = unlabelled.
    pub semantic: Option<Vec<u8>>,
    /// Aligned objects.
    pub objects: Option<SampleObjects>,
    /// The pool of pairs.
    pub pairs: Option<Vec<Pair>>,
    /// `[H, W]`: +1 foreground, -1 background, 0 none (MegaDepth).
    pub ordinal: Option<Vec<i8>>,
    /// Ground truth at native resolution (evaluation sets).
    pub gt: Option<Vec<GtPoint>>,
}

/// The aligned objects of one sample.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleObjects {
    /// `[T, H, W]`: 1..K, the same number in all frames; 0 = none.
    pub map: Vec<u8>,
    /// Rows 1..K, by rising index.
    pub rows: Vec<AlignedObject>,
    /// `[H, W]`: 1 where any detection of the three classes lies in the target frame.
    pub movable: Vec<u8>,
}

/// One measured pixel at native resolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GtPoint {
    /// Row.
    pub y: u16,
    /// Column.
    pub x: u16,
    /// Metres.
    pub depth: f32,
}
