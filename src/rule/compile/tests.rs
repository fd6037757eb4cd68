use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::config::Strategy;
use crate::pipeline::Context;
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Parts};
use crate::upstream::fake::FakeFetch;

/// An engine of one rule with these authenticators and this authorizer, and the findings about it.
fn engine_of(authenticators: &Value, authorizer: &str) -> (Engine, Vec<String>) {
    let spec: RuleSpec = serde_json::from_value(json!({
        "id": "r",
        "match": {"methods": ["GET"], "url": "http://gate.test/"},
        "authenticators": authenticators,
        "authorizer": {"handler": authorizer},
        "mutators": [{"handler": "noop"}],
    }))
    .unwrap();
    let document = Document {
        source: Arc::new(Source { name: "rules.yaml".to_owned(), path: None, text: None }),
        rules: vec![Written { index: 0, spec: Arc::new(spec), findings: Vec::new() }],
        warnings: Report::default(),
    };
    let config = Config::for_validation(Strategy::Regexp).unwrap();
    let (engine, report) = engine(&config, [&document], &Shared::new(1 << 20));
    let findings = report.diagnostics.iter();
    (engine, findings.map(|d| format!("{} {}", d.finding.pointer, d.finding.message)).collect())
}

/// What becomes of a request: the subject, or status and cause.
fn decide(engine: &Engine, fetch: &Rc<FakeFetch>, headers: &[(&str, &str)]) -> String {
    let fields: HeaderFields = headers.iter().map(|(n, v)| (*n, *v)).collect();
    let parts = Parts::root();
    let request = AccessRequest::new(parts, &fields).unwrap();
    let context = Context::new(fetch.clone());
    let decision = crate::keys::fixtures::run(engine.decide(&request, &context));
    match decision.outcome {
        Ok(grant) => format!("subject {:?}", grant.subject()),
        Err(refusal) => {
            let why = refusal.denial.detail().map_or("", |detail| detail.id);
            format!("{} {why}", refusal.denial.status())
        }
    }
}

