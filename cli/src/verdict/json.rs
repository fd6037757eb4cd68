//! A verdict for programs.

use okgate::request::{AccessRequest, Origin};
use okgate::rule::spec::MatchSpec;
use okgate::rule::{Hit, Rule};
use serde_json::{Value, json};

use super::{Outcome, Verdict, methods, patterns, steps, title_case, why};
use crate::place::Places;

impl Outcome {
    fn id(&self) -> &'static str {
        match self {
            Self::One(_) => "matched",
            Self::None => "no-rule",
            Self::Several => "several-rules",
            Self::Ambiguous => "ambiguous-path",
            Self::AmbiguousField => "ambiguous-field",
            Self::Unreadable(_) => "unreadable-path",
            Self::TooCostly => "pattern-too-costly",
        }
    }

    /// What the server answers without asking any handler.
    fn status(&self) -> Option<u16> {
        match self {
            Self::One(_) => None,
            Self::None => Some(404),
            Self::Several | Self::TooCostly => Some(500),
            Self::Ambiguous | Self::AmbiguousField | Self::Unreadable(_) => Some(400),
        }
    }
}

impl Verdict<'_> {
    /// An object with `outcome`, `status` (of the answer, where matching alone decides it), `request`, `rule`,
    /// `readings`, `near_misses` and `farther` (how many more rules do not match).
    pub fn to_json(&self) -> Value {
        let places = self.places();
        let rule = match &self.outcome {
            Outcome::One(hit) => self.matched(hit, &places),
            _ => Value::Null,
        };
        let readings = self.explanation.readings.iter().map(|met| {
            let rules: Vec<Value> = met.rules.iter().map(|r| named(r, &places)).collect();
            json!({"url": met.url, "rules": rules})
        });
        let near_misses = self.near_misses().map(|miss| {
            let mut value = named(&miss.rule, &places);
            add(&mut value, "why", Value::from(why(miss)));
            value
        });
        json!({
            "outcome": self.outcome.id(),
            "status": self.outcome.status(),
            "request": self.request(),
            "rule": rule,
            "readings": readings.collect::<Vec<_>>(),
            "near_misses": near_misses.collect::<Vec<_>>(),
            "farther": self.explanation.farther,
        })
    }

    fn request(&self) -> Value {
        let parts = self.parts;
        json!({
            "method": parts.method.value,
            "scheme": self.access.map_or(&*parts.scheme.value, AccessRequest::scheme),
            "host": self.access.map_or(&*parts.host.value, AccessRequest::host),
            "path": self.access.map(AccessRequest::path),
            "sent_path": String::from_utf8_lossy(&parts.path.value),
            "query": parts.query.value,
            "from": {
                "method": origin(parts.method.origin, "--method"),
                "scheme": origin(parts.scheme.origin, "--url"),
                "host": origin(parts.host.origin, "--url"),
                "path": origin(parts.path.origin, "--url"),
                "query": origin(parts.query.origin, "--url"),
            },
        })
    }

    fn matched(&self, hit: &Hit, places: &Places) -> Value {
        let mut value = named(&hit.rule, places);
        add(&mut value, "chosen_by", Value::from(hit.chosen_by.name()));
        add(&mut value, "captures", json!(self.captures(hit)));
        for (stage, handlers) in steps(&hit.rule) {
            let handlers = match handlers.as_slice() {
                [only] if stage == "authorizer" => json!(only),
                several => json!(several),
            };
            add(&mut value, stage, handlers);
        }
        add(&mut value, "findings", self.findings(&hit.rule).to_json());
        value
    }
}

/// A rule by name and place.
fn named(rule: &Rule, places: &Places) -> Value {
    let mut value = json!({
        "id": rule.id(),
        "file": rule.source.name,
        "line": places.line(rule),
        "methods": methods(rule),
        "url": patterns(rule).into_iter().next().unwrap_or_default(),
        "valid": rule.is_valid(),
    });
    // What only some rules have.
    if let Some(MatchSpec::Http { more, .. }) = &rule.spec.matches
        && let Ok(Value::Object(more)) = serde_json::to_value(more)
    {
        more.into_iter().for_each(|(key, written)| add(&mut value, &key, written));
    }
    if let Some(priority) = rule.spec.priority {
        add(&mut value, "priority", Value::from(priority));
    }
    value
}

fn add(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn origin(origin: Origin, own: &str) -> String {
    match origin {
        Origin::Header(name) => title_case(name),
        Origin::RequestLine | Origin::Connection | Origin::Body => own.to_owned(),
    }
}
