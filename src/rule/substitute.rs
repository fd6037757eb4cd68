//! Substitution: `${NAME}` and `${NAME:-default}` in the texts of rules, from the environment.
//!
//! It happens in texts that have been parsed already: whatever a variable holds, a text stays one text. Only
//! variables that the configuration names are looked at.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde_json::Value;

use crate::diagnostic::{Finding, pointer_token};

/// `access_rules.env_substitution` with the values of the variables that it allows.
#[derive(Clone, Default)]
pub struct Substitution {
    /// Names, and prefixes that end in `*`.
    allowed: Vec<String>,
    values: HashMap<String, String>,
}

/// Leaves the values out: they may be secrets.
impl fmt::Debug for Substitution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Substitution").field(&self.allowed).finish()
    }
}

/// A variable in a text.
#[derive(Debug, PartialEq, Eq)]
struct Variable<'t> {
    span: Range<usize>,
    name: &'t str,
    default: Option<&'t str>,
}

/// What follows a dollar sign.
enum Next<'t> {
    /// Nothing special.
    Text,
    /// `$${`: a `${` that is meant literally.
    Escaped,
    Variable(Variable<'t>),
    /// `${NAME` without its end.
    Unclosed,
    /// `${NAME` with what no variable has after its name.
    Odd(&'t str),
}

impl Substitution {
    /// Of these names, and prefixes that end in `*`; of the environment no more than these is kept.
    pub fn new(allowed: Vec<String>, environment: &[(String, String)]) -> Self {
        let mut one = Self { allowed, values: HashMap::new() };
        one.values = environment.iter().filter(|(name, _)| one.allows(name)).cloned().collect();
        one
    }

    /// Whether anything is substituted.
    pub fn is_on(&self) -> bool {
        !self.allowed.is_empty()
    }

    fn allows(&self, name: &str) -> bool {
        self.allowed.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == allowed,
        })
    }

    /// Substitutes in every text below `value`, not in keys, and says whether any is another now. What cannot be
    /// substituted stays as it is and leaves an error.
    pub fn apply(&self, value: &mut Value, findings: &mut Vec<Finding>) -> bool {
        self.is_on() && self.below(value, "", findings)
    }

    fn below(&self, value: &mut Value, pointer: &str, findings: &mut Vec<Finding>) -> bool {
        let mut changed = false;
        match value {
            Value::String(text) if text.contains("${") => {
                let made = self.text(text, pointer, findings);
                changed = made != *text;
                *text = made;
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    changed |= self.below(item, &format!("{pointer}/{index}"), findings);
                }
            }
            Value::Object(object) => {
                for (key, inner) in object {
                    changed |= self.below(inner, &format!("{pointer}/{}", pointer_token(key)), findings);
                }
            }
            _ => {}
        }
        changed
    }

    fn text(&self, text: &str, pointer: &str, findings: &mut Vec<Finding>) -> String {
        let mut made = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(dollar) = text.get(at..).and_then(|rest| rest.find('$')).map(|found| at + found) {
            made.push_str(text.get(at..dollar).unwrap_or_default());
            let until = match next(text, dollar) {
                // Of a name that is no variable's, it may well be meant.
                Next::Odd(name) if !self.allows(name) => dollar + 1,
                Next::Odd(name) => {
                    let message = format!("`${{{name}` is neither closed nor followed by a plain default");
                    let help = format!(
                        "write `${{{name}}}` or `${{{name}:-default}}`, or `$${{` for the text `${{`"
                    );
                    let finding = Finding::error("bad-variable", pointer, message);
                    findings.push(finding.span(dollar, dollar + 2 + name.len()).help(help));
                    text.len()
                }
                Next::Text => dollar + 1,
                Next::Escaped => {
                    made.push_str("${");
                    at = dollar + 3;
                    continue;
                }
                Next::Unclosed => {
                    let message = "this variable is never closed";
                    findings.push(
                        Finding::error("bad-variable", pointer, message)
                            .span(dollar, text.len())
                            .help("write `${NAME}`, or `$${` for the text `${`"),
                    );
                    text.len()
                }
                Next::Variable(variable) => match self.value(&variable) {
                    Ok(value) => {
                        made.push_str(value);
                        at = variable.span.end;
                        continue;
                    }
                    Err(finding) => {
                        findings.push(finding.under(pointer));
                        variable.span.end
                    }
                },
            };
            made.push_str(text.get(dollar..until).unwrap_or_default());
            at = until;
        }
        made.push_str(text.get(at..).unwrap_or_default());
        made
    }

    /// As in a shell: with `:-`, what is empty counts as not set.
    fn value<'v>(&'v self, variable: &Variable<'v>) -> Result<&'v str, Finding> {
        let name = variable.name;
        let fault = |code, message: String| {
            Finding::error(code, "", message).span(variable.span.start, variable.span.end)
        };
        if !self.allows(name) {
            return Err(fault("forbidden-variable", format!("rules may not use the variable `{name}`"))
                .help("name it in `access_rules.env_substitution`, or write `$${` for the text `${`"));
        }
        match (self.values.get(name).map(String::as_str), variable.default) {
            (None | Some(""), Some(default)) => Ok(default),
            (Some(value), _) => Ok(value),
            (None, None) => Err(fault("unset-variable", format!("the variable `{name}` is not set"))
                .help(format!("set it, or write `${{{name}:-default}}`"))),
        }
    }
}

