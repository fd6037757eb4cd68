//! The engine: one compiled rule set and how it decides.

use std::rc::Rc;
use std::sync::Arc;

use serde::Deserialize;

use super::context::Context;
use super::cors;
use super::denial::{Denial, Detail};
use super::errors::select::{self, ErrorStep};
use super::grant::{Grant, Reply};
use super::handler::{Authentication, Exchange};
use super::session::{Matched, Session, nobody};
use crate::matcher::{Captures, Strategy};
use crate::request::AccessRequest;
use crate::rule::spec::OnFailure;
use crate::rule::{Hit, Rule, RuleSet};
use crate::upstream::awc::Client;
use crate::upstream::tls::Outbound;

/// What Oathkeeper says of a rule that the proxy cannot use.
const NO_UPSTREAM: &str =
    "Unable to forward the request because matched rule does not define an upstream URL";

/// What is said of a path with dots that upstreams read differently.
const AMBIGUOUS: &str = "The path can be read in several ways.";

/// Everything a decision needs, immutable: a reload makes another one.
#[derive(Debug)]
pub struct Engine {
    rules: RuleSet,
    fallback: Vec<ErrorStep>,
    first_match_wins: bool,
    preflight: Preflight,
}

/// `access_rules.preflight`: what becomes of the question that a browser asks before a request to another origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preflight {
    /// It is a request like any other.
    #[default]
    Rules,
    /// It is answered by the `cors` of the rule for the request that it announces.
    Answer,
    /// The upstream answers it.
    Allow,
}

/// How a decision ended.
#[derive(Debug)]
pub struct Decision {
    /// The matched rule.
    pub rule: Option<Arc<Rule>>,
    /// Yes or no.
    pub outcome: Result<Grant, Refusal>,
}

/// A no, with the answer the error handlers made of it.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub denial: Denial,
    /// Which step said so; none where it was the matcher.
    pub stage: Option<Stage>,
    /// Who was calling, as far as was known.
    pub subject: Arc<str>,
    /// The shaped answer.
    pub reply: Reply,
}

/// A step of a rule, for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `authenticator`, `authorizer`, `mutator` or `rule`.
    pub kind: &'static str,
    /// The handler id.
    pub handler: String,
}

type Refused = (Denial, Option<Stage>);

impl Engine {
    /// Puts an engine together.
    pub fn new(rules: RuleSet, fallback: Vec<ErrorStep>, first_match_wins: bool) -> Self {
        Self { rules, fallback, first_match_wins, preflight: Preflight::default() }
    }

    /// The same with another way to treat preflights.
    #[must_use]
    pub fn with_preflight(mut self, preflight: Preflight) -> Self {
        self.preflight = preflight;
        self
    }

    /// Takes it apart, with pauses for others.
    pub fn dismantle(self) {
        self.rules.dismantle();
    }

    /// The rules it decides by.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Decides on a request that goes on to the upstream of its rule. Whether it can is asked last, as in Oathkeeper: it
    /// is nobody's business who may not pass.
    pub async fn decide_to_forward(&self, request: &AccessRequest<'_>, context: &Context) -> Decision {
        let decision = self.decide(request, context).await;
        let Decision { rule: Some(rule), outcome: Ok(grant) } = &decision else { return decision };
        let denial = match &rule.upstream {
            Some(upstream) if upstream.is_clear(request) => return decision,
            _ if grant.is_answered() => return decision,
            Some(_) => Denial::BadRequest { why: Detail::id("path-climbs").public(AMBIGUOUS) },
            None => Denial::Misconfigured { message: NO_UPSTREAM.into(), why: Detail::id("no-upstream") },
        };
        self.refuse(decision.rule, (denial, None), None, request)
    }

    /// Decides on a request.
    pub async fn decide(&self, request: &AccessRequest<'_>, context: &Context) -> Decision {
        if self.preflight != Preflight::Rules
            && let Some(decision) = self.decide_preflight(request)
        {
            return decision;
        }
        let hit = match self.rules.find(request) {
            Ok(Some(hit)) => hit,
            Ok(None) => return self.refuse(None, (Denial::NoRule, None), None, request),
            Err(denial) => return self.refuse(None, (denial, None), None, request),
        };
        let glob = hit.pattern().is_some_and(|p| p.strategy() == Strategy::Glob);
        let captures = if hit.rule.uses_captures() { hit.captures(request) } else { Ok(Captures::default()) };
        let Hit { rule, matched, .. } = hit;
        let captures = match captures {
            Ok(captures) => captures,
            Err(denial) => return self.refuse(Some(rule), (denial, None), None, request),
        };
        let mut session = Session::new(captures, matched);
        session.glob = glob;
        let mut exchange = Exchange { request, session, context };
        match run(&rule, &mut exchange).await {
            Ok(()) => {
                let grant = Grant::new(Arc::clone(&rule), exchange.session);
                Decision { rule: Some(rule), outcome: Ok(grant) }
            }
            Err(refused) => self.refuse(Some(rule), refused, Some(&exchange.session), request),
        }
    }

