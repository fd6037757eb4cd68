//! From the text of a rule document to rules as written.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::common::Parts;
use super::migrate;
use super::pace;
use super::spec::RuleSpec;
use super::substitute::Substitution;
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
    /// What it says; the compiled rule shares it.
    pub spec: Arc<RuleSpec>,
    /// What the schema has to say about it; an error makes the rule invalid.
    pub findings: Vec<Finding>,
}

/// Reads a document: JSON, or YAML where it is no JSON. One rule that cannot be read refuses the whole
/// document, so that a half-read one never replaces a good one. So does an empty one, unless that is allowed:
/// it is more likely cut off than meant.
pub fn decode(
    source: Arc<Source>,
    allow_empty: bool,
    substitution: &Substitution,
) -> Result<Document, Report> {
    let document = decode_in_part(source, allow_empty, substitution);
    if document.warnings.errors() > 0 { Err(document.warnings) } else { Ok(document) }
}

/// Reads as much of a document as can be read, with errors among the warnings where that is not all. For
/// tools that want to show everything that is wrong at once; never to decide by.
pub fn decode_in_part(source: Arc<Source>, allow_empty: bool, substitution: &Substitution) -> Document {
    let mut report = Report::default();
    let rules = read(&source, allow_empty, substitution, &mut report).unwrap_or_default();
    Document { source, rules, warnings: report }
}

/// The rules that can be read; `None` where it is no list of rules.
fn read(
    source: &Arc<Source>,
    allow_empty: bool,
    substitution: &Substitution,
    report: &mut Report,
) -> Option<Vec<Written>> {
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
    let mut items = Items::new(source, substitution);
    if let Some(warnings) = document::each_item(&text, &mut |value| items.add(value)) {
        for warning in warnings {
            report.push(source, None, warning);
        }
        return Some(items.finish(report));
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
                None if text.trim_start().starts_with('<') => {
                    "this looks like a page for people: whoever asks may have to sign in, or the address is another one"
                }
                None => "start every rule with `- id: …`",
            });
            report.push(source, None, finding);
            return None;
        }
    };
    let mut items = Items::new(source, substitution);
    for value in list {
        items.add(value);
    }
    Some(items.finish(report))
}

/// The items of a document, on their way to rules.
struct Items<'s> {
    source: &'s Arc<Source>,
    substitution: &'s Substitution,
    next: usize,
    parts: Parts,
    rules: Vec<Written>,
    report: Report,
}

impl<'s> Items<'s> {
    fn new(source: &'s Arc<Source>, substitution: &'s Substitution) -> Self {
        let (parts, rules, report) = (Parts::default(), Vec::new(), Report::default());
        Self { source, substitution, next: 0, parts, rules, report }
    }

    fn finish(mut self, report: &mut Report) -> Vec<Written> {
        report.extend(self.report);
        self.rules.shrink_to_fit();
        self.rules
    }

