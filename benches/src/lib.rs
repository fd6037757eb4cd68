//! What benchmarks share: [`shapes`] are ways in which people write rules, [`cases`] what they let them do,
//! and a [`Scene`] is a server without its sockets under the configuration of a common installation.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a scene that cannot be set measures nothing"
)]

pub mod cases;
pub mod event;
pub mod shapes;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::rt::Runtime;
use actix_web::test::TestRequest;
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use okgate::config::{self, Answering, Sources};
use okgate::gateway::{DIALECTS, Endpoint};
use okgate::keys::KeySet;
use okgate::keys::generate::NewKey;
use okgate::matcher::Strategy;
use okgate::metrics::Metrics;
use okgate::metrics::labels::Paths;
use okgate::pipeline::{Context, Reply, Shared};
use okgate::request::body::{Body, BodyRoom};
use okgate::rule::Repository;
use okgate::server::live::Snapshot;
use okgate::server::{decisions, grpc};
use okgate::upstream::awc::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What may differ from scene to scene.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The language of patterns.
    pub strategy: Strategy,
    /// What tokens are signed with.
    pub algorithm: &'static str,
    /// How much may be remembered between requests; 0 for nothing.
    pub cache_bytes: usize,
}

impl Default for Setting {
    fn default() -> Self {
        Self { strategy: Strategy::Regexp, algorithm: "RS256", cache_bytes: 1 << 20 }
    }
}

/// Files beside the configuration, for rules that name them.
pub struct Files {
    folder: TempDir,
    key: NewKey,
}

impl Files {
    fn new(algorithm: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let key = NewKey::generate(algorithm, Some("bench"), 0, &mut |_| ()).expect("a key can be made");
        put(folder.path(), "private.json", &key.private_set());
        // A shared secret has no public half.
        put(folder.path(), "public.json", &key.public_set().unwrap_or_else(|| key.private_set()));
        Self { folder, key }
    }

    /// The `file://` URL of what tokens are verified with.
    pub fn keys(&self) -> String {
        url(&self.folder.path().join("public.json"))
    }

    /// A token of one user that is good for long.
    pub fn token(&self) -> String {
        let set = self.key.private_set().to_string();
        let set = KeySet::parse(set.as_bytes()).expect("a set was written");
        let claims = json!({
            "sub": "user1", "iss": "https://iss", "exp": 4_102_444_800_u64, "scope": "a b", "email": "u1@example.com",
        });
        set.signing_key(None).expect("it can sign").token(claims.to_string().as_bytes()).expect("it signs")
    }
}

fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn put(folder: &Path, name: &str, content: &Value) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content.to_string()).expect("a file in a new folder can be written");
    path
}

/// Writes rules and the configuration for them into a folder, and gives the path of the latter.
pub fn write(folder: &Path, strategy: Strategy, rules: Vec<Value>) -> PathBuf {
    let on = json!({"enabled": true});
    let with = |config: Value| json!({"enabled": true, "config": config});
    let id_token =
        json!({"issuer_url": "https://iss/", "jwks_url": url(&folder.join("private.json")), "ttl": "1h"});
    let rules = put(folder, "rules.json", &Value::from(rules));
    let config = json!({
        "log": {"level": "error", "format": "json"},
        "access_rules": {"repositories": [url(&rules)], "matching_strategy": strategy.name()},
        "errors": {"fallback": ["json"], "handlers": {"json": on}},
        "authenticators": {
            "anonymous": on, "noop": on, "unauthorized": on,
            "jwt": with(json!({"jwks_urls": [url(&folder.join("public.json"))]})),
        },
        "authorizers": {"allow": on, "deny": on},
        "mutators": {
            "noop": on,
            "header": with(json!({"headers": {}})),
            "cookie": with(json!({"cookies": {}})),
            "id_token": with(id_token),
        },
    });
    put(folder, "config.json", &config)
}

/// What reads the rules that a configuration file names.
pub fn repository(config: &Path, cache_bytes: usize) -> Repository {
    let loaded = config::load(&Sources { files: vec![config.to_owned()], environment: Vec::new() });
    let config = loaded.unwrap_or_else(|report| panic!("{:?}", report.to_lines())).config;
    Repository::new(Arc::new(config), Shared::new(cache_bytes))
}

/// A rule for `GET` and `POST` that lets everybody pass, with these members over it.
pub fn rule(number: usize, url: &str, over: &Value) -> Value {
    let mut rule = json!({
        "id": format!("r{number}"),
        "match": {"url": url, "methods": ["GET", "POST"]},
        "upstream": {"url": "http://127.0.0.1:1"},
        "authenticators": [{"handler": "anonymous"}],
        "authorizer": {"handler": "allow"},
        "mutators": [{"handler": "noop"}],
    });
    if let (Some(rule), Some(over)) = (rule.as_object_mut(), over.as_object()) {
        rule.extend(over.clone());
    }
    rule
}