    /// Decides on a request from a thread that has no runtime, and waits for it. Handlers ask their services as they do
    /// in a server.
    pub fn decide_once(
        &self,
        request: &AccessRequest<'_>,
        outbound: &Arc<Outbound>,
    ) -> std::io::Result<Decision> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = Context::new(Rc::new(Client::with(Arc::clone(outbound))));
        Ok(tokio::task::LocalSet::new().block_on(&runtime, self.decide(request, &context)))
    }

    /// Decides on a preflight (Fetch standard, section 3.2.2) without asking who is calling: it carries no
    /// credentials. `None` for what is none, and where the rule for the announced request leaves it to the rules.
    fn decide_preflight(&self, request: &AccessRequest<'_>) -> Option<Decision> {
        let headers = request.headers();
        let method = cors::announced(request.method(), headers)?;
        headers.first("origin").filter(|origin| !origin.is_empty())?;
        let rule = match self.rules.find_for(request, method) {
            Ok(hit) => hit.map(|hit| hit.rule).filter(|rule| rule.may_grant())?,
            Err(denial) => return Some(self.refuse(None, (denial, None), None, request)),
        };
        let mut session = Session::new(Captures::default(), Matched::Primary);
        if self.preflight == Preflight::Allow {
            let outcome = Ok(Grant::new(Arc::clone(&rule), session));
            return Some(Decision { rule: Some(rule), outcome });
        }
        let (fields, allowed) = rule.cors.as_ref()?.preflight(headers);
        if !allowed {
            let why = Detail::id("preflight-refused").public("The cross-origin request is not allowed.");
            return Some(self.refuse(Some(rule), (Denial::Forbidden { why }, None), None, request));
        }
        for (name, value) in fields {
            session.headers.set(name, value);
        }
        let outcome = Ok(Grant::answered(Arc::clone(&rule), session));
        Some(Decision { rule: Some(rule), outcome })
    }

    /// Shapes the answer to a request that could not even be read.
    pub fn refuse_unread(&self, denial: Denial, request: &AccessRequest<'_>) -> Decision {
        self.refuse(None, (denial, None), None, request)
    }

    fn refuse(
        &self,
        rule: Option<Arc<Rule>>,
        (denial, stage): Refused,
        session: Option<&Session>,
        request: &AccessRequest<'_>,
    ) -> Decision {
        let steps = rule.as_ref().map(|r| &*r.errors).unwrap_or_default();
        let mut reply = select::answer(steps, &self.fallback, self.first_match_wins, &denial, request);
        // Without these a page learns nothing of a refusal, not even its status.
        if let Some(cors) = rule.as_ref().and_then(|rule| rule.cors.as_ref())
            && request.headers().first("origin").is_some()
        {
            cors.add_headers(request.headers(), &mut reply.headers);
        }
        let subject = session.map_or_else(nobody, |s| Arc::clone(&s.subject));
        Decision { rule, outcome: Err(Refusal { denial, stage, subject, reply }) }
    }
}

/// Takes a request through the steps of a rule.
async fn run(rule: &Rule, exchange: &mut Exchange<'_>) -> Result<(), Refused> {
    authenticate(rule, exchange).await?;
    if rule.authorizers.is_empty() {
        return Err((empty("No authorization handler was set in the rule"), None));
    }
    for step in &rule.authorizers {
        let at = || Some(Stage { kind: "authorizer", handler: step.id.clone() });
        let authorizer = step.handler.as_ref().map_err(|d| (d.clone(), at()))?;
        authorizer.authorize(exchange).get().await.map_err(|d| (d, at()))?;
    }
    if rule.mutators.is_empty() {
        return Err((empty("No mutation handler was set in the rule"), None));
    }
    for step in &rule.mutators {
        let at = || Some(Stage { kind: "mutator", handler: step.id.clone() });
        let mutator = step.handler.as_ref().map_err(|d| (d.clone(), at()))?;
        mutator.mutate(exchange).get().await.map_err(|d| (d, at()))?;
    }
    if rule.is_valid() {
        return Ok(());
    }
    // Every step passed, but the rule has a fault elsewhere: its URLs stay closed.
    let why = Detail::id("invalid-rule").log("the rule was refused when it was loaded");
    Err((Denial::Misconfigured { message: "the matching rule is invalid".into(), why }, None))
}

async fn authenticate(rule: &Rule, exchange: &mut Exchange<'_>) -> Result<(), Refused> {
    if rule.authenticators.is_empty() {
        return Err((empty("No authentication handler was set in the rule"), None));
    }
    let mut failed = None;
    for step in &rule.authenticators {
        let at = || Some(Stage { kind: "authenticator", handler: step.id.clone() });
        let authenticator = step.handler.as_ref().map_err(|d| (d.clone(), at()))?;
        match authenticator.authenticate(exchange).get().await {
            Ok(Authentication::Subject) => return Ok(()),
            Ok(Authentication::NotResponsible) => {}
            // Only a no to the credentials is one: who could not decide said nothing about them.
            Err(denial @ (Denial::Unauthenticated { .. } | Denial::Forbidden { .. }))
                if step.on_failure == OnFailure::Next =>
            {
                failed.get_or_insert((denial, at()));
            }
            Err(denial) => return Err((denial, at())),
        }
    }
    let nobody = || (Denial::Unauthenticated { why: Detail::id("no-authenticator-responsible") }, None);
    Err(failed.unwrap_or_else(nobody))
}

fn empty(message: &'static str) -> Denial {
    Denial::Misconfigured { message: message.into(), why: Detail::id("invalid-rule") }
}

#[cfg(test)]
mod tests;
