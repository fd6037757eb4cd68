//! Across rules: ids that are taken, and rules that meet the same requests.
//!
//! Each rule may be right by itself and still be wrong beside another. Runs at every load, so it looks at
//! each rule once.

use std::collections::HashMap;
use std::sync::Arc;

use super::Rule;
use super::spec::MatchSpec;
use crate::diagnostic::{Finding, Report};

/// Adds what is wrong with rules beside each other. Each finding is about the later rule.
pub fn check(rules: &[Arc<Rule>], report: &mut Report) {
    let mut ids: HashMap<&str, &Rule> = HashMap::new();
    let mut matches: HashMap<(&str, String), &Rule> = HashMap::new();
    for rule in rules {
        let mut add = |finding: Finding| {
            let id = (!rule.id().is_empty()).then(|| rule.id());
            report.push(&rule.source, id, finding.under(&format!("/{}", rule.index)));
        };
        if !rule.id().is_empty()
            && let Some(first) = first(&mut ids, rule.id(), rule)
            && !is_same(rule, first)
        {
            let message = format!("{} has the same id `{}`", other(rule, first), rule.id());
            add(Finding::warning("duplicate-id", "/id", message).help(
                "give each rule its own id: the API shows only the first, and logs do not tell them apart",
            ));
        }
        let mut twice: Vec<(&str, &Rule)> = Vec::new();
        for (method, url) in requests(rule) {
            if let Some(first) = first(&mut matches, (url, method.to_ascii_uppercase()), rule) {
                twice.push((method, first));
            }
        }
        if let Some((_, one)) = twice.first() {
            add(same_match(rule, one, &twice));
        }
    }
}

fn same_match(rule: &Rule, one: &Rule, twice: &[(&str, &Rule)]) -> Finding {
    if is_same(rule, one) {
        let message = "the rule is loaded twice, so that its requests always answer 500";
        return Finding::error("same-match", "", message)
            .help(format!("name `{}` only once in `access_rules.repositories`", rule.source.name));
    }
    let methods: Vec<&str> = twice.iter().map(|(method, _)| *method).collect();
    let message = format!(
        "{} has the same `url` for `{}`, so that such requests always answer 500",
        other(rule, one),
        methods.join("`, `")
    );
    Finding::error("same-match", "/match/url", message)
        .help("exactly one rule may match a request: take one of them away, or divide the methods")
}

/// Whether both are one rule of one file that was loaded twice.
fn is_same(rule: &Rule, other: &Rule) -> bool {
    rule.source.name == other.source.name && rule.index == other.index
}

/// The one that came first with this key, if this is not it.
fn first<'r, K: Eq + std::hash::Hash>(
    seen: &mut HashMap<K, &'r Rule>,
    key: K,
    rule: &'r Rule,
) -> Option<&'r Rule> {
    let one = *seen.entry(key).or_insert(rule);
    (!std::ptr::eq(one, rule)).then_some(one)
}

/// Each method of a rule with its pattern, where it can match at all.
fn requests(rule: &Rule) -> impl Iterator<Item = (&str, &str)> {
    let url = match &rule.spec.matches {
        Some(MatchSpec::Http { url, .. }) if rule.pattern.is_some() => Some(url.as_str()),
        _ => None,
    };
    url.into_iter().flat_map(|url| rule.methods().iter().map(move |method| (method.as_str(), url)))
}

/// How a finding about `rule` names another one.
pub(super) fn other(rule: &Rule, other: &Rule) -> String {
    let number = other.index + 1;
    let file = &other.source.name;
    match (rule.source.name == *file, !other.id().is_empty() && other.id() != rule.id()) {
        (true, true) => format!("rule `{}` of this file", other.id()),
        (true, false) => format!("rule {number} of this file"),
        (false, true) => format!("rule `{}` of `{file}`", other.id()),
        (false, false) => format!("rule {number} of `{file}`"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::load;
    use super::super::spec::RuleSpec;
    use super::*;
    use crate::config::{Config, Strategy};
    use crate::diagnostic::Source;
    use crate::pipeline::Shared;
    use crate::rule::compile;

    /// Findings about documents of rules, each rule written `id METHOD,METHOD url`.
    fn findings(documents: &[&[&str]]) -> Vec<String> {
        let documents: Vec<load::Document> = documents
            .iter()
            .enumerate()
            .map(|(number, rules)| load::Document {
                source: Arc::new(Source { name: format!("{number}.yaml"), path: None, text: None }),
                rules: rules.iter().enumerate().map(|(index, rule)| written(index, rule)).collect(),
                warnings: Report::default(),
            })
            .collect();
        let config = Config::for_validation(Strategy::Regexp).unwrap();
        let (_, report) = compile::engine(&config, &documents, &Shared::new(1 << 20));
        report
            .diagnostics
            .iter()
            .map(|d| {
                format!("{} {}{} {}", d.finding.severity, d.source.name, d.finding.pointer, d.finding.message)
            })
            .collect()
    }

    /// A rule written `id METHOD,METHOD url`; the id `-` is none.
    pub(crate) fn written(index: usize, rule: &str) -> load::Written {
        let mut words = rule.split(' ');
        let mut next = || words.next().unwrap();
        let (id, methods, url) = (next(), next(), next());
        let spec: RuleSpec = serde_json::from_value(serde_json::json!({
            "id": id.trim_matches('-'),
            "match": {"methods": methods.split(',').collect::<Vec<_>>(), "url": url},
            "authenticators": [{"handler": "noop"}],
            "authorizer": {"handler": "allow"},
            "mutators": [{"handler": "noop"}],
        }))
        .unwrap();
        load::Written { index, spec: Arc::new(spec), findings: Vec::new() }
    }

    #[test]
    fn rules_that_stand_beside_each_other_have_no_findings() {
        assert_eq!(
            findings(&[&[
                "a GET http://h/a",
                "b GET http://h/b",
                "c POST http://h/a",
                "- GET http://h/c",
                "- GET http://h/d"
            ]]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn an_id_that_is_taken_is_a_warning_and_names_the_other_rule() {
        assert_eq!(
            findings(&[&["x GET http://h/0", "a GET http://h/a"], &["a GET http://h/b"]]),
            ["warning 1.yaml/0/id rule 2 of `0.yaml` has the same id `a`"]
        );
    }

    #[test]
    fn the_same_url_and_method_twice_is_an_error_whatever_the_case_of_the_method() {
        assert_eq!(
            findings(&[&["a GET,POST http://h/<.*>", "b get,PUT,post http://h/<.*>", "- PUT http://h/<.*>"]]),
            [
                "error 0.yaml/1/match/url rule `a` of this file has the same `url` for `get`, `post`, so that such requests always answer 500",
                "error 0.yaml/2/match/url rule `b` of this file has the same `url` for `PUT`, so that such requests always answer 500",
            ]
        );
    }
}
