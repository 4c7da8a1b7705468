//! Floor 1: the optimizer and its schedule.

pub mod adam;
pub mod schedule;
