//! Floor 2: what can be wrong with a mask store, and with the masks of one frame.

use std::path::PathBuf;

use suw_shared::exit::{Exit, Failure};
use suw_shared::problem::ProblemKind;

use crate::machine_fault::{self, is_machines};

/// What is wrong with the store as a whole.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No folder to import from.
    #[error("cannot open mask store: expected a folder, got nothing or a file; {root:?}")]
    NoFolder {
        /// Where.
        root: PathBuf,
    },
    /// `store.json` that cannot be understood.
    #[error("cannot read mask store description: {cause}; {path:?}")]
    Description {
        /// Which file.
        path: PathBuf,
        /// Expected, got.
        cause: String,
    },
    /// Masks of other models.
    #[error(
        "cannot use mask store: its {role} masks were made by another model or spec; \
         expected {expected}, got {got}; {root:?}"
    )]
    OtherModels {
        /// Where.
        root: PathBuf,
        /// "instance" or "semantic".
        role: &'static str,
        /// The configured model.
        expected: String,
        /// The model in `store.json`.
        got: String,
    },
    /// Files, but no `store.json`.
    #[error(
        "cannot use mask store: it holds files but no store.json that says which models made them; \
         expected an empty folder or a store of the configured models; {root:?}"
    )]
    NotOurs {
        /// Where.
        root: PathBuf,
    },
    /// Imported stores are read only.
    #[error("cannot write masks: the store is imported and only read; {root:?}")]
    ReadOnly {
        /// Where.
        root: PathBuf,
    },
    /// A scene or stem that would leave the root.
    #[error("cannot write masks: {cause}")]
    Name {
        /// What is wrong with it.
        cause: String,
    },
    /// This machine cannot read a picture now; nothing is known about the picture.
    #[error("cannot read picture {path:?}: {source}")]
    Picture {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The disk.
    #[error("cannot {verb} mask store file: {source}; {path:?}")]
    Io {
        /// "read" or "write".
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl From<StoreError> for Failure {
    /// The operator's mistakes end with 2 and say what to do; a failing disk ends with 1.
    fn from(error: StoreError) -> Self {
        let advice = match &error {
            StoreError::NoFolder { .. } => "Check masks.root.",
            StoreError::OtherModels { .. } => {
                "Choose another masks.root, or delete this one to run the networks again."
            }
            StoreError::NotOurs { .. } => {
                "Choose another masks.root, or set masks.source = \"import\" to use the files as they are."
            }
            StoreError::Description { .. } => "Delete the store, or choose another masks.root.",
            StoreError::ReadOnly { .. } | StoreError::Name { .. } => "",
            StoreError::Io { .. } | StoreError::Picture { .. } => {
                let message = error.to_string();
                let message = format!("{message}; {}", machine_fault::advice(&message));
                return Self { exit: Exit::Failed, message };
            }
        };
        Self::usage(format!("{error}. {advice}").trim_end_matches([' ', '.']).to_owned())
    }
}

/// What is wrong with the masks of one frame. The text holds no path outside the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// Not in the store.
    #[error("cannot find {what} of frame {frame:?}: the mask store has no {file:?}")]
    Missing {
        /// "instance masks" or "semantic map".
        what: &'static str,
        /// Scene and stem.
        frame: String,
        /// Relative to the store.
        file: String,
    },
    /// There, but of no use.
    #[error("cannot read {what} of frame {frame:?}: {cause}; file {file:?}")]
    Unreadable {
        /// "instance masks" or "semantic map".
        what: &'static str,
        /// Scene and stem.
        frame: String,
        /// Expected, got.
        cause: String,
        /// Relative to the store.
        file: String,
    },
    /// This machine cannot read it now; nothing is known about the masks.
    #[error("cannot read {what} of frame {frame:?}: {cause}; file {file:?}")]
    Machine {
        /// "instance masks" or "semantic map".
        what: &'static str,
        /// Scene and stem.
        frame: String,
        /// The system's words.
        cause: String,
        /// Relative to the store.
        file: String,
    },
}

impl MaskError {
    /// How it stands in the quarantine.
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Missing { .. } => ProblemKind::MaskMissing,
            Self::Unreadable { .. } | Self::Machine { .. } => ProblemKind::MaskUnreadable,
        }
    }

    /// From a file that the system refuses to read.
    pub(super) fn refused(
        what: &'static str,
        frame: String,
        file: String,
        error: &std::io::Error,
    ) -> Self {
        let cause = error.to_string();
        match is_machines(error) {
            true => Self::Machine { what, frame, cause, file },
            false => Self::Unreadable { what, frame, cause, file },
        }
    }
}
