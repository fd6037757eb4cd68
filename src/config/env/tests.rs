use serde_json::json;

use super::*;
use crate::config::layers::Documents;

/// What the variables say, all together, and what is said about them.
fn read(variables: &[(&str, &str)]) -> (Value, Vec<String>) {
    let environment: Vec<(String, String)> =
        variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mut report = Report::default();
    let layers = layers(&environment, &mut report);
    (Documents { layers, effective: Value::Null }.merged(), report.to_lines())
}

#[test]
fn a_variable_sets_the_key_of_its_name() {
    for (name, text, expected) in [
        ("SERVE_API_PORT", "4000", json!({"serve": {"api": {"port": 4000}}})),
        ("serve_api_host", "localhost", json!({"serve": {"api": {"host": "localhost"}}})),
        ("SERVE_API_HOST", "", json!({"serve": {"api": {"host": ""}}})),
        ("SERVE_API_CORS_ENABLED", "T", json!({"serve": {"api": {"cors": {"enabled": true}}}})),
        ("SERVE_API_CORS_ENABLED", "0", json!({"serve": {"api": {"cors": {"enabled": false}}}})),
        (
            "SERVE_API_CORS_ALLOWED_ORIGINS",
            "https://a,\"b,\"\"c\"",
            json!({"serve": {"api": {"cors": {"allowed_origins": ["https://a", "b,\"c"]}}}}),
        ),
        (
            "SERVE_API_CORS_ALLOWED_ORIGINS",
            "[\"https://a\"]",
            json!({"serve": {"api": {"cors": {"allowed_origins": ["https://a"]}}}}),
        ),
        ("ACCESS_RULES_REPOSITORIES", "", json!({"access_rules": {"repositories": []}})),
        (
            "TRACING_PROVIDERS_ZIPKIN_SAMPLING_SAMPLING_RATIO",
            "0.5",
            json!({"tracing": {"providers": {"zipkin": {"sampling": {"sampling_ratio": 0.5}}}}}),
        ),
        (
            "AUTHENTICATORS_COOKIE_SESSION_CONFIG_CHECK_SESSION_URL",
            "https://x",
            json!({"authenticators": {"cookie_session": {"config": {"check_session_url": "https://x"}}}}),
        ),
        (
            "AUTHENTICATORS_COOKIE_SESSION_CONFIG_FORWARD_HTTP_HEADERS",
            "A,B",
            json!({"authenticators": {"cookie_session": {"config": {"forward_http_headers": ["A", "B"]}}}}),
        ),
        (
            "AUTHENTICATORS_JWT_CONFIG_TOKEN_FROM_HEADER",
            "X",
            json!({"authenticators": {"jwt": {"config": {"token_from": {"header": "X"}}}}}),
        ),
        (
            "MUTATORS_HEADER_CONFIG",
            "{\"headers\":{\"X\":\"1\"}}",
            json!({"mutators": {"header": {"config": {"headers": {"X": "1"}}}}}),
        ),
        (
            "MUTATORS_HEADER_CONFIG_HEADERS",
            "{}",
            json!({"mutators": {"header": {"config": {"headers": {}}}}}),
        ),
        (
            "ERRORS_HANDLERS_REDIRECT_CONFIG_WHEN",
            "[{\"error\":[\"forbidden\"]}]",
            json!({"errors": {"handlers": {"redirect": {"config": {"when": [{"error": ["forbidden"]}]}}}}}),
        ),
        (
            "ERRORS_HANDLERS_REDIRECT_CONFIG_CODE",
            "301",
            json!({"errors": {"handlers": {"redirect": {"config": {"code": 301}}}}}),
        ),
        ("CACHE_MAX_BYTES", "1024", json!({"cache": {"max_bytes": "1024"}})),
        ("TEMPLATE_ENGINE", "tera", json!({"template_engine": "tera"})),
        ("SERVE", "{\"api\":{\"port\":1}}", json!({"serve": {"api": {"port": 1}}})),
        ("VERSION", "v1.2.3", json!({"version": "v1.2.3"})),
        ("OATHKEEPER_LOG_LEVEL", "debug", json!({})),
        ("PATH", "/bin", json!({})),
    ] {
        assert_eq!(read(&[(name, text)]), (expected, vec![]), "{name}={text}");
    }
}

