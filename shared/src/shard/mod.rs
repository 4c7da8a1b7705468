//! Floor 2: the shard format: one HDF5 file of samples. This file is the door; FORMAT.md is the prose.
#![doc = include_str!("FORMAT.md")]

mod broken;
mod checks;
mod chunk;
mod error;
pub mod header;
mod layout;
mod limits;
mod native;
mod pair_checks;
mod reader;
mod rows;
mod schema;
pub mod set;
mod write_back;
mod writer;

pub use broken::CheckError;
pub use checks::check_sample;
pub use error::ShardError;
pub use header::{Contents, DepthUnit, HeaderError, ShardHeader, shard_file_name};
pub use reader::{FrameParts, Parts, ShardReader};
pub use set::ShardSet;
pub use writer::{EncodedSample, ShardSummary, ShardWriter};

/// Version of the HDF5 library inside the program, e.g. `2.2.0`.
pub fn hdf5_version() -> String {
    let (major, minor, patch) = hdf5::library_version();
    format!("{major}.{minor}.{patch}")
}
