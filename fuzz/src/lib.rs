//! What has to hold for every input that attackers or rule writers control.
//!
//! Each function takes any input at all and panics where okgate would be wrong. The targets run them under
//! libFuzzer; `tests/fuzzed.rs` runs them with random inputs in every test run.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use okgate::config::{self, Sources};
use okgate::gateway::envoy_grpc::{Check, EnvoyGrpc};
use okgate::gateway::{Asked, DIALECTS, Dialect as _, Source, dialect};
use okgate::matcher::{Captures, Hits, Index, Pattern, Strategy};
use okgate::pipeline::session::HeaderList;
use okgate::pipeline::{Context, Reply, Shared};
use okgate::request::headers::HeaderFields;
use okgate::request::path::readings;
use okgate::request::{AccessRequest, Headers, Origin, Part, Parts};
use okgate::rule::Repository;
use okgate::server::grpc;
use okgate::server::live::Snapshot;
use okgate::template::{Data, Engine, Options, Purpose, Template};
use okgate::upstream::awc::Client;

/// A pattern and, from the second line on, the URL to match: whatever compiles, matches the same with and
/// without captures and through an index, and whatever does not says where.
pub fn pattern(input: &str) {
    let (source, url) = input.split_once('\n').unwrap_or((input, "https://app.test/a/b"));
    for strategy in [Strategy::Regexp, Strategy::Glob] {
        match Pattern::compile(strategy, source) {
            Ok((pattern, warnings)) => {
                for finding in warnings {
                    within(source, finding.span);
                }
                matches_one_way(&pattern, url);
            }
            Err(finding) => within(source, finding.span),
        }
    }
}

fn matches_one_way(pattern: &Pattern, url: &str) {
    let matched = pattern.is_match(url);
    // More is asked of it, so it may give up where the other did not.
    if let (Ok(matched), Ok(groups)) = (matched, pattern.groups(url)) {
        assert_eq!(matched, groups.is_some(), "{pattern:?} {url:?}");
        for index in 0..groups.as_ref().map_or(0, Captures::len) {
            assert!(groups.as_ref().is_some_and(|g| g.get(index, url).is_some()), "{pattern:?} {url:?}");
        }
    }
    let mut hits = Hits::default();
    Index::build([(["GET"], pattern)]).find("GET", url, &mut hits);
    match matched {
        Ok(matched) => assert_eq!(hits.matched.len(), usize::from(matched), "{pattern:?} {url:?}"),
        Err(_) => assert!(hits.matched.is_empty(), "{pattern:?} {url:?}"),
    }
}

fn within(source: &str, span: Option<(usize, usize)>) {
    if let Some((from, to)) = span {
        assert!(source.get(from..to).is_some(), "{from}..{to} of {source:?}");
    }
}

/// A path as clients send it: every reading is canonical, and there are not many. One that does not start at
/// the root belongs to no rule, in whatever form.
pub fn path(raw: &[u8]) {
    let Ok(readings) = readings(raw) else { return };
    assert!(!readings.is_empty() && readings.len() <= 128, "{} readings", readings.len());
    for (index, reading) in readings.iter().enumerate() {
        let text = &reading.text;
        assert!(!readings.iter().skip(index + 1).any(|other| other == reading), "twice: {text:?}");
        if !raw.starts_with(b"/") {
            continue;
        }
        assert!(text.starts_with('/'), "{text:?}");
        assert!(text == "/" || !text.ends_with('/'), "{text:?}");
        assert!(!text.contains("//"), "{text:?}");
        assert!(!text.split('/').any(|segment| matches!(segment, "." | "..")), "{text:?}");
    }
}

/// A template: whatever compiles renders or fails, for every purpose, and whatever does not says where.
pub fn template(source: &str) {
    let headers = HeaderFields::from_iter([("accept", "text/html"), ("x-tenant", "a")]);
    let line = |value: &'static str| Part { value: value.into(), origin: Origin::RequestLine };
    let parts = Parts {
        method: line("GET"),
        scheme: line("https"),
        host: line("app.test"),
        path: Part { value: b"/a/b".into(), origin: Origin::RequestLine },
        query: Part { value: Some("q=1".into()), origin: Origin::RequestLine },
        ..Parts::unknown("app.test", None)
    };
    let Ok(request) = AccessRequest::new(parts, &headers) else { return };
    let (captures, header) = (Captures::default(), HeaderList::default());
    let data = Data {
        subject: "alice",
        extra: None,
        header: &header,
        request: &request,
        captures: &captures,
        glob: false,
        matched: "https://app.test/a/b",
    };
    for purpose in [Purpose::Header, Purpose::Cookie, Purpose::Claims, Purpose::Payload] {
        for engine in [Engine::Go, Engine::Tera] {
            match Template::compile_with(engine, Options::new(purpose), source) {
                Ok((template, _)) => {
                    let rendered = template.render(&data);
                    if let Some(text) = template.literal() {
                        assert_eq!(rendered.ok().as_deref(), Some(text));
                    }
                }
                Err(findings) => {
                    assert!(!findings.is_empty(), "refused without a word: {source:?}");
                    for finding in findings {
                        within(source, finding.span);
                    }
                }
            }
        }
    }
}

