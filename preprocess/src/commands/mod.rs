//! Floor 5: the sub-commands, one file each.

pub mod doctor;
pub mod export_coco;
pub mod import_masks;
pub mod inspect;
pub mod masks;
pub mod merge;
pub mod plan;
pub mod quality;
pub mod report;
pub mod run;
pub mod scan;
pub mod synth;
pub mod validate;
