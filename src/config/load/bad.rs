//! Broken configurations, a row each, and exactly what is said about them.

use std::fmt::Write as _;

use serde_json::json;

use super::*;
use crate::config::merge::overlay;

/// A configuration that works, with `change` laid over it.
fn config(change: &Value) -> Value {
    let mut config = json!({
        "serve": {"api": {"host": "127.0.0.1", "port": 4456}},
        "access_rules": {"repositories": ["file:///rules.json"]},
        "authenticators": {"noop": {"enabled": true}, "anonymous": {"enabled": true, "config": {"subject": "guest"}}},
        "authorizers": {"allow": {"enabled": true}, "deny": {"enabled": true}},
        "mutators": {"noop": {"enabled": true}, "header": {"enabled": true, "config": {"headers": {}}}},
        "errors": {"fallback": ["json"], "handlers": {"json": {"enabled": true, "config": {"verbose": true}}}},
    });
    overlay(&mut config, change);
    config
}

/// Whether it starts, and what is said.
fn said(change: &Value, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    std::fs::write(&path, config(change).to_string()).unwrap();
    let environment =
        environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let loaded = load(&Sources { files: vec![path], environment });
    let mut text = if loaded.is_ok() { "starts\n".to_owned() } else { "does not start\n".to_owned() };
    let report = loaded.map_or_else(|report| report, |loaded| loaded.report);
    for diagnostic in &report.diagnostics {
        let finding = &diagnostic.finding;
        let help = finding.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
        let _ = writeln!(text, "  {}[{}]: {}{help}", finding.severity, finding.code, finding.message);
    }
    text
}

fn handler(stage: &str, id: &str, config: &Value) -> Value {
    json!({stage: {id: {"enabled": true, "config": config}}})
}

fn error_handler(id: &str, config: &Value) -> Value {
    json!({"errors": {"handlers": {id: {"enabled": true, "config": config}}}})
}

