use serde_json::{Value, json};

use crate::pipeline::authn::testing::{NOW, Probe, run, set_time};
use crate::upstream::Outgoing;
use crate::upstream::fake::FakeFetch;

const URL: &str = "http://idp.test/token";
/// `cid:sec`
const BASIC: [(&str, &str); 1] = [("authorization", "Basic Y2lkOnNlYw==")];
const GRANTED: &str = r#"{"access_token":"tok","expires_in":3600}"#;

fn config(more: &Value) -> Value {
    let mut config = json!({"token_url": URL});
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn sent(call: &Outgoing) -> String {
    let authorization = call.headers.iter().find(|(name, _)| name == "authorization").unwrap();
    let body = std::str::from_utf8(call.body.whole()).unwrap();
    format!("{} {} {body} {}", call.method, call.url, authorization.1.to_str().unwrap())
}

#[test]
fn whose_credentials_are_tried_and_how() {
    for (what, credentials, more, want, call) in [
        ("plain", "Basic Y2lkOnNlYw==", json!({}), "cid", Some(("", "Y2lkOnNlYw=="))),
        ("colon in the password", "Basic dTphOmI=", json!({}), "u", Some(("", "dTphJTNBYg=="))),
        (
            "escaped",
            "Basic dSU0MHglMjB5OnAlMkZxJTNE",
            json!({}),
            "u@x y",
            Some(("", "dSU0MHgreTpwJTJGcSUzRA==")),
        ),
        ("a plus is a blank", "Basic YStiOmMrZA==", json!({}), "a b", Some(("", "YStiOmMrZA=="))),
        ("an empty user", "Basic OnA=", json!({}), "401 credentials-malformed", None),
        ("no UTF-8", "Basic /zpw", json!({}), "401 credentials-malformed", None),
        ("escaped wrong", "Basic dTpwJXp6", json!({}), "401 credentials-malformed", None),
        ("no base64", "Basic !!!", json!({}), "not responsible", None),
        ("another scheme", "Bearer x", json!({}), "not responsible", None),
        (
            "with scopes",
            "Basic Y2lkOnNlYw==",
            json!({"required_scope": ["a", "b c"]}),
            "cid",
            Some(("&scope=a+b+c", "Y2lkOnNlYw==")),
        ),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            fetch.answer(URL, 200, GRANTED);
            let probe = Probe::new("oauth2_client_credentials", config(&more), &fetch);
            assert_eq!(probe.word(&[("authorization", credentials)]).await, want, "{what}");
            let calls: Vec<String> = fetch.calls().iter().map(sent).collect();
            let call = call.map(|(scope, basic)| {
                format!("POST {URL} grant_type=client_credentials{scope} Basic {basic}")
            });
            assert_eq!(calls, call.into_iter().collect::<Vec<_>>(), "{what}");
        });
    }
}

#[test]
fn what_the_token_endpoint_may_answer() {
    let wanted = json!({"required_scope": ["a", "b c"]});
    for (status, body, more, want) in [
        (200, GRANTED, json!({}), "cid"),
        (201, GRANTED, json!({}), "cid"),
        (200, r#"{"access_token":"t","scope":"c b a x"}"#, wanted.clone(), "cid"),
        (200, r#"{"access_token":"t"}"#, wanted.clone(), "cid"),
        (200, r#"{"access_token":"t","scope":"a b"}"#, wanted.clone(), "403 scope-missing"),
        (
            200,
            r#"{"access_token":"t","scope":"a"}"#,
            json!({"required_scope": ["b"], "check_granted_scope": false}),
            "cid",
        ),
        (200, r#"{"access_token":""}"#, json!({}), "503 backend-answer-unreadable"),
        (200, "{x", json!({}), "503 backend-answer-unreadable"),
        (200, "<html>", json!({}), "503 backend-answer-unreadable"),
        (200, r#"{"access_token":"t","error":"x"}"#, json!({}), "401 client-refused"),
        (400, r#"{"error":"invalid_scope"}"#, json!({}), "401 client-refused"),
        (401, r#"{"error":"invalid_client"}"#, json!({}), "401 client-refused"),
        (403, "{}", json!({}), "401 client-refused"),
        (404, "{}", json!({}), "404 backend-status"),
        (429, "{}", json!({}), "429 backend-rate-limit"),
        (500, "{}", json!({}), "500 backend-status"),
        (502, "{}", json!({}), "401 backend-status"),
        (503, "{}", json!({}), "503 backend-status"),
        (504, "{}", json!({}), "504 backend-status"),
        (302, "", json!({}), "401 backend-status"),
        (404, "{}", json!({"on_backend_error": "unavailable"}), "503 backend-status"),
        (502, "{}", json!({"on_backend_error": "unavailable"}), "503 backend-status"),
        (401, "{}", json!({"on_backend_error": "unavailable"}), "401 client-refused"),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            fetch.answer(URL, status, body);
            let probe = Probe::new("oauth2_client_credentials", config(&more), &fetch);
            assert_eq!(probe.word(&BASIC).await, want, "{status} {body} {more}");
        });
    }
}

#[test]
fn grants_are_remembered_until_the_token_ends_or_the_ttl_is_over() {
    for (what, cache, body, seconds, calls) in [
        ("off", json!({}), GRANTED, 0, 2),
        ("on", json!({"enabled": true}), GRANTED, 59, 1),
        ("a minute at most", json!({"enabled": true}), GRANTED, 60, 2),
        ("a longer ttl", json!({"enabled": true, "ttl": "1h"}), GRANTED, 3599, 1),
        ("the token ends", json!({"enabled": true, "ttl": "2h"}), GRANTED, 3600, 2),
        ("an end that nobody names", json!({"enabled": true}), r#"{"access_token":"t"}"#, 59, 1),
        ("and a ttl", json!({"enabled": true, "ttl": "1h"}), r#"{"access_token":"t"}"#, 0, 2),
    ] {
        run(async {
            let fetch = FakeFetch::new();
            fetch.answer(URL, 200, body);
            let probe = Probe::new("oauth2_client_credentials", config(&json!({"cache": cache})), &fetch);
            probe.word(&BASIC).await;
            set_time(NOW + seconds);
            tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
            probe.word(&BASIC).await;
            assert_eq!(fetch.count(URL), calls, "{what}");
        });
    }
}

#[test]
fn nobody_gets_in_on_what_is_remembered_of_another() {
    run(async {
        let fetch = FakeFetch::new();
        fetch.answer(URL, 200, GRANTED);
        fetch.answer(URL, 401, "{}");
        let probe =
            Probe::new("oauth2_client_credentials", config(&json!({"cache": {"enabled": true}})), &fetch);
        assert_eq!(probe.word(&BASIC).await, "cid");
        // `cid:wrong`, `cids:ec`
        for credentials in ["Basic Y2lkOndyb25n", "Basic Y2lkczplYw=="] {
            assert_eq!(probe.word(&[("authorization", credentials)]).await, "401 client-refused");
        }
        assert_eq!(probe.word(&BASIC).await, "cid");
        assert_eq!(fetch.count(URL), 3);
    });
}
