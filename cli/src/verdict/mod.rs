//! The verdict on a request: which rule, why, and why not the others.

mod human;
mod json;

use std::collections::BTreeMap;
use std::sync::Arc;

use okgate::diagnostic::Report;
use okgate::diagnostic::text::one_line;
use okgate::request::{AccessRequest, Parts};
use okgate::rule::explain::{Explanation, NearMiss};
use okgate::rule::spec::{MatchSpec, OneOrMore};
use okgate::rule::{ChosenBy, Hit, OnMultipleMatches, Rule};

use crate::place::Places;

/// How matching ended.
pub enum Outcome {
    /// One rule matches.
    One(Hit),
    /// No rule matches.
    None,
    /// Several rules match.
    Several,
    /// The path can be read in ways that do not meet the same rule.
    Ambiguous,
    /// A header or query parameter has several values, and a rule holds for some of them only.
    AmbiguousField,
    /// The path cannot be read at all, and why.
    Unreadable(String),
    /// A pattern took too long.
    TooCostly,
}

/// Everything there is to say about a request.
pub struct Verdict<'v> {
    /// What was read, with where it was read.
    pub parts: &'v Parts<'v>,
    /// The request in canonical form, where it has one.
    pub access: Option<&'v AccessRequest<'v>>,
    /// How matching ended.
    pub outcome: Outcome,
    /// The readings with the rules they meet, and the others.
    pub explanation: Explanation,
    /// What follows when several rules match.
    pub policy: OnMultipleMatches,
    /// Whether any rule looks at the query.
    pub query_counts: bool,
    /// What was noticed when the rules were loaded.
    pub report: &'v Report,
}

impl Verdict<'_> {
    /// Where the rules that are shown stand.
    fn places(&self) -> Places {
        let met = self.explanation.readings.iter().flat_map(|met| &met.rules);
        let one = match &self.outcome {
            Outcome::One(hit) => Some(&hit.rule),
            _ => None,
        };
        Places::of(met.chain(one).chain(self.explanation.near_misses.iter().map(|miss| &miss.rule)))
    }

    /// The rules that the first reading meets.
    fn met(&self) -> &[Arc<Rule>] {
        self.explanation.readings.first().map(|met| met.rules.as_slice()).unwrap_or_default()
    }

    /// The rules that do not match, without the one that is meant all the same.
    fn near_misses(&self) -> impl Iterator<Item = &NearMiss> {
        let meant = match &self.outcome {
            Outcome::One(hit) => Some(&hit.rule),
            _ => None,
        };
        let is_meant = move |rule: &Arc<Rule>| meant.is_some_and(|meant| Arc::ptr_eq(meant, rule));
        self.explanation.near_misses.iter().filter(move |miss| !is_meant(&miss.rule))
    }

    /// The text of each capture group of a match.
    fn captures<'h>(&'h self, hit: &'h Hit) -> Vec<&'h str> {
        let Some(access) = self.access else { return Vec::new() };
        let text = hit.matched.text(access);
        let captures = hit.captures(access).unwrap_or_default();
        (0..captures.len()).filter_map(|index| captures.get(index, text)).collect()
    }

    /// What was noticed about a rule.
    fn findings(&self, rule: &Rule) -> Report {
        let root = format!("/{}", rule.index);
        let below = format!("{root}/");
        let about = self.report.diagnostics.iter().filter(|d| {
            Arc::ptr_eq(&d.source, &rule.source)
                && (d.finding.pointer == root || d.finding.pointer.starts_with(&below))
        });
        Report { diagnostics: about.cloned().collect() }
    }
}

/// Why a rule does not match, in words.
fn why(miss: &NearMiss) -> String {
    let unmet = miss.unmet.join("; ");
    match (&miss.why, &miss.rule.spec.matches) {
        (Some(why), _) if why.matches() => format!("the URL matches, but {unmet}"),
        (Some(why), _) if unmet.is_empty() => why.to_string(),
        (Some(why), _) => format!("{why}; and {unmet}"),
        (None, Some(MatchSpec::Rpc { .. })) => "is for gRPC, and no HTTP request matches it".to_owned(),
        (None, None) if miss.rule.is_valid() => "has no `match`: it is for what no rule matches".to_owned(),
        (None, None) => "has no `match`, and no request matches it".to_owned(),
        (None, Some(_)) => "its pattern has an error, and no request matches it".to_owned(),
    }
}

/// The handlers of a rule by stage, in the order they run.
fn steps(rule: &Rule) -> [(&'static str, Vec<&str>); 4] {
    [
        ("authenticators", rule.authenticators.iter().map(|step| step.id.as_str()).collect()),
        ("authorizer", rule.authorizers.iter().map(|step| step.id.as_str()).collect()),
        ("mutators", rule.mutators.iter().map(|step| step.id.as_str()).collect()),
        ("errors", rule.errors.iter().map(|step| step.id.as_str()).collect()),
    ]
}

/// What a rule's requests look like, as written: one line for each pattern.
fn patterns(rule: &Rule) -> Vec<String> {
    match &rule.spec.matches {
        Some(MatchSpec::Rpc { authority, full_method, .. }) => {
            vec![format!("rpc://{authority}/{full_method}")]
        }
        Some(spec) => spec.urls().into_iter().map(|(_, url)| url.to_owned()).collect(),
        None => Vec::new(),
    }
}

/// Its methods, as written.
fn methods(rule: &Rule) -> &[String] {
    match &rule.spec.matches {
        Some(MatchSpec::Http { methods: Some(methods), .. }) => methods,
        _ => &[],
    }
}

/// What else a rule asks of requests, one line each: `header X-Api-Version: v2`.
fn conditions(rule: &Rule) -> Vec<String> {
    let Some(MatchSpec::Http { more, .. }) = &rule.spec.matches else { return Vec::new() };
    let fields = |kind: &'static str, fields: &BTreeMap<String, OneOrMore>| {
        let line = |(name, values): (&String, &OneOrMore)| {
            format!("{kind} {name}: {}", values.as_slice().join(" or "))
        };
        fields.iter().map(line).collect::<Vec<_>>()
    };
    let mut lines = fields("header", &more.headers);
    lines.extend(fields("query", &more.query));
    if !more.remote_ip.is_empty() {
        lines.push(format!("address in {}", more.remote_ip.join(", ")));
    }
    lines
}

/// Why this rule and not another, where that needs saying.
fn chosen(hit: &Hit, met: &[Arc<Rule>]) -> Option<String> {
    let others = met.iter().filter(|rule| !Arc::ptr_eq(rule, &hit.rule));
    let list = |named: Vec<String>| named.join(", ");
    match hit.chosen_by {
        ChosenBy::Only => None,
        ChosenBy::Priority => {
            let named = others.map(|rule| format!("{} ({})", name(rule), rule.priority())).collect();
            Some(format!("priority {}, higher than that of {}", hit.rule.priority(), list(named)))
        }
        ChosenBy::MostSpecific => {
            let named = others.map(|rule| name(rule)).collect();
            Some(format!("most specific: matches only a part of what matches {}", list(named)))
        }
        ChosenBy::Default => Some("no rule matches, and this is `access_rules.default_rule`".to_owned()),
    }
}

fn name(rule: &Rule) -> String {
    if rule.id().is_empty() { "(no id)".to_owned() } else { one_line(rule.id()) }
}

/// A header's lower-case name as people write it.
fn title_case(name: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect::<String>()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}
