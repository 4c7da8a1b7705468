//! Floor 0: a rule of the format that a sample breaks.

/// The rule, and what about which sample.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use sample {key:?}: {detail} (rule {rule})")]
pub struct CheckError {
    /// Key of the sample.
    pub key: String,
    /// Which rule; the names stand in FORMAT.md.
    pub rule: &'static str,
    /// What, expected, got.
    pub detail: String,
}

/// A broken rule, before the key is known to it: rule, then what, expected, got.
pub(crate) type Broken = (&'static str, String);
