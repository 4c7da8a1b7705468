//! Floor 1: the pictures of one sample: frames with object numbers, pairs as far and near squares, semantics, depth.

use suw_shared::class::SemanticClass;
use suw_shared::image_size::ImageSize;
use suw_shared::pair::{Origin, Pair, PairKind, Rule};
use suw_shared::rgb_image::RgbImage;
use suw_shared::sample::Sample;

use crate::page::canvas::{
    blend, colored_depth, dot, enlarged, line, paint_objects, picture_from_planes, square,
};

/// Depth at the ends of the color ramp, metres.
pub const DEPTH_RANGE_M: (f32, f32) = (2.0, 80.0);
/// Color of the farther end of a pair.
pub const FAR: [u8; 3] = [56, 132, 255];
/// Color of the nearer end.
pub const NEAR: [u8; 3] = [255, 122, 28];

/// Frame `frame` of a sample, `factor` times as large, with its aligned objects.
pub fn frame_with_objects(sample: &Sample, size: ImageSize, frame: usize, factor: u32) -> RgbImage {
    let mut picture = enlarged(&plain_frame(sample, size, frame), factor);
    if let Some(objects) = &sample.objects {
        let area = size.area();
        paint_objects(&mut picture, &objects.map[frame * area..(frame + 1) * area], size);
    }
    picture
}

/// Frame `frame` as it is stored.
pub fn plain_frame(sample: &Sample, size: ImageSize, frame: usize) -> RgbImage {
    let bytes = 3 * size.area();
    picture_from_planes(&sample.image[frame * bytes..(frame + 1) * bytes], size)
}

/// The target frame with some patch pairs of one rule: a line from the far (blue) to the near (orange) patch.
pub fn pairs_of_rule(
    sample: &Sample,
    size: ImageSize,
    origin: Origin,
    rule: Rule,
    at_most: usize,
    factor: u32,
) -> RgbImage {
    let frames = sample.image.len() / (3 * size.area());
    let mut picture = enlarged(&plain_frame(sample, size, frames / 2), factor);
    dim(&mut picture);
    let wanted = |pair: &&Pair| {
        let kind = if origin == Origin::GroundTruth { PairKind::Pixel } else { PairKind::Patch };
        pair.origin == origin && pair.rule == rule && pair.kind == kind
    };
    let chosen: Vec<&Pair> = sample.pairs.iter().flatten().filter(wanted).collect();
    // Evenly out of the pool, so that a few show how the many are spread.
    let every = chosen.len().div_ceil(at_most.max(1)).max(1);
    // As thick as a page that shows the picture at a third of a screen needs.
    let stroke = i64::from(picture.size().width / 300).max(1);
    let place = |v: u16| (i64::from(v) * 2 + 1) * i64::from(factor) / 2;
    for pair in chosen.into_iter().step_by(every) {
        let far = (place(pair.far_y), place(pair.far_x));
        let near = (place(pair.near_y), place(pair.near_x));
        let side = i64::from(pair.size) * i64::from(factor);
        for shift in 0..(stroke + 1) / 2 {
            line(&mut picture, (far.0, far.1 + shift), (near.0, near.1 + shift), [240, 240, 240]);
        }
        square(&mut picture, far, side, stroke, FAR);
        square(&mut picture, near, side, stroke, NEAR);
    }
    picture
}

fn dim(picture: &mut RgbImage) {
    let size = picture.size();
    for y in 0..i64::from(size.height) {
        for x in 0..i64::from(size.width) {
            blend(picture, y, x, [20, 22, 30], 0.35);
        }
    }
}

/// The semantic map over the target frame.
pub fn semantics(sample: &Sample, size: ImageSize, factor: u32) -> Option<RgbImage> {
    let map = sample.semantic.as_ref()?;
    let frames = sample.image.len() / (3 * size.area());
    let mut picture = plain_frame(sample, size, frames / 2);
    for (i, &id) in map.iter().enumerate() {
        if let Some(class) = SemanticClass::from_id(id) {
            let (y, x) = (i / size.width as usize, i % size.width as usize);
            blend(&mut picture, y as i64, x as i64, class.color(), 0.7);
        }
    }
    Some(enlarged(&picture, factor))
}

/// Measured depth: points over the darkened frame where sparse, a full picture where dense.
pub fn measured_depth(sample: &Sample, size: ImageSize, factor: u32) -> Option<RgbImage> {
    let depth = sample.depth.as_ref()?;
    let (near, far) = DEPTH_RANGE_M;
    let colors = colored_depth(depth, size, near, far);
    let measured = depth.iter().filter(|&&d| d > 0.0).count();
    if 2 * measured > depth.len() {
        return Some(enlarged(&colors, factor));
    }
    let frames = sample.image.len() / (3 * size.area());
    let mut picture = plain_frame(sample, size, frames / 2);
    dim(&mut picture);
    for (i, &metres) in depth.iter().enumerate() {
        if metres > 0.0 {
            let (y, x) = ((i / size.width as usize) as u32, (i % size.width as usize) as u32);
            dot(&mut picture, i64::from(y), i64::from(x), colors.pixel(y, x));
        }
    }
    Some(enlarged(&picture, factor))
}
