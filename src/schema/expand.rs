//! Schema files made self-contained: each reference replaced by what it refers to.

use serde_json::{Map, Value};

use super::HANDLERS;

/// References may nest so deep; the files hold no circles.
const DEPTH: usize = 32;

/// The schema file of this name, below `schemas/`, with every reference resolved. `None` for a name or a
/// reference that leads nowhere.
pub(super) fn document(name: &str) -> Option<Value> {
    let document = read(name)?;
    let mut expanded = expand(&document, name, &document, DEPTH)?;
    // What the references led to has been put in their place.
    expanded.as_object_mut()?.remove("definitions");
    Some(expanded)
}

fn read(name: &str) -> Option<Value> {
    let text = match name {
        "config.schema.json" => include_str!("../../schemas/config.schema.json"),
        "definitions.schema.json" => include_str!("../../schemas/definitions.schema.json"),
        "rule.schema.json" => include_str!("../../schemas/rule.schema.json"),
        "rules.schema.json" => include_str!("../../schemas/rules.schema.json"),
        _ => {
            let handler = name.strip_prefix("pipeline/")?.strip_suffix(".schema.json")?;
            let (stage, id) = handler.split_once('.')?;
            HANDLERS.iter().find(|known| known.0.to_string() == stage && known.1 == id)?.2
        }
    };
    serde_json::from_str(text).ok()
}

fn expand(value: &Value, name: &str, document: &Value, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref") {
                let (file, pointer) =
                    reference.as_str()?.split_once('#').unwrap_or((reference.as_str()?, ""));
                if file.is_empty() {
                    return expand(document.pointer(pointer)?, name, document, depth);
                }
                let file = relative(name, file);
                let other = read(&file)?;
                let mut target = expand(other.pointer(pointer)?, &file, &other, depth)?;
                if let Some(inner) = target.as_object_mut() {
                    inner.remove("$schema");
                    inner.remove("definitions");
                }
                return Some(target);
            }
            let mut expanded = Map::new();
            for (key, inner) in object {
                expanded.insert(key.clone(), expand(inner, name, document, depth)?);
            }
            Some(Value::Object(without_single_all_of(expanded)))
        }
        Value::Array(items) => items
            .iter()
            .map(|item| expand(item, name, document, depth))
            .collect::<Option<_>>()
            .map(Value::Array),
        other => Some(other.clone()),
    }
}

/// Draft-07 ignores everything beside a reference, so the files wrap it in an `allOf` of one.
fn without_single_all_of(mut object: Map<String, Value>) -> Map<String, Value> {
    let wrapped = match object.get_mut("allOf") {
        Some(Value::Array(parts)) if parts.len() == 1 => parts.pop(),
        _ => None,
    };
    if let Some(Value::Object(part)) = wrapped {
        object.remove("allOf");
        for (key, value) in part {
            object.entry(key).or_insert(value);
        }
    }
    object
}

/// The name that a reference in the file `from` means.
fn relative(from: &str, to: &str) -> String {
    let mut steps: Vec<&str> = from.split('/').collect();
    steps.pop();
    for step in to.split('/') {
        if step == ".." {
            steps.pop();
        } else {
            steps.push(step);
        }
    }
    steps.join("/")
}
