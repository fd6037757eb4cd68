//! Validation errors in users' words.

use okgate_schemas::{TypeKind, ValidationError, ValidationErrorKind};
use serde_json::Value;

use super::shape;
use crate::diagnostic::secret::is_secret_pointer;
use crate::diagnostic::suggest::did_you_mean;
use crate::diagnostic::text::{one_of, quote};
use crate::diagnostic::{Finding, Severity, pointer_token};

/// More keys than this are not listed: the reference is the better help then.
const LISTED_KEYS: usize = 16;

/// The findings of one validation error.
pub(super) fn from_error(error: &ValidationError<'_>, shape: &Value) -> Vec<Finding> {
    let pointer = error.instance_path().as_str();
    let node = shape::at(shape, pointer).unwrap_or(&Value::Null);
    let value = error.instance();
    let subject = subject(pointer);
    let expected = node.get("x-expected").and_then(Value::as_str);
    let one = |code, message: String| Finding::error(code, pointer, message);
    let finding = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            return unexpected.iter().map(|key| unknown_key(pointer, key, node)).collect();
        }
        ValidationErrorKind::Required { property } => {
            let key = quote(property.as_str().unwrap_or_default());
            let place = if pointer.is_empty() { String::new() } else { format!(" in {subject}") };
            one("missing-key", format!("the key {key} is missing{place}"))
        }
        ValidationErrorKind::AnyOf { context } if !keys_wanted(context).is_empty() => {
            one("missing-key", format!("one of the keys {} is missing", keys_wanted(context)))
        }
        ValidationErrorKind::Type { kind } => {
            let wanted = expected.map_or_else(|| types(kind), str::to_owned);
            let mut finding =
                one("wrong-type", format!("{subject} must be {wanted}, not {}", type_of(value)));
            finding.help = type_help(kind, value).filter(|_| expected.is_none());
            finding
        }
        ValidationErrorKind::Enum { options } => not_one_of(pointer, &subject, value, options),
        ValidationErrorKind::Minimum { limit } => {
            one("out-of-range", format!("{subject} must be at least {limit}"))
        }
        ValidationErrorKind::Maximum { limit } => {
            one("out-of-range", format!("{subject} must be at most {limit}"))
        }
        ValidationErrorKind::Format { .. } | ValidationErrorKind::Pattern { .. } => {
            one("bad-format", format!("{subject} must be {}", expected.unwrap_or("of another form")))
        }
        ValidationErrorKind::MinProperties { .. } | ValidationErrorKind::MaxProperties { .. } => {
            let expected = expected.unwrap_or("another number of keys");
            one("not-exactly-one", format!("{subject} must have {expected}"))
        }
        ValidationErrorKind::MinItems { .. } | ValidationErrorKind::MinLength { .. } => {
            one("empty", format!("{subject} must not be empty"))
        }
        ValidationErrorKind::UniqueItems => {
            one("not-unique", format!("{subject} must not list anything twice"))
        }
        _ => one("invalid", format!("{subject} is not valid: {}", error.masked())),
    };
    vec![finding]
}

/// The keys of which one is missing; empty where something else is wrong.
fn keys_wanted(branches: &[Vec<ValidationError<'_>>]) -> String {
    let mut keys = Vec::new();
    for branch in branches {
        match branch.as_slice() {
            [error] => match error.kind() {
                ValidationErrorKind::Required { property } => {
                    keys.push(property.as_str().unwrap_or_default());
                }
                _ => return String::new(),
            },
            _ => return String::new(),
        }
    }
    one_of(keys)
}

fn unknown_key(pointer: &str, key: &str, node: &Value) -> Finding {
    let path = format!("{pointer}/{}", pointer_token(key));
    let known: Vec<&str> = shape::keys(node).collect();
    let help = did_you_mean(key, known.iter().copied()).or_else(|| {
        let listed = !known.is_empty() && known.len() <= LISTED_KEYS;
        listed.then(|| {
            format!("known here: {}", known.iter().map(|key| quote(key)).collect::<Vec<_>>().join(", "))
        })
    });
    let mut finding = match node.get("x-names").and_then(Value::as_str) {
        Some(noun) => Finding::error("unknown-handler", path, format!("no {noun} is called {}", quote(key))),
        None if pointer.is_empty() => {
            Finding::error("unknown-key", path, format!("there is no key {}", quote(key)))
        }
        None => {
            let message = format!("there is no key {} in {}", quote(key), subject(pointer));
            Finding::error("unknown-key", path, message)
        }
    };
    if node.get("x-unknown-keys").is_some_and(|what| what == "ignored") {
        finding.severity = Severity::Warning;
        finding.message.push_str(", it is ignored");
    }
    finding.help = help;
    finding.at_key()
}

fn not_one_of(pointer: &str, subject: &str, value: &Value, options: &Value) -> Finding {
    let texts: Vec<String> = options
        .as_array()
        .into_iter()
        .flatten()
        .map(|option| option.as_str().map_or_else(|| option.to_string(), str::to_owned))
        .filter(|option| !option.is_empty())
        .collect();
    let choices = one_of(texts.iter().map(String::as_str));
    let written = match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let written = written.filter(|_| !is_secret_pointer(pointer));
    let not = written.as_deref().map_or_else(|| type_of(value).to_owned(), quote);
    let mut finding =
        Finding::error("not-one-of", pointer, format!("{subject} must be {choices}, not {not}"));
    let word = written.filter(|_| value.is_string());
    finding.help = word.and_then(|word| did_you_mean(&word, texts.iter().map(String::as_str)));
    finding
}

/// A JSON pointer as people write it: `a.b[0].c`.
pub fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for token in pointer.split('/').skip(1) {
        let key = token.replace("~1", "/").replace("~0", "~");
        if !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit()) && !path.is_empty() {
            path.push('[');
            path.push_str(&key);
            path.push(']');
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&key);
        }
    }
    path
}

fn subject(pointer: &str) -> String {
    if pointer.is_empty() { "this".to_owned() } else { quote(&dotted(pointer)) }
}

fn types(kind: &TypeKind) -> String {
    let names: Vec<String> = match kind {
        TypeKind::Single(kind) => vec![kind.to_string()],
        // `null` stands for "absent", which is no advice.
        TypeKind::Multiple(kinds) => {
            kinds.iter().map(|kind| kind.to_string()).filter(|kind| kind != "null").collect()
        }
    };
    let words: Vec<&str> = names
        .iter()
        .map(|name| match name.as_str() {
            "string" => "text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            "array" => "a list",
            "object" => "an object",
            _ => "null",
        })
        .collect();
    words.join(" or ")
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn type_help(kind: &TypeKind, value: &Value) -> Option<String> {
    let TypeKind::Single(kind) = kind else { return None };
    let wanted = kind.to_string();
    let help = match (wanted.as_str(), value) {
        ("boolean", Value::String(text)) => match text.to_ascii_lowercase().as_str() {
            "yes" | "y" | "on" | "true" | "1" => "write `true` without quotes",
            "no" | "n" | "off" | "false" | "0" => "write `false` without quotes",
            _ => return None,
        },
        ("integer" | "number", Value::String(text)) if text.parse::<f64>().is_ok() => {
            "write it without quotes"
        }
        ("string", Value::Number(_) | Value::Bool(_)) => "put it in quotes",
        ("array", Value::String(_)) => "put it in brackets: `[…]`",
        (_, Value::Null) => "give it a value or take the key away",
        _ => return None,
    };
    Some(help.to_owned())
}
