//! Access rules: as written ([`spec`]), as run ([`Rule`], made by [`compile`]), and where they come from
//! ([`source`], [`load`], [`repository`], [`watch`], [`remote`]).

mod across;
pub mod common;
pub mod compile;
pub mod conditions;
pub mod explain;
pub mod load;
pub mod migrate;
pub mod overlap;
pub mod pace;
pub mod policy;
pub mod remote;
pub mod repository;
pub mod rewrite;
mod set;
pub mod source;
pub mod spec;
pub mod substitute;
pub mod upstream;
pub mod watch;

pub use common::Common;
pub use conditions::Conditions;
pub use policy::{ChosenBy, OnMultipleMatches, Policy};
pub use repository::Repository;
pub use set::{Hit, RuleSet};
pub use spec::RuleSpec;
pub use substitute::Substitution;

use http::HeaderName;
use smallvec::SmallVec;

use self::upstream::Upstream;
use crate::matcher::Pattern;
use crate::pipeline::cors;
use crate::pipeline::errors::select::ErrorStep;
use crate::pipeline::handler::{Authenticator, Authorizer, Mutator};
use crate::pipeline::step::Step;

/// A rule as it runs. One with a fault runs too, up to the fault, and never to a grant.
#[derive(Debug)]
pub struct Rule {
    /// What was written.
    pub spec: std::sync::Arc<RuleSpec>,
    /// The document it came from.
    pub source: std::sync::Arc<crate::diagnostic::Source>,
    /// Its position in the document's list, from 0.
    pub index: usize,
    /// Its URL patterns, of which any one is enough; none where it cannot match anything.
    pub patterns: SmallVec<[Pattern; 1]>,
    /// What else it asks of requests.
    pub conditions: Option<Box<Conditions>>,
    match_fault: Option<MatchFault>,
    /// Its methods, where they are not those that are written.
    methods: Option<Common<[String]>>,
    /// Who is calling?
    pub authenticators: Common<[Step<dyn Authenticator>]>,
    /// May they? All have to agree; there is at least one.
    pub authorizers: Common<[Step<dyn Authorizer>]>,
    /// What does the upstream learn?
    pub mutators: Common<[Step<dyn Mutator>]>,
    /// What authorizers and mutators may set: a client's own headers of these names must not pass for them.
    pub identity_headers: Common<[HeaderName]>,
    /// How is a refusal put?
    pub errors: Common<[ErrorStep]>,
    /// What may pages of other origins do?
    pub cors: Option<Box<cors::Policy>>,
    /// Where does the proxy, if there is one, send requests?
    pub upstream: Option<Common<Upstream>>,
    valid: bool,
    uses_captures: bool,
}

/// What is wrong with a rule's `match`, so that it may match more than was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MatchFault {
    /// Something stands in for a pattern that cannot be compiled.
    StandIn,
    /// A condition is left out.
    Condition,
}

impl Rule {
    /// The rule's id as written.
    pub fn id(&self) -> &str {
        &self.spec.id
    }

    /// The methods it is for, [`ANY_METHOD`](crate::matcher::ANY_METHOD) among them for all; none for rules that no
    /// HTTP request can meet.
    pub fn methods(&self) -> &[String] {
        if let Some(methods) = &self.methods {
            return methods;
        }
        match &self.spec.matches {
            Some(spec::MatchSpec::Http { methods: Some(methods), .. }) => methods,
            _ => &[],
        }
    }

    /// Its rank under `on_multiple_matches: priority`; 0 where it names none.
    pub fn priority(&self) -> i64 {
        self.spec.priority.unwrap_or(0)
    }

    /// Whether a pattern stands in for one that cannot be compiled.
    pub fn has_stand_in(&self) -> bool {
        self.match_fault == Some(MatchFault::StandIn)
    }

    /// Whether it matches more requests than it was meant to, because of a fault.
    pub fn is_vague(&self) -> bool {
        self.match_fault.is_some()
    }

    /// Whether any request may get a yes: the rule is valid and does not say no to all of them.
    pub fn may_grant(&self) -> bool {
        self.valid
            && self.authorizers.iter().all(|step| step.id != "deny")
            && self.authenticators.iter().any(|step| step.id != "unauthorized")
    }

    /// Whether a step may look at the capture groups of its pattern.
    pub fn uses_captures(&self) -> bool {
        self.uses_captures
    }

    /// Whether nothing was wrong with it.
    pub fn is_valid(&self) -> bool {
        self.valid
    }
}
