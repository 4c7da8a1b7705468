//! Floor 1: one file per network, blocks first.
//!
//! Variable names are part of the checkpoint format; renaming one breaks old checkpoints.

pub mod blocks;
pub mod build;
pub mod depth_network;
pub mod encoder;
pub mod encoder_decoder;
pub mod hourglass;
pub mod inception;
pub mod input;
pub mod pose;
pub mod sam;

#[cfg(test)]
mod initial_tests;
#[cfg(test)]
mod pose_switch_tests;
