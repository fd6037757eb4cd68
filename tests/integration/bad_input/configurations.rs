//! Configurations that cannot be used, or only with a warning.

use super::{Row, block, folder, load, table};
use crate::given::{allows, with_config};

/// In YAML, as `config.yaml`.
const YAML: &[Row] = &[
    ("no YAML", "serve: {api: {port: 4456}\nlog: {}"),
    ("a tab for indentation", "serve:\n\tapi: {}"),
    ("a key twice", "log: {level: info}\nlog: {level: debug}"),
    ("an alias of nothing", "serve: {api: *listener}"),
    ("a list", "- serve"),
    ("a text", "serve"),
    ("nothing at all", ""),
    ("only comments", "# later\n"),
    ("an unknown section", "serv: {api: {port: 4456}}"),
    ("an unknown key of a section", "serve: {api: {prot: 4456}}"),
    ("a section that is a text", "serve: api"),
    ("a port that is a text", "serve: {api: {port: '80'}}"),
    ("a port above 65535", "serve: {api: {port: 70000}}"),
    ("a port below zero", "serve: {api: {port: -1}}"),
    ("a timeout in words", "serve: {api: {timeout: {read: 5 seconds}}}"),
    ("a timeout without a unit", "serve: {api: {timeout: {read: 5}}}"),
    ("a log level that is none", "log: {level: loud}"),
    ("a log format that is none", "log: {format: xml}"),
    ("a version that is none", "version: '1.0'"),
    ("a certificate without its key", "serve: {api: {tls: {cert: {path: cert.pem}}}}"),
    (
        "a certificate that is not there",
        "serve: {api: {tls: {cert: {path: none.pem}, key: {path: none.pem}}}}",
    ),
    ("a certificate that is not base64", "serve: {api: {tls: {cert: {base64: '!'}, key: {base64: '!'}}}}"),
    (
        "a certificate that is no certificate",
        "serve: {api: {tls: {cert: {base64: bm8=}, key: {base64: bm8=}}}}",
    ),
    ("any origin with credentials", "serve: {api: {cors: {enabled: true, allow_credentials: true}}}"),
    ("a method that cors does not know", "serve: {api: {cors: {enabled: true, allowed_methods: [OPTIONS]}}}"),
    ("a dialect that is none", "serve: {api: {endpoints: [{path: /auth, dialect: ngnix}]}}"),
    ("an endpoint without a slash", "serve: {api: {endpoints: [{path: auth, dialect: nginx}]}}"),
    ("a trusted proxy that is no address", "serve: {api: {trusted_proxies: [10.0.0.0/33, gateway]}}"),
    ("a header that can be none", "serve: {api: {strip_request_headers: ['X User']}}"),
    (
        "a status that would be a yes",
        "serve: {api: {endpoints: [{path: /a, dialect: nginx, status: {no_rule: 200}}]}}",
    ),
    ("a strategy that is none", "access_rules: {matching_strategy: regex}"),
    ("repositories that are no list", "access_rules: {repositories: 'file://rules.yaml'}"),
    ("a repository of an unknown kind", "access_rules: {repositories: ['ftp://rules.test/rules.yaml']}"),
    ("a repository that is empty", "access_rules: {repositories: ['']}"),
    ("an inline repository that is not base64", "access_rules: {repositories: ['inline://[]']}"),
    ("an inline repository that holds no rules", "access_rules: {repositories: ['inline://eyJhIjogMX0=']}"),
    ("a rule file that is not there", "access_rules: {repositories: ['file://{DIR}/none.yaml']}"),
    ("an unknown authenticator", "authenticators: {jtw: {enabled: true}}"),
    ("an unknown authorizer", "authorizers: {permit: {enabled: true}}"),
    ("an unknown mutator", "mutators: {headers: {enabled: true}}"),
    ("an unknown error handler", "errors: {handlers: {html: {enabled: true}}}"),
    ("a switch that is a text", "authenticators: {noop: {enabled: 'yes'}}"),
    ("a handler without its switch's name", "authenticators: {anonymous: true}"),
    ("configuration of a handler that has none", "authenticators: {noop: {enabled: true, config: {a: 1}}}"),
    ("jwt without configuration", "authenticators: {jwt: {enabled: true}}"),
    ("jwt without key sets", "authenticators: {jwt: {enabled: true, config: {}}}"),
    (
        "a key set without a scheme",
        "authenticators: {jwt: {enabled: true, config: {jwks_urls: [keys.json]}}}",
    ),
    (
        "a scope strategy that is none",
        "authenticators: {jwt: {enabled: true, config: {jwks_urls: ['file:///k'], scope_strategy: all}}}",
    ),
    (
        "a token from two places",
        "authenticators: {jwt: {enabled: true, config: {jwks_urls: ['file:///k'], token_from: {header: X, cookie: y}}}}",
    ),
    (
        "a token from nowhere",
        "authenticators: {jwt: {enabled: true, config: {jwks_urls: ['file:///k'], token_from: {}}}}",
    ),
    ("headers that are a list", "mutators: {header: {enabled: true, config: {headers: [X-User]}}}"),
    ("a header that is a number", "mutators: {header: {enabled: true, config: {headers: {X-User: 1}}}}"),
    ("id_token without an issuer", "mutators: {id_token: {enabled: true, config: {jwks_url: 'file:///k'}}}"),
    (
        "a lifetime in words",
        "mutators: {id_token: {enabled: true, config: {issuer_url: 'http://i/', jwks_url: 'file:///k', ttl: 15 minutes}}}",
    ),
    ("redirect without a target", "errors: {handlers: {redirect: {enabled: true, config: {}}}}"),
    (
        "a redirect with another code",
        "errors: {handlers: {redirect: {enabled: true, config: {to: /login, code: 307}}}}",
    ),
    (
        "an odd parameter for the way back",
        "errors: {handlers: {redirect: {enabled: true, config: {to: /login, return_to_query_param: 'a&b'}}}}",
    ),
    (
        "an error that `when` does not know",
        "errors: {handlers: {json: {enabled: true, config: {when: [{error: [teapot]}]}}}}",
    ),
    (
        "an address range that is none",
        "errors: {handlers: {json: {enabled: true, config: {when: [{request: {cidr: [10.0.0.0/33]}}]}}}}",
    ),
    ("a fallback that is switched off", "errors: {fallback: [redirect]}"),
    ("a fallback that is none", "errors: {fallback: [jsno]}"),
    ("a template engine that is none", "template_engine: jinja"),
    ("a feature that is not there yet", "tracing: {provider: otel}\nserve: {prometheus: {port: 9000}}"),
];

