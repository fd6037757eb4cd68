use std::rc::Rc;

use serde_json::{Value, json};

use crate::pipeline::Shared;
use crate::pipeline::authn::testing::{Asked, NOW, Probe, build, run, set_time};
use crate::upstream::Outgoing;
use crate::upstream::fake::FakeFetch;

const URL: &str = "http://idp.test/introspect";
const TOKEN_URL: &str = "http://idp.test/token";
const TOKEN: [(&str, &str); 1] = [("authorization", "Bearer tok")];
const ACTIVE: &str = r#"{"active":true,"sub":"alice","scope":"read"}"#;

fn config(more: &Value) -> Value {
    let mut config = json!({"introspection_url": URL});
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn pre_authorization() -> Value {
    json!({"pre_authorization": {"enabled": true, "client_id": "cid", "client_secret": "s e/c",
        "token_url": TOKEN_URL, "scope": ["introspect", "b"], "audience": "aud1"}})
}

/// `METHOD url body`, then each header on a line.
fn sent(call: &Outgoing) -> String {
    let headers = call.headers.iter().map(|(n, v)| format!("\n{n}: {}", v.to_str().unwrap()));
    let body = std::str::from_utf8(call.body.whole()).unwrap();
    format!("{} {} {body}{}", call.method, call.url, headers.collect::<String>())
}

#[test]
fn what_the_endpoint_is_sent() {
    let form = "\ncontent-type: application/x-www-form-urlencoded";
    for (what, more, headers, want) in [
        ("an empty scope", json!({}), &TOKEN[..], format!("POST {URL} scope=&token=tok{form}")),
        (
            "the scopes it has to check",
            json!({"required_scope": ["read", "x y"]}),
            &TOKEN,
            format!("POST {URL} scope=read+x+y&token=tok{form}"),
        ),
        (
            "none that are checked here",
            json!({"required_scope": ["read"], "scope_strategy": "exact"}),
            &TOKEN,
            format!("POST {URL} token=tok{form}"),
        ),
        (
            "headers, but its own content type",
            json!({"introspection_request_headers": {"X-Key": "k", "Content-Type": "text/plain", "Authorization": "Basic x"}}),
            &TOKEN,
            format!("POST {URL} scope=&token=tok\nauthorization: Basic x\nx-key: k{form}"),
        ),
        (
            "the host that was asked",
            json!({"preserve_host": true}),
            &TOKEN,
            format!("POST {URL} scope=&token=tok{form}\nx-forwarded-host: gate.test"),
        ),
        (
            "any bytes",
            json!({}),
            &[("authorization", "Bearer a+b&c=d/\u{e9} "), ("tracestate", "x"), ("traceparent", "p")],
            format!("POST {URL} scope=&token=a%2Bb%26c%3Dd%2F%C3%A9+{form}\ntraceparent: p\ntracestate: x"),
        ),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            fetch.answer(URL, 200, ACTIVE);
            let probe = Probe::new("oauth2_introspection", config(&more), &fetch);
            assert_eq!(probe.word(headers).await, "alice", "{what}");
            assert_eq!(fetch.calls().iter().map(sent).collect::<Vec<_>>(), [want], "{what}");
        });
    }
    run(async {
        let fetch = FakeFetch::new();
        let probe = Probe::new("oauth2_introspection", config(&json!({"prefix": "ory_"})), &fetch);
        assert_eq!(probe.word(&TOKEN).await, "not responsible");
        assert_eq!(probe.word(&[]).await, "not responsible");
    });
}

