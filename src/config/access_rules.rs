//! Access rules: where they come from, how their patterns are written.

use std::fmt;

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
            .finish()
    }
}
