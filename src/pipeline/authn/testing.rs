//! An authenticator with all it needs, for tests.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::REGISTRY;
use crate::config::{Stage, Strategy};
use crate::diagnostic::Finding;
use crate::matcher::Captures;
use crate::pipeline::handler::{Authentication, Authenticator, BuildContext, Exchange};
use crate::pipeline::session::{Matched, Session};
use crate::pipeline::{Context, Denial, Shared};
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Origin, Part, Parts};
use crate::schema;
use crate::upstream::Fetch;
use crate::upstream::fake::FakeFetch;

pub(super) const NOW: u64 = 1_700_000_000;

thread_local! {
    static TIME: Cell<u64> = const { Cell::new(NOW) };
}

/// Sets the clock of this test.
pub(super) fn set_time(seconds: u64) {
    TIME.set(seconds);
}

/// A request, as far as authenticators look at it.
#[derive(Clone)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a [(&'a str, &'a str)],
}

impl<'a> Asked<'a> {
    /// GET / with these headers.
    pub(super) fn with(headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { method: "GET", path: "/", query: None, headers }
    }
}

/// What an authenticator made of a request.
#[derive(Debug)]
pub(super) struct Outcome {
    /// `alice`, `not responsible`, or a denial as `401 session-refused`.
    pub(super) word: String,
    pub(super) extra: Option<Map<String, Value>>,
    pub(super) denial: Option<Denial>,
}

/// An authenticator with what a server lends it.
pub(super) struct Probe {
    handler: Box<dyn Authenticator>,
    context: Context,
    pub(super) shared: Shared,
}

impl Probe {
    /// Builds a handler as a rule with this configuration would.
    pub(super) fn new(id: &str, config: Value, fetch: &Rc<FakeFetch>) -> Self {
        Self::with(id, config, fetch.clone(), Shared::new(1 << 20))
    }

    pub(super) fn with(id: &str, config: Value, fetch: Rc<dyn Fetch>, shared: Shared) -> Self {
        set_time(NOW);
        let handler = build(id, config, &shared).unwrap_or_else(|findings| panic!("{id}: {findings:?}"));
        Self { handler, context: Context { clock: || TIME.get(), ..Context::new(fetch) }, shared }
    }

    pub(super) async fn ask(&self, asked: &Asked<'_>) -> Outcome {
        let fields: HeaderFields = asked.headers.iter().map(|(n, v)| (*n, *v)).collect();
        let part = |value| Part { value, origin: Origin::RequestLine };
        let parts = Parts {
            method: part(asked.method.into()),
            scheme: part("https".into()),
            host: part("app.test".into()),
            path: Part { value: asked.path.as_bytes().into(), origin: Origin::RequestLine },
            query: Part { value: asked.query.map(Into::into), origin: Origin::RequestLine },
            peer: None,
            client: crate::request::Client::Peer,
            host_header: Some("gate.test".into()),
        };
        let request = AccessRequest::new(parts, &fields).unwrap();
        let session = Session::new(Captures::default(), Matched::Primary);
        let mut exchange = Exchange { request: &request, session, context: &self.context };
        match self.handler.authenticate(&mut exchange).get().await {
            Ok(Authentication::Subject) => Outcome {
                word: exchange.session.subject.to_string(),
                extra: exchange.session.extra.as_deref().cloned(),
                denial: None,
            },
            Ok(Authentication::NotResponsible) => {
                Outcome { word: "not responsible".to_owned(), extra: None, denial: None }
            }
            Err(denial) => {
                assert_eq!(&*exchange.session.subject, "", "a denial names nobody");
                let id = denial.detail().map_or("", |detail| detail.id);
                Outcome { word: format!("{} {id}", denial.status()), extra: None, denial: Some(denial) }
            }
        }
    }

    /// The word for a GET with these headers.
    pub(super) async fn word(&self, headers: &[(&str, &str)]) -> String {
        self.ask(&Asked::with(headers)).await.word
    }
}

/// Checks a configuration by its schema and builds the handler.
pub(super) fn build(
    id: &str,
    mut config: Value,
    shared: &Shared,
) -> Result<Box<dyn Authenticator>, Vec<Finding>> {
    let schema = schema::handler(Stage::Authenticators, id).unwrap();
    schema.fill_defaults(&mut config);
    let findings = schema.check(&config);
    if !findings.is_empty() {
        return Err(findings);
    }
    let registration = REGISTRY.iter().find(|registration| registration.id == id).unwrap();
    let templates = crate::config::Config::for_validation(Strategy::Regexp).unwrap().templates;
    let context = BuildContext { rule_id: "r", strategy: Strategy::Regexp, templates, shared };
    (registration.build)(&context, &config)
}

/// On one thread that also runs background tasks, as in a worker, and whose time passes only when
/// everybody waits.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}
