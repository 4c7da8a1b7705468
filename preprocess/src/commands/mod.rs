//! Floor 5: the sub-commands, one file each.

pub mod doctor;
pub mod quality;
pub mod scan;
pub mod synth;
pub mod validate;
