//! The offline half of SUW-Learn: data sets to masks, aligned objects, weak labels and shards. In floor order, ground first.

// floor 0: nouns
pub mod class_table;
pub mod detected;
pub mod machine_fault;
// floor 1: arithmetic
pub mod align;
pub mod aligned_masks;
pub mod components;
pub mod depth_cleaning;
pub mod detections;
pub mod interpolate;
pub mod logits;
pub mod mask_paste;
pub mod nearest;
pub mod npy_depth;
pub mod page;
pub mod pairs;
pub mod quality;
pub mod resize;
pub mod segmenter;
pub mod tensors;
// floor 2: doors
pub mod datasets;
pub mod decode;
pub mod depth_file;
pub mod hdf5_depth;
pub mod import;
pub mod mask_store;
pub mod onnx;
pub mod picture_bytes;
pub mod predicted;
pub mod rules_file;
pub mod shard_record;
// floor 3: stages
pub mod stages;
// floor 4: runs
pub mod lanes;
pub mod make_shard;
pub mod masks_run;
pub mod measured_files;
pub mod plan;
pub mod progress;
pub mod run;
pub mod scan;
pub mod scan_pictures;
pub mod synth;
pub mod validation;
// floor 5: command line
pub mod cli;
pub mod commands;
pub mod config;
mod launch;
pub mod open_plan;
