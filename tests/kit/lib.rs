//! What tests share.

mod python;
pub mod samples;

pub use python::{python, root};
