//! Merging: a file over another, a rule's handler configuration over the global one.

use serde_json::{Map, Value};

/// Maps whose keys are people's own. A rule takes an entry of the global configuration away with `null`.
const NAMED_BY_PEOPLE: [&str; 4] =
    ["headers", "cookies", "additional_headers", "introspection_request_headers"];

/// What a rule's handler works with: its configuration over the handler's global one.
///
/// Objects are merged key by key, everything else is replaced. `token_from` names exactly one place, so the
/// rule's replaces the global one whole. `null` takes away a single header or cookie; anywhere else it stays,
/// and the schema refuses it: an empty value by accident must not switch a check off.
pub fn merge(base: &Value, over: &Value) -> Value {
    let mut merged = base.clone();
    overlay(&mut merged, over);
    if let (Value::Object(merged), Value::Object(over)) = (&mut merged, over) {
        for name in NAMED_BY_PEOPLE {
            let Some(written) = over.get(name).and_then(Value::as_object) else { continue };
            if let Some(entries) = merged.get_mut(name).and_then(Value::as_object_mut) {
                remove_nulls(entries, written);
            }
        }
    }
    merged
}

/// Lays `over` on `base`: objects key by key, everything else and `token_from` replaced.
pub(super) fn overlay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                match base.get_mut(key) {
                    Some(present) if key != "token_from" => overlay(present, value),
                    _ => {
                        base.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// Header names differ in case and mean the same: all spellings of a `null` entry go.
fn remove_nulls(entries: &mut Map<String, Value>, written: &Map<String, Value>) {
    for (name, value) in written {
        if value.is_null() {
            entries.retain(|entry, present| !(present.is_null() || entry.eq_ignore_ascii_case(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rules_configuration_is_laid_over_the_global_one() {
        for (what, base, over, merged) in [
            ("nothing over something", json!({"a": 1}), json!({}), json!({"a": 1})),
            ("scalars are replaced", json!({"a": 1, "b": 2}), json!({"a": "x"}), json!({"a": "x", "b": 2})),
            ("lists are replaced", json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (
                "objects are merged",
                json!({"a": {"b": 1}}),
                json!({"a": {"c": 2}}),
                json!({"a": {"b": 1, "c": 2}}),
            ),
            (
                "deep down too",
                json!({"a": {"b": {"c": 1}}}),
                json!({"a": {"b": {"d": 2}}}),
                json!({"a": {"b": {"c": 1, "d": 2}}}),
            ),
            ("an object replaces a scalar", json!({"a": 1}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}})),
            ("a scalar replaces an object", json!({"a": {"b": 1}}), json!({"a": 1}), json!({"a": 1})),
            (
                "token_from is one place, not two",
                json!({"token_from": {"header": "A"}}),
                json!({"token_from": {"cookie": "b"}}),
                json!({"token_from": {"cookie": "b"}}),
            ),
            (
                "null takes a header away",
                json!({"headers": {"X-A": "1", "X-B": "2"}}),
                json!({"headers": {"x-a": null, "X-C": "3"}}),
                json!({"headers": {"X-B": "2", "X-C": "3"}}),
            ),
            (
                "or none, where there is none",
                json!({}),
                json!({"headers": {"X-A": null}}),
                json!({"headers": {}}),
            ),
            (
                "null elsewhere stays, and the schema refuses it",
                json!({"required_scope": ["a"], "headers": {"X": "1"}}),
                json!({"required_scope": null, "headers": null}),
                json!({"required_scope": null, "headers": null}),
            ),
            (
                "keys are told apart by case",
                json!({"a": {"x": 1}}),
                json!({"a": {"X": 2}}),
                json!({"a": {"x": 1, "X": 2}}),
            ),
        ] {
            assert_eq!(merge(&base, &over), merged, "{what}");
        }
    }
}