/// Other files than `config.yaml`.
const FILES: &[(&str, &str, &str)] = &[
    ("JSON with a comma too many", "config.json", "{\"log\": {\"level\": \"info\",}}"),
    ("JSON that goes on", "config.json", "{} {}"),
    ("TOML without a value", "config.toml", "[serve.api]\nport =\n"),
    ("TOML of the wrong type", "config.toml", "[serve.api]\nport = \"x\"\n"),
    ("an unknown ending", "config.ini", "[serve]\n"),
];

/// Values of the environment.
const ENVIRONMENT: &[(&str, &str, &str)] = &[
    ("a port that is no number", "SERVE_API_PORT", "abc"),
    ("a switch that is neither true nor false", "AUTHENTICATORS_NOOP_ENABLED", "yes"),
    ("a section that is no JSON", "LOG", "debug"),
    ("a version of something else", "VERSION", "1.2.3"),
    ("a strategy that is none", "ACCESS_RULES_MATCHING_STRATEGY", "regex"),
    ("a list that is no list", "ACCESS_RULES_REPOSITORIES", "{\"a\": 1}"),
];

#[test]
fn configurations_are_refused_with_their_faults() {
    let found = table(YAML, |config| {
        let dir = folder(&[]);
        let config = config.replace("{DIR}", &dir.path().to_string_lossy());
        std::fs::write(dir.path().join("config.yaml"), config).unwrap();
        load(dir.path(), &["config.yaml"], &[])
    });
    insta::assert_snapshot!(found);
}

#[test]
fn files_of_every_format_are_refused_with_their_faults() {
    let mut found = String::new();
    for (what, name, text) in FILES {
        let dir = folder(&[(name, text.as_bytes())]);
        block(&mut found, &format!("{what} ({name})"), text, &load(dir.path(), &[name], &[]));
    }
    let dir = folder(&[("latin-1.yaml", b"log: {level: inf\xf3}")]);
    block(&mut found, "bytes that are no UTF-8", "", &load(dir.path(), &["latin-1.yaml"], &[]));
    block(&mut found, "a file that is not there", "", &load(dir.path(), &["none.yaml"], &[]));
    std::fs::create_dir(dir.path().join("folder.yaml")).unwrap();
    block(&mut found, "a folder", "", &load(dir.path(), &["folder.yaml"], &[]));
    insta::assert_snapshot!(found);
}

#[test]
fn a_broken_environment_is_refused_with_the_name_of_the_variable() {
    let mut found = String::new();
    for (what, name, value) in ENVIRONMENT {
        let dir = folder(&[("config.yaml", b"log: {level: info}")]);
        let said = load(dir.path(), &["config.yaml"], &[(name, value)]);
        block(&mut found, what, &format!("{name}={value}"), &said);
    }
    insta::assert_snapshot!(found);
}

#[test]
fn all_faults_of_all_files_are_told_at_once() {
    let dir = folder(&[
        ("base.yaml", b"serve: {api: {port: x}}\nauthenticators: {jtw: {enabled: true}}\n"),
        ("local.json", br#"{"log": {"level": "loud"}, "errors": {"fallback": ["jsno"]}}"#),
    ]);
    insta::assert_snapshot!(load(
        dir.path(),
        &["base.yaml", "local.json"],
        &[("SERVE_API_TIMEOUT_READ", "soon")]
    ));
}

#[test]
fn the_server_prints_what_the_loader_finds_and_does_not_start() {
    let config = "serve: {api: {port: '80'}}\nauthenticators: {jtw: {enabled: true}}\n";
    let dir = folder(&[("config.yaml", config.as_bytes())]);
    let found = load(dir.path(), &["config.yaml"], &[]);
    let ended =
        with_config(config).file("rules.yaml", allows("a", "http://a/")).try_run().err().expect("no start");
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stderr.replace("okgate: not started\n", "=> not started\n"), found);
    assert_eq!(ended.stdout, "");
}
