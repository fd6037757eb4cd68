//! A server without its sockets: rules under the configuration of a common installation, and questions as a
//! gateway asks them.

#![expect(clippy::expect_used, clippy::panic, reason = "a scene that cannot be set measures nothing")]

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::test::TestRequest;
use futures_util::FutureExt as _;
use okgate::config::{self, Sources};
use okgate::gateway::{self, Dialect};
use okgate::keys::KeySet;
use okgate::keys::generate::NewKey;
use okgate::pipeline::{Context, Reply, Shared};
use okgate::rule::Repository;
use okgate::server::decisions;
use okgate::server::live::Snapshot;
use okgate::upstream::awc::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

/// See the module.
pub struct Scene {
    snapshot: Snapshot,
    context: Context,
    dialect: &'static dyn Dialect,
    _folder: TempDir,
}

/// Files beside the configuration, for rules that name them.
pub struct Files<'f> {
    folder: &'f Path,
    key: NewKey,
}

impl Files<'_> {
    /// The `file://` URL of the public keys.
    pub fn public_keys(&self) -> String {
        url(&self.folder.join("public.json"))
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

/// The configuration for rules in a file.
fn configuration(strategy: &str, folder: &Path) -> Value {
    let on = json!({"enabled": true});
    let header = json!({"enabled": true, "config": {"headers": {}}});
    let id_token = json!({
        "issuer_url": "https://iss/", "jwks_url": url(&folder.join("private.json")), "ttl": "1h",
    });
    json!({
        "log": {"level": "error", "format": "json"},
        "access_rules": {"repositories": [url(&folder.join("rules.json"))], "matching_strategy": strategy},
        "errors": {"fallback": ["json"], "handlers": {"json": on}},
        "authenticators": {
            "anonymous": on, "noop": on, "unauthorized": on,
            "jwt": {"enabled": true, "config": {"jwks_urls": [url(&folder.join("public.json"))]}},
        },
        "authorizers": {"allow": on, "deny": on},
        "mutators": {
            "noop": on, "header": header, "cookie": {"enabled": true, "config": {"cookies": {}}},
            "id_token": {"enabled": true, "config": id_token},
        },
    })
}

/// A configuration file and all that it names.
pub fn write(folder: &Path, strategy: &str, rules: &[Value]) -> PathBuf {
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file in a new folder can be written");
        path
    };
    put("rules.json", Value::from(rules).to_string());
    put("config.json", configuration(strategy, folder).to_string())
}

/// What reads the rules that a configuration file names.
pub fn repository(config: &Path) -> Repository {
    let loaded = config::load(&Sources { files: vec![config.to_owned()], environment: Vec::new() });
    let config = loaded.unwrap_or_else(|report| panic!("{:?}", report.to_lines())).config;
    Repository::new(Arc::new(config), Shared::new(1 << 20))
}

/// A rule that lets everybody pass, for `GET` and `POST`.
pub fn rule(number: usize, url: &str) -> Value {
    json!({
        "id": format!("r{number}"),
        "match": {"url": url, "methods": ["GET", "POST"]},
        "upstream": {"url": "http://127.0.0.1:1"},
        "authenticators": [{"handler": "anonymous"}],
        "authorizer": {"handler": "allow"},
        "mutators": [{"handler": "noop"}],
    })
}

impl Scene {
    /// Loads rules as the server does.
    pub fn new(strategy: &str, rules: impl FnOnce(&Files<'_>) -> Vec<Value>) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let key = NewKey::generate("RS256", Some("bench"), 0, &mut |_| ()).expect("a key can be made");
        let files = Files { folder: folder.path(), key };
        for (name, set) in
            [("private.json", Some(files.key.private_set())), ("public.json", files.key.public_set())]
        {
            let set = set.unwrap_or_default().to_string();
            std::fs::write(folder.path().join(name), set).expect("a file in a new folder can be written");
        }
        let config = write(folder.path(), strategy, &rules(&files));
        let mut repository = repository(&config);
        let loaded = repository.reload();
        assert_eq!(loaded.report.errors(), 0, "{:?}", loaded.report.to_lines());
        Self {
            snapshot: Snapshot::new(loaded.engine, Arc::clone(repository.config())),
            context: Context::new(Rc::new(Client::new())),
            dialect: gateway::dialect("oathkeeper").expect("it is there"),
            _folder: folder,
        }
    }

    /// Decides on a question, and gives the answer before it is put on the wire.
    pub fn decide(&self, question: &HttpRequest) -> Reply {
        decisions::decide(question, &mut Payload::None, "", self.dialect, &self.snapshot, &self.context)
            .now_or_never()
            .expect("no handler waits")
    }
}

/// What a gateway asks about `GET https://HOST/PATH`.
pub fn question(host: &str, path: &str, headers: &[(&str, &str)]) -> HttpRequest {
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
