use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::config::{LogFormat, LogLevel, Strategy};
use crate::gateway::Trust;

/// Files in a folder of their own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, files: &[&str], environment: &[(&str, &str)]) -> Result<Loaded, Report> {
        load(&Sources {
            files: files.iter().map(|name| self.path(name)).collect(),
            environment: environment
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
        })
    }

    /// What a report says, without the folder's name.
    fn said(&self, report: &Report) -> String {
        report.to_human(false).replace(&format!("{}/", self.0.path().display()), "")
    }
}

#[test]
fn without_any_source_the_defaults_count() {
    let Loaded { config, report, .. } = load(&Sources::default()).unwrap();
    assert!(report.is_empty());
    assert_eq!((config.serve.api.host.as_str(), config.serve.api.port), ("", 4456));
    assert_eq!(config.serve.api.read_timeout.as_secs(), 5);
    assert_eq!(config.serve.api.cors.allowed_origins, ["*"]);
    assert!(config.serve.api.tls.is_none() && !config.serve.api.cors.enabled);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Text));
    assert_eq!(config.access_rules.strategy, Strategy::Regexp);
    assert!(config.access_rules.repositories.is_empty());
    assert_eq!(config.fallback, ["json"]);
    assert_eq!(config.cache_max_bytes, 32 << 20);
    let enabled: Vec<&str> =
        [&config.authenticators, &config.authorizers, &config.mutators, &config.error_handlers]
            .into_iter()
            .flat_map(|handlers| handlers.0.iter())
            .filter(|(_, handler)| handler.enabled)
            .map(|(id, _)| id.as_str())
            .collect();
    assert_eq!(enabled, ["json"]);
    assert_eq!(
        config.authenticators.0["anonymous"].config,
        json!({"subject": "anonymous", "ignore_authorization": false})
    );
    assert_eq!(config.authenticators.0["noop"].config, json!({}));
}

