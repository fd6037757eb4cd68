//! Keys of rules in any case, as Oathkeeper's JSON reader takes them: `ID`, `Match`, `Handler`.

use serde_json::{Map, Value};

/// The keys of a rule by where they stand.
const RULE: &[&str] = &[
    "id",
    "version",
    "description",
    "priority",
    "match",
    "authenticators",
    "authorizer",
    "authorizers",
    "mutators",
    "errors",
    "cors",
    "upstream",
];
const MATCH: &[&str] = &[
    "methods",
    "url",
    "urls",
    "headers",
    "query",
    "remote_ip",
    "authority",
    "full_method",
    "allow_http_get",
];
const HANDLER: &[&str] = &["handler", "config"];
const UPSTREAM: &[&str] = &["url", "preserve_host", "strip_path"];

/// Brings the keys of one rule to the spelling they are known by. The exact spelling wins where both are
/// there; a handler's `config` is left as it is.
pub fn fold_rule_keys(rule: &mut Value) {
    each_object(rule, &mut fold);
}

/// An explicit null is as good as nothing for a rule, its `match`, `upstream` and handlers.
pub fn drop_rule_nulls(rule: &mut Value) {
    each_object(rule, &mut |object, _| object.retain(|_, value| !value.is_null()));
}

/// Shows a rule and the objects in it whose keys are known, each with these keys.
fn each_object(rule: &mut Value, show: &mut impl FnMut(&mut Map<String, Value>, &[&str])) {
    let Some(rule) = rule.as_object_mut() else { return };
    show(rule, RULE);
    for (key, inner) in rule {
        let known = match key.as_str() {
            "match" => MATCH,
            "upstream" => UPSTREAM,
            "authorizer" | "authorizers" | "authenticators" | "mutators" | "errors" => HANDLER,
            _ => continue,
        };
        match inner {
            Value::Object(object) => show(object, known),
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| show(item, known));
            }
            _ => {}
        }
    }
}

fn fold(object: &mut Map<String, Value>, known: &[&str]) {
    let is_exact = |key: &str| known.contains(&key);
    if object.keys().all(|key| is_exact(key) || !known.iter().any(|known| known.eq_ignore_ascii_case(key))) {
        return;
    }
    for (key, value) in std::mem::take(object) {
        match known.iter().find(|known| known.eq_ignore_ascii_case(&key)) {
            Some(exact) if *exact != key => {
                object.entry((*exact).to_owned()).or_insert(value);
            }
            _ => {
                object.insert(key, value);
            }
        }
    }
}
