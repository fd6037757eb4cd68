use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::answer::Problem;
use super::*;
use crate::config::merge;
use crate::pipeline::trial::{Ask, Trial, run, verdict};
use crate::upstream::{FetchError, Outgoing};

const URL: &str = "http://api.test/session";

/// A rule with this hydrator, and with what later mutators see of the session in headers.
fn trial(settings: &Value) -> Trial {
    with(settings, &json!([{"handler": "hydrator"}, seen()]))
}

fn with(settings: &Value, mutators: &Value) -> Trial {
    let config = merge(&json!({"api": {"url": URL}}), settings);
    let handlers = json!({"mutators": {"hydrator": {"enabled": true, "config": config}}});
    Trial::good(&handlers, &json!({"mutators": mutators}))
}

fn seen() -> Value {
    json!({"handler": "header", "config": {"headers": {
        "X-Seen": "{{ .Subject }} {{ .Extra | toJson }} {{ .MatchContext.Method }} {{ .MatchContext.RegexpCaptureGroups }}",
    }}})
}

fn lines(call: &Outgoing) -> Vec<String> {
    call.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect()
}

fn body(call: &Outgoing) -> &str {
    std::str::from_utf8(call.body.whole()).unwrap()
}

#[test]
fn the_session_is_sent_as_go_writes_it() {
    let mutators = json!([
        {"handler": "header", "config": {"headers": {"X-Early": "<1>"}}},
        {"handler": "hydrator"},
    ]);
    let client = [("X-B", "2"), ("x-a", "1"), ("X-A", "ü&")];
    run(async {
        let trial = with(&json!({}), &mutators);
        trial.fetch.answer(&format!("{URL}?q=1+%2B&r="), 200, r#"{"subject": "guest"}"#);
        let ask = Ask { method: "POST", target: "/a/%62?r&q=1%20%2B", headers: &client, ..Ask::default() };
        assert_eq!(trial.verdict(&ask).await.0, 200);
        assert_eq!(
            body(&trial.fetch.calls()[0]),
            concat!(
                r#"{"subject":"guest","extra":null,"header":{"X-Early":["\u003c1\u003e"]},"match_context":{"#,
                r#""regexp_capture_groups":["a/b"],"url":{"Scheme":"http","Opaque":"","User":null,"Host":"app.test","#,
                r#""Path":"/a/b","Fragment":"","RawQuery":"r\u0026q=1%20%2B","RawPath":"","RawFragment":"","#,
                r#""ForceQuery":false,"OmitHost":false},"method":"POST","header":{"X-A":["1","ü\u0026"],"X-B":["2"]}}}"#
            )
        );
    });
}

#[test]
fn which_headers_and_query_go_along() {
    let client = [
        ("Cookie", "a=1"),
        ("X-Custom", "c1"),
        ("x-custom", "c2"),
        ("Authorization", "Bearer t"),
        ("Content-Type", "text/plain"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Encoding", "br"),
        ("Accept-Encoding", "br"),
        ("Connection", "close"),
        ("Upgrade", "websocket"),
        ("Expect", "100-continue"),
        ("Proxy-Authorization", "Basic p"),
        ("Host", "app.test"),
        ("Traceparent", "00-a-b-01"),
    ];
    let all = [
        "cookie: a=1",
        "x-custom: c1",
        "x-custom: c2",
        "authorization: Bearer t",
        "content-type: application/json",
    ];
    let basic = [
        "cookie: a=1",
        "x-custom: c1",
        "x-custom: c2",
        "content-type: application/json",
        "authorization: Basic dTpwOnc=",
    ];
    run(async {
        for (api, target, url, want) in [
            (json!({}), "/a", URL.to_owned(), &all[..]),
            (json!({}), "/a?y=%20&x=1&y=2&z", format!("{URL}?x=1&y=+&y=2&z="), &all),
            (json!({"url": format!("{URL}?own=%201&x=9")}), "/a", format!("{URL}?own=%201&x=9"), &all),
            (
                json!({"url": format!("{URL}?own=1")}),
                "/a?x=2&own=2&%6fwn=3&b=c",
                format!("{URL}?own=1&b=c&x=2"),
                &all,
            ),
            (json!({"auth": {"basic": {"username": "u", "password": "p:w"}}}), "/a", URL.to_owned(), &basic),
            (
                json!({"forward_request_headers": ["X-Custom", "Host", "Connection"]}),
                "/a",
                URL.to_owned(),
                &["x-custom: c1", "x-custom: c2", "content-type: application/json"],
            ),
            (
                json!({"forward_request_headers": []}),
                "/a",
                URL.to_owned(),
                &["content-type: application/json"],
            ),
        ] {
            let settings = json!({"api": api});
            let handlers = json!({"mutators": {"hydrator": {"enabled": true, "config": merge(&json!({"api": {"url": URL}}), &settings)}}});
            let rule =
                json!({"authenticators": [{"handler": "noop"}], "mutators": [{"handler": "hydrator"}]});
            let trial = Trial::good(&handlers, &rule);
            trial.fetch.answer(&url, 200, "{}");
            let status = trial.verdict(&Ask { target, headers: &client, ..Ask::default() }).await.0;
            let call = trial.fetch.calls().remove(0);
            assert_eq!((status, call.url.as_str()), (200, url.as_str()), "{settings} {target}");
            let mut sent = lines(&call);
            assert_eq!(sent.pop().as_deref(), Some("traceparent: 00-a-b-01"), "{settings}");
            assert_eq!(sent, want, "{settings}");
        }
    });
}

#[test]
fn the_session_holds_only_the_headers_that_go_along() {
    run(async {
        let trial = trial(&json!({"api": {"forward_request_headers": ["x-custom"]}}));
        trial.fetch.answer(URL, 200, r#"{"subject": "guest"}"#);
        let headers = [("Cookie", "secret"), ("X-Custom", "c")];
        assert_eq!(trial.verdict(&Ask { headers: &headers, ..Ask::default() }).await.0, 200);
        let sent: Value = serde_json::from_str(body(&trial.fetch.calls()[0])).unwrap();
        assert_eq!(sent["match_context"]["header"], json!({"X-Custom": ["c"]}));
        assert_eq!(sent["match_context"]["regexp_capture_groups"], json!(["a/b"]));
    });
}

#[test]
fn the_answer_takes_the_place_of_the_session_but_not_of_what_was_matched() {
    let early = json!({"handler": "header", "config": {"headers": {"X-Early": "1", "X-Both": "old"}}});
    let mutators = json!([early, {"handler": "hydrator"}, seen()]);
    run(async {
        for (settings, answer, want) in [
            (json!({}), json!({"subject": "guest"}), &["x-seen: guest null GET [a/b]"][..]),
            (
                json!({}),
                json!({"subject": "guest", "extra": {"n": 9_007_199_254_740_993_u64}, "header": {"X-Both": ["new", "2"], "x-low": ["v"], "X-None": [], "X-Null": null}}),
                &[
                    "x-both: 2",
                    "x-both: new",
                    "x-low: v",
                    "x-none: ",
                    "x-null: ",
                    "x-seen: guest {\"n\":9007199254740993} GET [a/b]",
                ],
            ),
            (
                json!({}),
                json!({"Subject": "guest", "EXTRA": {"a": 1}, "unknown": 1}),
                &["x-seen: guest {\"a\":1} GET [a/b]"],
            ),
            (
                json!({}),
                json!({"subject": "guest", "match_context": {"method": "PUT", "regexp_capture_groups": ["x"], "url": {"Path": "/"}, "header": {"X": ["y"]}}}),
                &["x-seen: guest null GET [a/b]"],
            ),
            (
                json!({}),
                json!({"subject": "guest", "header": {"Connection": ["close"], "Content-Length": ["9"], "bad name": ["x"], "": ["y"], "X-Ok": ["z"]}}),
                &["x-ok: z", "x-seen: guest null GET [a/b]"],
            ),
            (
                json!({"merge": true}),
                json!({"subject": "guest", "extra": {"a": 1}, "header": {"X-Both": ["new"]}}),
                &["x-both: new", "x-early: 1", "x-seen: guest {\"a\":1} GET [a/b]"],
            ),
        ] {
            let trial = with(&settings, &mutators);
            trial.fetch.answer(URL, 200, answer.to_string());
            let mut headers = trial.headers(&Ask::default()).await;
            headers.sort();
            assert_eq!(headers, want, "{settings} {answer}");
        }
    });
}

#[test]
fn merged_extra_keeps_what_the_answer_does_not_name() {
    run(async {
        let trial = with(
            &json!({"merge": true}),
            &json!([
                {"handler": "hydrator", "config": {"api": {"url": "http://api.test/1"}}},
                {"handler": "hydrator", "config": {"api": {"url": "http://api.test/2"}}},
                {"handler": "hydrator", "config": {"api": {"url": "http://api.test/3"}}},
                seen(),
            ]),
        );
        trial.fetch.answer("http://api.test/1", 200, r#"{"subject": "guest", "extra": {"a": 1, "b": 1}}"#);
        trial.fetch.answer("http://api.test/2", 200, r#"{"subject": "guest", "extra": {"b": 2}}"#);
        trial.fetch.answer("http://api.test/3", 200, r#"{"subject": "guest"}"#);
        assert_eq!(trial.headers(&Ask::default()).await, ["x-seen: guest {\"a\":1,\"b\":2} GET [a/b]"]);
    });
}

#[test]
fn what_is_no_session_of_the_caller_is_refused() {
    let invalid = "The call to an external API returned an invalid JSON object";
    let unread = "A service that takes part in the decision did not answer";
    let status = "The call to an external API returned a non-200 HTTP response";
    run(async {
        for (settings, code, answer, message) in [
            (json!({}), 200, r#"{"subject": "mallory"}"#, invalid),
            (json!({}), 200, r#"{"extra": {}}"#, invalid),
            (json!({}), 200, "null", invalid),
            (json!({}), 200, "", unread),
            (json!({}), 200, "[]", unread),
            (json!({}), 200, "<html>login</html>", unread),
            (json!({}), 200, r#"{"subject": 5}"#, unread),
            (json!({}), 200, r#"{"subject": "guest", "extra": [1]}"#, unread),
            (json!({}), 200, r#"{"subject": "guest", "header": {"X": "text"}}"#, unread),
            (json!({}), 200, r#"{"subject": "guest", "header": {"X": [1]}}"#, unread),
            (json!({}), 200, r#"{"subject": "guest", "header": {"X": ["a\nX-Evil: 1"]}}"#, unread),
            (json!({}), 200, r#"{"subject": "guest", "match_context": {"url": "http://x"}}"#, unread),
            (json!({}), 200, r#"{"subject": "guest", "match_context": 1}"#, unread),
            (json!({}), 200, r#"{"subject": "guest"} trailing"#, unread),
            (json!({}), 403, "{}", status),
            (json!({}), 204, "", status),
            (json!({}), 201, r#"{"subject": "guest"}"#, status),
            (json!({}), 304, "", status),
            (json!({}), 401, "", "No credentials were provided in mutator configuration"),
            (
                json!({"api": {"auth": {"basic": {"username": "u", "password": "p"}}}}),
                401,
                "",
                "Invalid credentials were provided in mutator configuration",
            ),
            (json!({}), 500, "secret words", unread),
        ] {
            let trial = trial(&settings);
            trial.fetch.answer(URL, code, answer);
            let refusal = trial.ask(&Ask::default()).await.outcome.unwrap_err();
            assert_eq!((refusal.reply.status, refusal.denial.message()), (500, message), "{code} {answer}");
            assert!(!String::from_utf8_lossy(&refusal.reply.body).contains("secret"));
        }
    });
}

type Fault = fn(&Trial);

#[test]
fn whatever_the_api_does_nobody_passes() {
    let faults: [(&str, Fault); 8] = [
        ("backend-refused", |_| {}),
        ("backend-broke-off", |t| {
            t.fetch.fail(URL, FetchError::Protocol { url: URL.into(), reason: "reset".into() });
        }),
        ("backend-timed-out", |t| t.fetch.never(URL)),
        ("backend-timed-out", |t| {
            t.fetch.fail(URL, FetchError::Timeout { url: URL.into(), after: Duration::from_secs(1) });
        }),
        ("backend-answer-too-large", |t| {
            t.fetch.fail(URL, FetchError::TooLarge { url: URL.into(), limit: 1 << 20 });
        }),
        ("backend-status", |t| t.fetch.answer(URL, 500, "secret")),
        ("backend-status", |t| t.fetch.answer_with(URL, 302, &[("location", "/login")], "secret")),
        ("backend-answer-unreadable", |t| {
            t.fetch.answer_with(URL, 200, &[("content-type", "text/html")], "secret");
        }),
    ];
    run(async {
        for (id, fault) in faults {
            let trial = trial(&json!({"on_backend_error": "unavailable"}));
            fault(&trial);
            let begin = tokio::time::Instant::now();
            assert_eq!(trial.verdict(&Ask::default()).await, (503, format!("could-not-decide {id}")));
            assert!(begin.elapsed() <= Duration::from_secs(2), "{id}");
        }
        let trial = trial(&json!({}));
        trial.fetch.answer_with(URL, 429, &[("retry-after", "3")], "");
        assert_eq!(
            trial.verdict(&Ask::default()).await,
            (429, "too-many-requests backend-rate-limit".to_owned())
        );
    });
}

#[test]
fn a_call_that_fails_in_passing_is_made_again() {
    run(async {
        for (retry, failures, want) in [
            (json!({}), 4, (200, 5)),
            (json!({}), 5, (500, 5)),
            (json!({"max_delay": "5ms", "give_up_after": "2s"}), 2, (200, 3)),
            (json!({"give_up_after": "0s"}), 1, (500, 1)),
        ] {
            let trial = trial(&json!({"api": {"retry": retry}}));
            for _ in 0..failures {
                trial.fetch.answer(URL, 502, "");
            }
            trial.fetch.answer(URL, 200, r#"{"subject": "guest"}"#);
            let status = trial.verdict(&Ask::default()).await.0;
            assert_eq!((status, trial.fetch.count(URL)), want, "{retry} {failures}");
        }
    });
}

#[test]
fn equal_sessions_are_hydrated_once_where_answers_are_remembered() {
    run(async {
        let trial = trial(&json!({"cache": {"enabled": true}}));
        let signal = trial.fetch.answer_later(URL, 200, r#"{"subject": "guest", "extra": {"a": 1}}"#);
        signal.notify_one();
        let ask = Ask::default();
        let all = join_all((0..200).map(|_| trial.headers(&ask))).await;
        assert!(all.iter().all(|headers| *headers == ["x-seen: guest {\"a\":1} GET [a/b]"]));
        assert_eq!(trial.fetch.count(URL), 1);
    });
}

#[test]
fn what_two_requests_must_have_in_common_to_share_an_answer() {
    let first = Ask { headers: &[("X-Request-Id", "1")], ..Ask::default() };
    let second = Ask { headers: &[("X-Request-Id", "2")], ..Ask::default() };
    let elsewhere = Ask { target: "/c", headers: &[("X-Request-Id", "3")], ..Ask::default() };
    run(async {
        for (cache, calls) in [
            (json!({"enabled": true}), 3),
            (json!({"enabled": true, "ttl": "0s"}), 3),
            (json!({"enabled": true, "key": "{{ .MatchContext.URL.Path }}"}), 2),
            (json!({"enabled": true, "key": "all"}), 1),
            (json!({"enabled": true, "key": "{{ print .Extra.nothing }}"}), 6),
            (json!({"enabled": false, "key": "all"}), 6),
            (json!({}), 6),
        ] {
            let trial = trial(&json!({"cache": cache}));
            trial.fetch.answer(URL, 200, r#"{"subject": "guest"}"#);
            for ask in [&first, &second, &elsewhere, &first, &second, &elsewhere] {
                assert_eq!(trial.verdict(ask).await.0, 200, "{cache}");
            }
            assert_eq!(trial.fetch.count(URL), calls, "{cache}");
        }
    });
}

#[test]
fn a_shared_answer_is_never_another_subjects() {
    run(async {
        let config = json!({"api": {"url": URL}, "cache": {"enabled": true, "key": "all"}});
        let handlers = json!({"mutators": {"hydrator": {"enabled": true, "config": config}}});
        let by_header = json!({"authenticators": [
            {"handler": "anonymous", "config": {"subject": "ada"}},
            {"handler": "noop"},
        ], "mutators": [{"handler": "hydrator"}]});
        let trial = Trial::good(&handlers, &by_header);
        trial.fetch.answer(URL, 200, r#"{"subject": "ada"}"#);
        assert_eq!(trial.verdict(&Ask::default()).await.0, 200);
        let nobody = Ask { headers: &[("Authorization", "Basic x")], ..Ask::default() };
        let decision = trial.ask(&nobody).await;
        assert_eq!(verdict(&decision), (500, "misconfigured hydrator-other-subject".to_owned()));
        assert_eq!(trial.fetch.count(URL), 2, "it was asked about");
    });
}

#[test]
fn an_answer_is_forgotten_in_time() {
    run(async {
        let trial = trial(&json!({"cache": {"enabled": true, "ttl": "10s"}}));
        trial.fetch.answer(URL, 200, r#"{"subject": "guest"}"#);
        for (seconds, calls) in [(0, 1), (9, 1), (2, 2), (5, 2)] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            Trial::pass(seconds);
            assert_eq!((trial.verdict(&Ask::default()).await.0, trial.fetch.count(URL)), (200, calls));
        }
    });
}

#[test]
fn what_an_answer_is_read_as() {
    for (body, problem) in [
        ("", "not JSON"),
        ("7", "not an object"),
        (r#"{"subject": {}}"#, "`subject` is not text"),
        (r#"{"extra": "x"}"#, "`extra` is not an object"),
        (r#"{"header": []}"#, "`header` is not an object"),
        (r#"{"header": {"X": {}}}"#, "a value in `header` is not a list of texts"),
        (r#"{"header": {"X": ["\u0000"]}}"#, "a value in `header` holds a control character"),
        (r#"{"match_context": {"url": []}}"#, "`match_context.url` is not an object"),
        (r#"{"match_context": {"method": 1}}"#, "`match_context.method` is not text"),
        (
            r#"{"match_context": {"regexp_capture_groups": [1]}}"#,
            "`match_context.regexp_capture_groups` is not a list of texts",
        ),
        (
            r#"{"match_context": {"header": {"X": "y"}}}"#,
            "`match_context.header` is not an object of lists of texts",
        ),
    ] {
        assert_eq!(Hydrated::read(body.as_bytes()).err(), Some(Problem::Other(problem)), "{body}");
    }
}