#[test]
fn what_a_rule_demands_of_a_token() {
    let full = r#"{"active":true,"sub":"alice","aud":["api","web"],"iss":"https://iss.test",
        "scope":"read write foo.bar baz.*","exp":1700000001}"#;
    for (body, more, want) in [
        (full, json!({}), "alice"),
        (r#"{"active":true}"#, json!({}), "401 token-without-subject"),
        (r#"{"active":true}"#, json!({"require_subject": false}), ""),
        (r#"{"active":true,"client_id":"cl"}"#, json!({}), "cl"),
        (r#"{"active":true,"client_id":"cl"}"#, json!({"require_subject": false}), ""),
        (r#"{"active":false,"sub":"x"}"#, json!({}), "401 token-not-active"),
        ("{}", json!({}), "401 token-not-active"),
        (r#"{"active":true,"exp":1700000000}"#, json!({}), "401 token-expired"),
        (r#"{"active":true,"sub":"a","exp":0}"#, json!({}), "a"),
        (r#"{"active":true,"sub":"a","token_use":"access_token"}"#, json!({}), "a"),
        (r#"{"active":false,"token_use":"refresh_token"}"#, json!({}), "403 not-an-access-token"),
        (full, json!({"target_audience": ["api", "web"]}), "alice"),
        (full, json!({"target_audience": ["api", "more"]}), "403 audience-mismatch"),
        (r#"{"active":true,"sub":"a","aud":"api"}"#, json!({"target_audience": ["api"]}), "a"),
        (r#"{"active":true}"#, json!({"target_audience": ["api"]}), "403 audience-mismatch"),
        (full, json!({"trusted_issuers": ["https://iss.test", "x"]}), "alice"),
        (full, json!({"trusted_issuers": ["https://other.test"]}), "403 issuer-not-trusted"),
        (r#"{"active":true}"#, json!({"trusted_issuers": ["x"]}), "403 issuer-not-trusted"),
        (full, json!({"required_scope": ["read"], "scope_strategy": "exact"}), "alice"),
        (full, json!({"required_scope": ["read", "admin"], "scope_strategy": "exact"}), "403 scope-missing"),
        (full, json!({"required_scope": ["foo.bar.x"], "scope_strategy": "hierarchic"}), "alice"),
        (full, json!({"required_scope": ["baz.any"], "scope_strategy": "wildcard"}), "alice"),
        (full, json!({"required_scope": ["foo.bar.x"], "scope_strategy": "wildcard"}), "403 scope-missing"),
        (full, json!({"required_scope": ["anything"]}), "alice"),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            fetch.answer(URL, 200, body);
            let probe = Probe::new("oauth2_introspection", config(&more), &fetch);
            assert_eq!(probe.word(&TOKEN).await, want, "{body} {more}");
        });
    }
}

#[test]
fn only_known_words_of_the_endpoint_reach_the_client() {
    run(async {
        for (token_use, shown) in [("refresh_token", "refresh_token"), ("<secret words>", "something else")] {
            let fetch = FakeFetch::new();
            fetch.answer(URL, 200, json!({"active": true, "token_use": token_use}).to_string());
            let probe = Probe::new("oauth2_introspection", config(&json!({})), &fetch);
            let denial = probe.ask(&Asked::with(&TOKEN)).await.denial.unwrap();
            let reason = denial.detail().unwrap().public.clone().unwrap();
            assert_eq!(reason, format!("Use of introspected token is not an access token but \"{shown}\""));
        }
    });
}

#[test]
fn a_failing_endpoint_decides_nothing() {
    for (status, body, more, want) in [
        (401, "{}", json!({}), "500 backend-status"),
        (403, "{}", json!({}), "500 backend-status"),
        (201, ACTIVE, json!({}), "500 backend-status"),
        (500, ACTIVE, json!({}), "500 backend-status"),
        (429, ACTIVE, json!({}), "429 backend-rate-limit"),
        (200, "{nope", json!({}), "500 backend-answer-unreadable"),
        (200, r#"{"active":"true"}"#, json!({}), "500 backend-answer-unreadable"),
        (503, "", json!({"on_backend_error": "unavailable"}), "503 backend-status"),
        (200, "<html>", json!({"on_backend_error": "unavailable"}), "503 backend-answer-unreadable"),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            fetch.answer(URL, status, body);
            let probe = Probe::new("oauth2_introspection", config(&more), &fetch);
            assert_eq!(probe.word(&TOKEN).await, want, "{status} {body}");
        });
    }
}

#[test]
fn what_is_remembered_is_looked_at_anew_for_each_rule() {
    run(async {
        let shared = Shared::new(1 << 20);
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, r#"{"active":true,"sub":"alice","scope":"read","exp":1700000100}"#);
        let cache = json!({"enabled": true, "ttl": "1h"});
        let rule = |more: Value| {
            let mut more = more;
            more["cache"] = cache.clone();
            Probe::with("oauth2_introspection", config(&more), fetch.clone() as Rc<_>, shared.clone())
        };
        let write = rule(json!({"required_scope": ["write"], "scope_strategy": "exact"}));
        let read = rule(json!({"required_scope": ["read"], "scope_strategy": "exact"}));
        let any = rule(json!({}));
        let api = rule(json!({"target_audience": ["api"]}));
        assert_eq!(write.word(&TOKEN).await, "403 scope-missing");
        assert_eq!(fetch.count(URL), 1);
        assert_eq!(read.word(&TOKEN).await, "alice");
        assert_eq!(fetch.count(URL), 2, "a no is not remembered");
        for (probe, want) in [
            (&any, "alice"),
            (&read, "alice"),
            (&write, "403 scope-missing"),
            (&api, "403 audience-mismatch"),
        ] {
            assert_eq!(probe.word(&TOKEN).await, want);
        }
        assert_eq!(fetch.count(URL), 2, "rules share what is remembered");
        set_time(NOW + 100);
        fetch.forget(URL);
        fetch.answer(URL, 200, r#"{"active":false}"#);
        assert_eq!(read.word(&TOKEN).await, "401 token-not-active");
        // The server checks these scopes, and says so in no answer that could be kept.
        let unchecked = rule(json!({"required_scope": ["read"]}));
        unchecked.word(&TOKEN).await;
        unchecked.word(&TOKEN).await;
        assert_eq!(fetch.count(URL), 5);
    });
}

#[test]
fn a_minute_is_the_longest_where_nothing_is_set() {
    run(async {
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, ACTIVE);
        let probe = Probe::new("oauth2_introspection", config(&json!({"cache": {"enabled": true}})), &fetch);
        for (seconds, calls) in [(0, 1), (59, 1), (1, 2)] {
            tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
            probe.word(&TOKEN).await;
            assert_eq!(fetch.count(URL), calls);
        }
    });
}

#[test]
fn the_endpoint_is_asked_with_a_token_that_is_fetched_once() {
    run(async {
        let fetch = FakeFetch::new();
        fetch.answer(TOKEN_URL, 200, r#"{"access_token":"pre-1","expires_in":100}"#);
        fetch.answer(TOKEN_URL, 200, r#"{"access_token":"pre-2","expires_in":100}"#);
        fetch.answer(URL, 200, ACTIVE);
        let probe = Probe::new("oauth2_introspection", config(&pre_authorization()), &fetch);
        let authorizations = || {
            let calls = fetch.calls();
            let calls = calls.iter().filter(|call| call.url == URL);
            calls.map(sent).map(|call| call.rsplit_once("Bearer ").unwrap().1.to_owned()).collect::<Vec<_>>()
        };
        for seconds in [0, 0, 89, 90] {
            set_time(NOW + seconds);
            assert_eq!(probe.word(&TOKEN).await, "alice");
        }
        assert_eq!(authorizations(), ["pre-1", "pre-1", "pre-1", "pre-2"], "replaced shortly before its end");
        assert_eq!(
            sent(&fetch.calls()[0]),
            format!(
                "POST {TOKEN_URL} audience=aud1&grant_type=client_credentials&scope=introspect+b\n\
                 content-type: application/x-www-form-urlencoded\nauthorization: Basic Y2lkOnMrZSUyRmM="
            )
        );
    });
}

#[test]
fn credentials_go_into_the_form_where_the_header_is_refused() {
    run(async {
        let fetch = FakeFetch::new();
        fetch.answer(TOKEN_URL, 401, r#"{"error":"invalid_client"}"#);
        fetch.answer(TOKEN_URL, 200, r#"{"access_token":"pre","expires_in":100}"#);
        fetch.answer(URL, 200, ACTIVE);
        let probe = Probe::new("oauth2_introspection", config(&pre_authorization()), &fetch);
        assert_eq!(probe.word(&TOKEN).await, "alice");
        assert_eq!(
            sent(&fetch.calls()[1]),
            format!(
                "POST {TOKEN_URL} audience=aud1&client_id=cid&client_secret=s+e%2Fc&\
                 grant_type=client_credentials&scope=introspect+b\n\
                 content-type: application/x-www-form-urlencoded"
            )
        );
        set_time(NOW + 200);
        assert_eq!(probe.word(&TOKEN).await, "alice");
        assert_eq!(fetch.count(TOKEN_URL), 3, "the way that worked is the first one next time");
    });
}

#[test]
fn without_a_token_of_its_own_the_endpoint_is_not_asked() {
    for (status, body, want, asked) in [
        (401, r#"{"error":"invalid_client"}"#, "500 pre-authorization-refused", 2),
        (500, "{}", "500 backend-status", 1),
        (200, "hm", "500 backend-answer-unreadable", 1),
        (200, "{}", "500 backend-answer-unreadable", 1),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            fetch.answer(TOKEN_URL, status, body);
            fetch.answer(URL, 200, ACTIVE);
            let probe = Probe::new("oauth2_introspection", config(&pre_authorization()), &fetch);
            assert_eq!(probe.word(&TOKEN).await, want, "{status} {body}");
            assert_eq!((fetch.count(TOKEN_URL), fetch.count(URL)), (asked, 0), "{status} {body}");
        });
    }
}

#[test]
fn both_calls_together_end_within_the_deadline() {
    run(async {
        let fetch = FakeFetch::new();
        let token = fetch.answer_later(TOKEN_URL, 200, r#"{"access_token":"pre"}"#);
        fetch.never(URL);
        let probe = Probe::new("oauth2_introspection", config(&pre_authorization()), &fetch);
        let start = tokio::time::Instant::now();
        let slow = async {
            tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
            token.notify_one();
        };
        let (word, ()) = tokio::join!(probe.word(&TOKEN), slow);
        assert_eq!((word.as_str(), start.elapsed().as_secs()), ("500 backend-timed-out", 2));
    });
}

#[test]
fn settings_that_cannot_be_are_found_when_rules_load() {
    let shared = Shared::new(1 << 20);
    for (more, pointer) in [
        (json!({"introspection_url": "file:///x"}), "/introspection_url"),
        (json!({"introspection_request_headers": {"X": "a\nb"}}), "/introspection_request_headers/X"),
        (json!({"timeout": "0s"}), "/timeout"),
        (json!({"retry": {"max_delay": "x"}}), "/retry/max_delay"),
        (json!({"scope_strategy": "fuzzy"}), "/scope_strategy"),
    ] {
        let findings = build("oauth2_introspection", config(&more), &shared).err().unwrap_or_default();
        let pointers: Vec<&str> = findings.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, [pointer], "{more}");
    }
    let mut more = pre_authorization();
    more["pre_authorization"]["token_url"] = json!("ftp://x/");
    let findings = build("oauth2_introspection", config(&more), &shared).err().unwrap_or_default();
    assert_eq!(
        findings.iter().map(|f| f.pointer.as_str()).collect::<Vec<_>>(),
        ["/pre_authorization/token_url"]
    );
}
