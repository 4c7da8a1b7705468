//! Floor 1: the numbers papers report.

pub mod depth;
pub mod mean;
pub mod relative;
