//! Migrations: rules written for an old version, brought up to date while they are read.

use serde_json::{Value, json};

use crate::diagnostic::Finding;

/// A version as rules name it: `v0.36.0-beta.4`.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    /// A pre-release is older than the release it precedes.
    pre_release: Option<String>,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split('+').next()?;
        let (numbers, pre_release) = match text.split_once('-') {
            Some((numbers, pre)) => (numbers, Some(pre.to_owned())),
            None => (text, None),
        };
        let mut parts = numbers.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u64>().ok()).flatten()
        });
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(Self { numbers, pre_release })
    }

    fn at_most(&self, numbers: [u64; 3]) -> bool {
        self.numbers <= numbers
    }
}

/// Rewrites a rule in place. Says what it changed as warnings, or why the version cannot be read.
pub fn migrate(rule: &mut Value) -> Result<Vec<Finding>, Finding> {
    let written = rule.get("version").and_then(Value::as_str).unwrap_or_default();
    if written.is_empty() || written == "master" {
        return Ok(Vec::new());
    }
    let version = Version::parse(written).ok_or_else(|| {
        Finding::error("bad-version", "/version", format!("`{written}` is not a version"))
            .help("write it as `v0.40.6`, or leave it out")
    })?;
    let mut notes = Vec::new();
    if version.at_most([0, 31, u64::MAX]) || (version.numbers == [0, 32, 0] && is_beta_1(&version)) {
        hydrators(rule, &mut notes);
    }
    if version.at_most([0, 37, 0]) {
        keto(rule, &mut notes);
    }
    Ok(notes)
}

fn is_beta_1(version: &Version) -> bool {
    version.pre_release.as_deref().is_some_and(|pre| pre <= "beta.1")
}

/// Retries of the hydrator were two numbers once: how often, and how many milliseconds apart.
fn hydrators(rule: &mut Value, notes: &mut Vec<Finding>) {
    let mutators = rule.get_mut("mutators").and_then(Value::as_array_mut);
    for (index, mutator) in mutators.into_iter().flatten().enumerate() {
        if mutator.get("handler").and_then(Value::as_str) != Some("hydrator") {
            continue;
        }
        for path in ["/config/api/retry", "/config/retry"] {
            let Some(retry) = mutator.pointer_mut(path).and_then(Value::as_object_mut) else { continue };
            let delay = retry.remove("delay_in_milliseconds");
            let times = retry.remove("number_of_retries");
            if delay.is_none() && times.is_none() {
                continue;
            }
            let delay_ms = delay.as_ref().and_then(Value::as_u64).unwrap_or(100);
            if delay.is_some() {
                retry.insert("max_delay".to_owned(), json!(format!("{delay_ms}ms")));
            }
            if let Some(times) = times.as_ref().and_then(Value::as_u64) {
                let total = times.saturating_mul(delay_ms);
                retry.insert("give_up_after".to_owned(), json!(format!("{total}ms")));
            }
            notes.push(
                Finding::warning(
                    "migrated",
                    format!("/mutators/{index}{path}"),
                    "`delay_in_milliseconds` and `number_of_retries` were read as `max_delay` and `give_up_after`",
                )
                .help("write the new keys and a newer `version`"),
            );
        }
    }
}

/// Capture groups of the keto authorizer were written `$1` once, counted from one.
fn keto(rule: &mut Value, notes: &mut Vec<Finding>) {
    let Some(authorizer) = rule.get_mut("authorizer") else { return };
    if authorizer.get("handler").and_then(Value::as_str) != Some("keto_engine_acp_ory") {
        return;
    }
    for key in ["required_action", "required_resource"] {
        let pointer = format!("/config/{key}");
        let Some(Value::String(text)) = authorizer.pointer_mut(&pointer) else { continue };
        let migrated = groups_to_templates(text);
        if migrated != *text {
            *text = migrated;
            notes.push(
                Finding::warning("migrated", format!("/authorizer{pointer}"), "`$n` was read as a template")
                    .help("write `{{ printIndex .MatchContext.RegexpCaptureGroups n }}`, counted from 0, and a newer `version`"),
            );
        }
    }
}

fn groups_to_templates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let after = tail.get(1..).unwrap_or_default();
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        if digits.is_empty() {
            out.push('$');
        } else {
            out.push_str("{{ printIndex .MatchContext.RegexpCaptureGroups (sub ");
            out.push_str(&digits);
            out.push_str(" 1 | int)}}");
        }
        rest = after.get(digits.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_decide_what_is_migrated() {
        let keto = |version: &str| {
            json!({"version": version, "authorizer": {"handler": "keto_engine_acp_ory",
            "config": {"required_action": "a:$1", "required_resource": "r:$1:$2"}}})
        };
        for (version, migrated) in [
            ("", false),
            ("master", false),
            ("v0.37.0", true),
            ("0.37.0-beta.1", true),
            ("v0.37.1", false),
            ("v99.0.0", false),
        ] {
            let mut rule = keto(version);
            let notes = migrate(&mut rule).unwrap();
            assert_eq!(!notes.is_empty(), migrated, "{version}");
        }
        let mut rule = keto("v0.36.0");
        migrate(&mut rule).unwrap();
        assert_eq!(
            rule["authorizer"]["config"]["required_action"],
            "a:{{ printIndex .MatchContext.RegexpCaptureGroups (sub 1 1 | int)}}"
        );
    }

    #[test]
    fn a_version_that_is_none_is_refused() {
        for version in ["x", "1", "1.2", "v1.2.x", "1.2.3.4"] {
            assert_eq!(
                migrate(&mut json!({"version": version})).unwrap_err().code,
                "bad-version",
                "{version}"
            );
        }
    }

    #[test]
    fn old_hydrator_retries_are_read_as_new_ones() {
        let mut rule = json!({"version": "v0.31.0", "mutators": [{"handler": "hydrator", "config": {"api":
            {"url": "http://x", "retry": {"delay_in_milliseconds": 500, "number_of_retries": 3}}}}]});
        migrate(&mut rule).unwrap();
        let retry = &rule["mutators"][0]["config"]["api"]["retry"];
        assert_eq!(*retry, json!({"max_delay": "500ms", "give_up_after": "1500ms"}));
    }
}
