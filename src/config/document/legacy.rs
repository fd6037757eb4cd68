//! YAML 1.1's words for booleans, which Oathkeeper reads and YAML 1.2 takes for text.

use serde_json::Value;

use crate::diagnostic::Finding;
use crate::diagnostic::position::plain_scalars;
use crate::diagnostic::text::quote;
use crate::schema;

const TRUE: [&str; 8] = ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"];
const FALSE: [&str; 8] = ["n", "N", "no", "No", "NO", "off", "Off", "OFF"];

/// Makes booleans of such words where a setting is a boolean, and warns of every one.
pub(super) fn booleans(text: &str, value: &mut Value) -> Vec<Finding> {
    if !may_hold_one(text) {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (pointer, word) in plain_scalars(text) {
        let Some(meant) = meaning(&word) else { continue };
        let Some(place) = value.pointer_mut(&pointer).filter(|place| **place == word) else { continue };
        let key = pointer.rsplit('/').next().unwrap_or_default();
        let is_boolean = schema::boolean_keys().iter().any(|known| known.eq_ignore_ascii_case(key));
        let (message, help) = if is_boolean {
            *place = Value::Bool(meant);
            (format!("{} is read as `{meant}`", quote(&word)), format!("write `{meant}`"))
        } else {
            let message = format!("{} is text here, while Oathkeeper reads it as `{meant}`", quote(&word));
            (message, format!("put it in quotes: `\"{word}\"`"))
        };
        warnings.push(Finding::warning("yaml-boolean", pointer, message).help(help));
    }
    warnings
}

fn meaning(word: &str) -> Option<bool> {
    if TRUE.contains(&word) { Some(true) } else { FALSE.contains(&word).then_some(false) }
}

/// A quick look, so that a document without such words is not parsed again.
fn may_hold_one(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}' | ':'))
        .any(|word| meaning(word).is_some())
}
