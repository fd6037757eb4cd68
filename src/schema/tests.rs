use std::collections::HashSet;
use std::path::Path;

use serde_json::json;

use super::*;

fn said(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|f| {
            let help = f.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{} {}: {}{help}", f.code, f.pointer, f.message)
        })
        .collect()
}

#[test]
fn every_schema_file_is_used_and_valid() {
    let mut names: Vec<String> =
        ["config", "definitions", "rule", "rules"].map(|n| format!("{n}.schema.json")).to_vec();
    for stage in Stage::ALL {
        for id in handler_ids(stage) {
            names.push(format!("pipeline/{stage}.{id}.schema.json"));
            assert!(handler(stage, id).is_some());
        }
    }
    let mut on_disk = HashSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for folder in [root.clone(), root.join("pipeline")] {
        for entry in std::fs::read_dir(folder)
            .unwrap()
            .map(Result::unwrap)
            .filter(|e| e.path().extension().is_some_and(|ending| ending == "json"))
        {
            on_disk.insert(entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(names.iter().cloned().collect::<HashSet<_>>(), on_disk);
    for name in names {
        let text = std::fs::read_to_string(root.join(&name)).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert!(okgate_schemas::is_schema(&schema), "{name} is a valid schema");
        assert!(expand::document(&name).is_some(), "{name} refers to what exists");
    }
}

#[test]
fn editors_know_every_handler() {
    let text = include_str!("../../schemas/config.schema.json");
    for stage in Stage::ALL {
        for id in handler_ids(stage) {
            let listed = shape::at(&config().shape, &format!("{}/{id}", stage.pointer())).is_some();
            assert!(listed, "config.schema.json lists the {} {id}", stage.noun());
            let takes_settings = handler(stage, id).unwrap().shape.get("properties").is_some();
            assert_eq!(
                text.contains(&format!("\"pipeline/{stage}.{id}.schema.json\"")),
                takes_settings,
                "{stage} {id}"
            );
        }
    }
}

#[test]
fn the_rules_and_configurations_that_come_along_are_as_the_schemas_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let below = |folder: &str| glob::glob(&format!("{}/{folder}/**/*.yaml", root.display())).unwrap();
    let mut seen = (0, 0);
    for path in below("rules").chain(below("examples")).flatten() {
        // Those of Kubernetes hold several documents each, and are tested elsewhere.
        let Ok(value) = serde_yaml::from_str::<Value>(&std::fs::read_to_string(&path).unwrap()) else {
            continue;
        };
        let schema = match &value {
            Value::Array(_) => {
                seen.0 += 1;
                rules()
            }
            Value::Object(object) if object.contains_key("authenticators") => {
                seen.1 += 1;
                config()
            }
            _ => continue,
        };
        assert_eq!(said(&schema.check(&value)), Vec::<String>::new(), "{}", path.display());
    }
    assert!(seen.0 >= 5 && seen.1 >= 8, "{seen:?}");
}

#[test]
fn a_self_contained_schema_refers_to_nothing() {
    for schema in [config(), rule(), rules(), handler(Stage::Errors, "redirect").unwrap()] {
        assert!(!schema.document().to_string().contains("$ref"));
        assert!(okgate_schemas::is_schema(&schema.document()));
    }
}

#[test]
fn defaults_of_absent_settings_are_filled_in() {
    let mut value = json!({"serve": {"api": {"port": 1}}, "authenticators": {"jwt": {"enabled": true, "config": {"jwks_ttl": "1m"}}}});
    config().fill_defaults(&mut value);
    for (pointer, expected) in [
        ("/serve/api/port", json!(1)),
        ("/serve/api/timeout/read", json!("5s")),
        ("/serve/proxy/port", json!(4455)),
        ("/serve/prometheus/metrics_path", json!("/metrics")),
        ("/log/level", json!("info")),
        (
            "/authenticators/jwt/config",
            json!({"jwks_ttl": "1m", "jwks_max_wait": "1s", "scope_strategy": "none", "leeway": "0s",
                "accept_missing_use": false, "accept_missing_kid": false, "require_subject": false}),
        ),
        (
            "/authenticators/anonymous",
            json!({"enabled": false, "config": {"subject": "anonymous", "ignore_authorization": false}}),
        ),
        ("/authenticators/noop", json!({"enabled": false})),
        (
            "/authenticators/oauth2_introspection/config",
            json!({
                "scope_strategy": "none",
                "pre_authorization": {"enabled": false},
                "preserve_host": false,
                "require_subject": true,
                "cache": {"enabled": false, "max_cost": 100_000_000},
            }),
        ),
        ("/authorizers/remote/config/forward_response_headers_to_upstream", json!([])),
        ("/mutators/hydrator/config/api/retry/max_delay", json!("100ms")),
        ("/mutators/id_token/config/ttl", json!("15m")),
        ("/errors/fallback", json!(["json"])),
        ("/errors/handlers/json", json!({"enabled": true, "config": {"verbose": false}})),
        ("/errors/handlers/redirect/config", json!({"code": 302, "return_to_query_param": ""})),
        ("/errors/handlers/www_authenticate/config/realm", json!("Please authenticate.")),
        (
            "/access_rules",
            json!({
                "matching_strategy": "regexp", "on_multiple_matches": "error", "method_wildcard": false,
                "preflight": "rules", "env_substitution": [], "allow_empty": false,
                "reload": {"debounce": "100ms", "poll": "30s"},
            }),
        ),
        ("/template_engine", json!("go")),
    ] {
        assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(value.pointer("/tracing/provider"), None);
}

#[test]
fn findings_are_in_users_words() {
    let value = json!({
        "log": {"level": "loud", "lvl": 1},
        "serve": {"api": {"port": 70000, "host": 5, "timeout": {"read": "5", "idle": 7}, "cors": {"allowed_origins": "*", "enabled": "yes"}}},
        "access_rules": {"repositories": ["", "file:///x"], "matching_strategy": "globb"},
        "authenticators": {
            "jtw": {"enabled": true},
            "noop": {"enabled": true, "config": {}},
            "jwt": {"enabled": true, "config": {"jwks_url": "https://x", "token_from": {"header": "a", "cookie": "b"}}},
            "cookie_session": {"enabled": false, "config": {"anything": 1}},
            "bearer_token": {"enabled": true},
            "oauth2_introspection": {"enabled": true, "config": {"introspection_url": "x", "pre_authorization": {"enabled": true, "client_secret": 5}}},
        },
        "errors": {"handlers": {"redirect": {"enabled": true, "config": {"to": "/login", "code": 307, "when": [{"request": {"cidr": ["x"]}, "error": ["unauthorised"]}]}}}},
        "cache": {"max_bytes": "many"},
        "version": "one",
        "colour": null,
    });
    insta::assert_snapshot!(said(&config().check(&value)).join("\n"), @"
    not-one-of /access_rules/matching_strategy: `access_rules.matching_strategy` must be `glob` or `regexp`, not `globb` (did you mean `glob`?)
    bad-format /access_rules/repositories/0: `access_rules.repositories[0]` must be a URL or a path, such as `file:///etc/okgate/rules.yaml` or `rules/users.yaml`
    missing-key /authenticators/bearer_token: the key `config` is missing in `authenticators.bearer_token`
    unknown-handler /authenticators/jtw: no authenticator is called `jtw` (did you mean `jwt`?)
    missing-key /authenticators/jwt/config: the key `jwks_urls` is missing in `authenticators.jwt.config`
    unknown-key /authenticators/jwt/config/jwks_url: there is no key `jwks_url` in `authenticators.jwt.config` (did you mean `jwks_urls`?)
    not-exactly-one /authenticators/jwt/config/token_from: `authenticators.jwt.config.token_from` must have exactly one of `header`, `query_parameter` and `cookie`
    unknown-key /authenticators/noop/config: there is no key `config` in `authenticators.noop` (known here: `enabled`)
    bad-format /authenticators/oauth2_introspection/config/introspection_url: `authenticators.oauth2_introspection.config.introspection_url` must be a URL with a scheme, such as `https://example.com/path`
    missing-key /authenticators/oauth2_introspection/config/pre_authorization: the key `client_id` is missing in `authenticators.oauth2_introspection.config.pre_authorization`
    missing-key /authenticators/oauth2_introspection/config/pre_authorization: the key `token_url` is missing in `authenticators.oauth2_introspection.config.pre_authorization`
    wrong-type /authenticators/oauth2_introspection/config/pre_authorization/client_secret: `authenticators.oauth2_introspection.config.pre_authorization.client_secret` must be text, not a number (put it in quotes)
    bad-format /cache/max_bytes: `cache.max_bytes` must be a number of bytes, or text such as `16MiB`
    unknown-key /colour: there is no key `colour` (known here: `version`, `profiling`, `log`, `serve`, `access_rules`, `authenticators`, `authorizers`, `mutators`, `errors`, `templates`, `template_engine`, `http_client`, `cache`, `tracing`)
    not-one-of /errors/handlers/redirect/config/code: `errors.handlers.redirect.config.code` must be `301` or `302`, not `307`
    not-one-of /errors/handlers/redirect/config/when/0/error/0: `errors.handlers.redirect.config.when[0].error[0]` must be `unauthorized`, `forbidden`, `internal_server_error`, `not_found`, `bad_request`, `too_many_requests`, `bad_gateway`, `service_unavailable` or `gateway_timeout`, not `unauthorised` (did you mean `unauthorized`?)
    bad-format /errors/handlers/redirect/config/when/0/request/cidr/0: `errors.handlers.redirect.config.when[0].request.cidr[0]` must be a network in CIDR notation, such as `10.0.0.0/8` or `192.0.2.7/32`
    not-one-of /log/level: `log.level` must be `panic`, `fatal`, `error`, `warn`, `info`, `debug` or `trace`, not `loud`
    unknown-key /log/lvl: there is no key `lvl` in `log` (known here: `level`, `format`, `leak_sensitive_values`, `redaction_text`, `additional_redacted_headers`)
    wrong-type /serve/api/cors/allowed_origins: `serve.api.cors.allowed_origins` must be a list, not text (put it in brackets: `[…]`)
    wrong-type /serve/api/cors/enabled: `serve.api.cors.enabled` must be `true` or `false`, not text (write `true` without quotes)
    wrong-type /serve/api/host: `serve.api.host` must be text, not a number (put it in quotes)
    out-of-range /serve/api/port: `serve.api.port` must be at most 65535
    wrong-type /serve/api/timeout/idle: `serve.api.timeout.idle` must be a duration of one unit, such as `500ms`, `30s`, `15m` or `1h`, not a number
    bad-format /serve/api/timeout/read: `serve.api.timeout.read` must be a duration of one unit, such as `500ms`, `30s`, `15m` or `1h`
    bad-format /version: `version` must be a version such as `v0.40.9`
    ");
}

#[test]
fn a_rule_is_checked_as_written() {
    let value = json!({
        "id": 5,
        "match": {"url": "x", "methods": "GET", "metods": []},
        "authenticators": [],
        "authorizer": {"handler": "", "config": []},
        "mutators": ["noop", {"config": {}}],
        "nonsense": 1,
    });
    insta::assert_snapshot!(said(&rule().check(&value)).join("\n"), @"
    empty /authenticators: `authenticators` must not be empty
    wrong-type /authorizer/config: `authorizer.config` must be an object, not a list
    empty /authorizer/handler: `authorizer.handler` must not be empty
    wrong-type /id: `id` must be text, not a number
    wrong-type /match/methods: `match.methods` must be a list, not text
    unknown-key /match/metods: there is no key `metods` in `match`, it is ignored (did you mean `methods`?)
    wrong-type /mutators/0: `mutators[0]` must be an object, not text
    missing-key /mutators/1: the key `handler` is missing in `mutators[1]`
    unknown-key /nonsense: there is no key `nonsense`, it is ignored (known here: `id`, `version`, `description`, `priority`, `match`, `authenticators`, `authorizer`, `authorizers`, `mutators`, `errors`, `cors`, `upstream`)
    ");
    let null = json!({"id": null, "match": null, "authenticators": null, "authorizer": null, "mutators": null, "errors": null, "upstream": null});
    assert_eq!(rule().check(&null), []);
}

#[test]
fn secrets_are_not_repeated() {
    let value = json!({"introspection_url": "http://u:hunter2@x", "pre_authorization": {"client_secret": ["hunter2"]}, "scope_strategy": "x"});
    let findings = handler(Stage::Authenticators, "oauth2_introspection").unwrap().check(&value);
    assert!(!findings.is_empty());
    assert!(!format!("{findings:?}").contains("hunter2"));
}

#[test]
fn handlers_without_settings_take_anything() {
    for (stage, id) in [
        (Stage::Authenticators, "noop"),
        (Stage::Authenticators, "unauthorized"),
        (Stage::Authorizers, "allow"),
        (Stage::Authorizers, "deny"),
        (Stage::Mutators, "noop"),
    ] {
        assert_eq!(handler(stage, id).unwrap().check(&json!({"anything": [1]})), []);
    }
}

#[test]
fn names_of_settings_stay_apart_when_underscores_become_dots() {
    let mut seen = HashSet::new();
    for setting in config().settings() {
        let name = setting.path.join(".").replace('_', ".");
        assert!(seen.insert(name.clone()), "{name}");
    }
}
