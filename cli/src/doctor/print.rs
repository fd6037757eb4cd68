//! What was found, for people and for programs.

use std::fmt::Write as _;

use okgate::diagnostic::Severity;
use serde_json::{Value, json};

use super::{Check, Finding, Outcome};

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// All findings.
pub fn findings(checks: &[Check]) -> impl Iterator<Item = &Finding> {
    checks.iter().flat_map(|check| match &check.outcome {
        Outcome::Bad(findings) => findings.as_slice(),
        _ => &[],
    })
}

/// How many errors and warnings there are.
pub fn counts(checks: &[Check]) -> (usize, usize) {
    let errors = findings(checks).filter(|finding| finding.severity == Severity::Error).count();
    (errors, findings(checks).count() - errors)
}

/// A line for each check, then the findings.
pub fn to_human(head: &[(&str, String)], checks: &[Check], notes: &[String], colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour { format!("{code}{text}{RESET}") } else { text.to_owned() }
    };
    let mut text = String::new();
    for (name, value) in head {
        let _ = writeln!(text, "{} {value}", paint(DIM, &format!("{name:<14}")));
    }
    text.push('\n');
    for check in checks {
        let (code, word, said) = match &check.outcome {
            Outcome::Good(said) => (GREEN, "ok", said.clone()),
            Outcome::Bad(findings) => {
                let codes: std::collections::BTreeSet<super::Code> =
                    findings.iter().map(|f| f.code).collect();
                (RED, "wrong", codes.into_iter().map(super::Code::id).collect::<Vec<_>>().join(", "))
            }
            Outcome::NotChecked(why) => (YELLOW, "not checked", why.clone()),
            Outcome::Failed(why) => (YELLOW, "failed", why.clone()),
        };
        let _ = writeln!(text, "{} {:<18} {said}", paint(code, &format!("{word:<11}")), check.id);
    }
    for note in notes {
        let _ = writeln!(text, "{} {note}", paint(DIM, "note:"));
    }
    for finding in findings(checks) {
        let (code, word) = match finding.severity {
            Severity::Error => (RED, "error"),
            Severity::Warning => (YELLOW, "warning"),
        };
        let title = paint(code, &format!("{word}[{}]", finding.code.id()));
        let _ = writeln!(text, "\n{title}{}", paint(BOLD, &format!(": {}", finding.message)));
        let _ = writeln!(text, "  = sent: {}", finding.sent);
        if finding.more > 0 {
            let _ = writeln!(text, "  = also: {} more such", finding.more);
        }
        if !finding.help.is_empty() {
            let _ = writeln!(text, "  = help: {}", finding.help);
        }
    }
    text
}

/// The same as an object.
pub fn to_json(head: &[(&str, String)], checks: &[Check], notes: &[String]) -> Value {
    let finding = |f: &Finding| {
        let severity = if f.severity == Severity::Error { "error" } else { "warning" };
        json!({"severity": severity, "code": f.code.id(), "message": f.message, "sent": f.sent, "more": f.more, "help": f.help})
    };
    let check = |check: &Check| {
        let (outcome, detail, findings) = match &check.outcome {
            Outcome::Good(said) => ("ok", Some(said), Vec::new()),
            Outcome::Bad(findings) => ("wrong", None, findings.iter().map(finding).collect()),
            Outcome::NotChecked(why) => ("not-checked", Some(why), Vec::new()),
            Outcome::Failed(why) => ("failed", Some(why), Vec::new()),
        };
        json!({"id": check.id, "outcome": outcome, "detail": detail, "findings": findings})
    };
    let (errors, warnings) = counts(checks);
    let mut object: serde_json::Map<String, Value> =
        head.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    object.insert("errors".to_owned(), json!(errors));
    object.insert("warnings".to_owned(), json!(warnings));
    object.insert("checks".to_owned(), checks.iter().map(check).collect());
    object.insert("notes".to_owned(), json!(notes));
    Value::Object(object)
}
