//! Floor 1: rows of the tables `/object`, `/pair` and `/gt`: packed, little-endian, as they lie in the file.

use crate::class::InstanceClass;
use crate::object::AlignedObject;
use crate::pair::{Origin, Pair, PairKind, Rule};
use crate::sample::GtPoint;

/// Packed bytes of one row of `/object`.
pub(crate) const OBJECT_BYTES: usize = 26;
/// Packed bytes of one row of `/pair`.
pub(crate) const PAIR_BYTES: usize = 18;
/// Packed bytes of one row of `/gt`.
pub(crate) const GT_BYTES: usize = 8;

/// A row whose numbers mean nothing: which field, its value.
pub(crate) type BadField = (&'static str, u64);

pub(crate) fn push_object(out: &mut Vec<u8>, sample: u32, object: &AlignedObject) {
    out.extend(sample.to_le_bytes());
    out.extend([object.index, object.class.coco()]);
    for value in object.score.into_iter().chain([object.iou_prev, object.iou_next]) {
        out.extend(value.to_le_bytes());
    }
}

/// The `sample` column and the object.
pub(crate) fn object(row: &[u8; OBJECT_BYTES]) -> Result<(u32, AlignedObject), BadField> {
    let float = |at: usize| f32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]);
    let class = InstanceClass::from_coco(u32::from(row[5])).ok_or(("class", u64::from(row[5])))?;
    let object = AlignedObject {
        index: row[4],
        class,
        score: [float(6), float(10), float(14)],
        iou_prev: float(18),
        iou_next: float(22),
    };
    Ok((sample_of(row), object))
}

pub(crate) fn push_pair(out: &mut Vec<u8>, sample: u32, pair: &Pair) {
    out.extend(sample.to_le_bytes());
    out.extend([pair.kind as u8, pair.origin as u8, pair.rule as u8, pair.size]);
    for value in [pair.far_y, pair.far_x, pair.near_y, pair.near_x] {
        out.extend(value.to_le_bytes());
    }
    out.extend([pair.far_class, pair.near_class]);
}

/// The `sample` column and the pair.
pub(crate) fn pair(row: &[u8; PAIR_BYTES]) -> Result<(u32, Pair), BadField> {
    let short = |at: usize| u16::from_le_bytes([row[at], row[at + 1]]);
    let pair = Pair {
        kind: PairKind::from_u8(row[4]).ok_or(("kind", u64::from(row[4])))?,
        origin: Origin::from_u8(row[5]).ok_or(("origin", u64::from(row[5])))?,
        rule: Rule::from_u8(row[6]).ok_or(("rule", u64::from(row[6])))?,
        size: row[7],
        far_y: short(8),
        far_x: short(10),
        near_y: short(12),
        near_x: short(14),
        far_class: row[16],
        near_class: row[17],
    };
    Ok((sample_of(row), pair))
}

pub(crate) fn push_gt(out: &mut Vec<u8>, point: &GtPoint) {
    out.extend(point.y.to_le_bytes());
    out.extend(point.x.to_le_bytes());
    out.extend(point.depth.to_le_bytes());
}

pub(crate) fn gt(row: &[u8; GT_BYTES]) -> GtPoint {
    GtPoint {
        y: u16::from_le_bytes([row[0], row[1]]),
        x: u16::from_le_bytes([row[2], row[3]]),
        depth: f32::from_le_bytes([row[4], row[5], row[6], row[7]]),
    }
}

fn sample_of(row: &[u8]) -> u32 {
    u32::from_le_bytes([row[0], row[1], row[2], row[3]])
}
