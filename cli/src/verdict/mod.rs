//! The verdict on a request: which rule, why, and why not the others.

mod human;
mod json;

use std::sync::Arc;

use okgate::diagnostic::Report;
use okgate::request::{AccessRequest, Parts};
use okgate::rule::explain::{Explanation, NearMiss};
use okgate::rule::spec::MatchSpec;
use okgate::rule::{Hit, Rule};

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
    /// What was noticed when the rules were loaded.
    pub report: &'v Report,
}

impl Verdict<'_> {
    /// Where the rules that are shown stand.
    fn places(&self) -> Places {
        let met = self.explanation.readings.iter().flat_map(|met| &met.rules);
        Places::of(met.chain(self.explanation.near_misses.iter().map(|miss| &miss.rule)))
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
    match (&miss.why, &miss.rule.spec.matches) {
        (Some(why), _) => why.to_string(),
        (None, Some(MatchSpec::Rpc { .. })) => "is for gRPC, and no HTTP request matches it".to_owned(),
        (None, _) => "its pattern has an error, and no request matches it".to_owned(),
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

/// What a rule's requests look like, as written.
fn pattern(rule: &Rule) -> String {
    match &rule.spec.matches {
        Some(MatchSpec::Http { url, .. }) => url.clone(),
        Some(MatchSpec::Rpc { authority, full_method, .. }) => format!("rpc://{authority}/{full_method}"),
        None => String::new(),
    }
}

/// A header's lower-case name as people write it.
fn title_case(name: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect::<String>()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}
