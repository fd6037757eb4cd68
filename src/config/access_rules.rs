//! Access rules: where they come from, how their patterns are written.

use std::fmt;
use std::time::Duration;

use crate::matcher::Strategy;
use crate::pipeline::Preflight;
use crate::rule::{Policy, Substitution};

/// `access_rules.*`
#[derive(Clone)]
pub struct AccessRules {
    /// URLs or paths of rule documents, as written.
    pub repositories: Vec<String>,
    /// How patterns are written.
    pub strategy: Strategy,
    /// Which rule is meant where not exactly one matches.
    pub policy: Policy,
    /// Whether `*` among a rule's methods stands for all of them.
    pub method_wildcard: bool,
    /// What becomes of preflights.
    pub preflight: Preflight,
    /// Which variables of the environment rules may use, with their values.
    pub substitution: Substitution,
    /// `access_rules.allow_empty`: whether a document or folder without rules is taken at its word.
    pub allow_empty: bool,
    /// `access_rules.reload.*`
    pub reload: Reload,
}

/// `access_rules.reload`: when changed rules are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// How long a file has to be left alone before it is read.
    pub debounce: Duration,
    /// How often remote sources are asked; zero is once.
    pub poll: Duration,
}

/// Counts the repositories only: their URLs may hold credentials or whole documents.
impl fmt::Debug for AccessRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRules")
            .field("repositories", &self.repositories.len())
            .field("strategy", &self.strategy)
            .field("policy", &self.policy)
            .field("method_wildcard", &self.method_wildcard)
            .field("preflight", &self.preflight)
            .field("substitution", &self.substitution)
            .field("allow_empty", &self.allow_empty)
            .field("reload", &self.reload)
            .finish()
    }
}
