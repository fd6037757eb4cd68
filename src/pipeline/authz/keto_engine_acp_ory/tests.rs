use serde_json::{Value, json};

use super::*;
use crate::config::merge;
use crate::pipeline::trial::{Ask, Trial, run, verdict};

const URL: &str = "http://keto.test/engines/acp/ory/regex/allowed";

/// A rule with this authorizer, and these settings over those that it needs.
fn with(settings: &Value) -> Value {
    let needed = json!({"base_url": "http://keto.test", "required_action": "read", "required_resource": "r"});
    let handler = json!({"enabled": true, "config": merge(&needed, settings)});
    json!({"authorizers": {"keto_engine_acp_ory": handler}})
}

fn trial(settings: &Value) -> Trial {
    Trial::good(&with(settings), &json!({"authorizer": {"handler": "keto_engine_acp_ory"}}))
}

#[test]
fn what_keto_answers() {
    let forbidden = (403, "forbidden policy-denied");
    let unreadable = (500, "could-not-decide backend-answer-unreadable");
    run(async {
        for (status, body, want) in [
            (200, r#"{"allowed":true}"#, (200, "granted")),
            (200, r#"{"allowed":false}"#, forbidden),
            (200, r#"{"allowed":null}"#, forbidden),
            (200, "{}", forbidden),
            (200, "null", forbidden),
            (403, r#"{"allowed":true}"#, forbidden),
            (200, r#"{"allowed":"true"}"#, unreadable),
            (200, r#"[{"allowed":true}]"#, unreadable),
            (200, "true", unreadable),
            (200, "{\"allowed\":true", unreadable),
            (200, "", unreadable),
            (201, r#"{"allowed":true}"#, (500, "could-not-decide backend-status")),
        ] {
            let trial = trial(&json!({}));
            trial.fetch.answer(URL, status, body);
            let (status, reason) = trial.verdict(&Ask::default()).await;
            assert_eq!((status, reason.as_str()), want, "{body}");
        }
    });
}

#[test]
fn what_keto_is_asked() {
    let settings = json!({
        "base_url": "http://u:p@keto.test/base/?k=1",
        "flavor": "glob",
        "required_action": "{{ .MatchContext.Method }}:{{ printIndex .MatchContext.RegexpCaptureGroups 0 }}",
        "required_resource": "<&>",
        "subject": "s:{{ .Subject }}",
    });
    let url = "http://u:p@keto.test/base/engines/acp/ory/glob/allowed?k=1";
    run(async {
        let trial = trial(&settings);
        trial.fetch.answer(url, 200, r#"{"allowed":true}"#);
        assert_eq!(trial.verdict(&Ask { headers: &[("Cookie", "a=1")], ..Ask::default() }).await.0, 200);
        let call = trial.fetch.calls().remove(0);
        let headers: Vec<_> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("content-type", &b"application/json"[..])]);
        let body = String::from_utf8(call.body.whole().to_vec()).unwrap();
        let want = concat!(
            r#"{"action":"GET:a/b","context":{"remoteIpAddress":"192.0.2.7","requestedAt":"2023-11-14T22:13:20Z"},"#,
            r#""resource":"\u003c\u0026\u003e","subject":"s:guest"}"#,
            "\n"
        );
        assert_eq!(body, want);
        let empty = json!({"required_action": "", "required_resource": ""});
        let trial = self::trial(&empty);
        trial.fetch.answer(URL, 200, r#"{"allowed":true}"#);
        assert_eq!(trial.verdict(&Ask::default()).await.0, 200);
        let body: Value = serde_json::from_slice(trial.fetch.calls()[0].body.whole()).unwrap();
        assert_eq!(
            (&body["action"], &body["resource"], &body["subject"]),
            (&json!("unset"), &json!("unset"), &json!("guest"))
        );
    });
}

#[test]
fn the_address_that_policies_look_at() {
    run(async {
        for (headers, want) in [
            (&[][..], "192.0.2.7"),
            (&[("X-Real-Ip", "203.0.113.9")], "203.0.113.9"),
            (&[("X-Real-Ip", "any text")], ""),
            (&[("X-Forwarded-For", "203.0.113.5")], "203.0.113.5"),
            (&[("X-Forwarded-For", "203.0.113.5, 10.0.0.1, 192.168.1.1")], "203.0.113.5"),
            (&[("X-Forwarded-For", "10.0.0.1, 203.0.113.5")], "203.0.113.5"),
            (&[("X-Forwarded-For", "1.2.3.4, 203.0.113.5, 10.0.0.1")], "203.0.113.5"),
            (&[("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "203.0.113.5, 10.0.0.1")], "203.0.113.5"),
            (&[("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-For", "10.0.0.1")], "203.0.113.5"),
            (&[("X-Forwarded-For", "127.0.0.1, ::1, fd00::1, fe80::1, 169.254.1.1")], ""),
            (&[("X-Forwarded-For", "10.0.0.1"), ("X-Real-Ip", "203.0.113.9")], "203.0.113.9"),
            (&[("X-Forwarded-For", "nonsense"), ("X-Real-Ip", "10.0.0.9")], "10.0.0.9"),
            (&[("X-Forwarded-For", "::ffff:203.0.113.5, 2001:db8::1, ::ffff:10.0.0.1")], "2001:db8::1"),
            (&[("X-Forwarded-For", "")], "192.0.2.7"),
        ] {
            let trial = trial(&json!({}));
            trial.fetch.answer(URL, 200, r#"{"allowed":true}"#);
            assert_eq!(trial.verdict(&Ask { headers, ..Ask::default() }).await.0, 200);
            let body: Value = serde_json::from_slice(trial.fetch.calls()[0].body.whole()).unwrap();
            assert_eq!(body["context"]["remoteIpAddress"], want, "{headers:?}");
        }
    });
}

#[test]
fn keto_needs_patterns_with_groups() {
    let mut config = with(&json!({}));
    let mut rule = json!({"authorizer": {"handler": "keto_engine_acp_ory"}});
    config["access_rules"] = json!({"matching_strategy": "glob"});
    rule["match"] = json!({"url": "http://app.test/<**>"});
    let trial = Trial::good(&config, &rule);
    run(async {
        let decision = trial.ask(&Ask::default()).await;
        assert_eq!(verdict(&decision), (500, "misconfigured strategy-not-regexp".to_owned()));
    });
}

#[test]
fn times_are_written_in_utc() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_709_251_199, "2024-02-29T23:59:59Z"),
        (1_709_251_200, "2024-03-01T00:00:00Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (1_798_761_599, "2026-12-31T23:59:59Z"),
    ] {
        assert_eq!(rfc3339(seconds), text);
    }
}
