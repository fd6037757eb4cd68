use std::rc::Rc;

use serde_json::{Value, json};

use super::{Settings, Url, unmeant};
use crate::pipeline::authn::testing::{Asked, Probe, build, run, set_time};
use crate::pipeline::{Denial, Shared};
use crate::upstream::Outgoing;
use crate::upstream::fake::FakeFetch;

const URL: &str = "http://store.test/check";
const COOKIE: [(&str, &str); 1] = [("cookie", "sid=1")];
const BEARER: [(&str, &str); 1] = [("authorization", "Bearer tok")];

fn config(more: &Value) -> Value {
    let mut config = json!({"check_session_url": URL, "preserve_path": true});
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// `METHOD url`, then each header on a line.
fn sent(call: &Outgoing) -> String {
    let headers = call.headers.iter().map(|(n, v)| format!("\n{n}: {}", v.to_str().unwrap()));
    assert!(call.body.is_empty(), "a session check has no body");
    format!("{} {}{}", call.method, call.url, headers.collect::<String>())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_the_session_store_is_sent() {
    let headers = [
        ("cookie", "sid=1; other=2"),
        ("authorization", "Bearer tok"),
        ("x-custom", "c"),
        ("user-agent", "ua"),
        ("content-length", "5"),
        ("x-custom", "second"),
        ("upgrade", "websocket"),
        ("traceparent", "00-1-2-01"),
    ];
    let get = Asked { method: "GET", path: "/a/b", query: Some("x=1&y=%20"), headers: &headers };
    let cookies = "\ncookie: sid=1; other=2";
    let trace = "\ntraceparent: 00-1-2-01";
    for (what, id, config, asked, want) in [
        (
            "path of the request, query of the URL",
            "cookie_session",
            json!({"check_session_url": "http://store.test/base?fixed=1"}),
            get.clone(),
            format!("GET http://store.test/a/b?fixed=1{cookies}{trace}"),
        ),
        (
            "path of the URL, query of the request",
            "cookie_session",
            json!({"check_session_url": URL, "preserve_path": true, "preserve_query": false}),
            get.clone(),
            format!("GET {URL}?x=1&y=%20{cookies}{trace}"),
        ),
        (
            "no query at all",
            "cookie_session",
            json!({"check_session_url": "http://store.test?a", "preserve_query": false}),
            Asked { query: None, ..get.clone() },
            format!("GET http://store.test/a/b{cookies}{trace}"),
        ),
        (
            "a path is escaped",
            "cookie_session",
            json!({"check_session_url": "http://store.test/"}),
            Asked { path: "/a%20b/%E2%82%AC/c%3Fd", query: Some("q=#\"<\u{e9}"), ..get.clone() },
            format!("GET http://store.test/a%20b/%E2%82%AC/c%3Fd{cookies}{trace}"),
        ),
        (
            "a query is escaped where it has to be",
            "cookie_session",
            json!({"check_session_url": URL, "preserve_path": true, "preserve_query": false}),
            Asked { query: Some("q=#\"< \u{e9}%22"), ..get.clone() },
            format!("GET {URL}?q=%23%22%3C%20%C3%A9%22{cookies}{trace}"),
        ),
        (
            "the store's own path is asked for with GET",
            "cookie_session",
            config(&json!({})),
            Asked { method: "DELETE", ..get.clone() },
            format!("GET {URL}{cookies}{trace}"),
        ),
        (
            "the request's path with the request's method",
            "cookie_session",
            json!({"check_session_url": "http://store.test/"}),
            Asked { method: "DELETE", ..get.clone() },
            format!("DELETE http://store.test/a/b{cookies}{trace}"),
        ),
        (
            "but an answer to HEAD names nobody",
            "cookie_session",
            json!({"check_session_url": "http://store.test/"}),
            Asked { method: "HEAD", ..get.clone() },
            format!("GET http://store.test/a/b{cookies}{trace}"),
        ),
        (
            "unless the method is fixed",
            "cookie_session",
            config(&json!({"force_method": "HEAD"})),
            get.clone(),
            format!("HEAD {URL}{cookies}{trace}"),
        ),
        (
            "a fixed method",
            "cookie_session",
            config(&json!({"force_method": "POST"})),
            Asked { method: "HEAD", ..get.clone() },
            format!("POST {URL}{cookies}{trace}"),
        ),
        (
            "the host that was asked, not the one forwarded",
            "cookie_session",
            config(&json!({"preserve_host": true, "additional_headers": {"X-Forwarded-Host": "x"}})),
            get.clone(),
            format!("GET {URL}{cookies}\nx-forwarded-host: gate.test{trace}"),
        ),
        (
            "listed headers, but none of the connection",
            "cookie_session",
            config(&json!({"forward_http_headers": ["x-custom", "User-Agent", "Content-Length", "Upgrade"]})),
            get.clone(),
            format!("GET {URL}{cookies}\nx-custom: c\nx-custom: second\nuser-agent: ua{trace}"),
        ),
        (
            "set headers win, but not the host",
            "cookie_session",
            config(&json!({"additional_headers": {"Cookie": "over=1", "Host": "set.test", "X-Key": "k"}})),
            get.clone(),
            format!("GET {URL}\ncookie: over=1\nx-key: k{trace}"),
        ),
        (
            "the token, not the cookies",
            "bearer_token",
            config(&json!({})),
            Asked { method: "POST", ..get.clone() },
            format!("GET {URL}\nauthorization: Bearer tok{trace}"),
        ),
        (
            "a token from elsewhere is not put in",
            "bearer_token",
            config(&json!({"token_from": {"cookie": "sid"}, "forward_http_headers": ["Cookie"]})),
            get.clone(),
            format!("GET {URL}\nauthorization: Bearer tok{cookies}{trace}"),
        ),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            let probe = Probe::new(id, config, &fetch);
            probe.ask(&asked).await;
            let calls: Vec<String> = fetch.calls().iter().take(1).map(sent).collect();
            assert_eq!(calls, [want], "{what}");
        });
    }
}