/// A gateway's question, one part a line: method, target, host, then header fields. Whatever dialect reads
/// it, the URL that rules are matched against is in canonical form.
pub fn request(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (method, target, host) = (text(), text(), text());
    let fields = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        Some((String::from_utf8_lossy(name).into_owned(), value.get(1..)?.trim_ascii().to_vec()))
    });
    let headers: HeaderFields = fields.collect();
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    let asked = Asked {
        method: &method,
        path,
        query,
        host: &host,
        tls: false,
        headers: &headers,
        body: input,
        peer: None,
        source: Source::Unsaid,
        believed: true,
        id: None,
    };
    for dialect in DIALECTS {
        let Ok(understood) = dialect.read(&asked) else { continue };
        let headers: &dyn Headers = understood.headers.as_ref().map_or(&headers, |own| own);
        let Ok(request) = AccessRequest::new(understood.parts, headers) else { continue };
        canonical(&request);
        let _ = (request.url(), request.path(), request.headers().first("host"));
    }
}

fn canonical(request: &AccessRequest<'_>) {
    for reading in request.readings() {
        let (scheme, host, path) = (reading.scheme(), reading.host(), reading.path());
        let shown = reading.text();
        assert_eq!(format!("{scheme}://{host}{path}"), shown);
        assert!(!scheme.is_empty() && !scheme.bytes().any(|b| b.is_ascii_uppercase()), "{shown:?}");
        assert!(!host.is_empty() && !host.bytes().any(|b| b.is_ascii_uppercase()), "{shown:?}");
        assert!(!host.contains(['/', '@', '?', '#', ' ', ',', '\\']), "{shown:?}");
        assert_eq!(path.starts_with('/'), !request.raw_path().is_empty(), "{shown:?}");
        assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{shown:?}");
    }
}

/// A body that may be an event of API Gateway: it is none, or it is one about a canonical request, whose header fields
/// can be some.
pub fn event(body: &[u8]) {
    let Some(aws_lambda) = dialect("aws_lambda") else { return };
    let none = HeaderFields::default();
    let asked = Asked {
        method: "POST",
        path: "",
        query: None,
        host: "gate",
        tls: false,
        headers: &none,
        body,
        peer: None,
        source: Source::Unsaid,
        believed: true,
        id: None,
    };
    let Ok(understood) = aws_lambda.read(&asked) else { return };
    assert!(understood.headers.is_some(), "an event has its own header fields");
    let Some(headers) = &understood.headers else { return };
    assert!(understood.event.is_some_and(|event| !event.resource.is_empty()));
    let Ok(request) = AccessRequest::new(understood.parts, headers) else { return };
    canonical(&request);
    headers.all(&mut |name, value| {
        assert!(!name.is_empty() && !name.contains(|c: char| c.is_uppercase() || c <= ' '), "{name:?}");
        let mut found = false;
        headers.each(name, &mut |other| found |= other == value);
        assert!(found && headers.first(name).is_some(), "{name:?} is listed and cannot be found");
    });
}

/// A message that may be Envoy's question: it is none, or it is one about a canonical request; and nothing passes
/// where there is no rule.
pub fn check(message: &[u8]) {
    let Ok(check) = Check::read(message) else { return };
    let Ok(asked) = check.asked(None, "id") else { return };
    let asked = Asked { believed: true, ..asked };
    let Ok(understood) = EnvoyGrpc.read(&asked) else { return };
    let Ok(request) = AccessRequest::new(understood.parts, asked.headers) else { return };
    canonical(&request);
    asked.headers.all(&mut |name, value| {
        assert!(!name.is_empty() && !name.starts_with(':') && !name.contains(char::is_uppercase), "{name:?}");
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name:?}");
    });
    let status = NOTHING.with(|nothing| Some(nothing.as_ref()?.ask(message)?.status));
    assert!(status.is_some_and(|status| (300..600).contains(&status)), "{status:?}");
}

thread_local! {
    static NOTHING: Option<Nothing> = Nothing::new();
}

/// A server without rules.
struct Nothing {
    snapshot: Snapshot,
    context: Context,
    shared: Shared,
}

impl Nothing {
    fn new() -> Option<Self> {
        let (config, shared) = (Arc::new(config::load(&Sources::default()).ok()?.config), Shared::new(0));
        let engine = Repository::new(Arc::clone(&config), shared.clone()).reload().engine;
        let context = Context::new(Rc::new(Client::new()));
        Some(Self { snapshot: Snapshot::new(engine, config), context, shared })
    }

    fn ask(&self, message: &[u8]) -> Option<Reply> {
        let message = Bytes::copy_from_slice(message);
        let decide = grpc::decide(&message, None, None, &self.snapshot, &self.context, &self.shared.bodies);
        match pin!(decide).poll(&mut std::task::Context::from_waker(Waker::noop())) {
            Poll::Ready(decided) => decided.ok(),
            Poll::Pending => None,
        }
    }
}
