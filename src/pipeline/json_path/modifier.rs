//! Modifiers: what a path makes of a value it found.

use serde_json::{Map, Value};

use super::JsonPath;
use super::parse::{bracketed, steps};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Modifier {
    /// `@this`, and those that only change how JSON is written.
    This,
    Reverse,
    Flatten {
        deep: bool,
    },
    Join,
    Keys,
    Values,
    ToStr,
    FromStr,
    Group,
    Dig(Box<JsonPath>),
}

impl Modifier {
    /// Reads `name` or `name:argument`, and says where it ends. `None` for what is no modifier, but a key
    /// such as `@type`.
    pub(super) fn read(text: &str, depth: usize) -> Result<Option<(Self, usize)>, String> {
        let end = text.find(['.', '|', ':']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let (argument, end) = match rest.strip_prefix(':') {
            None => ("", end),
            Some(rest) => {
                let length = if rest.starts_with(['{', '[', '"']) { bracketed(rest) } else { None };
                let length = length.unwrap_or_else(|| rest.find(['.', '|']).unwrap_or(rest.len()));
                (rest.get(..length).unwrap_or_default(), end + 1 + length)
            }
        };
        let modifier = match name {
            "this" | "valid" | "pretty" | "ugly" => Self::This,
            "reverse" => Self::Reverse,
            "flatten" => {
                let argument: Value = serde_json::from_str(argument).unwrap_or_default();
                Self::Flatten { deep: argument.get("deep") == Some(&Value::Bool(true)) }
            }
            "join" => Self::Join,
            "keys" => Self::Keys,
            "values" => Self::Values,
            "tostr" => Self::ToStr,
            "fromstr" => Self::FromStr,
            "group" => Self::Group,
            "dig" => Self::Dig(Box::new(steps(argument, depth + 1)?)),
            _ => return Ok(None),
        };
        Ok(Some((modifier, end)))
    }

    pub(super) fn apply(&self, value: &Value) -> Option<Value> {
        Some(match (self, value) {
            (Self::Reverse, Value::Array(items)) => items.iter().rev().cloned().collect(),
            (Self::Reverse, Value::Object(object)) => {
                Value::Object(object.iter().rev().map(|(k, v)| (k.clone(), v.clone())).collect())
            }
            (Self::Flatten { deep }, Value::Array(items)) => {
                let mut flat = Vec::new();
                flatten(items, *deep, &mut flat);
                Value::Array(flat)
            }
            (Self::Join, Value::Array(items)) => {
                let members = items.iter().filter_map(Value::as_object).flatten();
                Value::Object(members.map(|(k, v)| (k.clone(), v.clone())).collect())
            }
            (Self::This | Self::Reverse | Self::Flatten { .. } | Self::Join, value) => value.clone(),
            (Self::Keys, Value::Object(object)) => object.keys().cloned().map(Value::String).collect(),
            (Self::Keys, Value::Array(items)) => items.iter().map(|_| Value::Null).collect(),
            (Self::Values, Value::Object(object)) => object.values().cloned().collect(),
            (Self::Values, Value::Array(_)) => value.clone(),
            (Self::Values, value) => Value::Array(vec![value.clone()]),
            (Self::ToStr, value) => Value::String(value.to_string()),
            (Self::FromStr, Value::String(text)) => serde_json::from_str(text).ok()?,
            (Self::Group, Value::Object(object)) => group(object),
            (Self::Dig(path), value) => {
                let mut found = Vec::new();
                dig(value, path, &mut found);
                Value::Array(found)
            }
            _ => return None,
        })
    }
}

fn flatten(items: &[Value], deep: bool, flat: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::Array(inner) if deep => flatten(inner, deep, flat),
            Value::Array(inner) => flat.extend(inner.iter().cloned()),
            item => flat.push(item.clone()),
        }
    }
}

/// `{"id":[1,2],"name":["a","b"]}` as `[{"id":1,"name":"a"},{"id":2,"name":"b"}]`.
fn group(object: &Map<String, Value>) -> Value {
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    for (key, values) in object {
        let Value::Array(values) = values else { continue };
        rows.resize_with(rows.len().max(values.len()), Map::new);
        for (row, value) in rows.iter_mut().zip(values) {
            row.insert(key.clone(), value.clone());
        }
    }
    rows.into_iter().map(Value::Object).collect()
}

/// Everything that the path finds anywhere within. An answer is not nested deeper than its parser allows.
fn dig(value: &Value, path: &JsonPath, found: &mut Vec<Value>) {
    found.extend(path.follow(value).map(std::borrow::Cow::into_owned));
    match value {
        Value::Object(object) => object.values().for_each(|inner| dig(inner, path, found)),
        Value::Array(items) => items.iter().for_each(|inner| dig(inner, path, found)),
        _ => {}
    }
}