#[test]
fn what_the_session_store_may_answer() {
    for (status, body, more, want, extra) in [
        (200, r#"{"subject":"alice","extra":{"n":1234567}}"#, json!({}), "alice", json!({"n": 1_234_567})),
        (200, r#"{"subject":"alice"}"#, json!({}), "alice", json!(null)),
        (200, r#"{"subject":"alice","extra":null}"#, json!({}), "alice", json!(null)),
        (200, r#"{"subject":42}"#, json!({}), "403 subject-not-text", json!(null)),
        (200, r#"{"subject":{"a":1}}"#, json!({}), "403 subject-not-text", json!(null)),
        (200, r#"{"subject":"a","extra":[1]}"#, json!({}), "403 extra-not-an-object", json!(null)),
        (200, r#"{"subject":"a","extra":"x"}"#, json!({}), "403 extra-not-an-object", json!(null)),
        (200, r#"{"extra":{}}"#, json!({}), "401 session-without-subject", json!(null)),
        (200, r#"{"subject":""}"#, json!({}), "401 session-without-subject", json!(null)),
        (200, r#"{"subject":null}"#, json!({}), "401 session-without-subject", json!(null)),
        (200, "[1,2]", json!({}), "401 session-without-subject", json!(null)),
        (200, "null", json!({}), "401 session-without-subject", json!(null)),
        (200, "", json!({}), "500 backend-answer-unreadable", json!(null)),
        (200, "{nope", json!({}), "500 backend-answer-unreadable", json!(null)),
        (200, "<html>please log in", json!({}), "500 backend-answer-unreadable", json!(null)),
        // As Oathkeeper has it, where that is asked for.
        (200, "<html>", json!({"require_subject": false}), "", json!(null)),
        (200, r#"{"extra":{"a":1}}"#, json!({"require_subject": false}), "", json!({"a": 1})),
        (200, r#"{"subject":7}"#, json!({"require_subject": false}), "403 subject-not-text", json!(null)),
        // Paths.
        (
            200,
            r#"{"identity":{"id":"u1","traits":{"n":[1]}}}"#,
            json!({"subject_from": "identity.id", "extra_from": "identity.traits"}),
            "u1",
            json!({"n": [1]}),
        ),
        (
            200,
            r#"{"subject":"a","extra":{"e":1}}"#,
            json!({"subject_from": "", "extra_from": ""}),
            "a",
            json!({"e": 1}),
        ),
        (200, r#"{"subject":"a"}"#, json!({"extra_from": "@this"}), "a", json!({"subject": "a"})),
        (200, r#"{"id":1234567}"#, json!({"subject_from": "id.@tostr"}), "1234567", json!(null)),
        // Other statuses.
        (201, r#"{"subject":"alice"}"#, json!({}), "401 session-refused", json!(null)),
        (204, "", json!({}), "401 session-refused", json!(null)),
        (304, "", json!({}), "401 session-refused", json!(null)),
        (401, r#"{"subject":"alice"}"#, json!({}), "401 session-refused", json!(null)),
        (403, "", json!({}), "401 session-refused", json!(null)),
        (404, "", json!({}), "401 session-refused", json!(null)),
        (429, "", json!({}), "429 backend-rate-limit", json!(null)),
        (500, r#"{"subject":"alice"}"#, json!({}), "401 backend-status", json!(null)),
        (503, "", json!({}), "401 backend-status", json!(null)),
        (503, "", json!({"on_backend_error": "unavailable"}), "503 backend-status", json!(null)),
        (
            200,
            "{nope",
            json!({"on_backend_error": "unavailable"}),
            "503 backend-answer-unreadable",
            json!(null),
        ),
        (401, "", json!({"on_backend_error": "unavailable"}), "401 session-refused", json!(null)),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            fetch.answer(URL, status, body);
            let probe = Probe::new("cookie_session", config(&more), &fetch);
            let outcome = probe.ask(&Asked::with(&COOKIE)).await;
            assert_eq!(outcome.word, want, "{status} {body} {more}");
            assert_eq!(outcome.extra.map_or(Value::Null, Value::Object), extra, "{status} {body} {more}");
        });
    }
}

#[test]
fn bearer_tokens_name_their_subject_in_sub_and_may_need_a_prefix() {
    run(async {
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, r#"{"sub":"bob","subject":"alice"}"#);
        let probe = Probe::new("bearer_token", config(&json!({})), &fetch);
        for (headers, want) in [
            (&BEARER[..], "bob"),
            (&[("authorization", "Basic tok")][..], "not responsible"),
            (&[], "not responsible"),
            (&COOKIE, "not responsible"),
        ] {
            assert_eq!(probe.word(headers).await, want, "{headers:?}");
        }
        let prefixed = Probe::new("bearer_token", config(&json!({"prefix": "ory_"})), &fetch);
        assert_eq!(prefixed.word(&BEARER).await, "not responsible");
        assert_eq!(prefixed.word(&[("authorization", "Bearer ory_x")]).await, "bob");
    });
}

#[test]
fn a_rate_limit_passes_with_its_headers_and_nothing_else() {
    run(async {
        let fetch = FakeFetch::new();
        fetch.answer_with(
            URL,
            429,
            &[("retry-after", "7"), ("x-ratelimit-limit", "10"), ("x-other", "no")],
            "",
        );
        let probe = Probe::new("cookie_session", config(&json!({})), &fetch);
        let denial = probe.ask(&Asked::with(&COOKIE)).await.denial;
        let Some(Denial::TooManyRequests { headers, .. }) = denial else { panic!("{denial:?}") };
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["retry-after", "x-ratelimit-limit"]);
    });
}

#[test]
fn answers_are_remembered_for_who_sent_the_same() {
    let cached = json!({"cache": {"enabled": true, "ttl": "10s", "negative_ttl": "10s"}});
    let get = Asked::with(&COOKIE);
    let others: [(&str, Asked<'_>, usize); 6] = [
        ("the same", get.clone(), 1),
        ("another cookie", Asked::with(&[("cookie", "sid=2")]), 2),
        ("two cookies that join to the same", Asked::with(&[("cookie", "sid="), ("cookie", "1")]), 2),
        ("another method", Asked { method: "POST", ..get.clone() }, 1),
        ("a header that is not sent", Asked::with(&[("cookie", "sid=1"), ("x-custom", "y")]), 1),
        ("a trace", Asked::with(&[("cookie", "sid=1"), ("traceparent", "00-1-2-01")]), 1),
    ];
    for (what, other, calls) in others {
        for (status, body) in [(200, r#"{"subject":"alice"}"#), (401, "")] {
            run(async {
                let fetch = FakeFetch::new();
                fetch.answer(URL, status, body);
                let probe = Probe::new("cookie_session", config(&cached), &fetch);
                probe.ask(&get).await;
                probe.ask(&other).await;
                assert_eq!(fetch.count(URL), calls, "{what} {status}");
            });
        }
    }
    run(async {
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, r#"{"subject":"alice"}"#);
        let probe = Probe::new("cookie_session", config(&json!({})), &fetch);
        probe.ask(&get).await;
        probe.ask(&get).await;
        assert_eq!(fetch.count(URL), 2, "nothing is remembered unless that is asked for");
    });
}

#[test]
fn a_handler_that_a_reload_changes_starts_with_nothing() {
    run(async {
        let shared = Shared::new(1 << 20);
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, r#"{"subject":"alice","id":"u1"}"#);
        let with = |more: Value| {
            Probe::with("cookie_session", config(&more), fetch.clone() as Rc<_>, shared.clone())
        };
        let cache = json!({"enabled": true});
        assert_eq!(with(json!({"cache": cache})).word(&COOKIE).await, "alice");
        assert_eq!(with(json!({"cache": cache})).word(&COOKIE).await, "alice");
        assert_eq!(fetch.count(URL), 1, "the same handler after a reload");
        assert_eq!(with(json!({"cache": cache, "subject_from": "id"})).word(&COOKIE).await, "u1");
        assert_eq!(fetch.count(URL), 2);
    });
}

#[test]
fn no_answer_outlives_its_token() {
    // {"exp":1700000030}
    let token = "e30.eyJleHAiOjE3MDAwMDAwMzB9.c2ln";
    let authorization = format!("Bearer {token}");
    for (what, body, seconds, calls) in [
        ("within its time", r#"{"sub":"bob"}"#, 29, 1),
        ("when the token ends", r#"{"sub":"bob"}"#, 30, 2),
        ("within the time of the answer", r#"{"sub":"bob","exp":1700000020}"#, 19, 1),
        ("when the answer ends", r#"{"sub":"bob","exp":1700000020}"#, 20, 2),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            fetch.answer(URL, 200, body);
            let cache = json!({"cache": {"enabled": true, "ttl": "1h"}});
            let probe = Probe::new("bearer_token", config(&cache), &fetch);
            probe.word(&[("authorization", &authorization)]).await;
            set_time(super::super::testing::NOW + seconds);
            probe.word(&[("authorization", &authorization)]).await;
            assert_eq!(fetch.count(URL), calls, "{what}");
        });
    }
}

#[test]
fn tokens_keep_callers_apart_even_where_they_are_not_sent() {
    run(async {
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, r#"{"sub":"bob"}"#);
        fetch.answer(URL, 200, r#"{"sub":"eve"}"#);
        let more = json!({"token_from": {"cookie": "tok"}, "cache": {"enabled": true}});
        let probe = Probe::new("bearer_token", config(&more), &fetch);
        assert_eq!(probe.word(&[("cookie", "tok=1")]).await, "bob");
        assert_eq!(probe.word(&[("cookie", "tok=2")]).await, "eve");
        assert_eq!(probe.word(&[("cookie", "tok=1")]).await, "bob");
    });
}

#[test]
fn settings_that_cannot_be_are_found_when_rules_load() {
    let shared = Shared::new(1 << 20);
    for (more, pointer) in [
        (json!({"check_session_url": "ftp://store.test/"}), "/check_session_url"),
        (json!({"subject_from": "a.#(b==1"}), "/subject_from"),
        (json!({"extra_from": "{a,b"}), "/extra_from"),
        (json!({"force_method": "G ET"}), "/force_method"),
        (json!({"additional_headers": {"a b": "c"}}), "/additional_headers/a b"),
        (json!({"timeout": "0s"}), "/timeout"),
        (json!({"timeout": "soon"}), "/timeout"),
        (json!({"cache": {"ttl": "1.5s"}}), "/cache/ttl"),
        (json!({"cache": {"size": 5}}), "/cache/size"),
        (json!({"max_response_bytes": "lots"}), "/max_response_bytes"),
        (json!({"on_backend_error": "allow"}), "/on_backend_error"),
        (json!({"coalesce": "yes"}), "/coalesce"),
    ] {
        for id in ["cookie_session", "bearer_token"] {
            let findings = build(id, config(&more), &shared).err().unwrap_or_default();
            let pointers: Vec<&str> = findings.iter().map(|f| f.pointer.as_str()).collect();
            assert_eq!(pointers, [pointer], "{id} {more}");
        }
    }
}

#[test]
fn a_path_that_is_not_used_is_told_at_start() {
    for (settings, told) in [
        (json!({"check_session_url": "http://store.test/sessions/whoami"}), Some("with its method")),
        (json!({"check_session_url": "http://store.test/whoami", "force_method": "GET"}), Some("not used")),
        (json!({"check_session_url": "http://store.test/whoami", "preserve_path": true}), None),
        (json!({"check_session_url": "http://store.test"}), None),
        (json!({"check_session_url": "http://store.test/?a=b"}), None),
    ] {
        let read: Settings = serde_json::from_value(settings.clone()).unwrap();
        let warning = unmeant(&read, &Url::parse(&read.check_session_url).unwrap());
        assert_eq!(warning.is_some(), told.is_some(), "{settings}");
        assert!(warning.unwrap_or_default().contains(told.unwrap_or_default()), "{settings}");
    }
}
