//! Floor 3: one step for one batch or one image: train, evaluate, render.

pub mod evaluate;
pub mod export;
pub mod model;
pub mod render;
pub mod render_motion;
pub mod train;

#[cfg(test)]
mod train_tests;