#[test]
fn later_files_win_and_variables_win_over_files() {
    let folder = Folder::new(&[
        (
            "base.yaml",
            "serve: {api: {port: 1, host: a}}\naccess_rules: {repositories: ['file:///a', 'file:///b', 'file:///c']}\nauthenticators: {jwt: {enabled: true, config: {jwks_urls: ['https://a'], token_from: {header: X}}}}\n",
        ),
        ("over.toml", "[serve.api]\nport = 2\n[authenticators.jwt.config]\ntoken_from = {cookie = 'c'}\n"),
        (
            "last.json",
            "{\"log\": {\"level\": \"debug\"}, \"access_rules\": {\"repositories\": [\"rules/*.yaml\"]}}",
        ),
    ]);
    let environment = [("SERVE_API_HOST", "c"), ("AUTHENTICATORS_JWT_CONFIG_JWKS_URLS", "https://b")];
    let Loaded { config, documents, .. } =
        folder.load(&["base.yaml", "over.toml", "last.json"], &environment).unwrap();
    assert_eq!((config.serve.api.port, config.serve.api.host.as_str()), (2, "c"));
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.access_rules.repositories, ["rules/*.yaml"]);
    let jwt = &config.authenticators.0["jwt"].config;
    assert_eq!(jwt["jwks_urls"], json!(["https://b"]), "a list replaces the lower one whole");
    assert_eq!(jwt["token_from"], json!({"cookie": "c"}));
    for (pointer, source) in [
        ("/serve/api/port", "over.toml"),
        (
            "/authenticators/jwt/config/jwks_urls/0",
            "environment variable AUTHENTICATORS_JWT_CONFIG_JWKS_URLS",
        ),
        ("/authenticators/jwt/config/token_from", "over.toml"),
        ("/authenticators/jwt/config/jwks_ttl", "environment variable AUTHENTICATORS_JWT_CONFIG_JWKS_URLS"),
        ("/log/level", "last.json"),
        ("", "base.yaml"),
    ] {
        assert!(
            documents.source_of(pointer).name.ends_with(source),
            "{pointer}: {}",
            documents.source_of(pointer).name
        );
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_where_it_stands() {
    let folder = Folder::new(&[
        (
            "base.yaml",
            "serve:\n  api:\n    port: 70000\nauthenticators:\n  jtw:\n    enabled: true\n  jwt:\n    enabled: true\n    config: {}\n",
        ),
        (
            "over.json",
            "{\n  \"log\": {\n    \"level\": \"loud\",\n    \"levle\": 1\n  },\n  \"errors\": {\"fallback\": [\"jsn\", \"redirect\"]}\n}\n",
        ),
        ("last.toml", "[access_rules]\nrepositories = [\"file:///a\", \"ftp://b\", \"s3://b/c\"]\n"),
    ]);
    let environment = [("SERVE_API_TIMEOUT_READ", "5"), ("SERVE_API_CORS_ENABLED", "yes")];
    let report = folder.load(&["base.yaml", "over.json", "last.toml"], &environment).unwrap_err();
    insta::assert_snapshot!(folder.said(&report), @r#"
    error[out-of-range]: `serve.api.port` must be at most 65535
     --> base.yaml:3:11
      |
    3 |     port: 70000
      |           ^^^^^

    error[unknown-handler]: no authenticator is called `jtw`
     --> base.yaml:5:3
      |
    5 |   jtw:
      |   ^^^ did you mean `jwt`?

    error[missing-key]: the key `jwks_urls` is missing in `authenticators.jwt.config`
     --> base.yaml:9:13
      |
    9 |     config: {}
      |             ^^

    error[unknown-scheme]: rules cannot come from `ftp`
     --> last.toml:2:30
      |
    2 | repositories = ["file:///a", "ftp://b", "s3://b/c"]
      |                              ^^^^^^^^^
      = help: a path, or a URL that begins with `file`, `inline`, `http`, `https`, `s3`, `gs` or `azblob`

    error[not-one-of]: `log.level` must be `panic`, `fatal`, `error`, `warn`, `info`, `debug` or `trace`, not `loud`
     --> over.json:3:14
      |
    3 |     "level": "loud",
      |              ^^^^^^

    error[unknown-key]: there is no key `levle` in `log`
     --> over.json:4:5
      |
    4 |     "levle": 1
      |     ^^^^^^^ did you mean `level`?

    warning[unknown-handler]: no error handler is called `jsn`
     --> over.json:6:27
      |
    6 |   "errors": {"fallback": ["jsn", "redirect"]}
      |                           ^^^^^ did you mean `json`?

    warning[disabled-handler]: the error handler `redirect` is a fallback, but not enabled
     --> over.json:6:34
      |
    6 |   "errors": {"fallback": ["jsn", "redirect"]}
      |                                  ^^^^^^^^^^
      = help: set `errors.handlers.redirect.enabled` to `true`

    error[bad-environment]: `SERVE_API_CORS_ENABLED` sets `serve.api.cors.enabled`, which must be `true` or `false`
     --> environment variable SERVE_API_CORS_ENABLED

    error[bad-format]: `serve.api.timeout.read` must be a duration of one unit, such as `500ms`, `30s`, `15m` or `1h`
     --> environment variable SERVE_API_TIMEOUT_READ

    8 errors, 2 warnings
    "#);
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let folder = Folder::new(&[
        ("list.yaml", "- id: a\n"),
        ("empty.yaml", "# nothing\n"),
        ("empty.json", ""),
        ("text.json", "\"x\""),
        ("broken.yaml", "a: [1\nclient_secret: hunter2\n"),
        ("broken.json", "{\"serve\": }"),
        ("broken.toml", "[serve\n"),
        ("twice.yaml", "log: {}\nserve: {}\nlog: {}\n"),
        ("config.ini", "x=1"),
        ("config", "x: 1"),
    ]);
    let names = [
        "list.yaml",
        "empty.yaml",
        "empty.json",
        "text.json",
        "broken.yaml",
        "broken.json",
        "broken.toml",
        "twice.yaml",
        "config.ini",
        "config",
        "missing.yaml",
    ];
    let reports: Vec<String> =
        names.iter().map(|name| folder.said(&folder.load(&[name], &[]).unwrap_err())).collect();
    insta::assert_snapshot!(reports.join("\n"), @r#"
    error[not-an-object]: the config file is a list, not an object
     --> list.yaml:1:1
      |
    1 | - id: a
      | ^^^^^^^
      = help: access rules are no configuration: name their file in `access_rules.repositories`

    1 error, 0 warnings

    error[empty-file]: the config file is empty
     --> empty.yaml:1:1
      |
    1 | # nothing
      | ^^^^^^^^^

    1 error, 0 warnings

    error[empty-file]: the config file is empty
     --> empty.json:1:1

    1 error, 0 warnings

    error[not-an-object]: the config file is a single value, not an object
     --> text.json:1:1
      |
    1 | "x"
      | ^^^

    1 error, 0 warnings

    error[syntax]: this is not YAML that can be read: did not find expected ',' or ']'
     --> broken.yaml:2:14
      |
    2 | client_secret: [redacted]
      |              ^

    1 error, 0 warnings

    error[syntax]: this is not JSON that can be read: expected value
     --> broken.json:1:11
      |
    1 | {"serve": }
      |           ^

    1 error, 0 warnings

    error[syntax]: this is not TOML that can be read: unclosed table, expected `]`
     --> broken.toml:1:7
      |
    1 | [serve
      |       ^

    1 error, 0 warnings

    error[duplicate-key]: `log` stands here twice, only the last counts
     --> twice.yaml:3:1
      |
    3 | log: {}
      | ^^^

    1 error, 0 warnings

    error[unknown-extension]: unknown config file extension: `.ini`
     --> config.ini
      = help: use `.yaml`, `.yml`, `.json` or `.toml`

    1 error, 0 warnings

    error[unknown-extension]: unknown config file extension: ``
     --> config
      = help: use `.yaml`, `.yml`, `.json` or `.toml`

    1 error, 0 warnings

    error[unreadable-file]: the config file cannot be read: No such file or directory (os error 2)
     --> missing.yaml

    1 error, 0 warnings
    "#);
    let binary = folder.path("binary.yaml");
    std::fs::write(&binary, [0xff, 0xfe, 0]).unwrap();
    assert_eq!(
        folder.load(&["binary.yaml"], &[]).unwrap_err().diagnostics[0].finding.code,
        "unreadable-file"
    );
}

#[test]
fn what_may_stand_in_an_unread_file_is_not_missed() {
    let folder =
        Folder::new(&[("a.yaml", "authenticators: {jwt: {enabled: true, config: {jwks_url: x}}}\n")]);
    let report = folder.load(&["a.yaml", "missing.yaml"], &[]).unwrap_err();
    let codes: Vec<&str> = report.diagnostics.iter().map(|d| d.finding.code).collect();
    assert_eq!(codes, ["unreadable-file", "unknown-key"]);
}

#[test]
fn what_is_not_built_yet_says_so_when_it_is_set() {
    let folder = Folder::new(&[(
        "a.yaml",
        "serve:\n  proxy: {port: 1}\n  prometheus: {port: 2}\n  api: {cors: {debug: true}}\ntracing:\n  provider: jaeger\nprofiling: cpu\nlog: {redaction_text: x}\nauthenticators:\n  cookie_session: {enabled: true, config: {check_session_url: 'http://x'}}\n  bearer_token: {enabled: false}\nmutators:\n  hydrator: {enabled: true, config: {api: {url: 'http://x'}}}\naccess_rules:\n  repositories: ['HTTPS://x/rules', 'file:///a']\n",
    )]);
    let loaded = folder.load(&["a.yaml"], &[]).unwrap();
    insta::assert_snapshot!(loaded.report.to_lines().join("\n").replace(&format!("{}/", folder.0.path().display()), ""), @"
    a.yaml:4:23: warning[without-effect]: `serve.api.cors.debug` has no effect
    a.yaml:5:1: warning[not-implemented-yet]: `tracing` is not implemented yet and has no effect
    a.yaml:7:12: warning[not-implemented-yet]: `profiling` is not implemented yet and has no effect
    a.yaml:8:23: warning[not-implemented-yet]: `log.redaction_text` is not implemented yet and has no effect
    ");
    assert_eq!(loaded.report.errors(), 0);
    assert_eq!(loaded.config.serve.proxy.unwrap().listener.port, 1);
    assert_eq!(loaded.config.serve.prometheus.unwrap().listener.port, 2);
}

#[test]
fn there_are_metrics_where_something_is_said_of_them() {
    use crate::metrics::labels::Paths;
    for (text, environment, want) in [
        ("serve: {}", &[][..], None),
        ("serve: {prometheus: {}}", &[], Some((9000, "/metrics", Paths::Segment))),
        (
            "serve: {prometheus: {metrics_path: m, collapse_request_paths: false}}",
            &[],
            Some((9000, "/m", Paths::Whole)),
        ),
        (
            "serve: {prometheus: {hide_request_paths: true, collapse_request_paths: false}}",
            &[],
            Some((9000, "/metrics", Paths::Hidden)),
        ),
        ("serve: {}", &[("SERVE_PROMETHEUS_PORT", "80")], Some((80, "/metrics", Paths::Segment))),
    ] {
        let loaded = Folder::new(&[("a.yaml", text)]).load(&["a.yaml"], environment).unwrap();
        assert!(loaded.report.is_empty(), "{text}: {:?}", loaded.report.to_lines());
        let metrics = loaded.config.serve.prometheus;
        let found = metrics.as_ref().map(|m| (m.listener.port, m.path.as_str(), m.paths));
        assert_eq!(found, want, "{text}");
    }
}

#[test]
fn there_is_a_proxy_where_something_is_said_of_it() {
    for (text, environment, port) in [
        ("serve: {}", &[][..], None),
        ("serve: {proxy: {}}", &[], Some(4455)),
        ("serve: {proxy: {port: 0}}", &[], Some(0)),
        ("serve: {}", &[("SERVE_PROXY_PORT", "80")], Some(80)),
    ] {
        let folder = Folder::new(&[("a.yaml", text)]);
        let proxy = folder.load(&["a.yaml"], environment).unwrap().config.serve.proxy;
        assert_eq!(proxy.map(|proxy| proxy.listener.port), port, "{text}");
    }
}

#[test]
fn a_proxy_believes_nobody_unless_it_is_told_to() {
    let lan = Trust::new(Some(&["10.0.0.0/8".to_owned()]));
    for (proxy, trust) in [
        ("{}", Trust::new(Some(&[]))),
        ("{trust_forwarded_headers: true}", Trust::Everybody),
        ("{trusted_proxies: [10.0.0.0/8]}", lan.clone()),
        ("{trusted_proxies: [10.0.0.0/8], trust_forwarded_headers: true}", lan),
        ("{trusted_proxies: [], trust_forwarded_headers: true}", Trust::new(Some(&[]))),
    ] {
        let folder = Folder::new(&[("a.yaml", &format!("serve: {{proxy: {proxy}}}"))]);
        let loaded = folder.load(&["a.yaml"], &[]).unwrap().config.serve.proxy.unwrap();
        assert_eq!(loaded.answering.trust, trust, "{proxy}");
    }
}

#[test]
fn any_origin_never_comes_with_credentials() {
    for (origins, allowed) in
        [("['*']", false), ("[]", false), ("['https://a', '*']", false), ("['https://a']", true)]
    {
        let text = format!(
            "serve: {{api: {{cors: {{enabled: true, allow_credentials: true, allowed_origins: {origins}}}}}}}\n"
        );
        let folder = Folder::new(&[("a.yaml", &text)]);
        let loaded = folder.load(&["a.yaml"], &[]).unwrap();
        assert_eq!(loaded.config.serve.api.cors.allow_credentials, allowed, "{origins}");
        assert_eq!(loaded.report.is_empty(), allowed, "{origins}");
    }
}

#[test]
fn secrets_are_not_in_debug_output() {
    let text = "authenticators: {oauth2_introspection: {enabled: true, config: {introspection_url: 'http://x', pre_authorization: {client_secret: hunter2}}}}\n";
    let folder = Folder::new(&[("a.yaml", text)]);
    let loaded = folder.load(&["a.yaml"], &[]).unwrap();
    assert!(loaded.documents.effective.to_string().contains("hunter2"));
    let sources = Sources { files: vec![], environment: vec![("A".to_owned(), "hunter2".to_owned())] };
    assert!(!format!("{loaded:?}{sources:?}").contains("hunter2"));
}

/// A certificate and its key, PEM.
fn pair() -> (String, String) {
    use openssl::{asn1::Asn1Time, ec, hash::MessageDigest, nid::Nid, pkey::PKey, x509};
    let group = ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(ec::EcKey::generate(&group).unwrap()).unwrap();
    let mut name = x509::X509Name::builder().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "localhost").unwrap();
    let name = name.build();
    let mut cert = x509::X509::builder().unwrap();
    cert.set_subject_name(&name).unwrap();
    cert.set_issuer_name(&name).unwrap();
    cert.set_pubkey(&key).unwrap();
    cert.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    cert.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    cert.sign(&key, MessageDigest::sha256()).unwrap();
    let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
    (text(cert.build().to_pem().unwrap()), text(key.private_key_to_pem_pkcs8().unwrap()))
}

#[test]
fn a_certificate_comes_with_its_key() {
    use base64::Engine as _;
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let ((cert, key), (_, other)) = (pair(), pair());
    let folder = Folder::new(&[
        ("cert.pem", &cert),
        ("key.pem", &key),
        ("other.pem", &other),
        ("text.pem", "nothing"),
    ]);
    let path = |name: &str| json!({"path": folder.path(name)});
    let pem = |text: &str| json!({"base64": base64(text)});
    for (what, tls, expected) in [
        ("from files", json!({"cert": path("cert.pem"), "key": path("key.pem")}), Ok(true)),
        ("from base64", json!({"cert": pem(&cert), "key": pem(&key)}), Ok(true)),
        (
            "base64 wins over files",
            json!({"cert": {"base64": base64(&cert), "path": "none"}, "key": {"base64": base64(&key), "path": "none"}}),
            Ok(true),
        ),
        ("nothing", json!({}), Ok(false)),
        ("empty texts are nothing", json!({"cert": {"path": ""}, "key": {}}), Ok(false)),
        ("only a certificate", json!({"cert": path("cert.pem")}), Err("tls-incomplete /serve/api/tls")),
        ("only a key", json!({"key": pem(&key)}), Err("tls-incomplete /serve/api/tls")),
        (
            "one of each kind",
            json!({"cert": path("cert.pem"), "key": pem(&key)}),
            Err("tls-incomplete /serve/api/tls"),
        ),
        (
            "a missing file",
            json!({"cert": path("none.pem"), "key": path("key.pem")}),
            Err("tls-unreadable /serve/api/tls/cert/path"),
        ),
        (
            "no certificate",
            json!({"cert": path("text.pem"), "key": path("key.pem")}),
            Err("tls-unreadable /serve/api/tls/cert/path"),
        ),
        (
            "no key",
            json!({"cert": path("cert.pem"), "key": path("cert.pem")}),
            Err("tls-unreadable /serve/api/tls/key/path"),
        ),
        (
            "no base64",
            json!({"cert": {"base64": "%"}, "key": pem(&key)}),
            Err("tls-unreadable /serve/api/tls/cert/base64"),
        ),
        (
            "another key",
            json!({"cert": path("cert.pem"), "key": path("other.pem")}),
            Err("tls-mismatch /serve/api/tls/key/path"),
        ),
    ] {
        std::fs::write(folder.path("c.json"), json!({"serve": {"api": {"tls": tls}}}).to_string()).unwrap();
        let loaded = folder.load(&["c.json"], &[]).map(|loaded| loaded.config.serve.api.tls.is_some());
        let said = loaded.map_err(|report| {
            assert!(!report.to_human(false).contains(&base64(&key)), "{what}: the key is in the report");
            let finding = &report.diagnostics[0].finding;
            format!("{} {}", finding.code, finding.pointer)
        });
        assert_eq!(said.as_ref().map_err(String::as_str).copied(), expected, "{what}");
    }
}