#[test]
fn only_a_no_to_the_credentials_leads_on_to_the_next_authenticator() {
    let session = |on_failure: Value| {
        let config = json!({"check_session_url": "http://store.test/", "preserve_path": true});
        let mut entry = json!({"handler": "cookie_session", "config": config});
        if !on_failure.is_null() {
            entry["on_failure"] = on_failure;
        }
        entry
    };
    let guest = json!({"handler": "anonymous", "config": {"subject": "guest"}});
    let signed_out = json!({"handler": "unauthorized"});
    for (what, authenticators, store, headers, want) in [
        (
            "stop is the default",
            json!([session(json!(null)), guest]),
            401,
            &[("cookie", "sid=1")][..],
            "401 session-refused",
        ),
        ("stop", json!([session(json!("stop")), guest]), 401, &[("cookie", "sid=1")], "401 session-refused"),
        ("next", json!([session(json!("next")), guest]), 401, &[("cookie", "sid=1")], "subject \"guest\""),
        (
            "next, and known",
            json!([session(json!("next")), guest]),
            200,
            &[("cookie", "sid=1")],
            "subject \"alice\"",
        ),
        ("next, not asked", json!([session(json!("next")), guest]), 401, &[], "subject \"guest\""),
        (
            "nobody else is responsible: the first no counts",
            json!([session(json!("next")), guest]),
            401,
            &[("cookie", "sid=1"), ("authorization", "Basic x")],
            "401 session-refused",
        ),
        (
            "the last one says no too",
            json!([session(json!("next")), signed_out]),
            401,
            &[("cookie", "sid=1")],
            "401 unauthorized-handler",
        ),
        (
            "could not decide",
            json!([session(json!("next")), guest]),
            500,
            &[("cookie", "sid=1")],
            "401 backend-status",
        ),
        (
            "too many requests",
            json!([session(json!("next")), guest]),
            429,
            &[("cookie", "sid=1")],
            "429 backend-rate-limit",
        ),
        (
            "a step that cannot be",
            json!([{"handler": "nope", "on_failure": "next"}, guest]),
            200,
            &[],
            "500 unknown-handler",
        ),
    ] {
        let (engine, _) = engine_of(&authenticators, "allow");
        let fetch = FakeFetch::new();
        fetch.answer("http://store.test/", store, r#"{"subject":"alice"}"#);
        assert_eq!(decide(&engine, &fetch, headers), want, "{what}");
    }
}

#[test]
fn a_rule_that_makes_guests_of_whom_it_refuses_is_worth_a_warning() {
    let entry = |handler: &str, on_failure: &str| json!({"handler": handler, "on_failure": on_failure});
    let warning =
        "/0/authenticators/0/on_failure whoever `cookie_session` refuses gets in as a guest of `anonymous`";
    for (authenticators, authorizer, warned) in [
        (json!([entry("cookie_session", "next"), {"handler": "anonymous"}]), "allow", true),
        (
            json!([entry("cookie_session", "next"), {"handler": "jwt"}, {"handler": "anonymous"}]),
            "allow",
            true,
        ),
        (json!([entry("cookie_session", "stop"), {"handler": "anonymous"}]), "allow", false),
        (json!([entry("cookie_session", "next"), {"handler": "anonymous"}]), "deny", false),
        (json!([entry("cookie_session", "next"), {"handler": "jwt"}]), "allow", false),
        (json!([{"handler": "anonymous"}, entry("cookie_session", "next")]), "allow", false),
    ] {
        let (_, findings) = engine_of(&authenticators, authorizer);
        let want: &[&str] = if warned { &[warning] } else { &[] };
        assert_eq!(findings, want, "{authenticators}");
    }
}

#[test]
fn capture_groups_are_worked_out_for_a_rule_whose_steps_may_see_them() {
    let allow = json!({"handler": "allow"});
    let headers = |text: &str| json!([{"handler": "header", "config": {"headers": {"x-part": text}}}]);
    let claims = |text: &str| json!([{"handler": "id_token", "config": {"claims": text}}]);
    let ask = |payload: &str| {
        let config = json!({"remote": "http://authz.test/", "payload": payload});
        json!({"handler": "remote_json", "config": config})
    };
    let noop = json!([{"handler": "noop"}]);
    let group = r"{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}";
    let hydrator = json!([{"handler": "hydrator", "config": {"api": {"url": "http://api.test/"}}}]);
    for (what, authorizer, mutators, wanted) in [
        ("nothing is rendered", &allow, &noop, false),
        ("a fixed header", &allow, &headers("inner"), false),
        ("the subject", &allow, &headers("{{ print .Subject }}"), false),
        ("a group", &allow, &headers(group), true),
        ("the whole session", &allow, &headers("{{ . | toJson }}"), true),
        ("a group in the second template", &allow, &headers(&format!("{{{{ .Subject }}}}{group}")), true),
        ("claims of the subject", &allow, &claims(r#"{"a": "{{ .Subject }}"}"#), false),
        ("claims of a group", &allow, &claims(&format!(r#"{{"a": "{group}"}}"#)), true),
        ("a payload of the subject", &ask(r#""{{ .Subject }}""#), &noop, false),
        ("a payload of a group", &ask(&format!(r#""{group}""#)), &noop, true),
        ("a session sent away", &allow, &hydrator, true),
    ] {
        let spec = json!({
            "id": "r",
            "match": {"methods": ["GET"], "url": "http://gate.test/<.*>"},
            "authenticators": [{"handler": "noop"}],
            "authorizer": authorizer,
            "mutators": mutators,
        });
        let written =
            Written { index: 0, spec: Arc::new(serde_json::from_value(spec).unwrap()), findings: Vec::new() };
        let source = Arc::new(Source { name: "rules.yaml".to_owned(), path: None, text: None });
        let config = Config::for_validation(Strategy::Regexp).unwrap();
        let (rule, findings) = rule(&config, &source, &written, &Shared::new(1 << 20), &mut Made::default());
        assert!(rule.is_valid(), "{what}: {findings:?}");
        assert_eq!(rule.uses_captures(), wanted, "{what}");
    }
}

#[test]
fn rules_with_the_same_handlers_run_the_same_steps_and_each_is_told_its_faults() {
    let rule = |id: &str, mutator: &str| {
        json!({
            "id": id,
            "match": {"methods": ["GET"], "url": format!("http://gate.test/{id}")},
            "authenticators": [{"handler": "anonymous"}],
            "authorizer": {"handler": "allow"},
            "mutators": [{"handler": mutator, "config": {"headers": {"X-User": "{{ .Subject }}"}}}],
        })
    };
    let rules = [rule("a", "header"), rule("b", "header"), rule("c", "haeder"), rule("d", "haeder")];
    let text = Value::from(rules.to_vec()).to_string();
    let source = Source { name: "rules.json".to_owned(), path: None, text: Some(text.into()) };
    let document =
        crate::rule::load::decode(Arc::new(source), false, &crate::rule::Substitution::default()).unwrap();
    let config = Config::for_validation(Strategy::Regexp).unwrap();
    let (engine, report) = engine(&config, [&document], &Shared::new(1 << 20));
    let [a, b, ..] = engine.rules().all() else { panic!("there are four") };
    assert_eq!(a.authenticators.place(), b.authenticators.place());
    assert_eq!(a.authorizers.place(), b.authorizers.place());
    assert_eq!(a.mutators.place(), b.mutators.place());
    assert_eq!(a.identity_headers.place(), b.identity_headers.place());
    let ids: Vec<_> = report.diagnostics.iter().map(|d| d.rule_id.as_deref().unwrap_or_default()).collect();
    assert_eq!(ids, ["c", "d"]);
}

#[test]
fn where_there_is_a_proxy_rules_that_let_pass_want_an_upstream() {
    let rule = |id: &str, authorizer: &str, url: &str| {
        json!({
            "id": id,
            "match": {"methods": ["GET"], "url": format!("http://gate.test/{id}")},
            "authenticators": [{"handler": "anonymous"}],
            "authorizer": {"handler": authorizer},
            "mutators": [{"handler": "noop"}],
            "upstream": {"url": url},
        })
    };
    let app = "http://app:8080";
    for (rules, proxy, found) in [
        (vec![rule("a", "allow", app), rule("b", "deny", "")], true, None),
        (vec![rule("a", "allow", "")], false, None),
        (
            vec![rule("a", "allow", app), rule("b", "allow", "")],
            true,
            Some("/1: this rule names no upstream"),
        ),
        (
            vec![rule("a", "allow", "/app"), rule("b", "allow", ""), rule("c", "allow", "")],
            true,
            Some("/0: this rule and 2 more name no upstream"),
        ),
    ] {
        let source = Source {
            name: "rules.json".to_owned(),
            path: None,
            text: Some(Value::from(rules).to_string().into()),
        };
        let document =
            crate::rule::load::decode(Arc::new(source), false, &crate::rule::Substitution::default());
        let mut config = Config::for_validation(Strategy::Regexp).unwrap();
        let environment = proxy.then(|| ("SERVE_PROXY_PORT".to_owned(), "0".to_owned()));
        let sources =
            crate::config::Sources { environment: environment.into_iter().collect(), ..Default::default() };
        config.serve = crate::config::load(&sources).unwrap().config.serve;
        let (_, report) = engine(&config, [&document.unwrap()], &Shared::new(1 << 20));
        let findings: Vec<String> = report
            .diagnostics
            .iter()
            .map(|d| format!("{}: {}", d.finding.pointer, d.finding.message))
            .collect();
        assert!(
            match (found, findings.as_slice()) {
                (None, []) => true,
                (Some(found), [one]) => one.starts_with(found),
                _ => false,
            },
            "{found:?} {findings:?}"
        );
    }
}
