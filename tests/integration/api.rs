//! The rest of the API: health, rules, keys, version, and what is not there.

use crate::given::{allows, okgate};
use okgate_testkit::gate::Gate;
use okgate_testkit::http::Request;
use serde_json::{Value, json};

fn ids(gate: &Gate, target: &str) -> Vec<String> {
    let reply = gate.get(target);
    assert_eq!(reply.status, 200, "{}", reply.summary());
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json; charset=utf-8"));
    let list = reply.json();
    list.as_array().unwrap().iter().filter_map(|rule| rule["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn rules_are_listed_in_pages_of_fifty() {
    let rules: String = (0..60).map(|n| allows(&format!("r{n}"), &format!("http://app.test/{n}"))).collect();
    let gate = okgate(&rules).run();
    for (query, first, count) in [
        ("", "r0", 50),
        ("?limit=2", "r0", 2),
        ("?limit=2&offset=58", "r58", 2),
        ("?offset=55", "r55", 5),
        ("?limit=-1&offset=-1", "", 0),
        ("?limit=x&offset=x", "r0", 50),
        ("?limit=100000", "r0", 60),
        ("?offset=1000", "", 0),
    ] {
        let found = ids(&gate, &format!("/rules{query}"));
        assert_eq!((found.first().map_or("", String::as_str), found.len()), (first, count), "{query}");
    }
}

#[test]
fn a_rule_is_shown_as_oathkeeper_shows_it() {
    let gate = okgate(
        &allows("a/b c", "<https?>://app.test/<.*>")
            .replace("id: a/b c", "id: 'a/b c'")
            .replace("X-Rule: a/b c", "X-Rule: x"),
    )
    .run();
    let reply = gate.get("/rules/a%2Fb%20c");
    assert_eq!(reply.status, 200, "{}", reply.summary());
    assert!(reply.text().contains(r"\u003chttps?\u003e://app.test/\u003c.*\u003e"), "{}", reply.text());
    assert!(reply.text().ends_with("}\n"));
    let rule = reply.json();
    let keys: Vec<&str> = rule.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "id",
            "version",
            "description",
            "match",
            "authenticators",
            "authorizer",
            "mutators",
            "errors",
            "upstream"
        ]
    );
    assert_eq!(rule["authorizer"], json!({"handler": "allow", "config": null}));
    assert_eq!(rule["upstream"], json!({"preserve_host": false, "strip_path": "", "url": ""}));
    assert_eq!(rule["errors"], Value::Null);
}

#[test]
fn a_rule_that_is_not_there_is_404() {
    let gate = okgate(&allows("a", "http://app.test/")).run();
    for target in ["/rules/b", "/rules/", "/rules/a/b", "/nowhere", "/"] {
        assert_eq!(gate.get(target).status, 404, "{target}");
    }
    assert_eq!(gate.get("/rules/b").json()["error"]["code"], 404);
}

#[test]
fn health_and_version_answer_get_and_head_and_nothing_else() {
    let gate = okgate(&allows("a", "http://app.test/")).run();
    assert_eq!(gate.get("/version").json(), json!({"version": env!("CARGO_PKG_VERSION")}));
    for target in ["/health/alive", "/health/ready", "/version", "/rules"] {
        assert_eq!(gate.get(target).status, 200, "{target}");
        assert_eq!(gate.send(&Request::new("HEAD", target)).status, 200, "{target}");
        assert_eq!(gate.send(&Request::new("POST", target)).status, 404, "{target}");
    }
}

#[test]
fn an_unknown_path_is_told_in_the_format_that_is_accepted() {
    let gate = okgate(&allows("a", "http://app.test/")).run();
    for (accept, content_type) in
        [("text/html", "text/html"), ("text/plain", "text/plain"), ("application/json", "application/json")]
    {
        let reply = gate.send(&Request::get("/nowhere").header("Accept", accept));
        assert_eq!(reply.status, 404);
        let got = reply.header("content-type").unwrap_or_default();
        assert!(got.starts_with(content_type), "{accept}: {got}");
    }
}
