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

/// What the validator compares; each of them is asked of a `Judge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// A manifest with its schema, and its values with each other.
    Schema,
    /// The text of a manifest with the one that would be written.
    Text,
    /// The names in the folder with those in the manifest.
    Folder,
    /// The list of what was set aside with its rules and with its counts in the manifest.
    Quarantine,
    /// Lengths of files.
    Length,
    /// Checksums of files.
    Digest,
    /// What a shard says of itself with what manifest and first shard say.
    Header,
    /// Keys of a shard with those of the shard before.
    Order,
    /// Objects and pairs in the shards with the sums in the manifest.
    Counts,
}

impl Compared {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Schema,
        Self::Text,
        Self::Folder,
        Self::Quarantine,
        Self::Length,
        Self::Digest,
        Self::Header,
        Self::Order,
        Self::Counts,
    ];
}

/// Has the last word on a comparison: gets what was compared and whether it was the same. Tests pass one that always
/// says yes to one comparison, and see that mutations then go unnoticed.
pub type Judge<'a> = &'a (dyn Fn(Compared, bool) -> bool + Sync);

/// The judge of all commands: the same is the same.
pub const fn honest(_: Compared, same: bool) -> bool {
    same
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Schema, presence, sizes, checksums.
    Files,
    /// And every rule of the format on every sample.
    Samples,
}
