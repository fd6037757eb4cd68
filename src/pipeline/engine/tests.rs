//! Preflights: what becomes of them, and what they must not open.

use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::keys::fixtures::run;
use crate::rule::policy::tests::{Asked, engine_of, said};
use crate::upstream::fake::FakeFetch;

fn rules() -> Vec<Value> {
    let rule = |id: &str, methods: Value, path: &str, more: Value| {
        let mut whole = json!({
            "id": id,
            "match": {"methods": methods, "url": format!("https://a.test/{path}")},
            "authenticators": [{"handler": "api_key", "config": {"keys_file": "/nonexistent"}}],
        });
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        whole
    };
    let closed = json!([{"handler": "unauthorized"}, {"handler": "anonymous"}]);
    let cors = json!({"allowed_origins": ["https://app.test"], "allow_credentials": true, "max_age": 60});
    vec![
        rule("api", json!(["GET", "PUT"]), "api/<.*>", json!({"authenticators": closed, "cors": cors})),
        rule("bare", json!(["GET"]), "bare", json!({"authenticators": closed})),
        rule(
            "none",
            json!(["*"]),
            "none",
            json!({"authenticators": [{"handler": "noop"}], "authorizer": {"handler": "deny"}, "cors": cors}),
        ),
        rule("broken", json!(["GET"]), "broken", json!({"mutators": [{"handler": "nope"}], "cors": cors})),
        rule(
            "v2",
            json!(["GET"]),
            "v",
            json!({
                "match": {"methods": ["GET"], "url": "https://a.test/v", "headers": {"X-V": "2"}}, "cors": cors,
            }),
        ),
        rule("options", json!(["OPTIONS"]), "own", json!({"authenticators": [{"handler": "noop"}]})),
    ]
}

/// Status and rule, and what the answer says about origins.
fn decide(engine: &Engine, asked: &Asked<'_>) -> String {
    let context = Context::new(Rc::new(FakeFetch::default()));
    let decision = asked.ask(|request| run(engine.decide(request, &context)));
    let rule = decision.rule.map_or("-".to_owned(), |rule| rule.id().to_owned());
    let (status, headers) = match decision.outcome {
        Ok(grant) => (grant.status(), grant.into_headers()),
        Err(refusal) => (refusal.denial.status(), refusal.reply.headers),
    };
    let mut said = format!("{status} {rule}");
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix("access-control-") {
            said.push_str(&[" ", name, "=", value.to_str().unwrap()].concat());
        }
    }
    said
}

type Fields = &'static [(&'static str, &'static str)];

const PUT: Fields = &[("Origin", "https://app.test"), ("Access-Control-Request-Method", "PUT")];
const GET: Fields = &[("Origin", "https://app.test"), ("Access-Control-Request-Method", "GET")];
const EVIL: Fields = &[("Origin", "https://evil.test"), ("Access-Control-Request-Method", "GET")];
const DELETE: Fields = &[("Origin", "https://app.test"), ("Access-Control-Request-Method", "DELETE")];
const HEADERS: Fields = &[
    ("Origin", "https://app.test"),
    ("Access-Control-Request-Method", "GET"),
    ("Access-Control-Request-Headers", "authorization,x-secret"),
];
const NO_ORIGIN: Fields = &[("Access-Control-Request-Method", "PUT")];
const NO_METHOD: Fields = &[("Origin", "https://app.test")];

#[test]
fn a_preflight_opens_what_the_setting_says_and_nothing_else() {
    let [as_rules, answer, allow] = [Preflight::Rules, Preflight::Answer, Preflight::Allow]
        .map(|preflight| engine_of(&rules(), |config| config.access_rules.preflight = preflight).0);
    let shown = "allow-origin=https://app.test allow-credentials=true";
    let yes = format!(
        "204 api allow-origin=https://app.test allow-methods=PUT {} max-age=60",
        "allow-credentials=true"
    );
    for (request, headers, by_rules, by_answer, by_allow) in [
        ("OPTIONS https://a.test/api/x", PUT, "404 -", &*yes, "200 api"),
        ("OPTIONS https://a.test/api/x", DELETE, "404 -", "404 -", "404 -"),
        ("OPTIONS https://a.test/api/x", EVIL, "404 -", "403 api", "200 api"),
        ("OPTIONS https://a.test/api/x", HEADERS, "404 -", &format!("403 api {shown}"), "200 api"),
        // Not a preflight.
        ("OPTIONS https://a.test/api/x", NO_ORIGIN, "404 -", "404 -", "404 -"),
        ("OPTIONS https://a.test/api/x", NO_METHOD, "404 -", "404 -", "404 -"),
        (
            "GET https://a.test/api/x",
            PUT,
            &format!("401 api {shown}"),
            &format!("401 api {shown}"),
            &format!("401 api {shown}"),
        ),
        ("GET https://a.test/api/x", EVIL, "401 api", "401 api", "401 api"),
        ("GET https://a.test/api/x", &[], "401 api", "401 api", "401 api"),
        ("options https://a.test/api/x", PUT, "404 -", "404 -", "404 -"),
        // A rule without `cors` leaves it to the rules.
        ("OPTIONS https://a.test/bare", GET, "404 -", "404 -", "200 bare"),
        // Where no request passes, no preflight does.
        (
            "OPTIONS https://a.test/none",
            GET,
            &format!("403 none {shown}"),
            &format!("403 none {shown}"),
            &format!("403 none {shown}"),
        ),
        ("OPTIONS https://a.test/broken", GET, "404 -", "404 -", "404 -"),
        // The header that the rule asks for does not come with a preflight.
        ("OPTIONS https://a.test/v", GET, "404 -", "404 -", "404 -"),
        ("OPTIONS https://a.test/own", GET, "200 options", "200 options", "200 options"),
        ("OPTIONS https://a.test/api/..%2fbare", GET, "404 -", "400 -", "400 -"),
        ("OPTIONS https://b.test/", GET, "404 -", "404 -", "404 -"),
    ] {
        for (engine, want) in [(&as_rules, by_rules), (&answer, by_answer), (&allow, by_allow)] {
            let asked = Asked(request, headers, "");
            assert_eq!(decide(engine, &asked), want, "{:?} {request} {headers:?}", engine.preflight);
        }
    }
}

#[test]
fn a_cors_block_without_origins_is_a_fault() {
    for (cors, want) in [
        (json!({}), "missing-key /0/cors: the key `allowed_origins` is missing in `cors`"),
        (
            json!({"allowed_origins": []}),
            "empty /0/cors/allowed_origins: `cors.allowed_origins` must not be empty",
        ),
    ] {
        let rule = json!({"match": {"methods": ["GET"], "url": "https://a.test/"}, "cors": cors});
        let (_, report) = engine_of(&[rule], |config| config.access_rules.preflight = Preflight::Answer);
        assert_eq!(said(&report), [want]);
    }
    let any = json!({"allowed_origins": ["*"], "allow_credentials": true});
    let rule = json!({"match": {"methods": ["GET"], "url": "https://a.test/"}, "cors": any});
    let (engine, report) = engine_of(&[rule], |config| config.access_rules.preflight = Preflight::Answer);
    assert_eq!(report.diagnostics[0].finding.code, "any-origin-with-credentials");
    let asked =
        Asked("OPTIONS https://a.test/", &[("Origin", "null"), ("Access-Control-Request-Method", "GET")], "");
    assert_eq!(decide(&engine, &asked), "204  allow-origin=null allow-methods=GET");
}