#[test]
fn the_configuration_that_the_rows_change_works() {
    assert_eq!(said(&json!({}), &[]), "starts\n");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a row each")]
fn broken_configurations_say_what_is_wrong() {
    let rows = [
        ("an unknown key", json!({"sevre": {}})),
        ("an unknown key further in", json!({"serve": {"api": {"prot": 1}}})),
        ("an unknown authorizer", json!({"authorizers": {"nobody": {"enabled": true}}})),
        ("an unknown mutator", json!({"mutators": {"headers": {"enabled": true}}})),
        ("an unknown error handler", json!({"errors": {"handlers": {"nobody": {"enabled": true}}}})),
        ("settings for a handler without any", json!({"authenticators": {"noop": {"config": {}}}})),
        ("a handler without its settings", json!({"authenticators": {"jwt": {"enabled": true}}})),
        (
            "a handler that is off needs none",
            json!({"authenticators": {"jwt": {"enabled": false, "config": {"x": 1}}}}),
        ),
        ("enabled as text", json!({"authenticators": {"noop": {"enabled": "yes"}}})),
        ("enabled as a number", json!({"authenticators": {"noop": {"enabled": 1}}})),
        ("an empty section", json!({"authenticators": null})),
        ("a list for an object", json!({"mutators": ["noop"]})),
        ("a port as text", json!({"serve": {"api": {"port": "4456"}}})),
        ("a port that is none", json!({"serve": {"api": {"port": "abc"}}})),
        ("a port above 65535", json!({"serve": {"api": {"port": 70000}}})),
        ("a port below 0", json!({"serve": {"proxy": {"port": -1}}})),
        ("half a port", json!({"serve": {"api": {"port": 1.5}}})),
        ("a timeout without unit", json!({"serve": {"api": {"timeout": {"read": "5"}}}})),
        ("a timeout of two units", json!({"serve": {"api": {"timeout": {"idle": "1m30s"}}}})),
        ("a timeout as a number", json!({"serve": {"api": {"timeout": {"write": 5}}}})),
        ("a timeout of a thousand years", json!({"serve": {"api": {"timeout": {"write": "9000000h"}}}})),
        ("a log level that is none", json!({"log": {"level": "loud"}})),
        ("a log format mistyped", json!({"log": {"format": "jsn"}})),
        ("a version that is none", json!({"version": "one"})),
        ("a version without v", json!({"version": "0.40.0"})),
        ("an unknown strategy", json!({"access_rules": {"matching_strategy": "prefix"}})),
        ("repositories as one text", json!({"access_rules": {"repositories": "file:///rules.json"}})),
        ("a repository that is empty", json!({"access_rules": {"repositories": [""]}})),
        ("a repository of an unknown scheme", json!({"access_rules": {"repositories": ["htp://x/rules"]}})),
        (
            "a certificate without its key",
            json!({"serve": {"api": {"tls": {"cert": {"path": "/none.pem"}}}}}),
        ),
        (
            "a certificate that is not there",
            json!({"serve": {"api": {"tls": {"cert": {"path": "/none.pem"}, "key": {"path": "/none.pem"}}}}}),
        ),
        (
            "a key that is no base64",
            json!({"serve": {"api": {"tls": {"cert": {"base64": "eA=="}, "key": {"base64": "hunter2!"}}}}}),
        ),
        (
            "a CORS method that is none",
            json!({"serve": {"api": {"cors": {"allowed_methods": ["GET", "FETCH"]}}}}),
        ),
        (
            "an origin twice",
            json!({"serve": {"api": {"cors": {"allowed_origins": ["https://a", "https://a"]}}}}),
        ),
        ("an empty origin", json!({"serve": {"api": {"cors": {"allowed_origins": [""]}}}})),
        (
            "any origin with credentials",
            json!({"serve": {"api": {"cors": {"enabled": true, "allow_credentials": true}}}}),
        ),
        ("no session store", handler("authenticators", "cookie_session", &json!({}))),
        ("a subject that is a number", handler("authenticators", "anonymous", &json!({"subject": 1}))),
        ("no keys", handler("authenticators", "jwt", &json!({}))),
        ("keys at no URL", handler("authenticators", "jwt", &json!({"jwks_urls": ["not a uri"]}))),
        (
            "keys at one URL that is no list",
            handler("authenticators", "jwt", &json!({"jwks_urls": "https://x"})),
        ),
        (
            "an unknown scope strategy",
            handler(
                "authenticators",
                "jwt",
                &json!({"jwks_urls": ["https://x"], "scope_strategy": "wildcards"}),
            ),
        ),
        (
            "two places for the token",
            handler(
                "authenticators",
                "jwt",
                &json!({"jwks_urls": ["https://x"], "token_from": {"header": "A", "cookie": "b"}}),
            ),
        ),
        (
            "no place for the token",
            handler(
                "authenticators",
                "bearer_token",
                &json!({"check_session_url": "https://x", "token_from": {}}),
            ),
        ),
        (
            "pre-authorization without a client",
            handler(
                "authenticators",
                "oauth2_introspection",
                &json!({"introspection_url": "https://x", "pre_authorization": {"enabled": true}}),
            ),
        ),
        (
            "a secret that is a list",
            handler(
                "authenticators",
                "oauth2_introspection",
                &json!({"introspection_url": "https://x", "pre_authorization": {"client_secret": ["hunter2"]}}),
            ),
        ),
        (
            "no action",
            handler(
                "authorizers",
                "keto_engine_acp_ory",
                &json!({"base_url": "https://x", "required_resource": "a"}),
            ),
        ),
        ("no decision point", handler("authorizers", "remote", &json!({}))),
        ("no payload", handler("authorizers", "remote_json", &json!({"remote": "https://x"}))),
        (
            "a header twice",
            handler(
                "authorizers",
                "remote",
                &json!({"remote": "https://x", "forward_response_headers_to_upstream": ["A", "A"]}),
            ),
        ),
        ("a header that is a number", handler("mutators", "header", &json!({"headers": {"X-A": 1}}))),
        ("a header that is null", handler("mutators", "header", &json!({"headers": {"X-A": null}}))),
        (
            "an unknown template engine",
            handler("mutators", "header", &json!({"headers": {}, "template_engine": "jinja"})),
        ),
        ("cookies that are a list", handler("mutators", "cookie", &json!({"cookies": ["a"]}))),
        ("no issuer", handler("mutators", "id_token", &json!({"jwks_url": "https://x"}))),
        (
            "half of the credentials",
            handler(
                "mutators",
                "hydrator",
                &json!({"api": {"url": "https://x", "auth": {"basic": {"username": "a"}}}}),
            ),
        ),
        ("a redirect with 307", error_handler("redirect", &json!({"to": "https://x", "code": 307}))),
        ("a redirect to nowhere", error_handler("redirect", &json!({}))),
        ("a redirect to what is no URL", error_handler("redirect", &json!({"to": "https://x/%zz"}))),
        (
            "a parameter with a blank",
            error_handler("redirect", &json!({"to": "/", "return_to_query_param": "return to"})),
        ),
        (
            "an unknown error",
            error_handler("www_authenticate", &json!({"when": [{"error": ["unauthorised"]}]})),
        ),
        (
            "a network that is none",
            error_handler("json", &json!({"when": [{"request": {"cidr": ["10.0.0.1"]}}]})),
        ),
        (
            "an unknown condition",
            error_handler("json", &json!({"when": [{"request": {"remote_ip": {"matches": []}}}]})),
        ),
        ("an unknown fallback", json!({"errors": {"fallback": ["jsno"]}})),
        ("a cache of unknown size", json!({"cache": {"max_bytes": "16 MiB"}})),
        ("a cache of negative size", json!({"cache": {"max_bytes": -1}})),
    ];
    let mut table = String::new();
    for (name, change) in rows {
        let said = said(&change, &[]);
        assert!(!said.contains("hunter2"), "{name}: {said}");
        let _ = writeln!(table, "{name}: {said}");
    }
    insta::assert_snapshot!(table, @"
    an unknown key: does not start
      error[unknown-key]: there is no key `sevre` (did you mean `serve`?)

    an unknown key further in: does not start
      error[unknown-key]: there is no key `prot` in `serve.api` (did you mean `port`?)

    an unknown authorizer: does not start
      error[unknown-handler]: no authorizer is called `nobody` (known here: `allow`, `deny`, `allow_list`, `keto_engine_acp_ory`, `remote`, `remote_json`)

    an unknown mutator: does not start
      error[unknown-handler]: no mutator is called `headers` (did you mean `header`?)

    an unknown error handler: does not start
      error[unknown-handler]: no error handler is called `nobody` (known here: `json`, `redirect`, `www_authenticate`)

    settings for a handler without any: does not start
      error[unknown-key]: there is no key `config` in `authenticators.noop` (known here: `enabled`)

    a handler without its settings: does not start
      error[missing-key]: the key `config` is missing in `authenticators.jwt`

    a handler that is off needs none: starts

    enabled as text: does not start
      error[wrong-type]: `authenticators.noop.enabled` must be `true` or `false`, not text (write `true` without quotes)

    enabled as a number: does not start
      error[wrong-type]: `authenticators.noop.enabled` must be `true` or `false`, not a number

    an empty section: does not start
      error[wrong-type]: `authenticators` must be an object, not null (give it a value or take the key away)

    a list for an object: does not start
      error[wrong-type]: `mutators` must be an object, not a list

    a port as text: does not start
      error[wrong-type]: `serve.api.port` must be a whole number, not text (write it without quotes)

    a port that is none: does not start
      error[wrong-type]: `serve.api.port` must be a whole number, not text

    a port above 65535: does not start
      error[out-of-range]: `serve.api.port` must be at most 65535

    a port below 0: does not start
      error[out-of-range]: `serve.proxy.port` must be at least 0

    half a port: does not start
      error[wrong-type]: `serve.api.port` must be a whole number, not a fraction

    a timeout without unit: does not start
      error[bad-format]: `serve.api.timeout.read` must be a duration of one unit, such as `500ms`, `30s`, `15m` or `1h`

    a timeout of two units: does not start
      error[bad-format]: `serve.api.timeout.idle` must be a duration of one unit, such as `500ms`, `30s`, `15m` or `1h`

    a timeout as a number: does not start
      error[wrong-type]: `serve.api.timeout.write` must be a duration of one unit, such as `500ms`, `30s`, `15m` or `1h`, not a number
      warning[not-implemented-yet]: `serve.api.timeout.write` is not implemented yet and has no effect

    a timeout of a thousand years: does not start
      error[bad-format]: `serve.api.timeout.write` must be a duration of one unit, such as `500ms`, `30s`, `15m` or `1h`
      warning[not-implemented-yet]: `serve.api.timeout.write` is not implemented yet and has no effect

    a log level that is none: does not start
      error[not-one-of]: `log.level` must be `panic`, `fatal`, `error`, `warn`, `info`, `debug` or `trace`, not `loud`

    a log format mistyped: does not start
      error[not-one-of]: `log.format` must be `json`, `json_pretty`, `gelf` or `text`, not `jsn` (did you mean `json`?)

    a version that is none: does not start
      error[bad-format]: `version` must be a version such as `v0.40.9`

    a version without v: does not start
      error[bad-format]: `version` must be a version such as `v0.40.9`

    an unknown strategy: does not start
      error[not-one-of]: `access_rules.matching_strategy` must be `glob` or `regexp`, not `prefix`

    repositories as one text: does not start
      error[wrong-type]: `access_rules.repositories` must be a list, not text (put it in brackets: `[…]`)

    a repository that is empty: does not start
      error[bad-format]: `access_rules.repositories[0]` must be a URL or a path, such as `file:///etc/okgate/rules.yaml` or `rules/users.yaml`

    a repository of an unknown scheme: does not start
      error[unknown-scheme]: rules cannot come from `htp` (did you mean `http`?)

    a certificate without its key: does not start
      error[tls-incomplete]: `serve.api.tls` needs a certificate and its key, both as `path` or both as `base64`

    a certificate that is not there: does not start
      error[tls-unreadable]: the file `/none.pem` cannot be read: No such file or directory (os error 2)
      error[tls-unreadable]: the file `/none.pem` cannot be read: No such file or directory (os error 2)

    a key that is no base64: does not start
      error[tls-unreadable]: `serve.api.tls.key.base64` is not base64

    a CORS method that is none: does not start
      error[not-one-of]: `serve.api.cors.allowed_methods[1]` must be `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `CONNECT`, `TRACE` or `PATCH`, not `FETCH`

    an origin twice: does not start
      error[not-unique]: `serve.api.cors.allowed_origins` must not list anything twice

    an empty origin: does not start
      error[empty]: `serve.api.cors.allowed_origins[0]` must not be empty

    any origin with credentials: starts
      warning[any-origin-with-credentials]: `serve.api.cors.allow_credentials` has no effect while any origin is allowed (list the origins in `serve.api.cors.allowed_origins`)

    no session store: does not start
      error[missing-key]: the key `check_session_url` is missing in `authenticators.cookie_session.config`

    a subject that is a number: does not start
      error[wrong-type]: `authenticators.anonymous.config.subject` must be text, not a number (put it in quotes)

    no keys: does not start
      error[missing-key]: the key `jwks_urls` is missing in `authenticators.jwt.config`

    keys at no URL: does not start
      error[bad-format]: `authenticators.jwt.config.jwks_urls[0]` must be a URL with a scheme, such as `https://example.com/path`

    keys at one URL that is no list: does not start
      error[wrong-type]: `authenticators.jwt.config.jwks_urls` must be a list, not text (put it in brackets: `[…]`)

    an unknown scope strategy: does not start
      error[not-one-of]: `authenticators.jwt.config.scope_strategy` must be `hierarchic`, `exact`, `wildcard` or `none`, not `wildcards` (did you mean `wildcard`?)

    two places for the token: does not start
      error[not-exactly-one]: `authenticators.jwt.config.token_from` must have exactly one of `header`, `query_parameter` and `cookie`

    no place for the token: does not start
      error[not-exactly-one]: `authenticators.bearer_token.config.token_from` must have exactly one of `header`, `query_parameter` and `cookie`

    pre-authorization without a client: does not start
      error[missing-key]: the key `client_id` is missing in `authenticators.oauth2_introspection.config.pre_authorization`
      error[missing-key]: the key `client_secret` is missing in `authenticators.oauth2_introspection.config.pre_authorization`
      error[missing-key]: the key `token_url` is missing in `authenticators.oauth2_introspection.config.pre_authorization`

    a secret that is a list: does not start
      error[wrong-type]: `authenticators.oauth2_introspection.config.pre_authorization.client_secret` must be text, not a list

    no action: does not start
      error[missing-key]: the key `required_action` is missing in `authorizers.keto_engine_acp_ory.config`

    no decision point: does not start
      error[missing-key]: the key `remote` is missing in `authorizers.remote.config`

    no payload: does not start
      error[missing-key]: the key `payload` is missing in `authorizers.remote_json.config`

    a header twice: does not start
      error[not-unique]: `authorizers.remote.config.forward_response_headers_to_upstream` must not list anything twice

    a header that is a number: does not start
      error[wrong-type]: `mutators.header.config.headers.X-A` must be text, not a number (put it in quotes)

    a header that is null: does not start
      error[wrong-type]: `mutators.header.config.headers.X-A` must be text, not null (give it a value or take the key away)

    an unknown template engine: does not start
      error[not-one-of]: `mutators.header.config.template_engine` must be `go` or `tera`, not `jinja`

    cookies that are a list: does not start
      error[wrong-type]: `mutators.cookie.config.cookies` must be an object, not a list

    no issuer: does not start
      error[missing-key]: the key `issuer_url` is missing in `mutators.id_token.config`

    half of the credentials: does not start
      error[missing-key]: the key `password` is missing in `mutators.hydrator.config.api.auth.basic`

    a redirect with 307: does not start
      error[not-one-of]: `errors.handlers.redirect.config.code` must be `301` or `302`, not `307`

    a redirect to nowhere: does not start
      error[missing-key]: the key `to` is missing in `errors.handlers.redirect.config`

    a redirect to what is no URL: does not start
      error[bad-format]: `errors.handlers.redirect.config.to` must be a URL or a path, such as `https://example.com/login` or `/login`

    a parameter with a blank: does not start
      error[bad-format]: `errors.handlers.redirect.config.return_to_query_param` must be a name of letters, digits and `,._~-`

    an unknown error: does not start
      error[not-one-of]: `errors.handlers.www_authenticate.config.when[0].error[0]` must be `unauthorized`, `forbidden`, `internal_server_error`, `not_found`, `bad_request`, `too_many_requests`, `bad_gateway`, `service_unavailable` or `gateway_timeout`, not `unauthorised` (did you mean `unauthorized`?)

    a network that is none: does not start
      error[bad-format]: `errors.handlers.json.config.when[0].request.cidr[0]` must be a network in CIDR notation, such as `10.0.0.0/8` or `192.0.2.7/32`

    an unknown condition: does not start
      error[unknown-key]: there is no key `matches` in `errors.handlers.json.config.when[0].request.remote_ip` (did you mean `match`?)

    an unknown fallback: starts
      warning[unknown-handler]: no error handler is called `jsno` (did you mean `json`?)

    a cache of unknown size: does not start
      error[bad-format]: `cache.max_bytes` must be a number of bytes, or text such as `16MiB`

    a cache of negative size: does not start
      error[out-of-range]: `cache.max_bytes` must be at least 0
    ");
}

#[test]
fn broken_variables_say_what_is_wrong() {
    let rows: [(&str, &[(&str, &str)]); 8] = [
        ("a port that is none", &[("SERVE_API_PORT", "abc")]),
        ("a port above 65535", &[("SERVE_API_PORT", "70000")]),
        ("neither true nor false", &[("AUTHENTICATORS_NOOP_ENABLED", "maybe")]),
        ("an unknown strategy", &[("ACCESS_RULES_MATCHING_STRATEGY", "prefix")]),
        (
            "a list with a wrong item",
            &[
                ("AUTHENTICATORS_JWT_ENABLED", "1"),
                ("AUTHENTICATORS_JWT_CONFIG_JWKS_URLS", "https://x,not a uri"),
            ],
        ),
        ("an object that is none", &[("MUTATORS_HEADER_CONFIG_HEADERS", "X-A: 1")]),
        ("an object with an unknown key", &[("LOG", "{\"levle\": \"info\"}")]),
        ("what was meant for another program", &[("VERSION", "1.2.3"), ("LOG", "debug")]),
    ];
    let mut table = String::new();
    for (name, environment) in rows {
        let _ = writeln!(table, "{name}: {}", said(&json!({}), environment));
    }
    insta::assert_snapshot!(table, @"
    a port that is none: does not start
      error[bad-environment]: `SERVE_API_PORT` sets `serve.api.port`, which must be a whole number

    a port above 65535: does not start
      error[out-of-range]: `serve.api.port` must be at most 65535

    neither true nor false: does not start
      error[bad-environment]: `AUTHENTICATORS_NOOP_ENABLED` sets `authenticators.noop.enabled`, which must be `true` or `false`

    an unknown strategy: does not start
      error[not-one-of]: `access_rules.matching_strategy` must be `glob` or `regexp`, not `prefix`

    a list with a wrong item: does not start
      error[bad-format]: `authenticators.jwt.config.jwks_urls[1]` must be a URL with a scheme, such as `https://example.com/path`

    an object that is none: does not start
      error[bad-environment]: `MUTATORS_HEADER_CONFIG_HEADERS` sets `mutators.header.config.headers`, which must be an object in JSON

    an object with an unknown key: does not start
      error[unknown-key]: there is no key `levle` in `log` (did you mean `level`?)

    what was meant for another program: starts
      warning[ignored-environment]: `LOG` is ignored: its value does not fit `log` (other programs may use the name; to set `log` here, use the configuration file)
      warning[ignored-environment]: `VERSION` is ignored: its value does not fit `version` (other programs may use the name; to set `version` here, use the configuration file)
    ");
}
