//! What is asked of each gateway, and what a visitor gets.

use crate::example::{Example, PROXY, Setup};
use libtest_mimic::Failed;
use okgate_testkit::http::{Reply, Request};

/// A request and what has to come of it.
pub struct Row {
    pub name: &'static str,
    request: fn(&Setup) -> Request,
    wanted: Wanted,
}

/// What has to come of a request.
enum Wanted {
    /// The upstream's answer, whose text has these lines.
    Upstream(&'static [&'static str]),
    /// The login page's address with the way back to this path of the gateway, percent-encoded.
    Login(&'static str),
    /// This status, and not from the upstream.
    Refused(u16),
    /// What this gateway makes of okgate's 404, and not from the upstream.
    Unmatched,
    /// Whatever comes, without this text.
    Never(&'static str),
    /// Some refusal, and not from the upstream; or the upstream's answer to a path that is not the denied one.
    NotInternal,
}

use Wanted::{Login, Never, NotInternal, Refused, Unmatched, Upstream};

/// A browser's request.
fn page(target: &str) -> Request {
    Request::get(target).header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

/// A request with the token of the demo keys.
fn with_token(setup: &Setup, method: &str, target: &str) -> Request {
    Request::new(method, target).header("Authorization", format!("Bearer {}", setup.token()))
}

pub const ROWS: &[Row] = &[
    Row {
        name: "anybody gets a public page, as a guest",
        request: |_| page("/public/hello"),
        wanted: Upstream(&["upstream: GET /public/hello", "X-User: guest", "X-Api-Path:"]),
    },
    Row {
        name: "what a client says it is does not reach the upstream",
        request: |_| {
            page("/public/hello").header("X-User", "root").header("x-user", "admin").header("X-Api-Path", "x")
        },
        wanted: Upstream(&["upstream: GET /public/hello", "X-User: guest", "X-Api-Path:"]),
    },
    Row {
        name: "a query reaches the upstream as it is",
        request: |_| page("/public/q?a=1&b=%2F%20&c="),
        wanted: Upstream(&["upstream: GET /public/q?a=1&b=%2F%20&c="]),
    },
    Row {
        name: "escapes reach the upstream as they are",
        request: |_| page("/public/caf%C3%A9%20a"),
        wanted: Upstream(&["upstream: GET /public/caf%C3%A9%20a"]),
    },
    Row {
        name: "a method that the rule does not name is refused",
        request: |_| Request::new("DELETE", "/public/hello"),
        wanted: Unmatched,
    },
    Row {
        name: "the api without a token is 401, for browsers too",
        request: |_| page("/api/orders"),
        wanted: Refused(401),
    },
    Row {
        name: "the api with a token knows the caller and the path",
        request: |setup| with_token(setup, "GET", "/api/orders/7"),
        wanted: Upstream(&["upstream: GET /api/orders/7", "X-User: alice", "X-Api-Path: orders/7"]),
    },
    Row {
        name: "a request with a body is decided and passed on",
        request: |setup| with_token(setup, "POST", "/api/orders").body(vec![b'x'; 100_000]),
        wanted: Upstream(&["upstream: POST /api/orders", "X-User: alice"]),
    },
    Row {
        name: "a token that was tampered with is 401",
        request: |setup| {
            let token = setup.token();
            let (head, signature) = token.rsplit_once('.').unwrap_or_default();
            let swapped: String = signature.chars().rev().collect();
            Request::get("/api/orders").header("Authorization", format!("Bearer {head}.{swapped}"))
        },
        wanted: Refused(401),
    },
    Row { name: "what a rule denies is 403", request: |_| page("/internal/metrics"), wanted: Refused(403) },
    Row {
        name: "what a rule denies is 403 with a good token too",
        request: |setup| with_token(setup, "POST", "/internal/metrics").body("x"),
        wanted: Refused(403),
    },
    Row { name: "what no rule names is refused", request: |_| page("/nowhere"), wanted: Unmatched },
    Row {
        name: "a browser without a login is sent there, with the way back",
        request: |setup| page("/app/cart?step=2&sort=a").header("Host", setup.host()),
        wanted: Login("%2Fapp%2Fcart%3Fstep%3D2%26sort%3Da"),
    },
    Row {
        name: "a script without a login is 401",
        request: |_| Request::get("/app/cart"),
        wanted: Refused(401),
    },
    Row {
        name: "a visitor with a login gets the page",
        request: |setup| page("/app/cart").header("Cookie", format!("demo_session={}", setup.token())),
        wanted: Upstream(&["upstream: GET /app/cart", "X-User: alice"]),
    },
    Row {
        name: "the login page is there for everybody",
        request: |_| page("/login?return_to=/app"),
        wanted: Upstream(&["the login page; back to: /app"]),
    },
    Row {
        name: "an identity that is named in Connection is not the client's own",
        request: |_| page("/public/hello").header("X-User", "root").header("Connection", "close, X-User"),
        wanted: Never("root"),
    },
    Row {
        name: "an identity that is sent twice is not the client's own",
        request: |setup| {
            with_token(setup, "GET", "/api/orders").header("X-User", "root").header("x-USER", "root")
        },
        wanted: Never("root"),
    },
    Row {
        name: "a header that a rule does not set is not the client's own",
        request: |_| page("/login?return_to=/").header("X-User", "root").header("X-Api-Path", "root"),
        wanted: Never("root"),
    },
    Row {
        name: "what belongs to other gateways does not count",
        request: |_| {
            page("/internal/metrics")
                .header("X-Original-URL", "http://127.0.0.1/public/x")
                .header("X-Original-Method", "GET")
                .header("X-Rewrite-URL", "/public/x")
                .header("X-Envoy-Original-Path", "/public/x")
                .header("X-Envoy-Auth-Headers-To-Remove", "x-user")
                .header("Forwarded", "for=127.0.0.1;host=127.0.0.1;proto=https")
                .header("X-Auth-Redirect", "/public/x")
        },
        wanted: Refused(403),
    },
    Row {
        name: "a client that names a trusted address is no gateway",
        request: |_| {
            page("/internal/metrics").header("X-Forwarded-For", "127.0.0.1").header("X-Real-Ip", "127.0.0.1")
        },
        wanted: Refused(403),
    },
    Row {
        name: "a client cannot choose the path that is decided on",
        request: |_| {
            page("/internal/metrics")
                .header("X-Forwarded-Uri", "/public/hello")
                .header("X-Original-Url", "/public/x")
        },
        wanted: Refused(403),
    },
    Row {
        name: "a client cannot choose the method that is decided on",
        request: |_| Request::new("DELETE", "/public/hello").header("X-Forwarded-Method", "GET"),
        wanted: Unmatched,
    },
    Row {
        name: "what a client sends behind its body does not count",
        request: |_| {
            Request::new("POST", "/internal/metrics")
                .header("Trailer", "X-Forwarded-Uri")
                .header("Transfer-Encoding", "chunked")
                .body("1\r\nx\r\n0\r\nX-Forwarded-Uri: /public/x\r\n\r\n")
        },
        wanted: Refused(403),
    },
    Row {
        name: "an upgrade to another protocol is decided like any other request",
        request: |_| {
            page("/internal/metrics")
                .header("Connection", "Upgrade, HTTP2-Settings")
                .header("Upgrade", "h2c")
                .header("HTTP2-Settings", "AAMAAABkAAQAAP__")
        },
        wanted: Refused(403),
    },
    Row {
        name: "the way back leads to the host that was asked, not to one that is claimed",
        request: |setup| {
            page("/app/cart")
                .header("Host", setup.host())
                .header("X-Forwarded-Host", "evil.test")
                .header("X-Forwarded-Proto", "https")
        },
        wanted: Login("%2Fapp%2Fcart"),
    },
    Row {
        name: "dots do not lead out of a rule",
        request: |_| page("/public/../internal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "escaped dots do not lead out of a rule",
        request: |_| page("/public/%2e%2e/internal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "an escaped slash does not lead out of a rule",
        request: |_| page("/public/..%2finternal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "a doubly escaped slash does not lead out of a rule",
        request: |_| page("/public/..%252finternal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "a backslash does not lead out of a rule",
        request: |_| page("/public/..\\internal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "an escaped backslash does not lead out of a rule",
        request: |_| page("/public/..%5cinternal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "an empty segment with parameters does not lead out of a rule",
        request: |_| page("/public/;/../internal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "dots with parameters do not lead out of a rule",
        request: |_| page("/public/..;v=1/internal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "a name with parameters is no other path",
        request: |_| page("/internal;v=1/x"),
        wanted: NotInternal,
    },
    Row { name: "a doubled slash is no other path", request: |_| page("//internal/x"), wanted: NotInternal },
    Row {
        name: "an escaped letter is no other path",
        request: |_| page("/%69nternal/x"),
        wanted: NotInternal,
    },
    Row {
        name: "a head request is decided like any other",
        request: |_| Request::new("HEAD", "/internal/metrics"),
        wanted: Refused(403),
    },
];

impl Row {
    /// Sends the request and looks at what came.
    pub fn check(&self, setup: &Setup) -> Result<(), Failed> {
        let request = (self.request)(setup);
        let reply = setup.send(&request).map_err(|e| format!("no answer: {e}\n{}", setup.logs()))?;
        self.judge(setup, &reply).map_err(|why| {
            format!(
                "{}\n{}: {why}\n{}\n{}",
                request.target.escape_ascii(),
                self.name,
                reply.summary(),
                setup.logs()
            )
            .into()
        })
    }

    fn judge(&self, setup: &Setup, reply: &Reply) -> Result<(), String> {
        let text = reply.text();
        let from_upstream = text.contains("upstream: ") || text.contains("the login page");
        let refused = |statuses: &[u16]| match (from_upstream, statuses.contains(&reply.status)) {
            (true, _) => Err("REACHED THE UPSTREAM".to_owned()),
            (false, false) => Err(format!("wanted {statuses:?}, got {}", reply.status)),
            (false, true) => Ok(()),
        };
        match self.wanted {
            Upstream(lines) => {
                let has = |line: &&str| text.lines().any(|l| l.trim_end() == *line);
                match lines.iter().find(|line| reply.status != 200 || !has(line)) {
                    Some(line) => Err(format!("wanted 200 and `{line}`")),
                    None => Ok(()),
                }
            }
            Never(never) if text.contains(never) => Err(format!("`{never}` came through")),
            Never(_) => Ok(()),
            Login(back) => {
                refused(&[302])?;
                let host = setup.host().replace(':', "%3A");
                let wanted = format!("/login?return_to=http%3A%2F%2F{host}{back}");
                let location = reply.header("location").unwrap_or_default();
                let path = location.strip_prefix(&format!("http://{}", setup.host())).unwrap_or(&location);
                if path == wanted { Ok(()) } else { Err(format!("wanted {wanted}, got {location}")) }
            }
            Refused(status) => refused(&[status]),
            Unmatched => refused(&[setup.example.unmatched]),
            NotInternal => {
                let asked = text.lines().find_map(|line| line.strip_prefix("upstream: GET "));
                match asked {
                    Some(path) if leads_to_internal(path) => Err(format!("REACHED THE UPSTREAM as {path}")),
                    Some(_) => Ok(()),
                    None => refused(&[400, 401, 403, 404]),
                }
            }
        }
    }
}

/// Whether an upstream that decodes twice, takes `\` for `/`, takes parameters away and resolves dots would serve
/// `/internal` for this path.
pub fn leads_to_internal(path: &str) -> bool {
    let mut path = path.split('?').next().unwrap_or_default().to_lowercase();
    for _ in 0..2 {
        for (escape, plain) in [("%25", "%"), ("%2e", "."), ("%2f", "/"), ("%5c", "\\"), ("%69", "i")] {
            path = path.replace(escape, plain);
        }
    }
    let mut parts = Vec::new();
    for part in path.split(['/', '\\']) {
        match part.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.first() == Some(&"internal")
}

/// A decision that cannot be had is a no.
pub fn nothing_passes_without_okgate(example: &'static Example) -> Result<(), Failed> {
    let setup = Setup::start(example)?;
    setup.end_okgate();
    let public = page("/public/hello");
    let reply = match setup.send(&public) {
        Ok(reply) => reply,
        Err(_) if example.name == PROXY => return Ok(()),
        Err(e) => return Err(format!("no answer: {e}").into()),
    };
    if reply.status < 400 || reply.text().contains("upstream: ") {
        return Err(format!("{}\n{}", reply.summary(), setup.logs()).into());
    }
    Ok(())
}
