//! Across rules: ids that are taken, and rules that meet the same requests.
//!
//! Each rule may be right by itself and still be wrong beside another. Runs at every load, so it looks at
//! each rule once.

use std::collections::HashMap;
use std::sync::Arc;

use super::Rule;
use super::pace;
use super::policy::{OnMultipleMatches, Policy};
use super::spec::{MatchSpec, MoreSpec};
use crate::diagnostic::text::quote;
use crate::diagnostic::{Finding, Report, Source};

/// Adds what is wrong with rules beside each other. Each finding is about the later rule.
pub fn check(rules: &[Arc<Rule>], policy: &Policy, report: &mut Report) {
    let mut ids: HashMap<&str, &Rule> = HashMap::new();
    let mut matches: HashMap<Request<'_>, &Rule> = HashMap::new();
    for rule in rules {
        pace::pause();
        let mut add = |finding: Finding| {
            let id = (!rule.id().is_empty()).then(|| rule.id());
            report.push(&rule.source, id, finding.under(&format!("/{}", rule.index)));
        };
        if !rule.id().is_empty()
            && let Some(first) = first(&mut ids, rule.id(), rule)
        {
            let message = format!("{} has the same id `{}`", other(rule, first), rule.id());
            add(Finding::warning("duplicate-id", "/id", message).help(
                "give each rule its own id: the API shows only the first, and logs do not tell them apart",
            ));
        }
        let mut twice: Vec<Twice<'_>> = Vec::new();
        for request in requests(rule) {
            let (method, pointer) = (request.written, request.pointer.clone());
            if let Some(first) = first(&mut matches, request, rule) {
                twice.push(Twice { method, pointer, first });
            }
        }
        if let Some(finding) = same_match(rule, &twice, policy) {
            add(finding);
        }
        if rule.spec.priority.is_some() && policy.on_multiple_matches != OnMultipleMatches::Priority {
            add(Finding::warning("without-effect", "/priority", "`priority` has no effect")
                .at_key()
                .help("it counts with `access_rules.on_multiple_matches: priority`"));
        }
    }
    check_default(rules, policy, report);
}

/// What may pass has to have somewhere to go, where there is a proxy. One finding for all of them: where others ask for
/// decisions as well, rules without an upstream are meant for those.
pub fn check_upstreams(rules: &[Arc<Rule>], report: &mut Report) {
    let mut without = rules.iter().filter(|rule| rule.upstream.is_none() && rule.may_grant());
    let Some(first) = without.next() else { return };
    let message = match without.count() {
        0 => "this rule names no upstream, so that the proxy cannot use it".to_owned(),
        more => format!("this rule and {more} more name no upstream, so that the proxy cannot use them"),
    };
    let finding = Finding::warning("no-upstream", format!("/{}", first.index), message)
        .help("give `upstream.url` an absolute http(s) URL; without it `serve.proxy` answers 500");
    let id = (!first.id().is_empty()).then(|| first.id());
    report.push(&first.source, id, finding);
}

/// The rule for requests that no other is for must be there, and only once.
fn check_default(rules: &[Arc<Rule>], policy: &Policy, report: &mut Report) {
    let Some(id) = &policy.default_rule else { return };
    let finding = match rules.iter().filter(|rule| rule.id() == id).count() {
        1 => return,
        0 => Finding::error("unknown-rule", "", format!("no rule has the id {}", quote(id)))
            .help("until there is one, requests that no rule matches are answered with 404"),
        _ => Finding::error("duplicate-id", "", format!("several rules have the id {}", quote(id)))
            .help("until there is only one, requests that no rule matches are answered with 404"),
    };
    let name = "access_rules.default_rule".to_owned();
    report.push(&Arc::new(Source { name, path: None, text: None }), None, finding);
}

/// A method and a pattern that an earlier rule has as well.
struct Twice<'r> {
    method: &'r str,
    pointer: String,
    first: &'r Rule,
}

