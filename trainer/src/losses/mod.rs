//! Floor 1: the loss terms in reading order: supervised, unsupervised, weak, total.
//!
//! Everywhere: the mean inside an image first, then the mean over the images that have the term; none gives 0.

pub mod term;
// supervised
pub mod regression;
pub mod scale_invariant;
pub mod supervised;
// unsupervised
pub mod clip;
pub mod ego_motion;
pub mod object_motion;
pub mod photometric;
pub mod smoothness;
pub mod ssim;
// weak
pub mod ordinal;
// all of it
pub mod hourglass;
pub mod total;

#[cfg(test)]
mod known_motion_tests;
#[cfg(test)]
mod scene_tests;
