//! The provider's process, and what a client asks of it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use okgate_testkit::http::{Reply, Request, exchange};
use okgate_testkit::process::Process;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where `.ci/gateways` installs it.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.gateways/oidc");
/// Where `.ci/gateways` installs a node that is missing.
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.gateways/venv/bin/node");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc/provider.mjs");

/// The first thing that is needed and not installed.
pub fn missing() -> Option<&'static str> {
    if node().is_none() {
        return Some("node");
    }
    (!Path::new(FOLDER).join("node_modules/oidc-provider").is_dir()).then_some("oidc-provider")
}

/// The machine's node, or the one among the gateways.
fn node() -> Option<&'static str> {
    let runs = |node: &&str| {
        let new_enough = "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)";
        Command::new(node).args(["-e", new_enough]).output().is_ok_and(|output| output.status.success())
    };
    ["node", NODE].into_iter().find(runs)
}

/// A running provider.
pub struct Provider {
    port: u16,
    _process: Process,
}

impl Provider {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let mut command = Command::new(node().expect("node"));
        command.args([SCRIPT, FOLDER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::start(&mut command).expect("node");
        let mut line = String::new();
        let said = process.child().stdout.take().expect("its output");
        BufReader::new(said).read_line(&mut line).expect("a line");
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("it does not say where it serves: {line:?}"));
        Self { port, _process: process }
    }

    /// Its address followed by `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A token by client credentials.
    pub fn token(&self, client: &str, scope: &str) -> String {
        let form = format!("grant_type=client_credentials&scope={}", scope.replace(' ', "+"));
        let reply = self.post("/token", client, &form);
        let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let token = answer.get("access_token").and_then(Value::as_str);
        token.unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// Revokes a token.
    pub fn revoke(&self, client: &str, token: &str) {
        assert_eq!(self.post("/token/revocation", client, &format!("token={token}")).status, 200);
    }

    /// Changes its keys; the id of the one that signs from now on.
    pub fn control(&self, what: &str) -> String {
        self.post(&format!("/control/{what}"), "gate", "").text()
    }

    fn post(&self, path: &str, client: &str, form: &str) -> Reply {
        let request = Request::new("POST", path)
            .header("Host", format!("127.0.0.1:{}", self.port))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Authorization", basic(client))
            .body(form);
        exchange(self.port, false, &request.to_bytes(), false).expect("the provider's answer")
    }
}

/// The credentials of a client, escaped as RFC 6749 section 2.3.1 asks.
pub fn basic(client: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{client}-secret%2B%2F%25")))
}

/// The id of the key that a token was signed with.
pub fn key_id(token: &str) -> String {
    let head = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default()).expect("base64");
    let head: Value = serde_json::from_slice(&head).expect("JSON");
    head.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Tokens that look like this one and are not good: changed in the middle, not signed, signed by nobody.
pub fn forged(token: &str) -> Vec<String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, payload, signature] = parts[..] else { panic!("no signed token: {token}") };
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("text");
    let other = URL_SAFE_NO_PAD.encode(claims.replace("\"signed\"", "\"admin\""));
    let none = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","kid":"{}"}}"#, key_id(token)));
    let turned: String = signature.chars().rev().collect();
    vec![
        format!("{head}.{other}.{signature}"),
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{head}.{payload}.{turned}"),
        format!("{head}.{payload}."),
    ]
}
