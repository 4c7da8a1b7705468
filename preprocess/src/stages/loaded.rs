//! Floor 0: what was read of a clip, at network size.

use suw_shared::camera::Intrinsics;
use suw_shared::image_size::{ImageSize, Window};
use suw_shared::sample::GtPoint;

/// One picture at network size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedFrame {
    /// Of the picture on disk.
    pub native_size: ImageSize,
    /// `[3, H, W]`, RGB.
    pub planar: Vec<u8>,
}

/// What only the target frame of a clip has.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedTarget {
    /// Of the picture on disk.
    pub native_size: ImageSize,
    /// What the network sees of it.
    pub native_window: Window,
    /// At network size.
    pub intrinsics: Option<Intrinsics>,
    /// `[H, W]`, metres, 0 = not measured; `None` for `DepthSource::None` only.
    pub depth: Option<Vec<f32>>,
    /// Measured pixels of `depth`.
    pub depth_pixels: usize,
    /// By rows, then columns; empty where this frame has none; `None` for `DepthSource::None` only.
    pub gt: Option<Vec<GtPoint>>,
    /// `[H, W]`: +1 foreground, -1 background, 0 none; `None` where the data set has no such maps.
    pub ordinal: Option<Vec<i8>>,
}

/// A clip at network size.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedClip {
    /// Of the pictures on disk.
    pub native_size: ImageSize,
    /// What the network sees of them.
    pub native_window: Window,
    /// `[T, 3, H, W]`, RGB.
    pub image: Vec<u8>,
    /// At network size.
    pub intrinsics: Option<Intrinsics>,
    /// `[H, W]` of the target, metres, 0 = not measured.
    pub depth: Option<Vec<f32>>,
    /// Measured pixels of `depth`.
    pub depth_pixels: usize,
    /// Ground truth of the target at native size.
    pub gt: Option<Vec<GtPoint>>,
    /// `[H, W]` of the target.
    pub ordinal: Option<Vec<i8>>,
    /// `[T-1, 4, 4]`: source_from_target; `None` where the data set knows none.
    pub pose: Option<Vec<[f32; 16]>>,
}