#[test]
fn inner_settings_win_over_outer_ones_and_upper_case_over_lower() {
    let (value, _) = read(&[
        ("SERVE_API_PORT", "2"),
        ("SERVE_API", "{\"port\":1,\"host\":\"a\"}"),
        ("serve_api_host", "b"),
        ("SERVE_API_HOST", "c"),
    ]);
    assert_eq!(value, json!({"serve": {"api": {"port": 2, "host": "c"}}}));
}

#[test]
fn a_value_that_cannot_be_meant_is_refused() {
    let (value, said) = read(&[
        ("SERVE_API_PORT", "abc"),
        ("SERVE_API_CORS_MAX_AGE", ""),
        ("AUTHENTICATORS_NOOP_ENABLED", "maybe"),
        ("MUTATORS_HEADER_CONFIG", "hunter2"),
        ("SERVE_API_TLS", "[]"),
        ("ERRORS_HANDLERS_JSON_CONFIG_WHEN", "always"),
    ]);
    assert_eq!(value, json!({}));
    insta::assert_snapshot!(said.join("\n"), @"
    environment variable AUTHENTICATORS_NOOP_ENABLED: error[bad-environment]: `AUTHENTICATORS_NOOP_ENABLED` sets `authenticators.noop.enabled`, which must be `true` or `false`
    environment variable ERRORS_HANDLERS_JSON_CONFIG_WHEN: error[bad-environment]: `ERRORS_HANDLERS_JSON_CONFIG_WHEN` sets `errors.handlers.json.config.when`, which must be a list in JSON
    environment variable MUTATORS_HEADER_CONFIG: error[bad-environment]: `MUTATORS_HEADER_CONFIG` sets `mutators.header.config`, which must be an object in JSON
    environment variable SERVE_API_CORS_MAX_AGE: error[bad-environment]: `SERVE_API_CORS_MAX_AGE` sets `serve.api.cors.max_age`, which must be a whole number
    environment variable SERVE_API_PORT: error[bad-environment]: `SERVE_API_PORT` sets `serve.api.port`, which must be a whole number
    environment variable SERVE_API_TLS: error[bad-environment]: `SERVE_API_TLS` sets `serve.api.tls`, which must be an object in JSON
    ");
}

#[test]
fn names_that_other_programs_use_are_left_alone() {
    let (value, said) = read(&[
        ("VERSION", "1.2.3"),
        ("LOG", "debug"),
        ("SERVE", ""),
        ("ERRORS", "[1]"),
        ("TRACING", "on"),
        ("PROFILING", "yes"),
        ("CACHE", "/var/cache"),
    ]);
    assert_eq!(value, json!({}));
    insta::assert_snapshot!(said.join("\n"), @"
    environment variable CACHE: warning[ignored-environment]: `CACHE` is ignored: its value does not fit `cache` (other programs may use the name; to set `cache` here, use the configuration file)
    environment variable ERRORS: warning[ignored-environment]: `ERRORS` is ignored: its value does not fit `errors` (other programs may use the name; to set `errors` here, use the configuration file)
    environment variable LOG: warning[ignored-environment]: `LOG` is ignored: its value does not fit `log` (other programs may use the name; to set `log` here, use the configuration file)
    environment variable PROFILING: warning[ignored-environment]: `PROFILING` is ignored: its value does not fit `profiling` (other programs may use the name; to set `profiling` here, use the configuration file)
    environment variable SERVE: warning[ignored-environment]: `SERVE` is ignored: its value does not fit `serve` (other programs may use the name; to set `serve` here, use the configuration file)
    environment variable TRACING: warning[ignored-environment]: `TRACING` is ignored: its value does not fit `tracing` (other programs may use the name; to set `tracing` here, use the configuration file)
    environment variable VERSION: warning[ignored-environment]: `VERSION` is ignored: its value does not fit `version` (other programs may use the name; to set `version` here, use the configuration file)
    ");
}
