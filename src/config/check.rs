//! What a schema cannot say: settings that do not go together, names that lead nowhere.

use serde_json::Value;

use super::layers::Documents;
use super::{Stage, not_yet};
use crate::diagnostic::suggest::did_you_mean;
use crate::diagnostic::text::{one_of, quote};
use crate::diagnostic::{Finding, Report};
use crate::rule::source::{self, REGISTRY};
use crate::schema;

/// Adds to the report what is found; works on whatever is there, valid or not.
pub(super) fn check(documents: &Documents, report: &mut Report) {
    for finding in repositories(&documents.effective)
        .chain(fallback(&documents.effective))
        .chain(cors(&documents.effective))
        .chain(
            ["/serve/api", "/serve/proxy", "/serve/grpc", "/serve/prometheus"]
                .into_iter()
                .filter_map(|pointer| socket(&documents.effective, pointer)),
        )
    {
        report.push(&documents.source_of(&finding.pointer), None, finding);
    }
    not_yet::check(documents, report);
}

fn texts<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = (usize, &'v str)> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten().enumerate().filter_map(|(index, item)| Some((index, item.as_str()?)))
}

fn repositories(value: &Value) -> impl Iterator<Item = Finding> {
    let schemes = || REGISTRY.iter().map(|(scheme, _)| *scheme);
    texts(value, "/access_rules/repositories").filter_map(move |(index, url)| {
        let pointer = format!("/access_rules/repositories/{index}");
        let scheme = url.split_once("://").map_or("file", |(scheme, _)| scheme);
        if schemes().any(|known| known.eq_ignore_ascii_case(scheme)) {
            // The schema has said already that an empty text is none.
            let wrong = source::open(url).err().filter(|_| !url.is_empty());
            return wrong.map(|finding| finding.under(&pointer));
        }
        let message = format!("rules cannot come from {}", quote(scheme));
        let help = did_you_mean(scheme, schemes())
            .unwrap_or_else(|| format!("a path, or a URL that begins with {}", one_of(schemes())));
        Some(Finding::error("unknown-scheme", pointer, message).help(help))
    })
}

/// Oathkeeper notices these only when an error has to be answered. A warning, as it starts with them.
fn fallback(value: &Value) -> impl Iterator<Item = Finding> {
    texts(value, "/errors/fallback").filter_map(|(index, id)| {
        let pointer = format!("/errors/fallback/{index}");
        let known: Vec<&str> = schema::handler_ids(Stage::Errors).collect();
        if !known.contains(&id) {
            let mut finding = Finding::warning(
                "unknown-handler",
                pointer,
                format!("no error handler is called {}", quote(id)),
            );
            finding.help = did_you_mean(id, known);
            return Some(finding);
        }
        let enabled = value.pointer(&format!("{}/{id}/enabled", Stage::Errors.pointer()));
        (enabled == Some(&Value::Bool(false))).then(|| {
            let message = format!("the error handler {} is a fallback, but not enabled", quote(id));
            let help = format!("set `errors.handlers.{id}.enabled` to `true`");
            Finding::warning("disabled-handler", pointer, message).help(help)
        })
    })
}

/// Any page of the web with the visitor's cookies: never what is wanted. Credentials stay off then.
fn cors(value: &Value) -> impl Iterator<Item = Finding> {
    ["/serve/api/cors", "/serve/proxy/cors"].into_iter().filter_map(|pointer| {
        let cors = value.pointer(pointer)?;
        (is_on(cors, "enabled") && is_on(cors, "allow_credentials") && allows_any_origin(cors)).then(|| {
            let place = schema::dotted(pointer);
            let message = format!("`{place}.allow_credentials` has no effect while any origin is allowed");
            Finding::warning("any-origin-with-credentials", format!("{pointer}/allow_credentials"), message)
                .help(format!("list the origins in `{place}.allowed_origins`"))
        })
    })
}

/// Whoever believes that their socket speaks TLS should know.
fn socket(value: &Value, pointer: &str) -> Option<Finding> {
    let listener = value.pointer(pointer)?;
    let host = listener.get("host").and_then(Value::as_str)?;
    let tls = listener.get("tls").is_some_and(|tls| tls.as_object().is_some_and(|t| !t.is_empty()));
    let path = host.strip_prefix("unix:")?;
    if !path.starts_with('/') {
        let message = "a unix socket is written `unix:` with an absolute path";
        return Some(Finding::error("bad-format", format!("{pointer}/host"), message));
    }
    tls.then(|| {
        let message = format!("`{}.tls` cannot be used on a unix socket", schema::dotted(pointer));
        Finding::error("tls-on-a-socket", format!("{pointer}/tls"), message)
            .help("remove it; the socket's mode says who may connect")
    })
}

fn is_on(object: &Value, key: &str) -> bool {
    object.get(key) == Some(&Value::Bool(true))
}

/// No origin in the list stands for all of them, as in Oathkeeper.
pub(super) fn allows_any_origin(cors: &Value) -> bool {
    let mut origins = texts(cors, "/allowed_origins").map(|(_, origin)| origin).peekable();
    origins.peek().is_none() || origins.any(|origin| origin == "*")
}
