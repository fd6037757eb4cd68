//! Trials: one rule with its handlers, as a server builds and runs them, and a client with a script.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Context, Decision, Engine, Shared};
use crate::config::{self, Config, Sources, merge};
use crate::diagnostic::{Report, Source};
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Body, Origin, Part, Parts};
use crate::rule::{Substitution, compile, load};
use crate::upstream::fake::FakeFetch;

/// When trials begin.
pub(crate) const NOW: u64 = 1_700_000_000;

thread_local! {
    static TIME: Cell<u64> = const { Cell::new(NOW) };
}

/// Runs on one thread whose time passes only when everybody waits.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap().block_on(future)
}

/// One rule, ready to decide.
pub(crate) struct Trial {
    pub fetch: Rc<FakeFetch>,
    pub shared: Shared,
    /// What is wrong with the rule.
    pub report: Report,
    config: Config,
    rule: Value,
    engine: Engine,
    context: Context,
}

impl Trial {
    /// A rule for `http://app.test/` that lets everybody pass as `guest`, with these settings over it, under
    /// a configuration with these over the usual ones.
    pub(crate) fn new(config: &Value, rule: &Value) -> Self {
        TIME.set(NOW);
        let usual = json!({
            "authenticators": {"anonymous": {"enabled": true, "config": {"subject": "guest"}}, "noop": {"enabled": true}},
            "authorizers": {"allow": {"enabled": true}, "deny": {"enabled": true}},
            "mutators": {"noop": {"enabled": true}, "header": {"enabled": true, "config": {"headers": {}}}},
            "errors": {"handlers": {"json": {"enabled": true, "config": {"verbose": true}}}},
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, merge(&usual, config).to_string()).unwrap();
        let loaded = config::load(&Sources { files: vec![file], environment: Vec::new() });
        let config = loaded.unwrap_or_else(|report| panic!("{:?}", report.to_lines())).config;
        let usual = json!({
            "id": "r",
            "match": {"url": "http://app.test/<.*>", "methods": ["GET", "POST"]},
            "authenticators": [{"handler": "anonymous"}],
            "authorizer": {"handler": "allow"},
            "mutators": [{"handler": "noop"}],
        });
        let rule = merge(&usual, rule);
        let shared = Shared::new(1 << 20);
        let (engine, report) = built(&config, &rule, &shared);
        let fetch = FakeFetch::new();
        let context = Context { clock: || TIME.get(), ..Context::new(fetch.clone()) };
        Self { fetch, shared, report, config, rule, engine, context }
    }

    /// The same where nothing may be wrong with the rule.
    pub(crate) fn good(config: &Value, rule: &Value) -> Self {
        let trial = Self::new(config, rule);
        assert_eq!(trial.report.to_lines(), [""; 0]);
        trial
    }

    /// Loads the rule anew, as a reload does.
    pub(crate) fn reload(&mut self) {
        (self.engine, self.report) = built(&self.config, &self.rule, &self.shared);
    }

    /// Lets seconds pass for tokens and caches.
    pub(crate) fn pass(seconds: u64) {
        TIME.set(TIME.get() + seconds);
    }

    /// Decides on a request.
    pub(crate) async fn ask(&self, ask: &Ask<'_>) -> Decision {
        let line = |value| Part { value, origin: Origin::RequestLine };
        let (path, query) = match ask.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (ask.target, None),
        };
        let parts = Parts {
            method: line(ask.method.into()),
            scheme: line("http".into()),
            host: line("app.test".into()),
            path: Part { value: path.as_bytes().into(), origin: Origin::RequestLine },
            query: Part { value: query.map(Into::into), origin: Origin::RequestLine },
            peer: Some([192, 0, 2, 7].into()),
            client: crate::request::Client::Peer,
            host_header: None,
        };
        let headers: HeaderFields = ask.headers.iter().copied().collect();
        let mut request = AccessRequest::new(parts, &headers).unwrap();
        if let Some(body) = ask.body {
            request = request.with_body(body);
        }
        self.engine.decide(&request, &self.context).await
    }

    /// Decides, and gives the status of the answer with the outcome and the reason in the log.
    pub(crate) async fn verdict(&self, ask: &Ask<'_>) -> (u16, String) {
        verdict(&self.ask(ask).await)
    }

    /// Decides on a request that has to pass, and gives the headers for the upstream.
    pub(crate) async fn headers(&self, ask: &Ask<'_>) -> Vec<String> {
        let decision = self.ask(ask).await;
        let said = verdict(&decision);
        let Ok(grant) = decision.outcome else { panic!("{said:?}") };
        let line = |(name, value): &(http::HeaderName, http::HeaderValue)| {
            format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
        };
        grant.headers().iter().map(line).collect()
    }
}

fn built(config: &Config, rule: &Value, shared: &Shared) -> (Engine, Report) {
    let text = json!([rule]).to_string();
    let source = Source { name: "rules.json".to_owned(), path: None, text: Some(text.into()) };
    let document = load::decode(Arc::new(source), false, &Substitution::default())
        .unwrap_or_else(|report| panic!("{:?}", report.to_lines()));
    compile::engine(config, [&document], shared)
}

/// The status of an answer with the outcome and the reason in the log.
pub(crate) fn verdict(decision: &Decision) -> (u16, String) {
    match &decision.outcome {
        Ok(_) => (200, "granted".to_owned()),
        Err(refusal) => {
            let reason = refusal.denial.detail().map_or("", |detail| detail.id);
            (refusal.reply.status, format!("{} {reason}", refusal.denial.outcome()))
        }
    }
}

/// What the client asks.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Option<&'a Body>,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { method: "GET", target: "/a/b", headers: &[], body: None }
    }
}
