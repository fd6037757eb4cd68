//! Events of AWS API Gateway, as a Lambda authorizer hands them on.

use serde_json::{Map, Value, json};

use crate::split;

/// What a client's request has beside its line, as API Gateway writes it.
const FIELDS: [(&str, &str); 7] = [
    ("Accept", "*/*"),
    ("Host", "app.example.com"),
    ("User-Agent", "curl/8.14.1"),
    ("X-Amzn-Trace-Id", "Root=1-68c0a1b2-3d4e5f60718293a4b5c6d7e8"),
    ("X-Forwarded-For", "192.0.2.7"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Proto", "https"),
];

const ARN: &str = "arn:aws:execute-api:eu-central-1:123456789012:abcdef123/prod/GET";

/// An event of the type `REQUEST` in format 1.0 about `GET` of an `https` URL.
pub fn rest(url: &str) -> String {
    let (host, path) = split(url);
    let value = |name, value| if name == "Host" { host } else { value };
    let fields: Map<_, _> = FIELDS.iter().map(|(n, v)| ((*n).to_owned(), value(*n, *v).into())).collect();
    let lists: Map<_, _> = fields.iter().map(|(n, v)| (n.clone(), json!([v]))).collect();
    json!({
        "type": "REQUEST",
        "methodArn": format!("{ARN}{path}"),
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "GET",
        "headers": fields,
        "multiValueHeaders": lists,
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "pathParameters": {"proxy": path},
        "stageVariables": null,
        "requestContext": {
            "resourceId": "123abc",
            "resourcePath": "/{proxy+}",
            "httpMethod": "GET",
            "extendedRequestId": "FhIhFEzoSjBYmsA=",
            "requestTime": "08/Sep/2026:10:00:00 +0000",
            "path": format!("/prod{path}"),
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": "app",
            "requestTimeEpoch": 1_788_861_600_000_u64,
            "requestId": "5b6a3c1e-2222-4444-8888-0123456789ab",
            "identity": {
                "cognitoIdentityPoolId": null,
                "accountId": null,
                "cognitoIdentityId": null,
                "caller": null,
                "sourceIp": "192.0.2.7",
                "principalOrgId": null,
                "accessKey": null,
                "cognitoAuthenticationType": null,
                "cognitoAuthenticationProvider": null,
                "userArn": null,
                "userAgent": "curl/8.14.1",
                "user": null,
            },
            "domainName": host,
            "deploymentId": "abc123",
            "apiId": "abcdef123",
        },
    })
    .to_string()
}

/// The same in format 2.0.
pub fn http(url: &str) -> String {
    let (host, path) = split(url);
    let value = |name, value| if name == "Host" { host } else { value };
    let fields: Map<String, Value> =
        FIELDS.iter().map(|(n, v)| (n.to_ascii_lowercase(), value(*n, *v).into())).collect();
    json!({
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": format!("{ARN}{path}"),
        "identitySource": null,
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": fields,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdef123",
            "domainName": host,
            "domainPrefix": "app",
            "http": {
                "method": "GET",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "curl/8.14.1",
            },
            "requestId": "FhIhFEzoSjBYmsA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "08/Sep/2026:10:00:00 +0000",
            "timeEpoch": 1_788_861_600_000_u64,
        },
    })
    .to_string()
}
