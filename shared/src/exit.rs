//! Floor 0: how a program ends: the exit codes of both programs, and errors that carry one.

use std::fmt;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All done.
    Done = 0,
    /// Anything that has no code of its own.
    Failed = 1,
    /// Wrong usage or configuration; nothing was started.
    Usage = 2,
    /// Finished, but some inputs were set aside.
    SetAside = 3,
    /// Something on disk is not what its manifest says.
    Integrity = 4,
    /// Stopped by a signal with everything kept; run again to resume.
    Stopped = 75,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that decides the exit code. Put at the root of an error chain; the programs look for it with `downcast_ref`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code to end with.
    pub exit: Exit,
    /// What, which, expected, got; then what to do.
    pub message: String,
}

impl Failure {
    /// The operator's mistake: nothing was started.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// Something on disk is not what its manifest says.
    pub fn integrity(message: impl Into<String>) -> Self {
        Self { exit: Exit::Integrity, message: message.into() }
    }

    /// Stopped on request; what was done is kept.
    pub fn stopped(message: impl Into<String>) -> Self {
        Self { exit: Exit::Stopped, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
