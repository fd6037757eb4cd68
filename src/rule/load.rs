//! From the text of a rule document to rules as written.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::migrate;
use super::spec::RuleSpec;
use crate::config::document;
use crate::diagnostic::{Finding, Report, Severity, Source};
use crate::schema;

/// The rules of one document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it came from, with its text.
    pub source: Arc<Source>,
    /// Its rules, in order.
    pub rules: Vec<Written>,
    /// What is odd about it without being wrong.
    pub warnings: Report,
}

/// A rule of a document.
#[derive(Debug, Clone)]
pub struct Written {
    /// Position in the document's list.
    pub index: usize,
    /// What it says.
    pub spec: RuleSpec,
    /// What the schema has to say about it; an error makes the rule invalid.
    pub findings: Vec<Finding>,
}

/// Reads a document: JSON, or YAML where it is no JSON. One rule that cannot be read refuses the whole
/// document, so that a half-read one never replaces a good one. So does an empty one, unless that is allowed:
/// it is more likely cut off than meant.
pub fn decode(source: Arc<Source>, allow_empty: bool) -> Result<Document, Report> {
    let document = decode_in_part(source, allow_empty);
    if document.warnings.errors() > 0 { Err(document.warnings) } else { Ok(document) }
}

/// Reads as much of a document as can be read, with errors among the warnings where that is not all. For
/// tools that want to show everything that is wrong at once; never to decide by.
pub fn decode_in_part(source: Arc<Source>, allow_empty: bool) -> Document {
    let mut report = Report::default();
    let rules = read(&source, allow_empty, &mut report).unwrap_or_default();
    Document { source, rules, warnings: report }
}

/// The rules that can be read; `None` where it is no list of rules.
fn read(source: &Arc<Source>, allow_empty: bool, report: &mut Report) -> Option<Vec<Written>> {
    let empty = |report: &mut Report| {
        if !allow_empty {
            let finding = Finding::error("empty-document", "", "the document is empty")
                .help("a document without rules is written as `[]`");
            report.push(source, None, finding);
        }
        None
    };
    let text = source.text.clone().unwrap_or_default();
    if text.trim().is_empty() {
        return empty(report);
    }
    let value = match document::parse(&text, &source.name) {
        Ok(document) => {
            for warning in document.warnings {
                report.push(source, None, warning);
            }
            document.value
        }
        Err(finding) => {
            report.push(source, None, finding);
            return None;
        }
    };
    let list = match value {
        Value::Array(list) => list,
        Value::Null => return empty(report),
        other => {
            let message = format!("a rule document is a list of rules, not {}", kind(&other));
            let finding = Finding::error("wrong-type", "", message).help(match other.get("access_rules") {
                Some(_) => "this is a configuration, which names files with rules",
                None => "start every rule with `- id: …`",
            });
            report.push(source, None, finding);
            return None;
        }
    };
    let mut rules = Vec::new();
    for (index, mut value) in list.into_iter().enumerate() {
        let pointer = format!("/{index}");
        if value.is_null() {
            report.push(
                source,
                None,
                Finding::warning("empty-rule", pointer, "this rule is empty and left out"),
            );
            continue;
        }
        document::fold_rule_keys(&mut value);
        drop_nulls(&mut value);
        let id = value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = (!id.is_empty()).then_some(id);
        // What is missing is said by the compiler, which knows what for.
        let mut findings = schema::rule().check(&value);
        findings.retain(|f| f.code != "missing-key");
        let migrated = migrate::migrate(&mut value);
        let spec = RuleSpec::deserialize(&value);
        match (spec, migrated) {
            (Ok(spec), Ok(notes)) => {
                findings.extend(notes);
                rules.push(Written { index, spec, findings });
                continue;
            }
            (_, Err(finding)) => findings.push(finding),
            (Err(error), Ok(_)) if findings.iter().all(|f| f.severity < Severity::Error) => {
                findings.push(Finding::error("bad-rule", "", error.to_string()));
            }
            (Err(_), Ok(_)) => {}
        }
        for finding in findings {
            report.push(source, id.as_deref(), finding.under(&pointer));
        }
    }
    Some(rules)
}

/// An explicit null is as good as nothing for a rule, its `match`, `upstream` and handlers.
fn drop_nulls(rule: &mut Value) {
    let Some(rule) = rule.as_object_mut() else { return };
    rule.retain(|_, value| !value.is_null());
    for key in ["match", "upstream", "authorizer"] {
        if let Some(Value::Object(object)) = rule.get_mut(key) {
            object.retain(|_, value| !value.is_null());
        }
    }
    for key in ["authenticators", "authorizers", "mutators", "errors"] {
        let handlers = rule.get_mut(key).and_then(Value::as_array_mut);
        for handler in handlers.into_iter().flatten().filter_map(Value::as_object_mut) {
            handler.retain(|_, value| !value.is_null());
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_text(text: &str) -> Result<Document, Report> {
        decode_with(text, false)
    }

    fn decode_with(text: &str, allow_empty: bool) -> Result<Document, Report> {
        let text = Some(Arc::from(text));
        decode(Arc::new(Source { name: "rules.yaml".to_owned(), path: None, text }), allow_empty)
    }

    #[test]
    fn keys_are_found_in_any_case() {
        let document = decode_text(r#"[{"ID": "a", "Match": {"URL": "http://x/", "Methods": ["GET"]}, "Authorizer": {"Handler": "allow"}}]"#).unwrap();
        let rule = &document.rules[0].spec;
        assert_eq!(rule.id, "a");
        assert_eq!(rule.authorizer.handler, "allow");
        assert!(rule.matches.is_some());
    }

    #[test]
    fn what_is_not_a_list_of_rules_is_refused() {
        for (text, code) in [
            ("", "empty-document"),
            ("  \n", "empty-document"),
            ("# rules of the web site\n", "empty-document"),
            ("null", "empty-document"),
            ("---\n", "empty-document"),
            ("id: a", "wrong-type"),
            ("\"x\"", "wrong-type"),
        ] {
            let report = decode_text(text).unwrap_err();
            assert_eq!(report.diagnostics[0].finding.code, code, "{text:?}");
        }
    }

    #[test]
    fn a_document_without_rules_is_a_list_without_items() {
        assert!(decode_text("[]").unwrap().rules.is_empty());
    }

    #[test]
    fn an_empty_document_has_no_rules_where_that_is_allowed() {
        for text in ["", "\n", "# nothing yet", "null"] {
            assert!(decode_with(text, true).unwrap().rules.is_empty(), "{text:?}");
        }
        assert!(decode_with("id: a", true).is_err());
    }
}
