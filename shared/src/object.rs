//! Floor 0: an object of one sample, found in all three frames of its clip (paper 2.1.1).

use crate::class::InstanceClass;

/// One aligned object; its pixels carry `index` in the sample's object maps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlignedObject {
    /// 1..=K within its sample.
    pub index: u8,
    /// Its class, the same in all three frames.
    pub class: InstanceClass,
    /// Detection scores in t-1, t, t+1.
    pub score: [f32; 3],
    /// IoU of the native-resolution masks of t-1 and t.
    pub iou_prev: f32,
    /// IoU of the native-resolution masks of t and t+1.
    pub iou_next: f32,
}
