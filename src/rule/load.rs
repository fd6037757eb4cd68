//! From the text of a rule document to rules as written.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::migrate;
use super::spec::RuleSpec;
use crate::config::document;
use crate::diagnostic::{Finding, Report, Source};
use crate::schema;

/// The rules of one document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it came from, with its text.
    pub source: Arc<Source>,
    /// Rules with their position in the document's list.
    pub rules: Vec<(usize, RuleSpec)>,
    /// What is odd about it without being wrong.
    pub warnings: Report,
}

/// Reads a document: JSON, or YAML where it is no JSON. One rule that cannot be read refuses the whole
/// document, so that a half-read one never replaces a good one.
pub fn decode(source: Arc<Source>) -> Result<Document, Report> {
    let mut report = Report::default();
    let text = source.text.clone().unwrap_or_default();
    if text.trim().is_empty() {
        let finding = Finding::error("empty-document", "", "the document is empty")
            .help("a document without rules is written as `[]`");
        report.push(&source, None, finding);
        return Err(report);
    }
    let value = match document::parse(&text, &source.name) {
        Ok(document) => {
            for warning in document.warnings {
                report.push(&source, None, warning);
            }
            document.value
        }
        Err(finding) => {
            report.push(&source, None, finding);
            return Err(report);
        }
    };
    let list = match value {
        Value::Array(list) => list,
        Value::Null => Vec::new(),
        other => {
            let message = format!("a rule document is a list of rules, not {}", kind(&other));
            let finding = Finding::error("wrong-type", "", message).help("start every rule with `- id: …`");
            report.push(&source, None, finding);
            return Err(report);
        }
    };
    let mut rules = Vec::new();
    for (index, mut value) in list.into_iter().enumerate() {
        let pointer = format!("/{index}");
        if value.is_null() {
            report.push(
                &source,
                None,
                Finding::warning("empty-rule", pointer, "this rule is empty and left out"),
            );
            continue;
        }
        document::fold_rule_keys(&mut value);
        let id = value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = (!id.is_empty()).then_some(id);
        let mut findings = schema::rule().check(&value);
        match migrate::migrate(&mut value) {
            Ok(notes) => findings.extend(notes),
            Err(finding) => findings.push(finding),
        }
        match RuleSpec::deserialize(&value) {
            Ok(rule) => rules.push((index, rule)),
            Err(error) if findings.iter().all(|f| f.severity < crate::diagnostic::Severity::Error) => {
                findings.push(Finding::error("bad-rule", "", error.to_string()));
            }
            Err(_) => {}
        }
        for finding in findings {
            report.push(&source, id.as_deref(), finding.under(&pointer));
        }
    }
    if report.errors() > 0 {
        return Err(report);
    }
    Ok(Document { source, rules, warnings: report })
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
        decode(Arc::new(Source { name: "rules.yaml".to_owned(), path: None, text: Some(Arc::from(text)) }))
    }

    #[test]
    fn keys_are_found_in_any_case() {
        let document = decode_text(r#"[{"ID": "a", "Match": {"URL": "http://x/", "Methods": ["GET"]}, "Authorizer": {"Handler": "allow"}}]"#).unwrap();
        let (_, rule) = &document.rules[0];
        assert_eq!(rule.id, "a");
        assert_eq!(rule.authorizer.handler, "allow");
        assert!(rule.matches.is_some());
    }

    #[test]
    fn what_is_not_a_list_of_rules_is_refused() {
        for (text, code) in [
            ("", "empty-document"),
            ("  \n", "empty-document"),
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
}
