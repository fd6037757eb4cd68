//! Rewriting: rule documents of old versions written anew, as [`migrate`] reads them.
//!
//! Only what a migration changes is replaced in the text, so that comments and layout stay. The result is read again;
//! where it does not say what the migrated rules say, the whole document is written anew instead.

use std::ops::Range;

use serde_json::Value;

use super::migrate;
use crate::config::document;
use crate::diagnostic::position::Locator;
use crate::diagnostic::{Finding, pointer_token};

/// The version that migrated rules have from then on.
pub const VERSION: &str = "v0.40.9";

/// A document written anew.
#[derive(Debug)]
pub struct Rewritten {
    /// The new text.
    pub text: String,
    /// What was changed, as JSON pointers into the document.
    pub changed: Vec<String>,
    /// Whether comments and layout were kept.
    pub layout_kept: bool,
}

/// Keys that a migration gives another name.
const RENAMED: [(&str, &str); 2] =
    [("delay_in_milliseconds", "max_delay"), ("number_of_retries", "give_up_after")];

/// Migrates the rules of a document; `None` where there is nothing to migrate. Findings say why it cannot be done.
pub fn rewrite(text: &str, name: &str) -> Result<Option<Rewritten>, Vec<Finding>> {
    let before = rules(text, name).map_err(|finding| vec![finding])?;
    let mut after = before.clone();
    let mut changed = Vec::new();
    let mut faults = Vec::new();
    for (index, rule) in after.iter_mut().enumerate() {
        match version_is_text(rule).and_then(|()| migrate::migrate(rule)) {
            Ok(notes) => {
                if let (false, Some(rule)) = (notes.is_empty(), rule.as_object_mut()) {
                    rule.insert("version".to_owned(), VERSION.into());
                }
                changed.extend(notes.into_iter().map(|note| note.under(&format!("/{index}")).pointer));
            }
            Err(finding) => faults.push(finding.under(&format!("/{index}"))),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    if changed.is_empty() {
        return Ok(None);
    }
    let edited = edited(text, name, &before, &after);
    let kept = edited.filter(|edited| rules(edited, name).is_ok_and(|rules| rules == after));
    let layout_kept = kept.is_some();
    let text = kept.or_else(|| written(text, &after)).ok_or_else(|| {
        vec![Finding::error("unwritable", "", "the migrated rules cannot be written as text")]
    })?;
    Ok(Some(Rewritten { text, changed, layout_kept }))
}

/// YAML reads `0.36` as a number.
fn version_is_text(rule: &Value) -> Result<(), Finding> {
    match rule.get("version") {
        None | Some(Value::Null | Value::String(_)) => Ok(()),
        Some(_) => Err(Finding::error("wrong-type", "/version", "the version is no text")
            .help("write it as `v0.40.6`, or leave it out")),
    }
}

/// The rules of a document, keys in the known spelling.
fn rules(text: &str, name: &str) -> Result<Vec<Value>, Finding> {
    let mut list = match document::parse(text, name)?.value {
        Value::Array(list) => list,
        Value::Null => Vec::new(),
        _ => return Err(Finding::error("wrong-type", "", "a rule document is a list of rules")),
    };
    list.iter_mut().for_each(document::fold_rule_keys);
    Ok(list)
}

/// The text with each difference replaced in its place; `None` where that cannot be done.
fn edited(text: &str, name: &str, before: &[Value], after: &[Value]) -> Option<String> {
    let mut edits = Edits { locator: Locator::new(text, name), text, json: is_json(text), all: Vec::new() };
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        edits.differences(&format!("/{index}"), before, after)?;
    }
    edits.all.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut edited = text.to_owned();
    let mut last = usize::MAX;
    for (span, new) in edits.all {
        if span.is_empty() || span.end > last {
            return None;
        }
        last = span.start;
        edited.replace_range(span, &new);
    }
    Some(edited)
}

struct Edits<'t> {
    locator: Locator<'t>,
    text: &'t str,
    json: bool,
    all: Vec<(Range<usize>, String)>,
}

impl Edits<'_> {
    fn differences(&mut self, pointer: &str, before: &Value, after: &Value) -> Option<()> {
        match (before, after) {
            _ if before == after => {}
            (Value::Object(old), Value::Object(new)) => {
                for (key, value) in old {
                    let place = format!("{pointer}/{}", pointer_token(key));
                    if let Some(other) = new.get(key) {
                        self.differences(&place, value, other)?;
                    } else {
                        let (_, renamed) = RENAMED.iter().find(|(known, _)| known == key)?;
                        let key =
                            self.locator.find(&Finding::warning("migrated", place.as_str(), "").at_key());
                        self.replace(key, renamed);
                        self.scalar(&place, new.get(*renamed)?)?;
                    }
                }
            }
            (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
                for (index, (old, new)) in old.iter().zip(new).enumerate() {
                    self.differences(&format!("{pointer}/{index}"), old, new)?;
                }
            }
            _ => self.scalar(pointer, after)?,
        }
        Some(())
    }

    fn scalar(&mut self, pointer: &str, new: &Value) -> Option<()> {
        let span = self.locator.find(&Finding::warning("migrated", pointer, ""));
        self.replace(span, new.as_str()?);
        Some(())
    }

    /// Replaces a scalar, in the same kind of quotes where it has any.
    fn replace(&mut self, span: Range<usize>, new: &str) {
        let old = self.text.get(span.clone()).unwrap_or_default();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let written = match old.chars().next() {
            Some('"') => Value::from(new).to_string(),
            _ if self.json => Value::from(new).to_string(),
            Some('\'') | None => format!("'{}'", new.replace('\'', "''")),
            _ if new.chars().all(is_word) => new.to_owned(),
            _ => format!("'{}'", new.replace('\'', "''")),
        };
        self.all.push((span, written));
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text.trim_start_matches('\u{feff}')).is_ok()
}

