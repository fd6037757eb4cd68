//! Access rules: as written ([`spec`]), as run ([`Rule`], made by [`compile`]), and where they come from
//! ([`source`], [`load`], [`repository`], [`watch`]).

mod across;
pub mod compile;
pub mod explain;
pub mod load;
pub mod migrate;
pub mod overlap;
pub mod repository;
mod set;
pub mod source;
pub mod spec;
pub mod watch;

pub use repository::Repository;
pub use set::{Hit, RuleSet};
pub use spec::RuleSpec;

use http::HeaderName;

use crate::matcher::Pattern;
use crate::pipeline::errors::select::ErrorStep;
use crate::pipeline::handler::{Authenticator, Authorizer, Mutator};
use crate::pipeline::step::Step;

/// A rule as it runs. One with a fault runs too, up to the fault, and never to a grant.
#[derive(Debug)]
pub struct Rule {
    /// What was written.
    pub spec: RuleSpec,
    /// The document it came from.
    pub source: std::sync::Arc<crate::diagnostic::Source>,
    /// Its position in the document's list, from 0.
    pub index: usize,
    /// Its URL pattern; none where it cannot match anything.
    pub pattern: Option<Pattern>,
    /// Who is calling?
    pub authenticators: Vec<Step<dyn Authenticator>>,
    /// May they? All have to agree; there is at least one.
    pub authorizers: Vec<Step<dyn Authorizer>>,
    /// What does the upstream learn?
    pub mutators: Vec<Step<dyn Mutator>>,
    /// What authorizers and mutators may set: a client's own headers of these names must not pass for them.
    pub identity_headers: Vec<HeaderName>,
    /// How is a refusal put?
    pub errors: Vec<ErrorStep>,
    valid: bool,
}

impl Rule {
    /// The rule's id as written.
    pub fn id(&self) -> &str {
        &self.spec.id
    }

    /// The methods it lists; none for rules that no HTTP request can meet.
    pub fn methods(&self) -> &[String] {
        match &self.spec.matches {
            Some(spec::MatchSpec::Http { methods: Some(methods), .. }) => methods,
            _ => &[],
        }
    }

    /// Whether nothing was wrong with it.
    pub fn is_valid(&self) -> bool {
        self.valid
    }
}
