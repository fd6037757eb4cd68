//! Mutators: what does the upstream learn?
//!
//! To add one: a file here with a `REGISTRATION`, its schema in
//! `schemas/pipeline/mutators.<id>.schema.json`, a `mod` line and a line in [`REGISTRY`].

pub mod cookie;
pub mod header;
pub mod hydrator;
pub mod id_token;
pub mod noop;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::denial::{Denial, Detail};
use super::handler::{Exchange, Mutator, Registration};
use crate::diagnostic::{Finding, pointer_token};
use crate::template::{self, Purpose, Template};

/// Every mutator, in the order of the documentation.
pub const REGISTRY: &[Registration<dyn Mutator>] = &[
    noop::REGISTRATION,
    header::REGISTRATION,
    cookie::REGISTRATION,
    hydrator::REGISTRATION,
    id_token::REGISTRATION,
];

/// What templates see of an exchange.
pub fn template_data<'d>(exchange: &'d Exchange<'_>) -> template::Data<'d> {
    template::Data {
        subject: &exchange.session.subject,
        extra: exchange.session.extra.as_deref(),
        header: &exchange.session.headers,
        request: exchange.request,
        captures: &exchange.session.captures,
        glob: exchange.session.glob,
        matched: exchange.session.matched.text(exchange.request),
    }
}

/// A named template: a header or a cookie.
#[derive(Debug)]
struct Named<N> {
    name: N,
    template: Template,
}

/// Reads `{name: template}` from `config[key]`. `name_of` turns the written name into the one used, or
/// says why it cannot be; of names that end up equal the last one counts.
fn named_templates<N: PartialEq + Ord>(
    config: &Value,
    key: &str,
    purpose: Purpose,
    settings: template::Settings,
    name_of: impl Fn(&str) -> Result<Option<N>, String>,
) -> Result<Vec<Named<N>>, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut named: Vec<Named<N>> = Vec::new();
    for (written, text) in config.get(key).and_then(Value::as_object).into_iter().flatten() {
        let pointer = format!("/{key}/{}", pointer_token(written));
        let name = match name_of(written) {
            Ok(Some(name)) => name,
            Ok(None) => continue,
            Err(why) => {
                findings.push(Finding::error("bad-name", &pointer, why).at_key());
                continue;
            }
        };
        match Template::compile(settings, purpose, text.as_str().unwrap_or_default()) {
            Ok((template, _)) => {
                named.retain(|n| n.name != name);
                named.push(Named { name, template });
            }
            Err(found) => findings.extend(found.into_iter().map(|f| f.under(&pointer))),
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    named.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(named)
}

/// How a handler's templates are read: in the language it chooses, else as everywhere.
pub(super) fn templates(config: &Value, everywhere: template::Settings) -> template::Settings {
    let engine = match config.get("template_engine").and_then(Value::as_str) {
        Some("tera") => template::Engine::Tera,
        Some("go") => template::Engine::Go,
        _ => everywhere.engine,
    };
    template::Settings { engine, ..everywhere }
}

/// Turns rendered text into a header value: blanks around it are cut; a line end, NUL or another control
/// character is refused, because what follows it would be a header of somebody else's making.
pub fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.trim_matches([' ', '\t']).as_bytes()).ok()
}

/// What a request is told whose value no header can carry: that it is wrong itself, where its path holds
/// such a character, else that the rule is.
fn unusable_value(name: &HeaderName, exchange: &Exchange<'_>) -> Denial {
    let log = format!("the value rendered for header `{name}` holds a control character");
    if exchange.request.path().bytes().any(|b| b.is_ascii_control()) {
        let why = Detail::id("control-character").public("The path holds a control character.").log(log);
        return Denial::BadRequest { why };
    }
    template_fault(log)
}

/// A template that could not be carried out.
pub(super) fn template_fault(why: impl std::fmt::Display) -> Denial {
    Denial::Misconfigured {
        message: "A template of the matching rule could not be rendered".into(),
        why: Detail::id("template-error").log(why),
    }
}
