//! Floor 1: the unsupervised loss of what moves by itself: every aligned object with a motion of its own.
//!
//! The pose network sees the object's pixels in all three frames, not warped by the camera's motion, so what it says
//! is the object's total motion in the camera frame; `Residual` reads it as motion on top of the camera's.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::clip::{Clip, ObjectInputs};
use super::photometric::PhotometricConfig;
use super::term::{LossTerm, masked_sums, means, sums_by_group};
use crate::dims::{Axis, expect_dims};
use crate::geometry::project::Projection;
use crate::geometry::rotation::{compose_transforms, transform_from_vector};

/// How objects enter the unsupervised loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectLoss {
    /// A term of its own: the mean in an object, then over the objects of an image.
    #[default]
    Separate,
    /// One picture in which each pixel of an object moves with it and all others with the camera; one mean.
    Composite,
}

/// What an object's pose vector says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectPose {
    /// Its motion relative to the camera.
    #[default]
    Total,
    /// Its motion in target-camera coordinates, before the camera's.
    Residual,
}

/// Photometric error of the objects' own pixels after their own motion.
///
/// # Shapes
/// - `depth`: `[N, 1, H, W]`, metres
pub fn object_loss(
    clip: &Clip,
    depth: &Tensor,
    objects: &ObjectInputs,
    pose: ObjectPose,
    config: &PhotometricConfig,
) -> LossTerm {
    let n_images = depth.size()[0];
    if check_objects(objects) == 0 {
        return LossTerm::absent(depth);
    }
    let motion = object_motion(clip, objects, pose);
    let clip = clip.select(objects.image);
    let depth = depth.index_select(0, objects.image);
    let at = [clip.project(&depth, &motion, 0), clip.project(&depth, &motion, 1)];
    let map = clip.error_map(&at, config);
    let own = object_pixels(objects);
    let (sums, counts) = masked_sums(&map.error, &map.valid.logical_and(&own));

    // Mean in an object, over the objects of an image that have any valid pixel, over the images.
    let has = counts.gt(0);
    let per_image = sums_by_group(&means(&sums, &counts), objects.image, n_images);
    let n_objects = sums_by_group(&has.to_kind(Kind::Int64), objects.image, n_images);
    let term = LossTerm::mean_of_means(&per_image, &n_objects);
    term.standing_on(counts.sum(Kind::Int64)).unless_spoiled(objects.motion)
}

/// Photometric error of all pixels, the objects' after their own motion and the others after the camera's.
///
/// # Shapes
/// - `depth`: `[N, 1, H, W]`, metres
pub fn composite_loss(
    clip: &Clip,
    depth: &Tensor,
    objects: &ObjectInputs,
    pose: ObjectPose,
    config: &PhotometricConfig,
) -> LossTerm {
    let mut at = [clip.project(depth, &clip.ego, 0), clip.project(depth, &clip.ego, 1)];
    if check_objects(objects) > 0 {
        let motion = object_motion(clip, objects, pose);
        let seen = clip.select(objects.image);
        let object_depth = depth.index_select(0, objects.image);
        let own = object_pixels(objects);
        // Any pixel belongs to at most one object, so a sum over objects picks one.
        let taken = pick(&own, &own.to_kind(depth.kind()), objects.image, depth.size()[0]).gt(0.5);
        for (s, at) in (0i64..).zip(&mut at) {
            let moved = seen.project(&object_depth, &motion, s);
            let merge = |still: &Tensor, moved: &Tensor| {
                pick(&own, moved, objects.image, depth.size()[0]).where_self(&taken, still)
            };
            *at = Projection {
                column: merge(&at.column, &moved.column),
                row: merge(&at.row, &moved.row),
                depth: merge(&at.depth, &moved.depth),
            };
        }
    }
    let map = clip.error_map(&at, config);
    let term = LossTerm::mean_over_images(&map.error, &map.valid);
    clip.term_of_ego(term).unless_spoiled(objects.motion)
}

/// The number of objects, M.
fn check_objects(objects: &ObjectInputs) -> i64 {
    let m = objects.motion.size()[0];
    expect_dims("object motion", objects.motion, &[Axis::Is(m), Axis::Is(2), Axis::Is(6)]);
    expect_dims("object image", objects.image, &[Axis::Is(m)]);
    expect_dims("object index", objects.index, &[Axis::Is(m)]);
    m
}

/// source_from_target of every object: `[M, 2, 4, 4]`.
fn object_motion(clip: &Clip, objects: &ObjectInputs, pose: ObjectPose) -> Tensor {
    let motion = transform_from_vector(objects.motion);
    match pose {
        ObjectPose::Total => motion,
        ObjectPose::Residual => {
            compose_transforms(&clip.ego.index_select(0, objects.image), &motion)
        }
    }
}

/// The pixels of every object: `[M, H, W]`, bool.
fn object_pixels(objects: &ObjectInputs) -> Tensor {
    let masks = objects.masks.index_select(0, objects.image);
    masks.eq_tensor(&objects.index.to_kind(masks.kind()).view([-1, 1, 1]))
}

/// Sums `[M, H, W]` over the objects of each image, each only at its own pixels: `[N, H, W]`.
fn pick(own: &Tensor, values: &Tensor, image: &Tensor, n: i64) -> Tensor {
    let size = values.size();
    let zero = Tensor::zeros([n, size[1], size[2]], (values.kind(), values.device()));
    zero.index_add(0, image, &values.where_scalarother(own, 0.0))
}
