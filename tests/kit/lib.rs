//! What tests share.

pub mod kitti_drive;
mod python;
pub mod samples;

pub use python::{python, root};