/// See the module.
pub struct Scene {
    snapshot: Snapshot,
    context: Context,
    /// One in each dialect, Oathkeeper's first.
    endpoints: Vec<Endpoint>,
    /// What the event of API Gateway comes with.
    post: HttpRequest,
    room: BodyRoom,
    repository: Repository,
    files: Files,
    /// Bodies may be waited for, and what waits has to be somewhere.
    runtime: Runtime,
}

impl Scene {
    /// Loads rules as the server does.
    pub fn new(setting: Setting, rules: impl FnOnce(&Files) -> Vec<Value>) -> Self {
        let files = Files::new(setting.algorithm);
        let config = write(files.folder.path(), setting.strategy, rules(&files));
        let mut repository = repository(&config, setting.cache_bytes);
        let loaded = repository.reload();
        assert_eq!(loaded.report.errors(), 0, "{:?}", loaded.report.to_lines());
        let mut context = Context::new(Rc::new(Client::new()));
        // As where somebody wants to know how much goes on.
        context.tally = Some(Metrics::new(Paths::Segment, ["/decisions"]).tally());
        Self {
            snapshot: Snapshot::new(loaded.engine, Arc::clone(repository.config())),
            context,
            endpoints: DIALECTS
                .iter()
                .map(|dialect| Endpoint::new("/", *dialect, &Answering::default(), &[]))
                .collect(),
            post: TestRequest::post().uri("/aws_lambda").to_http_request(),
            room: BodyRoom::default(),
            repository,
            files,
            runtime: Runtime::new().expect("there is room for a runtime"),
        }
    }

    /// The files beside the configuration.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Reads and compiles the rules anew, as a reload does, and gives the number of those without a fault.
    pub fn reload(&mut self) -> usize {
        self.repository.reload().engine.rules().valid().count()
    }

    /// Decides on a question in Oathkeeper's dialect, and gives the answer before it is put on the wire.
    pub fn decide(&self, question: &HttpRequest) -> Reply {
        self.decide_at("oathkeeper", question, None)
    }

    /// Decides on a question in a dialect, by its id.
    pub fn decide_as(&self, dialect: &str, question: &HttpRequest) -> Reply {
        self.decide_at(dialect, question, None)
    }

    /// Decides on an event of API Gateway.
    pub fn authorize(&self, event: &Bytes) -> Reply {
        let _inside = self.runtime.tokio_runtime().enter();
        let whole = stream::iter([Ok::<_, Infallible>(event.clone())]);
        let body = Body::new(whole, Some(event.len() as u64), &self.room);
        self.decide_at("aws_lambda", &self.post, Some(&body))
    }

    /// Decides on a `CheckRequest`, as Envoy asks over gRPC.
    pub fn check(&self, message: &Bytes) -> Reply {
        grpc::decide(message, None, None, &self.snapshot, &self.context, &self.room)
            .now_or_never()
            .expect("no handler waits")
            .expect("it is a question")
    }

    fn decide_at(&self, dialect: &str, question: &HttpRequest, body: Option<&Body>) -> Reply {
        let endpoint = self.endpoints.iter().find(|endpoint| endpoint.dialect.id() == dialect);
        let endpoint = endpoint.expect("there is one for each dialect");
        decisions::decide(question, body, ("", false), endpoint, &self.snapshot, &self.context)
            .now_or_never()
            .expect("no handler waits")
    }
}

/// Host and path of an `https` URL.
pub fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

/// What a gateway asks about `GET` of an `https` URL.
pub fn question(url: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let (host, path) = split(url);
    let forwarded = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", host),
        ("x-forwarded-uri", path),
        ("host", "gate"),
    ];
    let mut request = TestRequest::with_uri("/decisions");
    for (name, value) in forwarded.iter().chain(headers) {
        request = request.insert_header((*name, *value));
    }
    request.to_http_request()
}

/// The same as a `CheckRequest`: fields by their numbers.
pub fn check(url: &str) -> Bytes {
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("a short question");
        // Two bytes are a length too, even where one would do.
        let [low, high] = [length & 0x7f | 0x80, length >> 7].map(|part| part.to_le_bytes()[0]);
        [&[number << 3 | 2, low, high], content].concat()
    }
    let (host, path) = split(url);
    let header =
        |name: &str, value: &str| field(3, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat());
    let http = [
        field(2, b"GET"),
        header(":method", "GET"),
        header(":path", path),
        header(":authority", host),
        header(":scheme", "https"),
        header("x-forwarded-proto", "https"),
        header("x-request-id", "5b6a3c1e-2222-4444-8888-0123456789ab"),
        field(4, path.as_bytes()),
        field(5, host.as_bytes()),
        field(6, b"https"),
    ];
    let address = field(1, &field(1, &field(2, b"192.0.2.7")));
    let request = field(4, &field(2, &http.concat()));
    Bytes::from(field(1, &[field(1, &address), request].concat()))
}
