use std::net::IpAddr;

use serde_json::{Value, json};

use super::*;
use crate::gateway::Asked;
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Client};

const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request/a%20b";

/// Method and URL, header fields, client, and what the answer names.
type Read = (String, Vec<(String, String)>, Client, Event<'static>);

fn read(event: &Value) -> Result<Read, String> {
    read_text(&event.to_string())
}

fn read_text(body: &str) -> Result<Read, String> {
    let none = HeaderFields::default();
    let asked = Asked { method: "POST", body: body.as_bytes(), ..Asked::of(&none) };
    let understood = AwsLambda.read(&asked).map_err(|why| why.log.unwrap_or_default())?;
    let headers = understood.headers.unwrap();
    let request = AccessRequest::new(understood.parts, &headers).unwrap();
    let mut fields = Vec::new();
    crate::request::Headers::all(&headers, &mut |name, value| {
        fields.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
    });
    let client = request.parts().client;
    Ok((format!("{} {}", request.method(), request.url()), fields, client, owned(&understood.event.unwrap())))
}

fn owned(event: &Event<'_>) -> Event<'static> {
    Event { resource: event.resource.clone().into_owned().into(), simple: event.simple }
}

fn fields(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn a_token_event_names_method_and_path_in_its_arn() {
    let (request, headers, client, event) =
        read(&json!({"type": "TOKEN", "authorizationToken": "Bearer x", "methodArn": ARN})).unwrap();
    assert_eq!(request, "GET https://abcdef123.execute-api.us-east-1.amazonaws.com/request/a%20b");
    assert_eq!(headers, fields(&[("authorization", "Bearer x")]));
    assert_eq!(client, Client::Found(None));
    assert_eq!(event, Event { resource: ARN.into(), simple: false });
}

#[test]
fn a_request_event_of_format_1_is_the_request() {
    let (request, headers, client, event) = read(&json!({
        "type": "REQUEST", "methodArn": ARN, "resource": "/request", "path": "/request/a%20b", "httpMethod": "PUT",
        "headers": {"Accept": "last"},
        "multiValueHeaders": {"Accept": ["a", "b"], "X-Forwarded-For": ["203.0.113.9"], "bad name": ["x"], "X-Bad": ["a\r\nb"]},
        "queryStringParameters": {"q": "2"},
        "multiValueQueryStringParameters": {"q": ["1", "a b&c"]},
        "requestContext": {"domainName": "api.test", "stage": "test", "identity": {"sourceIp": "192.0.2.7"}},
    }))
    .unwrap();
    assert_eq!(request, "PUT https://api.test/request/a%20b?q=1&q=a+b%26c");
    assert_eq!(headers, fields(&[("accept", "a"), ("accept", "b"), ("x-forwarded-for", "203.0.113.9")]));
    assert_eq!(client, Client::Found(Some(IpAddr::from([192, 0, 2, 7]))));
    assert_eq!(event, Event { resource: ARN.into(), simple: false });
}

#[test]
fn a_request_event_of_format_2_is_the_request() {
    let (request, headers, client, event) = read(&json!({
        "version": "2.0", "type": "REQUEST", "routeArn": ARN, "routeKey": "$default",
        "identitySource": ["user1"], "rawPath": "/my/path", "rawQueryString": "a=1&b=%20",
        "cookies": ["c1=1", "c2=2"], "headers": {"authorization": "Bearer x", "host": "own.test"},
        "requestContext": {"http": {"method": "POST", "path": "/my/path", "sourceIp": "2001:db8::1"}},
    }))
    .unwrap();
    assert_eq!(request, "POST https://own.test/my/path?a=1&b=%20");
    assert_eq!(
        headers,
        fields(&[("authorization", "Bearer x"), ("host", "own.test"), ("cookie", "c1=1; c2=2")])
    );
    assert_eq!(client, Client::Found(Some("2001:db8::1".parse().unwrap())));
    assert_eq!(event, Event { resource: ARN.into(), simple: true });
}

#[test]
fn of_what_an_event_says_twice_nothing_is_made_up() {
    let of = |headers: &str| {
        let event = format!(
            r#"{{"type":"REQUEST","methodArn":"{ARN}","path":"/a","httpMethod":"GET",{headers},"requestContext":{{"domainName":"api.test"}}}}"#
        );
        read_text(&event).map(|(_, fields, ..)| fields)
    };
    // the headers; what is read, in the order of names as they are written
    for (headers, want) in [
        (r#""headers":{"b":"1","A":"2"}"#, vec![("a", "2"), ("b", "1")]),
        (r#""headers":{"a":"1","A":"2"}"#, vec![("a", "2"), ("a", "1")]),
        (
            r#""headers":{"\u0061":"\u00e9\"","b":null,"c":1,"d":[{}],"e":{"f":[]},"g":true,"h":-1.5}"#,
            vec![("a", "é\""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("g", ""), ("h", "")],
        ),
        (r#""headers":{"a":"1"},"multiValueHeaders":null"#, vec![("a", "1")]),
        (r#""headers":{"a":"1"},"multiValueHeaders":{}"#, vec![]),
        (
            r#""headers":null,"multiValueHeaders":{"b":["1","2","3"],"a":[],"B":["4","5"]}"#,
            vec![("b", "4"), ("b", "5"), ("b", "1"), ("b", "2"), ("b", "3")],
        ),
        (r#""multiValueHeaders":{"b":[]}"#, vec![]),
        (r#""headers":"nobody looks","multiValueHeaders":{"a":["1"]}"#, vec![("a", "1")]),
    ] {
        assert_eq!(of(headers).unwrap(), fields(&want), "{headers}");
    }
    for headers in [
        r#""headers":{},"headers":{}"#,
        r#""headers":{"a":"1","b":"2","a":"3"}"#,
        r#""headers":{"a":"1","\u0061":"1"}"#,
        r#""multiValueHeaders":{"b":["1"],"a":[],"b":["1"]}"#,
        r#""multiValueHeaders":{"b":["1"],"b":[]}"#,
        r#""path":"/b""#,
        r#""headers":{"a":"1"#,
        r#""headers":"a""#,
        r#""headers":{"a":"\ud800"}"#,
        r#""multiValueHeaders":{"a":"1"}"#,
        r#""multiValueHeaders":{"a":[1]}"#,
        r#""multiValueHeaders":{"a":null}"#,
        r#""multiValueHeaders":[]"#,
    ] {
        assert!(of(headers).is_err(), "{headers}");
    }
}

#[test]
fn what_is_no_event_is_refused_without_being_repeated() {
    for event in [
        json!(null),
        json!([]),
        json!({}),
        json!({"type": "token", "methodArn": ARN}),
        json!({"type": "TOKEN", "authorizationToken": "secret", "methodArn": "secret"}),
        json!({"type": "TOKEN", "authorizationToken": "secret", "methodArn": "arn:aws:s3:r:a:secret/x/GET"}),
        json!({"type": "TOKEN", "authorizationToken": ["secret"], "methodArn": ARN}),
        json!({"type": "REQUEST", "path": "/a", "httpMethod": "GET", "headers": {"host": "secret"}}),
        json!({"type": "REQUEST", "methodArn": ARN, "path": "a", "httpMethod": "GET", "headers": {"host": "secret"}}),
        json!({"type": "REQUEST", "methodArn": ARN, "path": "/a", "httpMethod": "", "headers": {"host": "secret"}}),
        json!({"type": "REQUEST", "methodArn": ARN, "path": "/a", "httpMethod": "GET"}),
        json!({"type": "REQUEST", "version": "2.0", "routeArn": ARN, "rawPath": "secret"}),
    ] {
        let why = read(&event).unwrap_err();
        assert!(!why.is_empty() && !why.contains("secret"), "{event} {why}");
    }
}
