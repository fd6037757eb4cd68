use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::pipeline::trial::{Ask, Trial, run, verdict};
use crate::request::Body;
use crate::request::body::SHORT;
use crate::upstream::{FetchError, Outgoing};

const URL: &str = "http://pdp.test/check";
const KETO: &str = "http://keto.test/engines/acp/ory/regex/allowed";

/// A rule with one of the authorizers, and these settings over those that it needs.
fn with(authorizer: &str, settings: &Value) -> (Value, Value) {
    let mut config = match authorizer {
        "remote" => json!({"remote": URL}),
        "remote_json" => json!({"remote": URL, "payload": "{\"who\": {{ .Subject | toJson }}}"}),
        _ => json!({"base_url": "http://keto.test", "required_action": "read", "required_resource": "r"}),
    };
    config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let handlers = json!({"authorizers": {authorizer: {"enabled": true, "config": config}}});
    (handlers, json!({"authorizer": {"handler": authorizer}}))
}

fn trial(authorizer: &str, settings: &Value) -> Trial {
    let (config, rule) = with(authorizer, settings);
    Trial::good(&config, &rule)
}

fn lines(call: &Outgoing) -> Vec<String> {
    call.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect()
}

const AUTHORIZERS: [(&str, &str); 3] = [("remote", URL), ("remote_json", URL), ("keto_engine_acp_ory", KETO)];

/// What a service does, how that is done to a URL, and the reason in the log.
type Fault = (&'static str, Box<dyn Fn(&Trial, &str)>, &'static str);

/// What can go wrong with a service.
fn faults() -> Vec<Fault> {
    let page = "<html>secret words</html>";
    vec![
        ("refuses", Box::new(|_, _| {}), "backend-refused"),
        (
            "resets amid the body",
            Box::new(|t, url| {
                t.fetch.fail(url, FetchError::Protocol { url: url.into(), reason: "reset".into() });
            }),
            "backend-broke-off",
        ),
        ("stalls", Box::new(|t, url| t.fetch.never(url)), "backend-timed-out"),
        (
            "drips",
            Box::new(|t, url| {
                t.fetch.fail(url, FetchError::Timeout { url: url.into(), after: Duration::from_secs(1) });
            }),
            "backend-timed-out",
        ),
        (
            "answers 10 MB",
            Box::new(|t, url| {
                t.fetch.fail(url, FetchError::TooLarge { url: url.into(), limit: 1 << 20 });
            }),
            "backend-answer-too-large",
        ),
        ("answers 500", Box::new(move |t, url| t.fetch.answer(url, 500, page)), "backend-status"),
        ("answers 401", Box::new(move |t, url| t.fetch.answer(url, 401, page)), "backend-status"),
        ("answers 404", Box::new(move |t, url| t.fetch.answer(url, 404, page)), "backend-status"),
        (
            "redirects",
            Box::new(move |t, url| {
                t.fetch.answer_with(url, 302, &[("location", "http://login.test/")], page);
            }),
            "backend-status",
        ),
    ]
}

#[test]
fn whatever_a_service_does_is_no_yes_and_nothing_of_it_is_shown() {
    run(async {
        for (authorizer, url) in AUTHORIZERS {
            for (what, fault, id) in faults() {
                for (setting, status) in [(json!({}), 500), (json!({"on_backend_error": "unavailable"}), 503)]
                {
                    let trial = trial(authorizer, &setting);
                    fault(&trial, url);
                    let begin = tokio::time::Instant::now();
                    let decision = trial.ask(&Ask::default()).await;
                    let case = format!("{authorizer} {what} {setting}");
                    assert_eq!(verdict(&decision), (status, format!("could-not-decide {id}")), "{case}");
                    assert!(begin.elapsed() <= Duration::from_secs(2), "{case}: {:?}", begin.elapsed());
                    let refusal = decision.outcome.unwrap_err();
                    let body = String::from_utf8_lossy(&refusal.reply.body).into_owned();
                    assert!(!body.contains("secret") && !body.contains("pdp.test"), "{case}: {body}");
                    let retry_after = refusal.reply.headers.iter().any(|(name, _)| name == "retry-after");
                    assert_eq!(retry_after, status == 503, "{case}");
                }
            }
        }
    });
}

