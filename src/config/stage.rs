//! The four kinds of handler, as the configuration names them.

use std::fmt;

/// What a handler does in the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Who is calling?
    Authenticators,
    /// May they?
    Authorizers,
    /// What does the upstream learn?
    Mutators,
    /// How is a refusal put?
    Errors,
}

impl Stage {
    /// In the order of the pipeline.
    pub const ALL: [Self; 4] = [Self::Authenticators, Self::Authorizers, Self::Mutators, Self::Errors];

    /// JSON pointer of the stage's handlers in the configuration.
    pub fn pointer(self) -> &'static str {
        match self {
            Self::Authenticators => "/authenticators",
            Self::Authorizers => "/authorizers",
            Self::Mutators => "/mutators",
            Self::Errors => "/errors/handlers",
        }
    }

    /// What one of its handlers is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Authenticators => "authenticator",
            Self::Authorizers => "authorizer",
            Self::Mutators => "mutator",
            Self::Errors => "error handler",
        }
    }
}

impl fmt::Display for Stage {
    /// The name that begins the files in `schemas/pipeline`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authenticators => "authenticators",
            Self::Authorizers => "authorizers",
            Self::Mutators => "mutators",
            Self::Errors => "errors",
        })
    }
}
