//! Exit codes: what the shell learns.

use std::process::{ExitCode, Termination};

/// The answer to what was asked, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Yes: no findings, one rule, done, alive.
    Yes,
    /// No: findings, no rule or several, not there, not ready.
    No,
    /// The question could not be answered. Wrong usage counts as well.
    CouldNot,
}

impl Exit {
    /// Yes or no.
    pub fn from_yes(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::CouldNot => 2,
        })
    }
}
