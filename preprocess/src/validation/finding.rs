//! Floor 0: one thing that is not what a manifest says.

use std::fmt;

use serde::Serialize;

/// One fault of one file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Name of the file, relative to the folder that is checked.
    pub file: String,
    /// What, expected, got.
    pub message: String,
}

impl Finding {
    /// A fault of `file`.
    pub fn new(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Schema, presence, sizes, checksums.
    Files,
    /// And every rule of the format on every sample.
    Samples,
}