#[test]
fn a_service_that_asks_to_slow_down_is_passed_on() {
    run(async {
        for (authorizer, url) in AUTHORIZERS {
            let trial = trial(authorizer, &json!({"retry": {}}));
            let headers = [("retry-after", "30"), ("x-ratelimit-limit", "9"), ("x-secret", "s")];
            trial.fetch.answer_with(url, 429, &headers, "slow down");
            let decision = trial.ask(&Ask::default()).await;
            assert_eq!(verdict(&decision), (429, "too-many-requests backend-rate-limit".to_owned()));
            let reply = decision.outcome.unwrap_err().reply;
            let has = |name: &str| reply.headers.iter().any(|(n, _)| n == name);
            assert!(has("retry-after") && has("x-ratelimit-limit") && !has("x-secret"), "{authorizer}");
            assert_eq!(trial.fetch.count(url), 1, "{authorizer}: it is not asked again before its time");
        }
    });
}

#[test]
fn a_call_that_fails_in_passing_is_made_again() {
    run(async {
        for (authorizer, url, attempts) in
            [("remote", URL, 5), ("remote_json", URL, 5), ("keto_engine_acp_ory", KETO, 6)]
        {
            let trial = trial(authorizer, &json!({}));
            trial.fetch.answer(url, 503, "");
            trial.fetch.answer(url, 200, r#"{"allowed": true}"#);
            assert_eq!(trial.verdict(&Ask::default()).await.0, 200, "{authorizer}");
            assert_eq!(trial.fetch.count(url), 2, "{authorizer}");
            let trial = self::trial(authorizer, &json!({}));
            trial.fetch.answer(url, 500, "");
            assert_eq!(trial.verdict(&Ask::default()).await.0, 500, "{authorizer}");
            assert_eq!(trial.fetch.count(url), attempts, "{authorizer}");
        }
    });
}

#[test]
fn what_an_answer_means() {
    let allowed = r#"{"allowed": true, "level": 2.0, "by": {"rule": "a"}}"#;
    let forbidden = (403, "forbidden remote-denied");
    let not_allowed = (403, "forbidden remote-not-allowed");
    let failed = (500, "could-not-decide backend-status");
    let unreadable = (500, "could-not-decide backend-answer-unreadable");
    let granted = (200, "granted");
    let path = json!({"allow_if": {"path": "allowed"}});
    run(async {
        for (settings, status, body, want) in [
            (json!({}), 200, "", granted),
            (json!({}), 200, r#"{"allowed": false}"#, granted),
            (json!({}), 204, "", failed),
            (json!({}), 403, allowed, forbidden),
            (json!({}), 401, "", failed),
            (path.clone(), 200, allowed, granted),
            (path.clone(), 200, r#"{"allowed": false}"#, not_allowed),
            (path.clone(), 200, r#"{"allowed": "true"}"#, not_allowed),
            (path.clone(), 200, r#"{"allowed": 1}"#, not_allowed),
            (path.clone(), 200, "{}", not_allowed),
            (path.clone(), 200, "null", not_allowed),
            (path.clone(), 200, "", unreadable),
            (path.clone(), 200, "<html>login</html>", unreadable),
            (path.clone(), 201, allowed, failed),
            (path.clone(), 403, allowed, forbidden),
            (json!({"allow_if": {"path": "level", "equals": 2}}), 200, allowed, granted),
            (json!({"allow_if": {"path": "level", "equals": 3}}), 200, allowed, not_allowed),
            (json!({"allow_if": {"path": "by.rule", "equals": "a"}}), 200, allowed, granted),
            (json!({"allow_if": {"path": "by", "equals": "a"}}), 200, allowed, not_allowed),
            (json!({"allow_if": {"status": [200, 204]}}), 204, "", granted),
            (json!({"allow_if": {"status": [204]}}), 200, "", failed),
            (json!({"allow_if": {"status": [200, 201], "path": "allowed"}}), 201, "{}", not_allowed),
            (json!({"deny_if": {"status": [401, 404]}}), 404, "", forbidden),
            (json!({"deny_if": {"status": [401, 404]}}), 403, "", failed),
        ] {
            for authorizer in ["remote", "remote_json"] {
                let trial = trial(authorizer, &settings);
                trial.fetch.answer(URL, status, body);
                let (status, reason) = trial.verdict(&Ask::default()).await;
                assert_eq!((status, reason.as_str()), want, "{authorizer} {settings} {body}");
            }
        }
    });
}

#[test]
fn what_a_decision_point_is_sent() {
    let client = [
        ("Content-Type", "text/csv"),
        ("Authorization", "Bearer t"),
        ("Cookie", "a=1"),
        ("X-Signature", "s1"),
        ("x-signature", "s2"),
        ("X-Other", "o"),
        ("Host", "app.test"),
        ("Traceparent", "00-a-b-01"),
    ];
    let headers = json!({
        "X-Who": "{{ .MatchContext.Method }}",
        "X-Empty": "{{ print .Extra.nothing }}",
        "Host": "evil.test",
        "Content-Length": "5",
        "Transfer-Encoding": "chunked",
    });
    let forwarded = json!(["X-Signature", "Content-Length", "Host", "x-none"]);
    run(async {
        for (authorizer, settings, want) in [
            ("remote", json!({}), &["content-type: text/csv", "authorization: Bearer t"][..]),
            ("remote_json", json!({}), &["content-type: application/json", "authorization: Bearer t"]),
            (
                "remote",
                json!({"headers": headers, "forward_request_headers": forwarded}),
                &[
                    "x-signature: s1",
                    "x-signature: s2",
                    "content-type: text/csv",
                    "authorization: Bearer t",
                    "x-who: GET",
                ],
            ),
            (
                "remote_json",
                json!({"headers": {"authorization": "Basic x", "content-type": "text/x"}}),
                &["authorization: Basic x", "content-type: text/x"],
            ),
            (
                "remote_json",
                json!({"headers": {"Authorization": "{{ print .Extra.nothing }}"}}),
                &["content-type: application/json", "authorization: Bearer t"],
            ),
        ] {
            let (config, rule) = with(authorizer, &settings);
            let noop = json!({"authenticators": [{"handler": "noop"}]});
            let trial = Trial::good(&config, &crate::config::merge(&rule, &noop));
            trial.fetch.answer(URL, 200, "");
            assert_eq!(trial.verdict(&Ask { headers: &client, ..Ask::default() }).await.0, 200, "{settings}");
            let call = trial.fetch.calls().remove(0);
            let mut sent = lines(&call);
            assert_eq!(sent.pop().as_deref(), Some("traceparent: 00-a-b-01"), "{authorizer} {settings}");
            assert_eq!(sent, want, "{authorizer} {settings}");
            assert_eq!((call.method.as_str(), call.redirects), ("POST", 0));
        }
    });
}

#[test]
fn the_body_goes_along_within_limits_of_length_and_time() {
    let piece = |text: &'static str| stream::iter([Ok::<_, ()>(Bytes::from_static(text.as_bytes()))]);
    let pieces = || piece("ab").chain(piece("c")).boxed_local();
    run(async {
        for (what, settings, body, promised, want, sent) in [
            ("whole", json!({}), Some(pieces()), Some(3), (200, "granted"), Some("abc")),
            ("in chunks", json!({}), Some(pieces()), None, (200, "granted"), Some("abc")),
            ("none", json!({}), None, None, (200, "granted"), Some("")),
            (
                "as long as it may be",
                json!({"max_body_bytes": 3}),
                Some(pieces()),
                None,
                (200, "granted"),
                Some("abc"),
            ),
            (
                "too long",
                json!({"max_body_bytes": "2B"}),
                Some(pieces()),
                None,
                (413, "could-not-decide body-too-long"),
                None,
            ),
            (
                "too long by its own account",
                json!({}),
                Some(stream::pending().boxed_local()),
                Some(2 << 20),
                (413, "could-not-decide body-too-long"),
                None,
            ),
            (
                "not wanted",
                json!({"forward_body": false}),
                Some(pieces()),
                Some(3),
                (200, "granted"),
                Some(""),
            ),
            (
                "never coming",
                json!({}),
                Some(piece("a").chain(stream::pending()).boxed_local()),
                Some(3),
                (408, "could-not-decide body-too-slow"),
                Some(""),
            ),
            (
                "broken off",
                json!({}),
                Some(piece("a").chain(stream::iter([Err(())])).boxed_local()),
                Some(3),
                (400, "bad-request body-broke-off"),
                None,
            ),
        ] {
            let trial = trial("remote", &settings);
            trial.fetch.answer(URL, 200, "");
            let body = body.map(|pieces| Body::new(pieces, promised, &trial.shared.bodies));
            let body = body.as_ref();
            let begin = tokio::time::Instant::now();
            let (status, reason) = trial.verdict(&Ask { method: "POST", body, ..Ask::default() }).await;
            assert_eq!((status, reason.as_str()), want, "{what}");
            assert!(begin.elapsed() <= Duration::from_secs(2), "{what}");
            let calls = trial.fetch.calls();
            assert_eq!(calls.first().map(|call| call.body.whole()), sent.map(str::as_bytes), "{what}");
        }
    });
}

#[test]
fn a_short_body_is_there_for_every_authorizer_of_a_rule_and_for_every_attempt() {
    let remote =
        |path: &str| json!({"handler": "remote", "config": {"remote": format!("http://pdp.test/{path}")}});
    let (config, _) = with("remote", &json!({}));
    let trial = Trial::good(&config, &json!({"authorizer": null, "authorizers": [remote("1"), remote("2")]}));
    run(async {
        let at_once = || stream::iter([Ok::<_, ()>(Bytes::from_static(b"ab"))]);
        let late = || {
            at_once().chain(stream::once(Box::pin(
                sleep(Duration::from_secs(1)).map(|()| Ok(Bytes::from_static(b"c"))),
            )))
        };
        for (source, want) in [(at_once().boxed_local(), "ab"), (late().boxed_local(), "abc")] {
            trial.fetch.forget("http://pdp.test/1");
            trial.fetch.answer("http://pdp.test/1", 503, "");
            trial.fetch.answer("http://pdp.test/1", 200, "");
            trial.fetch.answer("http://pdp.test/2", 200, "");
            let before = trial.fetch.calls().len();
            let body = Body::new(source, None, &trial.shared.bodies);
            let ask = Ask { method: "POST", body: Some(&body), ..Ask::default() };
            assert_eq!(trial.verdict(&ask).await.0, 200);
            let sent: Vec<_> =
                trial.fetch.calls().into_iter().skip(before).map(|call| call.body.whole().to_vec()).collect();
            assert_eq!(sent, [want.as_bytes(); 3]);
        }
    });
}

#[test]
fn a_long_body_goes_to_one_authorizer_once() {
    let remote =
        |path: &str| json!({"handler": "remote", "config": {"remote": format!("http://pdp.test/{path}")}});
    let (config, _) = with("remote", &json!({}));
    run(async {
        let long = || stream::iter(vec![Ok::<_, ()>(Bytes::from(vec![b'x'; 1000])); 100]).boxed_local();
        let trial = trial("remote", &json!({}));
        trial.fetch.answer(URL, 503, "");
        let body = Body::new(long(), None, &trial.shared.bodies);
        let ask = Ask { method: "POST", body: Some(&body), ..Ask::default() };
        assert_eq!(trial.verdict(&ask).await, (500, "could-not-decide backend-status".to_owned()));
        assert_eq!(trial.fetch.count(URL), 1, "it cannot be sent again");

        let rule = json!({"authorizer": null, "authorizers": [remote("1"), remote("2")]});
        let trial = Trial::good(&config, &rule);
        trial.fetch.answer("http://pdp.test/1", 200, "");
        let body = Body::new(long(), None, &trial.shared.bodies);
        let ask = Ask { method: "POST", body: Some(&body), ..Ask::default() };
        let decision = trial.ask(&ask).await;
        assert_eq!(verdict(&decision), (413, "could-not-decide body-passed-on".to_owned()));
        let said = String::from_utf8(decision.outcome.unwrap_err().reply.body.to_vec()).unwrap();
        assert!(said.contains(&format!("longer than {SHORT} bytes")), "{said}");
    });
}

#[test]
fn answers_about_a_body_that_is_passed_on_are_not_remembered() {
    run(async {
        let trial = trial("remote", &json!({"cache": {"enabled": true}}));
        trial.fetch.answer(URL, 200, "");
        for (length, calls) in [(10, 1), (10, 1), (100_000, 2), (100_000, 3)] {
            let source = stream::iter([Ok::<_, ()>(Bytes::from(vec![b'x'; length]))]);
            let body = Body::new(source, None, &trial.shared.bodies);
            let ask = Ask { method: "POST", body: Some(&body), ..Ask::default() };
            assert_eq!(trial.verdict(&ask).await.0, 200, "{length}");
            assert_eq!(trial.fetch.count(URL), calls, "{length}");
        }
    });
}

#[test]
fn all_authorizers_have_to_agree_in_order() {
    let (config, _) = with("remote_json", &json!({}));
    let (allow, deny, ask) =
        (json!({"handler": "allow"}), json!({"handler": "deny"}), json!({"handler": "remote_json"}));
    run(async {
        for (authorizers, answer, want, calls) in [
            (json!([allow, ask]), 200, (200, "granted"), 1),
            (json!([ask, allow]), 403, (403, "forbidden remote-denied"), 1),
            (json!([deny, ask]), 200, (403, "forbidden deny-handler"), 0),
            (json!([ask, deny]), 200, (403, "forbidden deny-handler"), 1),
            (json!([ask, deny]), 500, (500, "could-not-decide backend-status"), 1),
        ] {
            let mut rule = json!({"authorizer": null});
            rule["authorizers"] = authorizers.clone();
            let trial = Trial::good(&config, &rule);
            trial.fetch.answer(URL, answer, "");
            let (status, reason) = trial.verdict(&Ask::default()).await;
            assert_eq!((status, reason.as_str()), want, "{authorizers}");
            let once = usize::from(trial.fetch.count(URL) > 0);
            assert_eq!(once, calls, "{authorizers}");
        }
    });
}

#[test]
fn a_rule_has_one_authorizer_or_a_list_of_them() {
    run(async {
        for (rule, code, pointer) in [
            (json!({"authorizers": [{"handler": "allow"}]}), "two-of-one-kind", "/0/authorizers"),
            (json!({"authorizer": null, "authorizers": []}), "missing-handlers", "/0/authorizers"),
            (json!({"authorizer": null}), "unknown-handler", "/0/authorizer/handler"),
            (
                json!({"authorizer": null, "authorizers": [{"handler": "allow"}, {"handler": "alow"}]}),
                "unknown-handler",
                "/0/authorizers/1/handler",
            ),
        ] {
            let trial = Trial::new(&json!({}), &rule);
            let found = trial.report.diagnostics.iter().map(|d| (d.finding.code, d.finding.pointer.as_str()));
            assert!(
                found.clone().any(|found| found == (code, pointer)),
                "{rule} {:?}",
                found.collect::<Vec<_>>()
            );
            assert_eq!(trial.verdict(&Ask::default()).await.0, 500, "{rule}");
        }
    });
}

#[test]
fn headers_of_the_answer_replace_the_clients() {
    let forwarded = json!(["X-Up", "x-two", "X-Absent", "X-Empty", "Connection", "Content-Length"]);
    let answered =
        [("x-up", "one"), ("x-two", "a"), ("x-two", "b"), ("x-empty", ""), ("connection", "close")];
    run(async {
        for authorizer in ["remote", "remote_json"] {
            let trial = trial(authorizer, &json!({"forward_response_headers_to_upstream": forwarded}));
            trial.fetch.answer_with(URL, 200, &answered, "");
            let client = [("X-Absent", "admin"), ("X-Up", "admin")];
            let headers = trial.headers(&Ask { headers: &client, ..Ask::default() }).await;
            assert_eq!(
                headers,
                ["x-up: one", "x-two: a", "x-two: b", "x-absent: ", "x-empty: "],
                "{authorizer}"
            );
        }
    });
}

#[test]
fn equal_questions_are_one_call_unless_they_may_be_counted() {
    let cached = json!({"cache": {"enabled": true}});
    run(async {
        for (authorizer, url) in AUTHORIZERS {
            for (method, settings, want) in [
                ("GET", json!({}), 1),
                ("POST", json!({}), if authorizer == "keto_engine_acp_ory" { 1 } else { 200 }),
                ("POST", json!({"coalesce": true}), 1),
                ("POST", cached.clone(), 1),
                ("GET", json!({"coalesce": false}), 200),
                ("GET", json!({"cache": {"enabled": true}, "coalesce": false}), 200),
            ] {
                if authorizer == "keto_engine_acp_ory" && settings.get("cache").is_some() {
                    continue;
                }
                let trial = trial(authorizer, &settings);
                let signal = trial.fetch.answer_later(url, 200, r#"{"allowed":true}"#);
                let ask = Ask { method, ..Ask::default() };
                let all = join_all((0..200).map(|_| trial.verdict(&ask)));
                let answer = async {
                    for _ in 0..want {
                        tokio::task::yield_now().await;
                        signal.notify_waiters();
                        signal.notify_one();
                    }
                };
                let (all, ()) = futures_util::future::join(all, answer).await;
                assert!(all.iter().all(|(status, _)| *status == 200), "{authorizer} {method} {settings}");
                assert_eq!(trial.fetch.count(url), want, "{authorizer} {method} {settings}");
            }
        }
    });
}

#[test]
fn what_is_remembered_is_a_verdict_about_one_question() {
    let settings = json!({
        "cache": {"enabled": true, "ttl": "1m", "negative_ttl": "10s"},
        "headers": {"X-Who": "{{ .MatchContext.Header.Get \"X-Who\" }}"},
        "forward_response_headers_to_upstream": ["X-Up"],
    });
    run(async {
        let trial = trial("remote_json", &settings);
        let count = || trial.fetch.count(URL);
        trial.fetch.answer_with(URL, 200, &[("x-up", "1")], "");
        let ada = Ask { headers: &[("X-Who", "ada")], ..Ask::default() };
        let bob = Ask { headers: &[("X-Who", "bob")], ..Ask::default() };
        for _ in 0..2 {
            assert_eq!(trial.headers(&ada).await, ["x-up: 1"], "with its headers");
        }
        assert_eq!(count(), 1);
        trial.fetch.forget(URL);
        trial.fetch.answer(URL, 403, "");
        for _ in 0..2 {
            assert_eq!(trial.verdict(&bob).await.0, 403, "of somebody else");
        }
        assert_eq!((count(), trial.verdict(&ada).await.0), (2, 200));
        tokio::time::advance(Duration::from_secs(11)).await;
        Trial::pass(11);
        assert_eq!((trial.verdict(&bob).await.0, count()), (403, 3), "a no is remembered for less");
        tokio::time::advance(Duration::from_secs(50)).await;
        Trial::pass(50);
        assert_eq!((trial.verdict(&ada).await.0, count()), (403, 4), "a yes ends as well");
        trial.fetch.forget(URL);
        trial.fetch.answer(URL, 500, "");
        tokio::time::advance(Duration::from_secs(11)).await;
        Trial::pass(11);
        let before = count();
        for _ in 0..2 {
            assert_eq!(trial.verdict(&ada).await.0, 500);
        }
        assert_eq!(count(), before + 10, "an outage is not remembered");
    });
}

#[test]
fn no_verdict_outlives_the_token_it_may_be_about() {
    run(async {
        let (config, rule) = with("remote_json", &json!({"cache": {"enabled": true, "ttl": "1m"}}));
        let noop = json!({"authenticators": [{"handler": "noop"}]});
        let trial = Trial::good(&config, &crate::config::merge(&rule, &noop));
        trial.fetch.answer(URL, 200, "");
        // {"alg":"none"}.{"exp":1700000005}
        let token = "Bearer eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDV9.c2ln";
        let ask = Ask { headers: &[("Authorization", token)], ..Ask::default() };
        for (seconds, calls) in [(0, 1), (4, 1), (1, 2), (0, 3)] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            Trial::pass(seconds);
            assert_eq!(trial.verdict(&ask).await.0, 200);
            assert_eq!(trial.fetch.count(URL), calls, "after {seconds} more seconds");
        }
    });
}

#[test]
fn what_cannot_work_is_found_when_rules_load() {
    for (authorizer, settings, code, pointer) in [
        ("remote", json!({"remote": "ftp://x"}), "unusable-url", "/remote"),
        ("remote", json!({"headers": {"X-A": "{{ .Nope }}"}}), "", "/headers/X-A"),
        ("remote", json!({"headers": {"a b": "x"}}), "bad-name", "/headers/a b"),
        ("remote", json!({"forward_response_headers_to_upstream": ["a b"]}), "bad-name", ""),
        ("remote", json!({"allow_if": {"path": "a.#("}}), "invalid-path", "/allow_if/path"),
        ("remote", json!({"allow_if": {"status": [302]}}), "out-of-range", ""),
        ("remote", json!({"allow_if": {"equals": true}}), "", ""),
        ("remote", json!({"allow_if": {}}), "not-exactly-one", ""),
        ("remote", json!({"deny_if": {"status": [429]}}), "", ""),
        ("remote", json!({"max_body_bytes": "1 MB"}), "bad-format", "/max_body_bytes"),
        ("remote", json!({"retry": {"give_up_after": "x"}}), "bad-format", ""),
        ("remote", json!({"timeout": "0s"}), "invalid-duration", "/timeout"),
        ("remote_json", json!({"payload": "hello"}), "payload-not-json", "/payload"),
        ("remote_json", json!({"payload": ""}), "payload-not-json", "/payload"),
        ("remote_json", json!({"payload": "{{ .Nope }}"}), "", "/payload"),
        ("keto_engine_acp_ory", json!({"required_action": "{{ .Nope }}"}), "", "/required_action"),
        ("keto_engine_acp_ory", json!({"base_url": "mailto:x"}), "unusable-url", "/base_url"),
    ] {
        let (config, mut rule) = with(authorizer, &json!({}));
        rule["authorizer"]["config"] = settings.clone();
        let trial = Trial::new(&config, &rule);
        let found = trial.report.diagnostics.iter().map(|d| &d.finding).find(|finding| {
            finding.code.contains(code)
                && finding.pointer.starts_with(&format!("/0/authorizer/config{pointer}"))
        });
        assert!(found.is_some(), "{authorizer} {settings} {:?}", trial.report.to_lines());
        run(async { assert_eq!(trial.verdict(&Ask::default()).await.0, 500, "{settings}") });
        assert_eq!(trial.fetch.calls().len(), 0);
    }
}

#[test]
fn a_payload_that_a_request_breaks_is_not_sent() {
    let payload = "{\"h\": \"{{ .MatchContext.Header.Get \"X-H\" }}\"}";
    let trial = trial("remote_json", &json!({"payload": payload}));
    run(async {
        trial.fetch.answer(URL, 200, "");
        for (value, want, sent) in [
            ("ok", (200, "granted"), Some("{\"h\": \"ok\"}")),
            ("\"", (500, "misconfigured payload-not-json"), None),
        ] {
            let before = trial.fetch.calls().len();
            let headers = [("X-H", value)];
            let (status, reason) = trial.verdict(&Ask { headers: &headers, ..Ask::default() }).await;
            assert_eq!((status, reason.as_str()), want, "{value}");
            let calls = trial.fetch.calls();
            assert_eq!(calls.get(before).map(|call| call.body.whole()), sent.map(str::as_bytes), "{value}");
        }
    });
}
