use std::sync::Arc;

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::*;
use crate::config::Answering;
use crate::pipeline::errors::json::error_body;
use crate::pipeline::trial::{Ask, Trial, run};
use crate::pipeline::{Denial, Refusal};
use crate::request::headers::HeaderFields;

fn denials() -> Vec<Denial> {
    let why = Detail::id("test");
    vec![
        Denial::NoRule,
        Denial::SeveralRules { ids: vec!["a".to_owned(), "b".to_owned()] },
        Denial::BadRequest { why: why.clone() },
        Denial::Unauthenticated { why: why.clone() },
        Denial::Forbidden { why: why.clone() },
        Denial::TooManyRequests { why: why.clone(), headers: Vec::new() },
        Denial::CouldNotDecide { status: 503, why: why.clone(), retry_after: None },
        Denial::CouldNotDecide { status: 200, why: why.clone(), retry_after: None },
        Denial::Misconfigured { message: "x".into(), why },
    ]
}

/// What error handlers may make of a denial, right or wrong.
fn replies(denial: &Denial) -> Vec<Reply> {
    let location = (LOCATION, HeaderValue::from_static("http://login.test/"));
    let odd = [0, 100, 101, 200, 204, 206, 299, 302, 304, 401, 500, 600, 999];
    let odd = odd.map(|status| Reply { status, headers: vec![location.clone()], body: Bytes::new() });
    let usual = error_body(denial.status(), denial.message(), None, None);
    [usual].into_iter().chain(odd).collect()
}

fn refused(endpoint: &Endpoint, denial: &Denial, reply: Reply) -> Reply {
    let refusal = Refusal { denial: denial.clone(), stage: None, subject: Arc::from(""), reply };
    endpoint.refuse(refusal, None, None)
}

fn endpoint(dialect: &'static dyn Dialect, settings: &Answering) -> Endpoint {
    Endpoint::new("/auth", dialect, settings, &[])
}

