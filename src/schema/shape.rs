//! What a schema says about a place: its default, what it may hold, what its keys are. Conditions are
//! flattened: what may be there counts, not when.

use serde_json::{Map, Value};

/// The schema without conditions, `then` laid over what it is in, and without what only people read.
pub(super) fn of(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            let mut flat = Map::new();
            for (key, inner) in object {
                let prose = inner.is_string() && (key == "description" || key == "title");
                if key != "if" && key != "then" && !prose {
                    flat.insert(key.clone(), of(inner));
                }
            }
            if let Some(Value::Object(then)) = object.get("then") {
                let properties = then.get("properties").map(of);
                if let Some(properties) = properties {
                    overlay(
                        flat.entry("properties").or_insert_with(|| Value::Object(Map::new())),
                        properties,
                    );
                }
            }
            Value::Object(flat)
        }
        Value::Array(items) => Value::Array(items.iter().map(of).collect()),
        other => other.clone(),
    }
}

fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// What the schema says about the place a pointer leads to.
pub(super) fn at<'s>(shape: &'s Value, pointer: &str) -> Option<&'s Value> {
    pointer.split('/').skip(1).try_fold(shape, |node, token| {
        let key = token.replace("~1", "/").replace("~0", "~");
        let property = node.get("properties").and_then(|properties| properties.get(&key));
        property
            .or_else(|| node.get("additionalProperties"))
            .or_else(|| node.get("items"))
            .filter(|n| n.is_object())
    })
}

/// The keys that an object may have there; empty where it may have any.
pub(super) fn keys(node: &Value) -> impl Iterator<Item = &str> {
    let properties = node.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(key, _)| key.as_str())
}

pub(super) fn fill_defaults(node: &Value, value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    let properties = node.get("properties").and_then(Value::as_object);
    for (key, inner) in properties.into_iter().flatten() {
        if let Some(present) = object.get_mut(key) {
            fill_defaults(inner, present);
            continue;
        }
        let mut filled = inner.get("default").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        fill_defaults(inner, &mut filled);
        let says_something =
            inner.get("default").is_some() || filled.as_object().is_some_and(|o| !o.is_empty());
        if says_something {
            object.insert(key.clone(), filled);
        }
    }
}

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, whatever its form.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A list of texts.
    Texts,
    /// A list of anything else.
    List,
    /// An object.
    Object,
}

/// A place in the configuration where something can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<'s> {
    /// The keys on the way to it.
    pub path: Vec<&'s str>,
    /// What it holds.
    pub kind: Kind,
}

/// Every place below the root where something can be set, outer before inner.
pub(super) fn settings(shape: &Value) -> Vec<Setting<'_>> {
    let mut found = Vec::new();
    let mut waiting = vec![(Vec::new(), shape)];
    while let Some((path, node)) = waiting.pop() {
        let properties = node.get("properties").and_then(Value::as_object);
        for (key, inner) in properties.into_iter().flatten() {
            let mut path = path.clone();
            path.push(key.as_str());
            found.push(Setting { path: path.clone(), kind: kind(inner) });
            waiting.push((path, inner));
        }
    }
    found.sort_by(|a, b| (a.path.len(), &a.path).cmp(&(b.path.len(), &b.path)));
    found
}

fn kind(node: &Value) -> Kind {
    let is = |name: &str| match node.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    };
    let items_are_text = node.pointer("/items/type").is_none_or(|items| items == "string");
    if is("array") {
        if items_are_text { Kind::Texts } else { Kind::List }
    } else if is("object") || node.get("properties").is_some() {
        Kind::Object
    } else if is("string") {
        Kind::Text
    } else if is("boolean") {
        Kind::Boolean
    } else if is("integer") {
        Kind::Integer
    } else if is("number") {
        Kind::Number
    } else {
        Kind::Object
    }
}

/// Collects the names of all settings that are booleans.
pub(super) fn boolean_keys(node: &Value, found: &mut Vec<String>) {
    match node {
        Value::Object(object) => {
            let properties = object.get("properties").and_then(Value::as_object);
            for (key, inner) in properties.into_iter().flatten() {
                if kind(inner) == Kind::Boolean {
                    found.push(key.clone());
                }
            }
            for inner in object.values() {
                boolean_keys(inner, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| boolean_keys(item, found)),
        _ => {}
    }
}
