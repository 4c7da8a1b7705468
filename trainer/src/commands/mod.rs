//! Floor 5: the sub-commands, one file each.

pub mod bench;
pub mod conformance;
pub mod damage;
pub mod doctor;
pub mod eval;
pub mod export;
pub mod predict;
pub mod train;
