//! Floor 4: whether what lies on disk is what its manifest says. Reports every fault, not just the first.

pub mod data_set;
pub mod finding;
pub mod shard_set;
