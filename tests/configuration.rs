//! docs/CONFIGURATION.md says about every key what the schemas say.
//!
//! Its tables stand between `<!-- keys: POINTER … -->` and `<!-- end -->` and are made from `schemas/`. After a change
//! there: `OKGATE_WRITE_DOCS=1 cargo test --test configuration`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "this is how a test fails")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// What takes effect only at the next start; everything else is taken over while okgate runs.
const RESTART: &[&str] = &[
    "serve.api.host",
    "serve.api.port",
    "serve.api.timeout",
    "serve.api.tls",
    "serve.api.socket",
    "serve.proxy.host",
    "serve.proxy.port",
    "serve.proxy.timeout.read",
    "serve.proxy.timeout.idle",
    "serve.proxy.tls",
    "serve.proxy.socket",
    "serve.grpc.host",
    "serve.grpc.port",
    "serve.grpc.timeout",
    "serve.grpc.tls",
    "serve.grpc.socket",
    "serve.prometheus",
    "log.format",
    "cache",
];

/// What is known and checked and does nothing yet.
const NOT_YET: &[&str] = &[
    "profiling",
    "log.leak_sensitive_values",
    "log.redaction_text",
    "log.additional_redacted_headers",
    "serve.api.timeout.write",
    "tracing",
];

/// What is known for Oathkeeper's sake and never does anything.
const WITHOUT_EFFECT: &[&str] = &["version", "serve.api.cors.debug", "serve.proxy.cors.debug"];

/// What Oathkeeper does not know, by how it ends.
const NEW: &[&str] = &[
    "access_rules.allow_empty",
    "access_rules.reload.debounce",
    "access_rules.reload.poll",
    "template_engine",
    "templates.missing",
    "templates.numbers",
    "cache.max_bytes",
    "serve.api.socket.mode",
    "serve.api.max_header_bytes",
    "serve.api.trusted_proxies",
    "serve.api.strict",
    "serve.api.emit_empty_headers",
    "serve.api.strip_request_headers",
    "serve.api.endpoints",
    "serve.proxy.trusted_proxies",
    "serve.proxy.socket.mode",
    "serve.proxy.max_header_bytes",
    "serve.proxy.add_forwarded_headers",
    "serve.proxy.keep_trailing_slash",
    "serve.proxy.emit_empty_headers",
    "serve.proxy.strip_request_headers",
    "serve.proxy.strip_identity_headers",
    "serve.proxy.strip_query_parameters",
    "serve.proxy.status",
    "serve.proxy.timeout.connect",
    "serve.prometheus.socket.mode",
    "serve.prometheus.tls.key.path",
    "serve.prometheus.tls.key.base64",
    "serve.prometheus.tls.cert.path",
    "serve.prometheus.tls.cert.base64",
    "errors.first_match_wins",
    "access_rules.on_multiple_matches",
    "access_rules.default_rule",
    "access_rules.method_wildcard",
    "access_rules.preflight",
    "access_rules.env_substitution",
    "www_authenticate.config.quote_realm",
    "jwt.config.leeway",
    "jwt.config.accept_missing_use",
    "jwt.config.accept_missing_kid",
    "id_token.config.signing_kid",
    "http_client.tls.ca_files",
    "http_client.tls.system_roots",
    "http_client.tls.cert.path",
    "http_client.tls.cert.base64",
    "http_client.tls.key.path",
    "http_client.tls.key.base64",
    "anonymous.config.ignore_authorization",
    "authenticators.basic.enabled",
    "basic.config.htpasswd_file",
    "authenticators.api_key.enabled",
    "api_key.config.keys_file",
    "api_key.config.token_from.header",
    "api_key.config.token_from.query_parameter",
    "api_key.config.token_from.cookie",
    "api_key.config.prefix",
    "config.require_subject",
    "config.check_granted_scope",
    "config.on_backend_error",
    "config.timeout",
    "config.attempt_timeout",
    "config.max_response_bytes",
    "config.coalesce",
    "cache.negative_ttl",
    "allow_list.enabled",
    "allow_list.config.subjects",
    "allow_list.config.emails",
    "allow_list.config.email_domains",
    "allow_list.config.groups",
    "allow_list.config.email_from",
    "allow_list.config.email_verified_from",
    "allow_list.config.groups_from",
    "allow_list.config.match",
    "allow_list.config.file",
    "remote.config.cache.enabled",
    "remote.config.cache.ttl",
    "remote.config.forward_body",
    "remote.config.max_body_bytes",
    "remote_json.config.cache.enabled",
    "remote_json.config.cache.ttl",
    "keto_engine_acp_ory.config.retry.max_delay",
    "keto_engine_acp_ory.config.retry.give_up_after",
    "forward_request_headers",
    "follow_redirects",
    "allow_if.status",
    "allow_if.path",
    "allow_if.equals",
    "deny_if.status",
    "hydrator.config.cache.key",
    "hydrator.config.merge",
    "cookie_session.config.retry.max_delay",
    "cookie_session.config.retry.give_up_after",
    "cookie_session.config.cache.enabled",
    "cookie_session.config.cache.ttl",
    "bearer_token.config.retry.max_delay",
    "bearer_token.config.retry.give_up_after",
    "bearer_token.config.cache.enabled",
    "bearer_token.config.cache.ttl",
];