/// Reads what begins with the dollar sign at `at`.
fn next(text: &str, at: usize) -> Next<'_> {
    let rest = text.get(at..).unwrap_or_default();
    if rest.starts_with("$${") {
        return Next::Escaped;
    }
    let Some(inner) = rest.strip_prefix("${") else { return Next::Text };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let len = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
    let (name, after) = inner.split_at_checked(len).unwrap_or_default();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Next::Text;
    }
    let (default, rest_len) = match after.strip_prefix(":-") {
        Some(default) => match default.find('}') {
            Some(end) => (default.get(..end), 2 + end + 1),
            None => return Next::Unclosed,
        },
        None if after.starts_with('}') => (None, 1),
        None if after.is_empty() => return Next::Unclosed,
        None => return Next::Odd(name),
    };
    // It would end at the brace of the inner one.
    if default.is_some_and(|default| default.contains("${")) {
        return Next::Odd(name);
    }
    Next::Variable(Variable { span: at..at + 2 + len + rest_len, name, default })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn substitution() -> Substitution {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Substitution::new(
            vec!["HOST".to_owned(), "OK_RULE_*".to_owned(), "UNSET".to_owned()],
            &[
                set("HOST", "app.test"),
                set("OK_RULE_A", "a"),
                set("OK_RULE_EMPTY", ""),
                set("OK_RULE_ODD", "\"}, ${HOST} $1 <.*>\n- x"),
                set("SECRET", "hunter2"),
            ],
        )
    }

    #[test]
    fn variables_that_are_allowed_are_replaced_in_texts() {
        for (text, want) in [
            ("https://${HOST}/<.*>", "https://app.test/<.*>"),
            ("${OK_RULE_A}${OK_RULE_A}-${HOST}", "aa-app.test"),
            ("${UNSET:-here}", "here"),
            ("${UNSET:-}", ""),
            ("${UNSET:-a:-b}", "a:-b"),
            ("${HOST:-other}", "app.test"),
            ("${OK_RULE_EMPTY}", ""),
            ("${OK_RULE_EMPTY:-x}", "x"),
            // What a variable holds is not looked at again.
            ("${OK_RULE_ODD}", "\"}, ${HOST} $1 <.*>\n- x"),
            // What is none.
            ("$${HOST} costs $$5", "${HOST} costs $$5"),
            ("$1:${2}:<a${1,2}$>", "$1:${2}:<a${1,2}$>"),
            ("${OTHER.x} ${} $HOST", "${OTHER.x} ${} $HOST"),
            ("é${HOST}é$", "éapp.testé$"),
        ] {
            let mut value = json!({"a": [text, 1], "${HOST}": null});
            let mut findings = Vec::new();
            let changed = substitution().apply(&mut value, &mut findings);
            assert_eq!(value, json!({"a": [want, 1], "${HOST}": null}));
            assert_eq!((changed, findings), (text != want, vec![]), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error_with_its_place() {
        for (text, code, span) in [
            ("a ${SECRET}", "forbidden-variable", (2, 11)),
            ("${SECRET:-x}", "forbidden-variable", (0, 12)),
            ("${OK_RULE_B}", "unset-variable", (0, 12)),
            ("x${HOST", "bad-variable", (1, 7)),
            ("${HOST:-x", "bad-variable", (0, 9)),
            ("x${HOST/y}", "bad-variable", (1, 7)),
            ("${HOST-x}", "bad-variable", (0, 6)),
            ("${UNSET:-${HOST}}", "bad-variable", (0, 7)),
        ] {
            let mut value = json!([{"url": text}]);
            let mut findings = Vec::new();
            assert!(!substitution().apply(&mut value, &mut findings));
            assert_eq!(value, json!([{"url": text}]));
            let [finding] = findings.as_slice() else { panic!("{findings:?}") };
            assert_eq!((finding.code, finding.pointer.as_str(), finding.span), (code, "/0/url", Some(span)));
        }
    }

    #[test]
    fn nothing_is_kept_or_told_of_the_rest_of_the_environment() {
        let substitution = substitution();
        assert!(!substitution.values.contains_key("SECRET"));
        assert_eq!(format!("{substitution:?}"), r#"Substitution(["HOST", "OK_RULE_*", "UNSET"])"#);
        let mut value = json!("${SECRET}");
        assert!(!Substitution::default().apply(&mut value, &mut Vec::new()));
    }
}
