//! What templates give and what they say, in tables whose rows were recorded from Go's `text/template`
//! with Sprig 3.3.0, `missingkey=zero` and Oathkeeper's two functions.

mod bounds;
mod findings;
mod functions;
mod language;
mod missing;
mod properties;
mod suites;
mod tera;

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use serde_json::Value;
use smallvec::smallvec;

use super::{Data, Engine, Options, Purpose, Template};
use crate::diagnostic::Finding;
use crate::matcher::Captures;
use crate::pipeline::session::HeaderList;
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Origin, Part, Parts};

/// What a template gives; nothing when it is refused at load or fails.
type Want = Option<&'static str>;
const FAILS: Want = None;

/// The session that the recordings were made with.
const EXTRA: &str = r#"{
    "role": "admin", "n": 3, "f": 1.5, "big": 1234567, "huge": 1e21, "t": true, "no": false, "nil": null,
    "empty": "", "list": ["a", "b", "c"], "nums": [3, 1, 2], "map": {"k": "v", "z": 1},
    "deep": {"a": {"b": [{"c": "found"}]}}, "html": "<b>&'\"</b>", "uni": "Zürich", "sp": "  pad  ",
    "csv": "x,y,z", "dot.key": "dotted", "dash-key": "dashed", "email": "Al.Ice@Example.TEST"
}"#;

/// A request and what is known of its sender.
struct Scene {
    subject: &'static str,
    extra: Option<Value>,
    /// Headers that were set before.
    header: HeaderList,
    fields: HeaderFields,
    path: &'static str,
    query: Option<&'static str>,
    captures: Captures,
}

impl Scene {
    /// `GET http://app.test/abc/d e?a=1&b=2` of `alice`.
    fn new() -> Self {
        Self {
            subject: "alice",
            extra: Some(serde_json::from_str(EXTRA).expect("the session is JSON")),
            header: HeaderList::default(),
            fields: [
                ("Host", "app.test"),
                ("X-Forwarded-Method", "GET"),
                ("Cookie", "sid=1; theme=dark"),
                ("X-Client", "c1"),
                ("X-Multi", "m1"),
                ("X-Multi", "m2"),
            ]
            .into_iter()
            .collect(),
            path: "/abc/d e",
            query: Some("a=1&b=2"),
            // Of `http://app.test/<[a-z]*>/<.*>`.
            captures: Captures(smallvec![Some(16..19), Some(20..23)]),
        }
    }

    /// The same of `guest`, of whom nothing else is known.
    fn nobody() -> Self {
        Self { subject: "guest", extra: None, ..Self::new() }
    }

    fn extra(json: &str) -> Self {
        Self { extra: Some(serde_json::from_str(json).expect("the session is JSON")), ..Self::new() }
    }

    fn set(mut self, name: &'static str, value: &'static str) -> Self {
        self.header.set(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    fn render(&self, template: &Template) -> Result<String, String> {
        fn part<T>(value: T) -> Part<T> {
            Part { value, origin: Origin::RequestLine }
        }
        let parts = Parts {
            method: part(Cow::Borrowed("GET")),
            scheme: part(Cow::Borrowed("http")),
            host: part(Cow::Borrowed("app.test")),
            path: part(Cow::Borrowed(self.path.as_bytes())),
            query: part(self.query.map(Cow::Borrowed)),
            peer: None,
            client: crate::request::Client::Peer,
            host_header: None,
        };
        let request = AccessRequest::new(parts, &self.fields).expect("the path has a canonical form");
        // As the rule set does it: with the slash, where that is what matched.
        let reading = request.primary().expect("a rule could mean it");
        let matched = reading.with_slash().unwrap_or_else(|| reading.text().to_owned());
        let data = Data {
            subject: self.subject,
            extra: self.extra.as_ref().and_then(Value::as_object),
            header: &self.header,
            request: &request,
            captures: &self.captures,
            glob: false,
            matched: &matched,
        };
        template.render(&data).map_err(|error| error.0)
    }

    /// Compiles and renders a Go template for a header.
    fn go(&self, source: &str) -> Result<String, String> {
        self.render(&compile(Engine::Go, source)?)
    }

    fn tera(&self, source: &str) -> Result<String, String> {
        self.render(&compile(Engine::Tera, source)?)
    }

    fn go_with(&self, options: Options, source: &str) -> Result<String, String> {
        let (template, _) = Template::compile_with(Engine::Go, options, source).map_err(|f| said(&f))?;
        self.render(&template)
    }
}

fn compile(engine: Engine, source: &str) -> Result<Template, String> {
    Template::compile(engine, Purpose::Header, source).map(|(template, _)| template).map_err(|f| said(&f))
}

/// The messages of findings.
fn said(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("\n")
}

/// Checks every row of a table and tells all that differ.
fn check(scene: &Scene, rows: &[(&str, Want)]) {
    let mut wrong = Vec::new();
    for (source, want) in rows {
        // For claims, where nil on the way of a chain is the error that it is in Go.
        let got = scene.go_with(Options::new(Purpose::Claims), source);
        if got.as_deref().ok() != *want {
            wrong.push(format!("{source}\n  want {want:?}\n  got  {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
