//! Floor 1: the unsupervised loss of what only the camera moves.

use tch::Tensor;

use super::clip::Clip;
use super::photometric::PhotometricConfig;
use super::term::LossTerm;

/// Photometric error after the camera's motion, outside the aligned objects of the target frame.
///
/// # Shapes
/// - `depth`: `[N, 1, H, W]`, in the unit of the motion
/// - `objects`: `[N, H, W]`, 0 = none; without it every pixel counts
pub fn ego_loss(
    clip: &Clip,
    depth: &Tensor,
    objects: Option<&Tensor>,
    config: &PhotometricConfig,
) -> LossTerm {
    let at = [clip.project(depth, &clip.ego, 0), clip.project(depth, &clip.ego, 1)];
    let map = clip.error_map(&at, config);
    let keep = match objects {
        Some(objects) => map.valid.logical_and(&objects.eq(0)),
        None => map.valid,
    };
    clip.term_of_ego(LossTerm::mean_over_images(&map.error, &keep))
}
