//! Floor 1: every rule of the format that one sample must keep, called before writing and after reading.
//!
//! Rules on pairs are in `pair_checks`. Rules that span samples (keys rise, starts fit) belong to writer and reader.

use super::broken::{Broken, CheckError};
use super::header::ShardHeader;
use super::limits::Limits;
use super::pair_checks::check_pairs;
use crate::class::UNLABELLED;
use crate::sample::{Sample, SampleObjects};

/// Rotations are stored as f32; KITTI's own are orthonormal to about 1e-6.
const ROTATION_TOLERANCE: f64 = 1e-3;

/// Whether the sample keeps every rule of the format.
pub fn check_sample(sample: &Sample, header: &ShardHeader) -> Result<(), CheckError> {
    broken_rule(sample, header).map_err(|(rule, detail)| CheckError {
        key: sample.key.to_string(),
        rule,
        detail,
    })
}

fn broken_rule(sample: &Sample, header: &ShardHeader) -> Result<(), Broken> {
    check_contents(sample, header)?;
    check_shapes(sample, header)?;
    check_window(sample)?;
    if let Some(depth) = &sample.depth {
        check_depth(depth)?;
    }
    if let Some(matrix) = &sample.intrinsics {
        check_intrinsics(matrix)?;
    }
    for pose in sample.pose.iter().flatten() {
        check_pose(pose)?;
    }
    if let Some(map) = &sample.semantic {
        check_values("semantic", map, |id| id < 19 || id == UNLABELLED, "0 to 18, or 255")?;
    }
    if let Some(map) = &sample.ordinal {
        check_values("ordinal", map, |sign| (-1..=1).contains(&sign), "-1, 0 or 1")?;
    }
    if sample.objects.is_some() || sample.pairs.is_some() {
        let limits = Limits::of(header);
        if let Some(objects) = &sample.objects {
            check_objects(objects, header, &limits)?;
        }
        if let Some(pairs) = &sample.pairs {
            check_pairs(pairs, sample, header.size, &limits)?;
        }
    }
    check_gt(sample)
}

fn check_contents(sample: &Sample, header: &ShardHeader) -> Result<(), Broken> {
    let contents = header.contents;
    if header.check_frames().is_err() {
        return Err(("contents", format!("frames; expected a legal header, got {header:?}")));
    }
    let there = [
        ("depth", contents.depth, sample.depth.is_some()),
        ("intrinsics", contents.intrinsics, sample.intrinsics.is_some()),
        ("pose", contents.pose, sample.pose.is_some()),
        ("semantic", contents.semantic, sample.semantic.is_some()),
        ("objects", contents.objects, sample.objects.is_some()),
        ("pairs", contents.pairs, sample.pairs.is_some()),
        ("ordinal", contents.ordinal, sample.ordinal.is_some()),
        ("gt", contents.gt, sample.gt.is_some()),
    ];
    let word = |there: bool| if there { "present" } else { "absent" };
    match there.into_iter().find(|(_, expected, got)| expected != got) {
        Some((what, expected, got)) => Err((
            "contents",
            format!("{what}; expected {} as in the whole set, got {}", word(expected), word(got)),
        )),
        None => Ok(()),
    }
}

fn check_shapes(sample: &Sample, header: &ShardHeader) -> Result<(), Broken> {
    let (area, frames) = (header.area(), header.frames as usize);
    let objects = sample.objects.as_ref();
    let lengths = [
        ("image", 3 * frames * area, Some(sample.image.len())),
        ("depth", area, sample.depth.as_ref().map(Vec::len)),
        ("pose", frames - 1, sample.pose.as_ref().map(Vec::len)),
        ("semantic", area, sample.semantic.as_ref().map(Vec::len)),
        ("objects", frames * area, objects.map(|objects| objects.map.len())),
        ("movable", area, objects.map(|objects| objects.movable.len())),
        ("ordinal", area, sample.ordinal.as_ref().map(Vec::len)),
    ];
    for (what, expected, got) in lengths {
        if let Some(got) = got.filter(|got| *got != expected) {
            let size = header.size;
            return Err((
                "shape",
                format!("{what}; expected {expected} values at {size} and T = {frames}, got {got}"),
            ));
        }
    }
    Ok(())
}

fn check_window(sample: &Sample) -> Result<(), Broken> {
    let (size, window) = (sample.native_size, sample.native_window);
    if size.width > 65_535 || size.height > 65_535 || !window.fits(size) {
        return Err((
            "native-window",
            format!(
                "native_window; expected a part of the {size} picture (at most 65535 a side), got {window:?}"
            ),
        ));
    }
    Ok(())
}

fn check_depth(depth: &[f32]) -> Result<(), Broken> {
    match first_illegal(depth, |value| (0.0..f32::INFINITY).contains(&value)) {
        Some(value) => Err(("depth", format!("depth; expected finite numbers >= 0, got {value}"))),
        None => Ok(()),
    }
}

fn check_intrinsics(k: &[f32; 9]) -> Result<(), Broken> {
    let unknown = k.iter().all(|value| value.is_nan());
    let pinhole = k.iter().all(|value| value.is_finite())
        && k[0] > 0.0
        && k[4] > 0.0
        && [k[1], k[3], k[6], k[7], k[8]] == [0.0, 0.0, 0.0, 0.0, 1.0];
    if unknown || pinhole {
        return Ok(());
    }
    Err((
        "intrinsics",
        format!("intrinsics; expected [fx 0 cx; 0 fy cy; 0 0 1] or nine NaN, got {k:?}"),
    ))
}