#[test]
fn the_configuration_reference_says_what_the_schemas_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = root.join("docs/CONFIGURATION.md");
    let written = fs::read_to_string(&document).unwrap();
    let schemas = Schemas { folder: root.join("schemas") };
    let (made, seen) = fill(&written, &schemas);
    if std::env::var_os("OKGATE_WRITE_DOCS").is_some() {
        fs::write(&document, &made).unwrap();
    }
    let all = schemas.rows("");
    let missing: Vec<&str> =
        all.iter().map(|row| row.path.as_str()).filter(|path| !seen.iter().any(|s| s == path)).collect();
    assert!(missing.is_empty(), "no table of {} has {missing:?}", document.display());
    for (number, (is, should)) in fs::read_to_string(&document).unwrap().lines().zip(made.lines()).enumerate()
    {
        assert_eq!(is, should, "{}:{}: write it anew, see this test", document.display(), number + 1);
    }
}

/// The document with its tables made anew, and the keys they hold.
fn fill(written: &str, schemas: &Schemas) -> (String, Vec<String>) {
    let (mut made, mut seen) = (String::new(), Vec::new());
    let mut skipping = false;
    for line in written.lines() {
        skipping &= line != "<!-- end -->";
        if skipping {
            continue;
        }
        made.extend([line, "\n"]);
        if let Some(paths) = line.strip_prefix("<!-- keys: ").and_then(|rest| rest.strip_suffix(" -->")) {
            skipping = true;
            made.push_str("| key | type | default | |\n| --- | --- | --- | --- |\n");
            for path in paths.split(' ') {
                for row in schemas.rows(path) {
                    writeln!(made, "{}", row.text()).unwrap();
                    seen.push(row.path);
                }
            }
        }
    }
    (made, seen)
}

/// Put into the schema of a key that has to be there.
const REQUIRED: &str = "x-required";

/// One key.
struct Row {
    path: String,
    kind: String,
    default: Option<Value>,
    required: bool,
    description: String,
}

impl Row {
    fn text(&self) -> String {
        let default = match &self.default {
            None if self.required => "required".to_owned(),
            None => String::new(),
            Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
            Some(Value::String(text)) => format!("`{text}`"),
            Some(value) => format!("`{value}`"),
        };
        let is_in = |list: &[&str]| list.iter().any(|p| under(&self.path, p));
        let is_new = NEW.iter().any(|n| self.path.ends_with(n)) || under(&self.path, "serve.grpc");
        let new = if is_new { " **New.**" } else { "" };
        let state = if is_in(WITHOUT_EFFECT) {
            " **No effect.**"
        } else if is_in(NOT_YET) {
            " **Not there yet.**"
        } else if is_in(RESTART) {
            " *Restart.*"
        } else {
            ""
        };
        let description = self.description.replace('|', "\\|").replace('\n', " ");
        format!("| `{}` | {} | {default} | {description}{new}{state} |", self.path, self.kind)
    }
}

fn under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The folder of schemas.
struct Schemas {
    folder: PathBuf,
}

/// A schema with the file it stands in, for references.
#[derive(Clone)]
struct Node {
    file: PathBuf,
    value: Value,
}

impl Schemas {
    fn read(&self, file: &Path) -> Value {
        serde_json::from_str(&fs::read_to_string(self.folder.join(file)).unwrap()).unwrap()
    }