    fn add(&mut self, mut value: Value) {
        pace::pause();
        let index = self.next;
        self.next += 1;
        let pointer = format!("/{index}");
        if value.is_null() {
            let finding = Finding::warning("empty-rule", pointer, "this rule is empty and left out");
            self.report.push(self.source, None, finding);
            return;
        }
        document::fold_rule_keys(&mut value);
        document::drop_rule_nulls(&mut value);
        let id = value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = (!id.is_empty()).then_some(id);
        let migrated = migrate::migrate(&mut value);
        let mut faults = Vec::new();
        let before = self.substitution.is_on().then(|| value.clone());
        let before = before.filter(|_| self.substitution.apply(&mut value, &mut faults));
        let unsubstituted = !faults.is_empty();
        // What is missing is said by the compiler, which knows what for.
        let mut findings = schema::rule().check(&value);
        findings.retain(|f| f.code != "missing-key");
        findings.extend(faults);
        let spec = RuleSpec::deserialize(&value).and_then(|mut spec| {
            spec.as_written = before.map(RuleSpec::deserialize).transpose()?.map(Box::new);
            Ok(spec)
        });
        match (spec, migrated) {
            (Ok(mut spec), Ok(notes)) if !unsubstituted => {
                findings.extend(notes);
                self.parts.share(&mut spec);
                self.rules.push(Written { index, spec: Arc::new(spec), findings });
                return;
            }
            (_, Err(finding)) => findings.push(finding),
            (Err(error), Ok(_)) if findings.iter().all(|f| f.severity < Severity::Error) => {
                findings.push(Finding::error("bad-rule", "", error.to_string()));
            }
            (_, Ok(_)) => {}
        }
        for finding in findings {
            self.report.push(self.source, id.as_deref(), finding.under(&pointer));
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
        let source = Source { name: "rules.yaml".to_owned(), path: None, text: Some(Arc::from(text)) };
        let variables = [("HOST", "app.test"), ("WORD", "next"), ("KEY", "hunter2")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let allowed = ["HOST", "WORD", "KEY"].map(str::to_owned).to_vec();
        decode(Arc::new(source), allow_empty, &Substitution::new(allowed, &variables))
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
        let page = decode_text("<!DOCTYPE html>\n<title>Sign in</title>").unwrap_err();
        let help = page.diagnostics[0].finding.help.as_deref();
        assert!(help.is_some_and(|help| help.contains("sign in")), "{help:?}");
    }

    #[test]
    fn a_rule_is_shown_as_it_is_written_not_with_what_variables_hold() {
        let document = decode_text(
            "- id: a\n  match: {methods: [GET], url: 'https://${HOST}/<.*>'}\n  authorizer: {handler: allow}\n  \
             mutators: [{handler: header, config: {headers: {X-Key: '${KEY}', X: '$${HOST}'}}}]",
        );
        let rule = &document.unwrap().rules[0].spec;
        assert_eq!(rule.matches.as_ref().unwrap().urls()[0].1, "https://app.test/<.*>");
        let headers = &rule.mutators.as_ref().unwrap()[0].config.as_ref().unwrap()["headers"];
        assert_eq!(*headers, serde_json::json!({"X-Key": "hunter2", "X": "${HOST}"}));
        let shown = rule.shown().to_string();
        assert!(shown.contains("https://${HOST}/") && shown.contains("$${HOST}"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("app.test"), "{shown}");
    }

    #[test]
    fn a_variable_that_cannot_be_had_refuses_the_document() {
        for (url, code) in [("${HOME}", "forbidden-variable"), ("${HOST", "bad-variable")] {
            let report =
                decode_text(&format!("- id: a\n  match: {{methods: [GET], url: '{url}'}}")).unwrap_err();
            let codes: Vec<&str> = report.diagnostics.iter().map(|d| d.finding.code).collect();
            assert_eq!(codes, [code]);
            assert_eq!(report.diagnostics[0].finding.pointer, "/0/match/url");
        }
        // A fixed word cannot be shown as a variable.
        let word = "- authenticators: [{handler: noop, on_failure: '${WORD}'}]";
        assert_eq!(decode_text(word).unwrap_err().diagnostics[0].finding.code, "bad-rule");
    }

    #[test]
    fn a_document_without_rules_is_a_list_without_items() {
        assert!(decode_text("[]").unwrap().rules.is_empty());
    }

    #[test]
    fn what_was_read_before_a_document_turns_out_to_be_broken_does_not_count() {
        let rule = r#"{"id": "a", "match": {"url": "http://x/", "methods": ["GET"]}}"#;
        for broken in [format!("[{rule}, "), format!("[{rule}] x"), format!("[{rule}, {{]")] {
            let report = decode_text(&broken).unwrap_err();
            assert_eq!(report.diagnostics.len(), 1, "{broken} {:?}", report.to_lines());
        }
        // Not JSON, but YAML all the same.
        let document = decode_text(&format!("[{rule}, {{id: b}}]")).unwrap();
        let ids: Vec<&str> = document.rules.iter().map(|rule| rule.spec.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn a_key_that_stands_twice_is_found_wherever_it_is() {
        let document =
            decode_text(r#"[{"id": "a"}, {"id": "b", "match": {"url": "x", "url": "y"}}]"#).unwrap();
        let places: Vec<&str> =
            document.warnings.diagnostics.iter().map(|d| d.finding.pointer.as_str()).collect();
        assert_eq!(places, ["/1/match/url"]);
    }

    #[test]
    fn an_empty_document_has_no_rules_where_that_is_allowed() {
        for text in ["", "\n", "# nothing yet", "null"] {
            assert!(decode_with(text, true).unwrap().rules.is_empty(), "{text:?}");
        }
        assert!(decode_with("id: a", true).is_err());
    }
}