fn header(reply: &Reply, name: &str) -> Option<String> {
    let values = reply.headers.iter().filter(|(n, _)| n.as_str() == name);
    let values: Vec<_> = values.map(|(_, v)| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect();
    (!values.is_empty()).then(|| values.join("|"))
}

#[test]
fn no_dialect_turns_a_denial_into_a_yes_whatever_is_configured() {
    for status in [None, Some(200), Some(204), Some(302), Some(400), Some(503), Some(999)] {
        let status = Statuses {
            no_rule: status,
            multiple_rules: status,
            bad_request: status,
            unauthenticated: status,
            forbidden: status,
            too_many_requests: status,
            backend_error: status,
            misconfigured: status,
        };
        let settings = Answering { status, ..Answering::default() };
        for dialect in DIALECTS {
            let endpoint = endpoint(*dialect, &settings);
            for denial in denials() {
                for reply in replies(&denial) {
                    let shaped = reply.status;
                    let put = refused(&endpoint, &denial, reply);
                    let id = dialect.id();
                    assert!((300..600).contains(&put.status), "{id} {denial:?} {shaped} {}", put.status);
                    let body = String::from_utf8_lossy(&put.body);
                    assert!(
                        !body.contains("Allow") && !body.contains("\"isAuthorized\":true"),
                        "{id} {body}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_each_gateway_is_told_of_each_denial() {
    // the dialect; then the statuses for the denials above
    let rows: &[(&str, [u16; 8])] = &[
        ("oathkeeper", [404, 500, 400, 401, 403, 429, 503, 500]),
        ("forwarded", [404, 500, 400, 401, 403, 429, 503, 500]),
        ("nginx", [403, 403, 403, 401, 403, 403, 403, 403]),
        ("ingress_nginx", [403, 403, 403, 401, 403, 403, 403, 403]),
        ("envoy_http", [404, 403, 400, 401, 403, 429, 503, 403]),
        ("aws_lambda", [404, 500, 400, 401, 403, 429, 503, 500]),
    ];
    assert_eq!(rows.len(), DIALECTS.len());
    for (id, want) in rows {
        let endpoint = endpoint(dialect(id).unwrap(), &Answering::default());
        let denials = denials().into_iter().filter(|d| d.status() != 200);
        let got: Vec<u16> = denials
            .map(|denial| {
                let shaped = error_body(denial.status(), denial.message(), None, None);
                refused(&endpoint, &denial, shaped).status
            })
            .collect();
        assert_eq!(got, want, "{id}");
    }
}

#[test]
fn what_each_gateway_is_told_of_a_redirect() {
    let denial = Denial::Unauthenticated { why: Detail::id("test") };
    // the dialect; then status, location, and the header that a gateway can copy
    let to = Some("http://login.test/");
    let rows = [
        ("oathkeeper", 302, to, None),
        ("forwarded", 302, to, None),
        ("nginx", 401, to, to),
        ("ingress_nginx", 401, to, to),
        ("envoy_http", 302, to, None),
        ("aws_lambda", 401, None, None),
    ];
    for (id, status, location, copyable) in rows {
        let endpoint = endpoint(dialect(id).unwrap(), &Answering::default());
        let redirect = replies(&denial).into_iter().find(|reply| reply.status == 302).unwrap();
        let put = refused(&endpoint, &denial, redirect);
        assert_eq!(put.status, status, "{id}");
        assert_eq!(header(&put, "location").as_deref(), location, "{id}");
        assert_eq!(header(&put, "x-auth-redirect").as_deref(), copyable, "{id}");
    }
}

#[test]
fn a_status_that_is_configured_stands_for_its_denial_unless_a_handler_chose_one() {
    let status = Statuses { no_rule: Some(401), multiple_rules: Some(502), ..Statuses::default() };
    let settings = Answering { status, ..Answering::default() };
    let several = Denial::SeveralRules { ids: Vec::new() };
    for (id, no_rule, several_rules) in
        [("oathkeeper", 401, 502), ("nginx", 401, 403), ("envoy_http", 401, 403), ("aws_lambda", 401, 502)]
    {
        let endpoint = endpoint(dialect(id).unwrap(), &settings);
        let shaped = |denial: &Denial| error_body(denial.status(), "", None, None);
        assert_eq!(refused(&endpoint, &Denial::NoRule, shaped(&Denial::NoRule)).status, no_rule, "{id}");
        assert_eq!(refused(&endpoint, &several, shaped(&several)).status, several_rules, "{id}");
        let chosen = Reply { status: 410, headers: Vec::new(), body: Bytes::new() };
        let want = if id == "nginx" { 403 } else { 410 };
        assert_eq!(refused(&endpoint, &Denial::NoRule, chosen).status, want, "{id}");
    }
}

#[test]
fn a_changed_status_comes_with_the_true_one_and_the_reason() {
    for (id, denial, status, reason) in [
        ("nginx", Denial::NoRule, Some("404"), "no-rule"),
        ("ingress_nginx", Denial::Forbidden { why: Detail::id("x") }, None, "forbidden"),
        ("envoy_http", Denial::SeveralRules { ids: Vec::new() }, Some("500"), "several-rules"),
    ] {
        let endpoint = endpoint(dialect(id).unwrap(), &Answering::default());
        let put = refused(&endpoint, &denial, error_body(denial.status(), "", None, None));
        assert_eq!(header(&put, "x-auth-status").as_deref(), status, "{id}");
        assert_eq!(header(&put, "x-auth-reason").as_deref(), Some(reason), "{id}");
    }
}

/// Method, scheme, host, path and query as understood, or the reason why not.
fn understood(id: &str, asked: &Asked<'_>) -> Result<[String; 5], &'static str> {
    let understood = dialect(id).unwrap().read(asked).map_err(|why| why.id)?;
    let parts = understood.parts;
    Ok([
        parts.method.value.into_owned(),
        parts.scheme.value.into_owned(),
        parts.host.value.into_owned(),
        String::from_utf8_lossy(&parts.path.value).into_owned(),
        parts.query.value.unwrap_or_default().into_owned(),
    ])
}

#[test]
fn to_oathkeepers_dialect_the_request_is_what_the_gateway_says_else_the_question_itself() {
    // headers, path and query of the question; then method, scheme, host, path and query understood
    type Row<'t> = (&'t [(&'t str, &'t str)], &'t str, Option<&'t str>, [&'t str; 5]);
    let rows: &[Row<'_>] = &[
        (&[], "/a", Some("q=1"), ["GET", "http", "own.test", "/a", "q=1"]),
        (
            &[
                ("x-forwarded-method", "POST"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "app.test"),
                ("x-forwarded-uri", "/b?x=1"),
            ],
            "",
            Some("q=1"),
            ["POST", "https", "app.test", "/b", "x=1"],
        ),
        (&[("x-forwarded-uri", "/b")], "/a", Some("q=1"), ["GET", "http", "own.test", "/b", "q=1"]),
        (&[("x-forwarded-uri", "/b?")], "/a", Some("q=1"), ["GET", "http", "own.test", "/b", ""]),
        (&[("x-forwarded-uri", "?x=1")], "/a", None, ["GET", "http", "own.test", "/a", "x=1"]),
        (&[("x-forwarded-uri", "")], "/a", Some("q"), ["GET", "http", "own.test", "/a", "q"]),
        (
            &[("x-forwarded-uri", "/one"), ("x-forwarded-uri", "/two")],
            "",
            None,
            ["GET", "http", "own.test", "/one", ""],
        ),
        (&[("x-forwarded-host", " ")], "/a", None, ["GET", "http", "own.test", "/a", ""]),
    ];
    for (fields, path, query, want) in rows {
        let headers: HeaderFields = fields.iter().copied().collect();
        let asked = Asked { path, query: *query, ..Asked::of(&headers) };
        assert_eq!(understood("oathkeeper", &asked).unwrap(), *want, "{fields:?}");
        let own = ["GET", "http", "own.test", path, query.unwrap_or_default()];
        let disbelieved = Asked { believed: false, ..asked };
        assert_eq!(understood("oathkeeper", &disbelieved).unwrap(), own, "{fields:?} from a stranger");
    }
}

#[test]
fn each_dialect_reads_its_own_headers_and_no_others() {
    type Row = (&'static str, [Result<[&'static str; 5], &'static str>; 3], &'static str);
    let forwarded = &[
        ("x-forwarded-method", "POST"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "f.test"),
        ("x-forwarded-uri", "/f?f=1"),
    ];
    let original = &[("x-original-url", "https://o.test:8443/o?o=1"), ("x-original-method", "PUT")];
    let of_forwarded = Ok(["POST", "https", "f.test", "/f", "f=1"]);
    let of_original = Ok(["PUT", "https", "o.test:8443", "/o", "o=1"]);
    let of_line = Ok(["GET", "http", "own.test", "/line", "l=1"]);
    let of_line_tls = Ok(["GET", "https", "own.test", "/line", "l=1"]);
    // the dialect; understood of both families, of the first, of the second; then what a stranger gets
    let rows: &[Row] = &[
        ("oathkeeper", [of_forwarded, of_forwarded, of_line], ""),
        ("forwarded", [of_forwarded, of_forwarded, Err("no-forwarded-uri")], "peer-not-trusted"),
        ("nginx", [of_forwarded, of_forwarded, Err("no-forwarded-uri")], "peer-not-trusted"),
        ("ingress_nginx", [of_original, Err("no-original-url"), of_original], "peer-not-trusted"),
        ("envoy_http", [of_line_tls, of_line_tls, of_line], ""),
        ("aws_lambda", [Err("unreadable-event"); 3], "peer-not-trusted"),
    ];
    assert_eq!(rows.len(), DIALECTS.len());
    let both: Vec<(&str, &str)> = forwarded.iter().chain(original).copied().collect();
    for (id, wants, stranger) in rows {
        for (fields, want) in [both.as_slice(), forwarded, original].into_iter().zip(wants) {
            let headers: HeaderFields = fields.iter().copied().collect();
            let asked = Asked { path: "/line", query: Some("l=1"), ..Asked::of(&headers) };
            let want = want.map(|want| want.map(str::to_owned));
            assert_eq!(understood(id, &asked), want, "{id} {fields:?}");
            let got = understood(id, &Asked { believed: false, ..asked });
            let own = of_line.map(|want| want.map(str::to_owned));
            assert_eq!(
                got,
                if stranger.is_empty() { own } else { Err(*stranger) },
                "{id} {fields:?} stranger"
            );
        }
    }
}

#[test]
fn what_is_no_complete_description_is_not_understood() {
    let uri = ("x-forwarded-uri", "/a");
    let url = ("x-original-url", "http://app.test/a");
    let method = ("x-original-method", "GET");
    for (id, fields, want) in [
        ("forwarded", vec![uri, ("x-forwarded-uri", "/b")], "contradiction"),
        ("forwarded", vec![uri, ("x-forwarded-host", "a"), ("x-forwarded-host", "b")], "contradiction"),
        ("nginx", vec![uri, ("x-forwarded-method", "GET"), ("x-forwarded-method", "POST")], "contradiction"),
        ("nginx", vec![("x-forwarded-uri", "a")], "no-forwarded-uri"),
        ("nginx", vec![("x-forwarded-uri", "?a=/b")], "no-forwarded-uri"),
        ("nginx", vec![("x-forwarded-uri", "http://app.test/a")], "no-forwarded-uri"),
        ("ingress_nginx", vec![url], "no-original-url"),
        ("ingress_nginx", vec![method], "no-original-url"),
        ("ingress_nginx", vec![method, url, ("x-original-url", "http://app.test/b")], "contradiction"),
        ("ingress_nginx", vec![method, ("x-original-url", "/a")], "no-original-url"),
        ("ingress_nginx", vec![method, ("x-original-url", "http://app.test?a=1")], "no-original-url"),
        ("ingress_nginx", vec![method, ("x-original-url", "http:///a")], "no-original-url"),
        ("ingress_nginx", vec![method, ("x-original-url", "://app.test/a")], "no-original-url"),
    ] {
        let headers: HeaderFields = fields.iter().copied().collect();
        assert_eq!(understood(id, &Asked::of(&headers)), Err(want), "{id} {fields:?}");
    }
}

/// A host that a client wrote must not make a path: it stays in the host, which is none then.
#[test]
fn a_question_mark_in_the_host_makes_no_path() {
    for host in ["app.test?x=", "app.test#", "user@app.test", "app.test:80?"] {
        let url = format!("http://{host}/deny/x");
        let headers: HeaderFields =
            [("x-original-url", url.as_str()), ("x-original-method", "GET")].into_iter().collect();
        let parts = dialect("ingress_nginx").unwrap().read(&Asked::of(&headers)).unwrap().parts;
        let request = crate::request::AccessRequest::new(parts, &headers).unwrap();
        assert!(request.readings().is_empty(), "{host}");
    }
}

fn granted(id: &str, settings: &Answering, rule: &Value, identity: &[&'static str]) -> Reply {
    let config =
        json!({"mutators": {"hydrator": {"enabled": true, "config": {"api": {"url": "http://h.test/"}}}}});
    let trial = Trial::good(&config, rule);
    let decision = run(trial.ask(&Ask { target: "/a", ..Ask::default() }));
    let identity: Vec<HeaderName> = identity.iter().map(|name| HeaderName::from_static(name)).collect();
    let endpoint = Endpoint::new("/auth", dialect(id).unwrap(), settings, &identity);
    let event = Event { resource: "arn".into(), simple: true };
    endpoint.grant(decision.outcome.unwrap(), Some(&event), None)
}

fn names(reply: &Reply) -> Vec<String> {
    reply.headers.iter().map(|(n, v)| format!("{n}={}", String::from_utf8_lossy(v.as_bytes()))).collect()
}

#[test]
fn a_yes_names_what_the_client_must_not_bring() {
    let header =
        |headers: Value| json!({"mutators": [{"handler": "header", "config": {"headers": headers}}]});
    let rule = header(
        json!({"X-User": "{{ .Subject }}", "X-Empty": "", "Transfer-Encoding": "chunked", "Upgrade": "h2c"}),
    );
    let strip =
        vec!["X-Group".to_owned(), "X-User".to_owned(), "x-group".to_owned(), "Connection".to_owned()];
    let settings = Answering { strip_request_headers: strip, ..Answering::default() };
    let quiet = Answering { emit_empty_headers: false, ..settings.clone() };
    let identity = &["x-other", "x-user"];
    for (id, settings, want) in [
        ("oathkeeper", &settings, vec!["x-empty=", "x-user=guest", "x-group="]),
        ("forwarded", &settings, vec!["x-empty=", "x-user=guest", "x-group="]),
        ("nginx", &quiet, vec!["x-empty=", "x-user=guest"]),
        (
            "envoy_http",
            &settings,
            vec!["x-empty=", "x-user=guest", "x-envoy-auth-headers-to-remove=x-group, x-other"],
        ),
        (
            "envoy_http",
            &quiet,
            vec!["x-empty=", "x-user=guest", "x-envoy-auth-headers-to-remove=x-group, x-other"],
        ),
    ] {
        let reply = granted(id, settings, &rule, identity);
        assert_eq!(
            (reply.status, names(&reply)),
            (200, want.into_iter().map(str::to_owned).collect()),
            "{id}"
        );
    }
    let reply = granted("aws_lambda", &settings, &rule, identity);
    let want = json!({"isAuthorized": true, "context": {"x_empty": "", "x_user": "guest", "x_group": ""}});
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap(), want);
}

#[test]
fn all_values_of_a_header_arrive_but_for_oathkeepers_dialect_which_knows_the_first() {
    let both = vec!["x-two=a", "x-two=b", "x-user=alice"];
    for (id, want) in [
        ("oathkeeper", vec!["x-two=a", "x-user=alice"]),
        ("forwarded", both.clone()),
        ("nginx", both.clone()),
        ("ingress_nginx", both.clone()),
        ("envoy_http", both),
    ] {
        let hydrator = json!({"handler": "hydrator", "config": {"api": {"url": "http://h.test/"}}});
        let config = json!({"mutators": {"hydrator": {"enabled": true, "config": {"api": {"url": "http://h.test/"}}}}});
        let trial = Trial::good(&config, &json!({"mutators": [hydrator]}));
        let answer = json!({"subject": "guest", "header": {"X-Two": ["a", "b"], "X-User": ["alice"]}});
        trial.fetch.answer("http://h.test/", 200, answer.to_string());
        let decision = run(trial.ask(&Ask::default()));
        let reply = endpoint(dialect(id).unwrap(), &Answering::default()).grant(
            decision.outcome.unwrap(),
            None,
            None,
        );
        assert_eq!(names(&reply), want, "{id}");
    }
}

/// Metrics find it there.
#[test]
fn every_dialect_has_a_number() {
    let others: [&dyn Dialect; 2] = [&envoy_grpc::EnvoyGrpc, &proxy::Proxy];
    let ids: Vec<_> = DIALECTS.iter().chain(&others).map(|dialect| dialect.id()).collect();
    assert_eq!(ids, DIALECT_IDS);
}

/// Hydration without `merge` forgets what was set before it: the client's own must not come in its place.
#[test]
fn what_a_later_mutator_takes_back_is_named_all_the_same() {
    for (id, want) in [("oathkeeper", "x-user="), ("envoy_http", "x-envoy-auth-headers-to-remove=x-user")] {
        let hydrator = json!({"handler": "hydrator", "config": {"api": {"url": "http://h.test/"}}});
        let header = json!({"handler": "header", "config": {"headers": {"X-User": "{{ .Subject }}"}}});
        let config = json!({"mutators": {"hydrator": {"enabled": true, "config": {"api": {"url": "http://h.test/"}}}}});
        let trial = Trial::good(&config, &json!({"mutators": [header, hydrator]}));
        trial.fetch.answer("http://h.test/", 200, r#"{"subject": "guest"}"#);
        let decision = run(trial.ask(&Ask::default()));
        let reply = endpoint(dialect(id).unwrap(), &Answering::default()).grant(
            decision.outcome.unwrap(),
            None,
            None,
        );
        assert_eq!(names(&reply), [want], "{id}");
    }
}

proptest::proptest! {
    /// Whatever is sent, it is understood or not, and nothing panics.
    #[test]
    fn any_bytes_are_understood_or_refused(
        values in proptest::collection::vec((0..9_usize, "(\\PC|[/?#%.:@,; \"])*"), 0..6),
        path in "(/|\\PC|[?#%.])*",
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        strict in proptest::bool::ANY,
    ) {
        let names = [
            "x-forwarded-method", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-uri", "x-forwarded-for",
            "forwarded", "x-original-url", "x-original-method", "x_forwarded_uri",
        ];
        let headers: HeaderFields = values.iter().map(|(name, value)| (names[*name], value.as_str())).collect();
        let trusted = ["10.0.0.0/8".to_owned()];
        let settings = Answering { strict, trust: Trust::new(Some(&trusted)), ..Answering::default() };
        for dialect in DIALECTS {
            let peer = Some([10, 0, 0, 1].into());
            let asked = Asked { path: &path, body: &body, peer, ..Asked::of(&headers) };
            if let Ok(understood) = endpoint(*dialect, &settings).read(asked) {
                let _ = crate::request::AccessRequest::new(understood.parts, &headers);
            }
        }
    }
}
