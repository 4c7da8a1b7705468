//! Floor 2: what can be wrong with a shard or a shard set.

use std::path::{Path, PathBuf};

use super::broken::CheckError;
use crate::manifest::ManifestError;

/// Why a shard cannot be written or read. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The operating system refused.
    #[error("cannot {action} shard {path:?}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// HDF5 refused: no HDF5 file, or a damaged one.
    #[error("cannot {action} shard {path:?}: {message}")]
    Hdf5 {
        /// What was tried, and on which object.
        action: String,
        /// Which file.
        path: PathBuf,
        /// HDF5's words.
        message: String,
    },
    /// An attribute, a container property, or the header as a whole breaks the format.
    #[error("cannot use shard {path:?}: {what}; expected {expected}, got {got}")]
    Header {
        /// Which file.
        path: PathBuf,
        /// Which attribute or property.
        what: String,
        /// What the format says.
        expected: String,
        /// What the file says.
        got: String,
    },
    /// An object of the file breaks the format: presence, type, shape, layout or stored bytes.
    #[error(
        "cannot use shard {path:?}, object \"/{object}\": {what}; expected {expected}, got {got}"
    )]
    Object {
        /// Which file.
        path: PathBuf,
        /// Which dataset.
        object: String,
        /// Which property of it.
        what: &'static str,
        /// What the format says.
        expected: String,
        /// What the file says.
        got: String,
    },
    /// A sample breaks a rule of the format.
    #[error("cannot use shard {path:?}, sample {index}: {source}")]
    Sample {
        /// Which file.
        path: PathBuf,
        /// Position in the shard.
        index: usize,
        /// The rule and the values.
        source: CheckError,
    },
    /// Samples do not stand in rising order of their keys.
    #[error(
        "cannot add sample {key:?} to shard {path:?}: keys rise; expected more than {previous:?}, got {key:?}"
    )]
    Order {
        /// Which file.
        path: PathBuf,
        /// The key that is not larger than the one before.
        key: String,
        /// The one before.
        previous: String,
    },
    /// There is no such sample.
    #[error(
        "cannot read sample {index} of {path:?}: no such sample; expected less than {samples}, got {index}"
    )]
    Index {
        /// Shard or shard set.
        path: PathBuf,
        /// The position asked for.
        index: usize,
        /// How many there are.
        samples: usize,
    },
    /// The manifest of a shard set cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A shard is not what the manifest of its set says.
    #[error("cannot use shard {path:?} of its set: {what}; expected {expected}, got {got}")]
    NotAsListed {
        /// Which file.
        path: PathBuf,
        /// Which property.
        what: &'static str,
        /// What the manifest or the first shard says.
        expected: String,
        /// What the shard says.
        got: String,
    },
}

impl ShardError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn hdf5(action: impl Into<String>, path: &Path) -> impl FnOnce(hdf5::Error) -> Self {
        let (action, path) = (action.into(), path.to_owned());
        move |error| Self::Hdf5 { action, path, message: error.to_string() }
    }

    pub(crate) fn header(
        path: &Path,
        what: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self::Header {
            path: path.to_owned(),
            what: what.into(),
            expected: expected.into(),
            got: got.into(),
        }
    }
}