fn same_match(rule: &Rule, twice: &[Twice<'_>], policy: &Policy) -> Option<Finding> {
    let by_priority = policy.on_multiple_matches == OnMultipleMatches::Priority;
    let as_high = |twice: &&Twice<'_>| !by_priority || twice.first.priority() == rule.priority();
    let Some(one) = twice.iter().find(as_high) else {
        let one = twice.iter().find(|twice| twice.first.priority() > rule.priority())?;
        let message = format!("{} has the same `url` and a higher priority", other(rule, one.first));
        let pointer = format!("/match{}", one.pointer);
        return Some(
            Finding::warning("never-chosen", pointer, message)
                .help(format!("this rule is never chosen for {} requests", quote(one.method))),
        );
    };
    let methods: Vec<&str> = twice
        .iter()
        .filter(as_high)
        .filter(|twice| twice.pointer == one.pointer)
        .map(|twice| twice.method)
        .collect();
    let rank = if by_priority { " and the same priority" } else { "" };
    let message = format!(
        "{} has the same `url`{rank} for `{}`, so that such requests always answer 500",
        other(rule, one.first),
        methods.join("`, `")
    );
    let help = match policy.on_multiple_matches {
        OnMultipleMatches::Priority => "give one of them a higher `priority`, or divide the methods",
        OnMultipleMatches::Error | OnMultipleMatches::MostSpecific => {
            "exactly one rule may match a request: take one of them away, or divide the methods"
        }
    };
    Some(Finding::error("same-match", format!("/match{}", one.pointer), message).help(help))
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

/// A method with a pattern and conditions. Equal ones meet the same requests.
struct Request<'r> {
    url: &'r str,
    method: String,
    conditions: String,
    written: &'r str,
    pointer: String,
}

impl Request<'_> {
    fn key(&self) -> (&str, &str, &str) {
        (self.url, &self.method, &self.conditions)
    }
}

impl PartialEq for Request<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Request<'_> {}

impl std::hash::Hash for Request<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// Each method of a rule with each of its patterns, where it can match at all.
fn requests(rule: &Rule) -> impl Iterator<Item = Request<'_>> {
    let urls = match &rule.spec.matches {
        Some(spec @ MatchSpec::Http { .. }) if !rule.patterns.is_empty() => spec.urls(),
        _ => Vec::new(),
    };
    let conditions = match &rule.spec.matches {
        Some(MatchSpec::Http { more, .. }) if !more.is_empty() => {
            let more = MoreSpec { urls: Vec::new(), ..(**more).clone() };
            serde_json::to_string(&more).unwrap_or_default()
        }
        _ => String::new(),
    };
    urls.into_iter().flat_map(move |(pointer, url)| {
        let conditions = conditions.clone();
        rule.methods().iter().map(move |method| Request {
            url,
            method: method.to_ascii_uppercase(),
            conditions: conditions.clone(),
            written: method,
            pointer: pointer.clone(),
        })
    })
}

/// Whether a finding of [`check`] says already that both are for the same requests.
pub(super) fn share_a_match(one: &Rule, two: &Rule) -> bool {
    requests(one).any(|a| requests(two).any(|b| a == b))
}

/// How a finding about `rule` names another one.
pub(super) fn other(rule: &Rule, other: &Rule) -> String {
    let number = other.index + 1;
    let file = &other.source.name;
    // Sources that differ in what is not shown, such as a query, have one name.
    match (Arc::ptr_eq(&rule.source, &other.source), !other.id().is_empty() && other.id() != rule.id()) {
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
        let names = (0..).map(|number| format!("{number}.yaml"));
        findings_of(&names.zip(documents.iter().copied()).collect::<Vec<_>>())
    }

    /// The same about documents with names.
    fn findings_of(documents: &[(String, &[&str])]) -> Vec<String> {
        let documents: Vec<load::Document> = documents
            .iter()
            .map(|(name, rules)| load::Document {
                source: Arc::new(Source { name: name.clone(), path: None, text: None }),
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
    fn documents_of_the_same_name_are_told_apart() {
        let inline = || "inline://…".to_owned();
        assert_eq!(
            findings_of(&[(inline(), &["a GET http://h/a"]), (inline(), &["a GET http://h/a"])]),
            [
                "warning inline://…/0/id rule 1 of `inline://…` has the same id `a`",
                "error inline://…/0/match/url rule 1 of `inline://…` has the same `url` for `GET`, so that such requests always answer 500",
            ]
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
