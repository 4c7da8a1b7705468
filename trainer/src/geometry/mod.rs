//! Floor 1: pinhole geometry on tensors, ground first.
//!
//! Everything here is written element by element instead of as matrix products: so no setting of reduced matrix
//! precision (TF32, autocast) can reach it.

pub mod grid;
pub mod project;
pub mod rotation;
pub mod warp;