/// The whole document written anew, in the format it had.
fn written(before: &str, rules: &[Value]) -> Option<String> {
    if is_json(before) {
        return serde_json::to_string_pretty(rules).ok().map(|text| text + "\n");
    }
    serde_yaml::to_string(rules).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> Rewritten {
        rewrite(text, "rules.yaml").unwrap().unwrap()
    }

    #[test]
    fn json_stays_json_where_a_number_becomes_a_text() {
        let json = r#"[{"id": "a", "version": "v0.31.0", "mutators": [{"handler": "hydrator", "config": {"retry":
            {"delay_in_milliseconds": 100, "number_of_retries": 3}}}]}]"#;
        let after = rewritten(json);
        let want = json
            .replace("v0.31.0", VERSION)
            .replace("\"delay_in_milliseconds\": 100", "\"max_delay\": \"100ms\"")
            .replace("\"number_of_retries\": 3", "\"give_up_after\": \"300ms\"");
        assert_eq!((after.text, after.layout_kept), (want, true));
    }

    #[test]
    fn a_version_that_is_no_text_is_told() {
        let findings = rewrite("- id: a\n  version: 0.36\n", "rules.yaml").unwrap_err();
        assert_eq!((findings[0].code, findings[0].pointer.as_str()), ("wrong-type", "/0/version"));
    }

    const KETO: &str = "{{ printIndex .MatchContext.RegexpCaptureGroups (sub 1 1 | int)}}";

    #[test]
    fn only_what_is_migrated_is_written_anew() {
        let yaml = "\
# who may
- id: a  # first
  version: v0.36.0-beta.4
  authorizer:
    handler: keto_engine_acp_ory
    config: {required_action: my:action:$1, required_resource: \"r:$1\"} # old
  mutators:
  - handler: hydrator
    config:
      api:
        retry:
          number_of_retries: 3
          delay_in_milliseconds: 500
- id: b
  version: v0.40.0
";
        let want = format!(
            "\
# who may
- id: a  # first
  version: v0.40.9
  authorizer:
    handler: keto_engine_acp_ory
    config: {{required_action: 'my:action:{KETO}', required_resource: \"r:{KETO}\"}} # old
  mutators:
  - handler: hydrator
    config:
      api:
        retry:
          number_of_retries: 3
          delay_in_milliseconds: 500
- id: b
  version: v0.40.0
"
        );
        let made = rewritten(yaml);
        assert_eq!((made.text.as_str(), made.layout_kept), (want.as_str(), true));
        assert_eq!(
            made.changed,
            ["/0/authorizer/config/required_action", "/0/authorizer/config/required_resource"]
        );
        assert!(rewrite(&made.text, "rules.yaml").unwrap().is_none());

        let old = yaml.replace("v0.36.0-beta.4", "'v0.31.0'");
        let made = rewritten(&old);
        assert!(made.layout_kept);
        assert!(made.text.contains("give_up_after: 1500ms\n          max_delay: 500ms\n"), "{}", made.text);
        assert!(made.text.contains("version: 'v0.40.9'\n"));
    }

    #[test]
    fn what_cannot_be_replaced_in_place_is_written_anew_as_a_whole() {
        // The same text twice, of which only one is migrated.
        let shared = "- &one\n  id: a # x\n  version: v0.37.0\n  authorizer: {handler: keto_engine_acp_ory, config: {required_action: &t 'a:$1', required_resource: r}}\n- id: b\n  description: *t\n";
        let made = rewritten(shared);
        assert!(!made.layout_kept && !made.text.contains('#'), "{}", made.text);
        let rules = rules(&made.text, "rules.yaml").unwrap();
        assert_eq!(rules[0]["authorizer"]["config"]["required_action"], format!("a:{KETO}"));
        assert_eq!(rules[1]["description"], "a:$1");
    }

    #[test]
    fn json_stays_json() {
        let json = "[{\"ID\": \"a\", \"Version\": \"0.37.0\",\n  \"authorizer\": {\"handler\": \"keto_engine_acp_ory\", \"config\": {\"required_action\": \"\\\"$1\"}}}]";
        let made = rewritten(json);
        let value: Value = serde_json::from_str(&made.text).unwrap();
        assert_eq!(
            value.pointer("/0/authorizer/config/required_action").unwrap(),
            &Value::from(format!("\"{KETO}"))
        );
    }

    #[test]
    fn a_version_that_is_none_is_said_with_its_place() {
        let faults = rewrite("- version: v1\n- version: x\n", "rules.yaml").unwrap_err();
        let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(places, ["/0/version", "/1/version"]);
        assert_eq!(rewrite("{a: 1}", "rules.yaml").unwrap_err()[0].code, "wrong-type");
        assert!(rewrite("", "rules.yaml").unwrap().is_none());
    }
}
