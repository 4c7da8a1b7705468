//! The offline half of SUW-Learn: data sets to masks, aligned objects, weak labels and shards. In floor order, ground first.

// floor 0: nouns
pub mod detected;
// floor 1: arithmetic
pub mod align;
pub mod components;
pub mod nearest;
pub mod pairs;
pub mod quality;
pub mod resize;
// floor 2: doors
pub mod datasets;
pub mod decode;
pub mod mask_store;
pub mod rules_file;
// floor 3: stages
pub mod stages;
// floor 4: runs
pub mod progress;
pub mod scan;
pub mod synth;
pub mod validation;
// floor 5: command line
pub mod cli;
pub mod commands;
pub mod config;
