//! Floor 5: the sub-commands, one file each.

pub mod doctor;
pub mod masks;
pub mod merge;
pub mod plan;
pub mod quality;
pub mod report;
pub mod run;
pub mod scan;
pub mod synth;
pub mod validate;
