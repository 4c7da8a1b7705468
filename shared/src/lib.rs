//! What the preprocessor and the trainer share: nouns, the shard format, manifests. In floor order, ground first.

// floor 0: nouns
pub mod camera;
pub mod class;
pub mod counts;
pub mod depth_map;
pub mod depth_source;
pub mod exit;
pub mod image_size;
pub mod object;
pub mod pair;
pub mod pose;
pub mod problem;
pub mod rgb_image;
pub mod rle;
pub mod sample;
pub mod sample_key;
pub mod seed;
pub mod semantic_map;
// floor 1: arithmetic
pub mod resample;
// floor 2: doors
pub mod atomic_file;
pub mod checksum;
pub mod manifest;
pub mod shard;
pub mod toml_file;
