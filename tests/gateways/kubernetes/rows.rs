//! What is asked of each gateway of a cluster, and what a visitor gets.

use super::cluster::token;
use super::{Manifests, Setup};
use crate::rows::leads_to_internal;
use libtest_mimic::Failed;
use okgate_testkit::http::{Reply, Request};

/// A request and what has to come of it.
pub struct Row {
    pub name: &'static str,
    request: fn() -> Request,
    wanted: Wanted,
}

/// What has to come of a request.
enum Wanted {
    /// The app's answer, whose text has these lines.
    App(&'static [&'static str]),
    /// 401, or where the manifest says so the way to the login page, which is told of this URL.
    Unauthenticated(&'static str),
    /// This status, and not from the app.
    Refused(u16),
    /// What becomes of okgate's 404, and not from the app.
    Unmatched,
    /// Some refusal, and not from the app.
    NotTheApp,
    /// Some refusal, and not from the app; or the app's answer to a path that is not the denied one.
    NotInternal,
}

use Wanted::{App, NotInternal, NotTheApp, Refused, Unauthenticated, Unmatched};

fn with_token(method: &str, target: &str) -> Request {
    Request::new(method, target).header("Authorization", format!("Bearer {}", token()))
}

pub const ROWS: &[Row] = &[
    Row {
        name: "anybody gets a public page, as a guest",
        request: || Request::get("/public/hello"),
        wanted: App(&["upstream: GET /public/hello", "X-User: guest"]),
    },
    Row {
        name: "what a client says it is does not reach the app",
        request: || Request::get("/public/hello").header("X-User", "root").header("x-user", "admin"),
        wanted: App(&["upstream: GET /public/hello", "X-User: guest"]),
    },
    Row {
        name: "where okgate names nobody, a client's own name does not stand in",
        request: || {
            Request::get("/public/hello").header("Authorization", "Basic eDp5").header("X-User", "root")
        },
        wanted: App(&["upstream: GET /public/hello", "X-User:"]),
    },
    Row {
        name: "an identity that is named in Connection is not the client's own",
        request: || {
            with_token("GET", "/api/x").header("X-User", "root").header("Connection", "close, X-User")
        },
        wanted: App(&["upstream: GET /api/x", "X-User: alice"]),
    },
    Row {
        name: "a query and escapes reach the app as they are",
        request: || Request::get("/public/caf%C3%A9%20a?a=1&b=%2F%20&c="),
        wanted: App(&["upstream: GET /public/caf%C3%A9%20a?a=1&b=%2F%20&c="]),
    },
    Row {
        name: "a method that the rule does not name is refused",
        request: || Request::new("DELETE", "/public/hello"),
        wanted: Unmatched,
    },
    Row {
        name: "the api without a token asks for one",
        request: || Request::get("/api/orders?a=1&b=2"),
        wanted: Unauthenticated("https://app.example.com/api/orders?a=1&b=2"),
    },
    Row {
        name: "a token that was tampered with is none",
        request: || {
            let token = token();
            let (head, signature) = token.rsplit_once('.').unwrap_or_default();
            let swapped: String = signature.chars().rev().collect();
            Request::get("/api/orders").header("Authorization", format!("Bearer {head}.{swapped}"))
        },
        wanted: Unauthenticated("https://app.example.com/api/orders"),
    },
    Row {
        name: "the api with a token knows the caller",
        request: || with_token("GET", "/api/orders/7"),
        wanted: App(&["upstream: GET /api/orders/7", "X-User: alice"]),
    },
    Row {
        name: "a request with a body is decided and passed on",
        request: || with_token("POST", "/api/orders").body(vec![b'x'; 100_000]),
        wanted: App(&["upstream: POST /api/orders", "X-User: alice"]),
    },
    Row {
        name: "what a rule denies is 403",
        request: || Request::get("/internal/metrics"),
        wanted: Refused(403),
    },
    Row {
        name: "what a rule denies is 403 with a good token and a body too",
        request: || with_token("POST", "/internal/metrics").body("x"),
        wanted: Refused(403),
    },
    Row {
        name: "a head request is decided like any other",
        request: || Request::new("HEAD", "/internal/metrics"),
        wanted: Refused(403),
    },
    Row { name: "what no rule names is refused", request: || Request::get("/nowhere"), wanted: Unmatched },
    Row {
        name: "another host is another matter",
        request: || Request::get("/public/hello").header("Host", "other.example.com"),
        wanted: NotTheApp,
    },
    Row {
        name: "a client cannot choose the url that is decided on",
        request: || {
            Request::get("/internal/metrics")
                .header("X-Original-URL", "https://app.example.com/public/x")
                .header("X-Original-URI", "/public/x")
                .header("X-Original-Method", "GET")
                .header("X-Forwarded-Uri", "/public/x")
                .header("X-Forwarded-Method", "GET")
                .header("X-Forwarded-Host", "app.example.com")
                .header("X-Envoy-Original-Path", "/public/x")
                .header("X-Rewrite-URL", "/public/x")
        },
        wanted: Refused(403),
    },
    Row {
        name: "a client cannot choose the method that is decided on",
        request: || {
            Request::new("DELETE", "/public/hello")
                .header("X-Forwarded-Method", "GET")
                .header("X-Original-Method", "GET")
                .header("X-HTTP-Method-Override", "GET")
        },
        wanted: Unmatched,
    },
    Row {
        name: "a client cannot choose the host that is decided on",
        request: || {
            Request::get("/public/hello")
                .header("Host", "other.example.com")
                .header("X-Forwarded-Host", "app.example.com")
                .header("X-Original-URL", "https://app.example.com/public/hello")
        },
        wanted: NotTheApp,
    },
    Row {
        name: "a client that names a trusted address is no gateway",
        request: || {
            Request::get("/internal/metrics")
                .header("X-Forwarded-For", "127.0.0.1")
                .header("X-Real-Ip", "127.0.0.1")
        },
        wanted: Refused(403),
    },
    Row {
        name: "dots do not lead out of a rule",
        request: || Request::get("/public/../internal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "escaped dots do not lead out of a rule",
        request: || Request::get("/public/%2e%2e/internal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "an escaped slash does not lead out of a rule",
        request: || Request::get("/public/..%2finternal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "a doubly escaped slash does not lead out of a rule",
        request: || Request::get("/public/..%252finternal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "a backslash does not lead out of a rule",
        request: || Request::get("/public/..\\internal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "an escaped backslash does not lead out of a rule",
        request: || Request::get("/public/..%5cinternal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "a doubled slash is no other path",
        request: || Request::get("//internal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "an escaped letter is no other path",
        request: || Request::get("/%69nternal/x"),
        wanted: NotInternal,
    },
];

impl Row {
    /// Sends the request and looks at what came.
    pub fn check(&self, setup: &Setup) -> Result<(), Failed> {
        let request = (self.request)();
        let reply = setup.send(&request);
        let reply = reply.map_err(|e| format!("no answer: {e}\n{}", setup.cluster.logs()))?;
        self.judge(setup.manifests, &reply).map_err(|why| {
            let (target, said) = (request.target.escape_ascii(), reply.summary());
            format!("{target}\n{}: {why}\n{said}\n{}", self.name, setup.cluster.logs()).into()
        })
    }

    fn judge(&self, manifests: &Manifests, reply: &Reply) -> Result<(), String> {
        let text = reply.text();
        let refused = |statuses: &[u16]| match (text.contains("upstream: "), statuses.contains(&reply.status))
        {
            (true, _) => Err("REACHED THE APP".to_owned()),
            (false, false) => Err(format!("wanted {statuses:?}, got {}", reply.status)),
            (false, true) => Ok(()),
        };
        match self.wanted {
            App(lines) => {
                let has = |line: &&str| text.lines().any(|l| l.trim_end() == *line);
                match lines.iter().find(|line| reply.status != 200 || !has(line)) {
                    Some(line) => Err(format!("wanted 200 and `{line}`")),
                    None => Ok(()),
                }
            }
            Unauthenticated(url) => {
                let Some(login) = manifests.login else {
                    return refused(&[401]);
                };
                refused(&[302])?;
                let location = reply.header("location").unwrap_or_default();
                let back = location.strip_prefix(login).unwrap_or_default();
                let decoded = percent_encoding::percent_decode_str(back).decode_utf8_lossy();
                let one_parameter = !back.contains('&') && !back.contains('#');
                if decoded == url && one_parameter {
                    Ok(())
                } else {
                    Err(format!("wanted the login page and {url}, got {location}"))
                }
            }
            Refused(status) => refused(&[status]),
            Unmatched => refused(&[manifests.unmatched]),
            NotTheApp => refused(&[400, 401, 403, 404, 421]),
            NotInternal => match text.lines().find_map(|line| line.strip_prefix("upstream: GET ")) {
                Some(path) if leads_to_internal(path) => Err(format!("REACHED THE APP as {path}")),
                Some(_) => Ok(()),
                None => refused(&[302, 307, 308, 400, 401, 403, 404]),
            },
        }
    }
}

/// A decision that cannot be had is a no.
pub fn nothing_passes_without_okgate(manifests: &'static Manifests) -> Result<(), Failed> {
    let setup = Setup::start(manifests)?;
    setup.cluster.end_okgate();
    let reply = setup.send(&Request::get("/public/hello")).map_err(|e| format!("no answer: {e}"))?;
    if reply.status < 400 || reply.text().contains("upstream: ") {
        return Err(format!("{}\n{}", reply.summary(), setup.cluster.logs()).into());
    }
    Ok(())
}
