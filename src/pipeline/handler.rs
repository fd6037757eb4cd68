//! The four kinds of handler a rule is made of, and what a handler needs to be built.

use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::context::Context;
use super::denial::Denial;
use super::grant::Reply;
use super::session::Session;
use crate::config::Strategy;
use crate::diagnostic::Finding;
use crate::request::AccessRequest;
use crate::template;

/// What a handler answers: at once, or after waiting for something.
///
/// Handlers that never wait cost no allocation and no poll.
pub enum Answer<'a, T> {
    /// Decided.
    Now(Result<T, Denial>),
    /// To be awaited. Handler futures stay on one thread, so they need not be `Send`.
    Later(LocalBoxFuture<'a, Result<T, Denial>>),
}

impl<T> Answer<'_, T> {
    /// Waits where waiting is needed.
    pub async fn get(self) -> Result<T, Denial> {
        match self {
            Self::Now(done) => done,
            Self::Later(future) => future.await,
        }
    }
}

/// One decision in the making: the request, what is known so far, and what the worker lends.
pub struct Exchange<'x> {
    /// The request that is decided on.
    pub request: &'x AccessRequest<'x>,
    /// What the handlers before this one found out.
    pub session: Session,
    /// Clock, client and caches of this worker.
    pub context: &'x Context,
}

/// What an authenticator says when nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// The session's subject and extra are set; the chain ends here.
    Subject,
    /// The request carries nothing this authenticator reads; the next one is asked.
    NotResponsible,
}

/// Who is calling? The answer does not depend on the capture groups of the rule's pattern, which may not be
/// there.
pub trait Authenticator: Send + Sync {
    /// Sets subject and extra of the session, or says that it is not responsible. A denial ends the chain.
    fn authenticate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, Authentication>;
}

/// May they?
pub trait Authorizer: Send + Sync {
    /// Lets the request pass or denies it.
    fn authorize<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()>;

    /// Whether it may look at the capture groups of the rule's pattern: they are only worked out for a rule
    /// one of whose steps may.
    fn uses_captures(&self) -> bool {
        true
    }

    /// Names of headers that this authorizer may set, so that a client's own can be kept out.
    fn header_names(&self) -> Vec<http::HeaderName> {
        Vec::new()
    }
}

/// What does the upstream learn?
pub trait Mutator: Send + Sync {
    /// Writes to the session.
    fn mutate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()>;

    /// Whether it may look at the capture groups of the rule's pattern: they are only worked out for a rule
    /// one of whose steps may.
    fn uses_captures(&self) -> bool {
        true
    }

    /// Names of headers that this mutator may set, so that a client's own can be kept out.
    fn header_names(&self) -> Vec<http::HeaderName> {
        Vec::new()
    }
}

/// How is a refusal put?
pub trait ErrorHandler: Send + Sync {
    /// Shapes the answer for a denial.
    fn handle(&self, denial: &Denial, request: &AccessRequest<'_>) -> Reply;
}

/// What a handler may ask for while it is built.
pub struct BuildContext<'b> {
    /// Id of the rule it is built for, for messages.
    pub rule_id: &'b str,
    /// How patterns are written; the keto authorizer refuses `glob`.
    pub strategy: Strategy,
    /// How templates are read where the handler's configuration does not choose.
    pub templates: template::Settings,
    /// Everything that outlives one rule set: key sets, caches.
    pub shared: &'b super::context::Shared,
}

/// A handler as the registry knows it: `T` is the trait of its stage. The schema of its configuration is
/// found by stage and id ([`schema::handler`](crate::schema::handler)).
pub struct Registration<T: ?Sized + 'static> {
    /// The handler id people write.
    pub id: &'static str,
    /// Makes the handler from its merged and schema-valid configuration. Findings carry JSON pointers
    /// into that configuration.
    pub build: Build<T>,
}

/// Makes a handler, or says why not.
pub type Build<T> = fn(&BuildContext<'_>, &Value) -> Result<Box<T>, Vec<Finding>>;