fn check_pose(pose: &[f32; 16]) -> Result<(), Broken> {
    if pose.iter().all(|value| value.is_nan()) {
        return Ok(());
    }
    let m = |row: usize, column: usize| f64::from(pose[4 * row + column]);
    let dot = |a: usize, b: usize| (0..3).map(|k| m(a, k) * m(b, k)).sum::<f64>();
    let orthonormal = (0..3).all(|a| {
        (0..3).all(|b| (dot(a, b) - f64::from(u8::from(a == b))).abs() <= ROTATION_TOLERANCE)
    });
    let determinant = m(0, 0) * (m(1, 1) * m(2, 2) - m(1, 2) * m(2, 1))
        - m(0, 1) * (m(1, 0) * m(2, 2) - m(1, 2) * m(2, 0))
        + m(0, 2) * (m(1, 0) * m(2, 1) - m(1, 1) * m(2, 0));
    let finite = pose.iter().all(|value| value.is_finite());
    if finite && orthonormal && determinant > 0.0 && pose[12..] == [0.0, 0.0, 0.0, 1.0] {
        return Ok(());
    }
    Err(("pose", format!("pose; expected a rigid motion or sixteen NaN, got {pose:?}")))
}

fn check_values<T: Copy + std::fmt::Display>(
    rule: &'static str,
    values: &[T],
    legal: impl Fn(T) -> bool,
    expected: &str,
) -> Result<(), Broken> {
    match first_illegal(values, legal) {
        Some(value) => Err((rule, format!("{rule}; expected {expected}, got {value}"))),
        None => Ok(()),
    }
}

/// Most values are legal: blocks without a way out in the middle are looked at with vector instructions.
fn first_illegal<T: Copy>(values: &[T], legal: impl Fn(T) -> bool) -> Option<T> {
    let wrong = |block: &&[T]| !block.iter().fold(true, |all, value| all & legal(*value));
    values.chunks(256).find(wrong)?.iter().copied().find(|value| !legal(*value))
}

fn check_objects(
    objects: &SampleObjects,
    header: &ShardHeader,
    limits: &Limits,
) -> Result<(), Broken> {
    let rows = &objects.rows;
    for (position, row) in rows.iter().enumerate() {
        if usize::from(row.index) != position + 1 {
            let expected = position + 1;
            return Err((
                "object-index",
                format!("object; expected index {expected}, got {}", row.index),
            ));
        }
        if row.score.iter().any(|score| !(limits.score_min..=1.0).contains(score)) {
            let least = limits.score_min;
            let got = row.score;
            return Err((
                "object-score",
                format!("object; expected scores {least} to 1, got {got:?}"),
            ));
        }
        for iou in [row.iou_prev, row.iou_next] {
            if !(iou <= 1.0 && f64::from(iou) > limits.iou_above) {
                let above = limits.iou_above;
                return Err((
                    "object-iou",
                    format!("object; expected IoU above {above}, got {iou}"),
                ));
            }
        }
    }
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].score[1] < pair[1].score[1]) {
        return Err((
            "object-order",
            format!(
                "object; expected target-frame scores that fall, got {} after {}",
                pair[1].score[1], pair[0].score[1]
            ),
        ));
    }
    let area = header.area();
    for (frame, map) in objects.map.chunks_exact(area).enumerate() {
        let mut pixels = [0_u32; 256];
        let (blocks, rest) = map.as_chunks::<64>();
        // Most of a picture is no object, and nobody asks how much.
        let painted = |block: &&[u8; 64]| block.iter().fold(0, |any, index| any | index) != 0;
        for index in blocks.iter().filter(painted).flatten().chain(rest) {
            pixels[usize::from(*index)] += 1;
        }
        if let Some(index) = (rows.len() + 1..256).find(|index| pixels[*index] > 0) {
            let most = rows.len();
            return Err(("object-map", format!("objects; expected 0 to {most}, got {index}")));
        }
        if let Some(index) = (1..=rows.len()).find(|index| pixels[*index] < limits.min_area) {
            let (least, got) = (limits.min_area, pixels[index]);
            return Err((
                "object-area",
                format!(
                    "object {index} in frame {frame}; expected at least {least} pixels, got {got}"
                ),
            ));
        }
    }
    check_values("movable", &objects.movable, |flag| flag <= 1, "0 or 1")?;
    let target = &objects.map[area..2 * area];
    if target.iter().zip(&objects.movable).any(|(index, flag)| *index > 0 && *flag == 0) {
        return Err((
            "movable",
            "movable; expected 1 on every pixel of an object in the target frame, got 0".to_owned(),
        ));
    }
    Ok(())
}

fn check_gt(sample: &Sample) -> Result<(), Broken> {
    let size = sample.native_size;
    for point in sample.gt.iter().flatten() {
        let inside = u32::from(point.y) < size.height && u32::from(point.x) < size.width;
        if !(inside && point.depth.is_finite() && point.depth > 0.0) {
            return Err((
                "gt",
                format!(
                    "gt; expected a pixel of the {size} picture with finite depth > 0, got {point:?}"
                ),
            ));
        }
    }
    Ok(())
}