    /// The leaves at and below a dotted path; of everything for an empty one.
    fn rows(&self, path: &str) -> Vec<Row> {
        let file = PathBuf::from("config.schema.json");
        let mut node = Node { value: self.read(&file), file };
        for key in path.split('.').filter(|key| !key.is_empty()) {
            let properties = self.properties(&node);
            node = properties
                .into_iter()
                .find_map(|(name, node)| (name == key).then_some(node))
                .unwrap_or_else(|| panic!("the schemas have no `{path}`"));
        }
        let mut rows = Vec::new();
        self.collect(path, &node, &mut rows);
        rows
    }

    fn collect(&self, path: &str, node: &Node, rows: &mut Vec<Row>) {
        let node = self.resolved(node);
        let properties = self.properties(&node);
        let items = self.items(&node).map(|items| (items.clone(), self.properties(&items)));
        let alternatives = kind(&node.value).contains(" or ");
        if let Some((_, inner)) = items.filter(|(_, inner)| !inner.is_empty()) {
            rows.push(row(path, &node));
            for (key, property) in inner {
                self.collect(&format!("{path}[].{key}"), &property, rows);
            }
        } else if properties.is_empty() || alternatives {
            rows.push(row(path, &node));
            for (key, property) in properties {
                self.collect(&format!("{path}.{key}"), &property, rows);
            }
        } else {
            for (key, property) in properties {
                let below = if path.is_empty() { key } else { format!("{path}.{key}") };
                self.collect(&below, &property, rows);
            }
        }
    }

    /// The schema with what it refers to laid under it.
    fn resolved(&self, node: &Node) -> Node {
        let mut node = node.clone();
        loop {
            let Some(object) = node.value.as_object() else { return node };
            let all = object.get("allOf").and_then(Value::as_array).and_then(|all| all.first());
            let reference = object.get("$ref").or_else(|| all?.get("$ref")).and_then(Value::as_str);
            let Some(reference) = reference else { return node };
            let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
            let mut target = node.file.clone();
            if !file.is_empty() {
                target = plain(&node.file.parent().unwrap().join(file));
            }
            let found = self.read(&target).pointer(pointer).unwrap().clone();
            let mut merged: Map<String, Value> = found.as_object().unwrap().clone();
            merged.extend(
                object
                    .iter()
                    .filter(|(k, _)| *k != "$ref" && *k != "allOf")
                    .map(|(k, v)| (k.clone(), v.clone())),
            );
            node = Node { file: target, value: Value::Object(merged) };
        }
    }

    /// The keys of an object, those of its `then` and its alternatives included.
    fn properties(&self, node: &Node) -> Vec<(String, Node)> {
        let node = self.resolved(node);
        let mut found: Vec<(String, Node)> = Vec::new();
        let alternatives = node.value.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        for part in [Some(&node.value), node.value.get("then")].into_iter().flatten().chain(alternatives) {
            for (key, value) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let mut property = Node { file: node.file.clone(), value: value.clone() };
                let required = part.get("required").and_then(Value::as_array).into_iter().flatten();
                // Of alternatives none is required.
                if part.get("oneOf").is_none() && required.clone().any(|name| name == key) {
                    property.value[REQUIRED] = Value::Bool(true);
                }
                match found.iter_mut().find(|(name, _)| name == key) {
                    Some((_, known)) => *known = property,
                    None => found.push((key.clone(), property)),
                }
            }
        }
        found
    }

    fn items(&self, node: &Node) -> Option<Node> {
        let value = node.value.get("items")?.clone();
        Some(self.resolved(&Node { file: node.file.clone(), value }))
    }
}

/// `a/../b` is `b`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path {
        if part == ".." {
            out.pop();
        } else {
            out.push(part);
        }
    }
    out
}

fn row(path: &str, node: &Node) -> Row {
    let text = |key: &str| node.value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Row {
        path: path.to_owned(),
        kind: kind(&node.value),
        default: node.value.get("default").cloned(),
        required: node.value.get(REQUIRED).is_some(),
        description: text("description"),
    }
}

/// A type in words.
fn kind(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let names: Vec<String> = values
            .iter()
            .filter(|v| v.as_str() != Some(""))
            .map(|v| format!("`{}`", v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
            .collect();
        return names.join(", ");
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).filter(|t| *t != "null").collect(),
        _ => Vec::new(),
    };
    let is_duration =
        schema.get("pattern").and_then(Value::as_str).is_some_and(|p| p.contains("(ns|us|ms|s|m|h)"));
    let words: Vec<&str> = types
        .iter()
        .map(|name| match *name {
            "string" if is_duration => "duration",
            "string" => "text",
            "integer" => "whole number",
            "array" => "list",
            "object" => "map",
            other => other,
        })
        .collect();
    words.join(" or ")
}
