//! What most stories begin with.

use okgate_testkit::gate::Start;
use std::fmt::Write as _;

/// Every handler that needs no network, and rules from `rules.yaml`.
pub const CONFIG: &str = "
serve: {api: {host: 127.0.0.1, port: 0}}
access_rules: {repositories: ['file://rules.yaml']}
authenticators:
  anonymous: {enabled: true, config: {subject: guest}}
  noop: {enabled: true}
  unauthorized: {enabled: true}
authorizers:
  allow: {enabled: true}
  deny: {enabled: true}
mutators:
  noop: {enabled: true}
  header: {enabled: true, config: {headers: {}}}
errors:
  handlers:
    json: {enabled: true, config: {verbose: true}}
";

/// okgate with [`CONFIG`] and these rules, which believes this machine and so has nothing to warn of.
pub fn okgate(rules: &str) -> Start {
    with_config(CONFIG).file("rules.yaml", rules).env("SERVE_API_TRUSTED_PROXIES", "127.0.0.1")
}

/// okgate with this configuration.
pub fn with_config(config: &str) -> Start {
    Start::new(env!("CARGO_BIN_EXE_okgate"), config)
}

/// A rule that lets anybody pass and says its name in `X-Rule`.
pub fn allows(id: &str, url: &str) -> String {
    rule(
        id,
        url,
        "anonymous",
        "allow",
        &format!("{{handler: header, config: {{headers: {{X-Rule: {id}}}}}}}"),
    )
}

/// A rule of one handler a stage, as flow YAML.
pub fn rule(id: &str, url: &str, authenticator: &str, authorizer: &str, mutator: &str) -> String {
    let mut rule = format!("- id: {id}\n");
    let _ = writeln!(rule, "  match: {{url: '{url}', methods: [GET, POST, HEAD]}}");
    let _ = writeln!(rule, "  authenticators: [{{handler: {authenticator}}}]");
    let _ = writeln!(rule, "  authorizer: {{handler: {authorizer}}}");
    let _ = writeln!(rule, "  mutators: [{mutator}]");
    rule
}
