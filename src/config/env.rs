//! Environment variables: `serve.api.port` is `SERVE_API_PORT`, in any case, without a prefix.
//!
//! Stricter than Oathkeeper: a port that is no number is an error there and not port 0, a list replaces the
//! file's list whole, and a variable with one of the short names (`VERSION`, `LOG`, …) that was meant for
//! another program is left alone.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::layers::Layer;
use crate::diagnostic::text::{one_of, quote};
use crate::diagnostic::{Finding, Report, Source, pointer_token};
use crate::schema::{self, Kind, Setting};

/// What the environment says, outer settings before inner ones, and what it says wrongly.
pub(super) fn layers(environment: &[(String, String)], report: &mut Report) -> Vec<Layer> {
    let settings = schema::config().settings();
    let known: HashMap<String, &Setting<'_>> =
        settings.iter().map(|setting| (comparable(&setting.path.join(".")), setting)).collect();
    let mut found: Vec<(&Setting<'_>, &str, &str)> = environment
        .iter()
        .filter_map(|(name, text)| Some((*known.get(&comparable(name))?, name.as_str(), text.as_str())))
        .collect();
    // Of two spellings of one name the upper-case one wins, and comes last.
    found.sort_by_key(|(setting, name, _)| (setting.path.len(), &setting.path, std::cmp::Reverse(*name)));
    let mut layers = Vec::new();
    for (setting, name, text) in found {
        let source =
            Arc::new(Source { name: format!("environment variable {name}"), path: None, text: None });
        match convert(setting.kind, text) {
            Ok(value) if is_short(setting) && is_unfit(setting, &value) => {
                report.push(&source, None, ignored(setting, name));
            }
            Ok(value) => layers.push(Layer { source, value: nested(&setting.path, value) }),
            Err(_) if is_short(setting) => report.push(&source, None, ignored(setting, name)),
            Err(expected) => {
                let path = quote(&setting.path.join("."));
                let message = format!("{} sets {path}, which must be {expected}", quote(name));
                report.push(
                    &source,
                    None,
                    Finding::error("bad-environment", pointer(&setting.path), message),
                );
            }
        }
    }
    layers
}

fn comparable(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', ".")
}

fn pointer(path: &[&str]) -> String {
    path.iter().fold(String::new(), |pointer, key| pointer + "/" + &pointer_token(key))
}

fn nested(path: &[&str], value: Value) -> Value {
    path.iter().rev().fold(value, |inner, key| Value::Object(Map::from_iter([((*key).to_owned(), inner)])))
}

/// Other programs have a `VERSION`, a `LOG` and a `CACHE` too.
fn is_short(setting: &Setting<'_>) -> bool {
    matches!(setting.path.as_slice(), [only] if !only.contains('_'))
}

fn is_unfit(setting: &Setting<'_>, value: &Value) -> bool {
    // What is wrong inside an object was meant for us.
    setting.kind == Kind::Text && !schema::config().check(&nested(&setting.path, value.clone())).is_empty()
}

fn ignored(setting: &Setting<'_>, name: &str) -> Finding {
    let path = setting.path.join(".");
    let message = format!("{} is ignored: its value does not fit {}", quote(name), quote(&path));
    Finding::warning("ignored-environment", pointer(&setting.path), message).help(format!(
        "other programs may use the name; to set {} here, use the configuration file",
        quote(&path)
    ))
}

/// The value a variable's text stands for, or what it would have to be.
fn convert(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(Value::String(text.to_owned())),
        Kind::Boolean => match text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => Err(one_of(["true", "false"])),
        },
        Kind::Integer => text.parse::<i64>().map(Value::from).map_err(|_| "a whole number".to_owned()),
        Kind::Number => {
            let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            number.map(Value::Number).ok_or_else(|| "a number".to_owned())
        }
        Kind::Texts => match serde_json::from_str(text) {
            Ok(list @ Value::Array(_)) => Ok(list),
            _ => Ok(Value::Array(record(text).into_iter().map(Value::String).collect())),
        },
        Kind::List => match serde_json::from_str(text) {
            Ok(list @ Value::Array(_)) => Ok(list),
            _ => Err("a list in JSON".to_owned()),
        },
        Kind::Object => match serde_json::from_str(text) {
            Ok(object @ Value::Object(_)) => Ok(object),
            _ => Err("an object in JSON".to_owned()),
        },
    }
}

/// One line of comma-separated values (RFC 4180): values may be quoted, quotes in them doubled. No text is
/// no value.
fn record(text: &str) -> Vec<String> {
    let mut values = Vec::new();
    if text.is_empty() {
        return values;
    }
    let mut value = String::new();
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                value.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if value.is_empty() => quoted = true,
            ',' if !quoted => values.push(std::mem::take(&mut value)),
            c => value.push(c),
        }
    }
    values.push(value);
    values
}

#[cfg(test)]
mod tests;
