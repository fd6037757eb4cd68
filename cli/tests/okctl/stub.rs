//! A server that answers as Oathkeeper does, at `/` and at the base path `/gate`.

use okgate_testkit::stub::Stub;
use serde_json::{Value, json};

/// Starts it; it ends when it is dropped.
pub fn start() -> Stub {
    let json = json!({"content-type": "application/json; charset=utf-8"});
    let error = json!({"error": {"code": 404, "status": "Not Found", "message": "The requested resource could not be found"}});
    let not_ready = json!({"errors": {"rules_loaded": "no valid access rule is loaded"}});
    let page = json!({"content-type": "text/html"});
    Stub::with(json!([
        {"path": "/health/alive", "respond": {"headers": json, "body": {"status": "ok"}}},
        {"path": "/gate/health/alive", "respond": {"headers": json, "body": {"status": "ok"}}},
        {"path": "/health/ready", "respond": {"status": 503, "headers": json, "body": not_ready}},
        {"path": "/rules", "query": "limit=20&offset=0", "respond": {"headers": json, "body": [rule()]}},
        {"path": "/rules", "query": "limit=7&offset=14", "respond": {"headers": json, "body": []}},
        {"path": "/rules/users%3Aread", "respond": {"headers": json, "body": rule()}},
        {"path": "/rules/*", "respond": {"status": 404, "headers": json, "body": error}},
        {"path": "/odd/rules", "respond": {"headers": json, "body": {}}},
        {"path": "*", "respond": {"status": 404, "headers": page, "body": "<h1>Error 404</h1>"}},
    ]))
}

fn rule() -> Value {
    json!({
        "id": "users:read",
        "version": "",
        "description": "",
        "match": {"methods": ["GET"], "url": "<https?>://shop.example.com/users/<[0-9]+>"},
        "authenticators": [{"handler": "noop", "config": null}],
        "authorizer": {"handler": "allow", "config": null},
        "mutators": [{"handler": "header", "config": {"headers": {"X-Empty": "", "X-A": "1"}}}],
        "errors": null,
        "upstream": {"preserve_host": false, "strip_path": "", "url": ""},
    })
}
