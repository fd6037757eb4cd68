//! Overlaps: rules that match some of the same requests, which then answer 500 unless the policy knows better.
//!
//! Looking for them takes longer than a load may: this is for tools. Servers say what can be seen rule by rule.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::across::{other, share_a_match};
use super::conditions::example_of_both;
use super::{OnMultipleMatches, Rule, RuleSet};
use crate::diagnostic::{Finding, Report};
use crate::matcher::Pattern;
use crate::matcher::overlap::overlaps;
use crate::pipeline::Denial;
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Origin, Part, Parts};

/// Adds a warning for each rule that shares requests with a rule before it for which the policy knows no answer.
/// What is reported is certain; of very many rules not every overlap is found.
pub fn check(rules: &RuleSet, report: &mut Report) {
    let patterns: Vec<(&Arc<Rule>, &Pattern)> = rules
        .all()
        .iter()
        .flat_map(|rule| rule.patterns.iter().map(move |pattern| (rule, pattern)))
        .collect();
    let mut shared: BTreeMap<usize, Vec<(&Rule, String)>> = BTreeMap::new();
    let mut told: HashSet<(*const Rule, *const Rule)> = HashSet::new();
    for overlap in overlaps(patterns.iter().map(|(rule, pattern)| (rule.methods(), *pattern))) {
        let (Some((first, _)), Some((second, _))) =
            (patterns.get(overlap.first), patterns.get(overlap.second))
        else {
            continue;
        };
        let pair = (Arc::as_ptr(first), Arc::as_ptr(second));
        if Arc::ptr_eq(first, second) || told.contains(&pair) || share_a_match(first, second) {
            continue;
        }
        if let Some(more) = refused(rules, &overlap.method, &overlap.url, [first, second]) {
            told.insert(pair);
            let request = format!("`{} {}`{more}", overlap.method.to_ascii_uppercase(), overlap.url);
            // The first of a rule's patterns stands for the rule.
            let at = patterns.iter().position(|(rule, _)| Arc::ptr_eq(rule, second));
            shared.entry(at.unwrap_or(overlap.second)).or_default().push((first, request));
        }
    }
    for (index, shared) in shared {
        let Some((rule, _)) = patterns.get(index) else { continue };
        if let Some(finding) = finding(rule, &shared, rules.policy().on_multiple_matches) {
            let id = (!rule.id().is_empty()).then(|| rule.id());
            report.push(&rule.source, id, finding.under(&format!("/{}", rule.index)));
        }
    }
}

/// Whether a request for this URL, made canonical and with what else both rules ask for, is refused because it
/// meets both; what it has beside method and URL, in words.
fn refused(rules: &RuleSet, method: &str, url: &str, both: [&Arc<Rule>; 2]) -> Option<String> {
    let [first, second] = both;
    let (fields, query, peer) = example_of_both(first.conditions.as_deref(), second.conditions.as_deref())?;
    let (scheme, rest) = url.split_once("://")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let origin = Origin::RequestLine;
    let parts = Parts {
        method: Part { value: method.into(), origin },
        scheme: Part { value: scheme.into(), origin },
        host: Part { value: host.into(), origin },
        path: Part { value: path.as_bytes().into(), origin },
        query: Part { value: (!query.is_empty()).then(|| query.as_str().into()), origin },
        peer,
        client: crate::request::Client::Peer,
        host_header: None,
    };
    let headers: HeaderFields = fields.iter().map(|(name, value)| (name, value.as_str())).collect();
    let request = AccessRequest::new(parts, &headers).ok()?;
    let met = rules.met(&request, request.primary()?).unwrap_or_default();
    let meets_both = both.iter().all(|rule| met.iter().any(|one| Arc::ptr_eq(one, rule)));
    if !meets_both || !matches!(rules.find(&request), Err(Denial::SeveralRules { .. })) {
        return None;
    }
    let mut more: Vec<String> = fields.iter().map(|(name, value)| format!("`{name}: {value}`")).collect();
    more.extend((!query.is_empty()).then(|| format!("the query `{query}`")));
    more.extend(peer.map(|address| format!("the address `{address}`")));
    Some(if more.is_empty() { String::new() } else { format!(" with {}", more.join(" and ")) })
}

fn finding(rule: &Rule, shared: &[(&Rule, String)], policy: OnMultipleMatches) -> Option<Finding> {
    let (first, request) = shared.first()?;
    let first = other(rule, first);
    let message = match shared.len() - 1 {
        0 => format!("{first} matches some of the same requests"),
        more => format!("{first} and {more} more match some of the same requests"),
    };
    let why = match policy {
        OnMultipleMatches::Error => "exactly one rule may match a request",
        OnMultipleMatches::Priority => "both have the same priority",
        OnMultipleMatches::MostSpecific => "neither is known to be for a part of the other's requests",
    };
    let help = format!("{request} meets both and answers 500: {why}");
    Some(Finding::warning("overlap", "/match/url", message).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Strategy};
    use crate::diagnostic::Source;
    use crate::pipeline::Shared;
    use crate::rule::across::tests::written;
    use crate::rule::{compile, load};

    /// Overlaps of rules, each written `id METHOD,METHOD url`.
    fn overlaps(rules: &[&str]) -> Vec<String> {
        let source = Arc::new(Source { name: "rules.yaml".to_owned(), path: None, text: None });
        let rules = rules.iter().enumerate().map(|(index, rule)| written(index, rule)).collect();
        let document = load::Document { source, rules, warnings: Report::default() };
        let config = Config::for_validation(Strategy::Regexp).unwrap();
        let (engine, _) = compile::engine(&config, [&document], &Shared::new(1 << 20));
        let mut report = Report::default();
        check(engine.rules(), &mut report);
        let said = |help: &Option<String>| help.clone().unwrap_or_default();
        report
            .diagnostics
            .iter()
            .map(|d| format!("{}: {}", d.finding.message, said(&d.finding.help)))
            .collect()
    }

    #[test]
    fn rules_for_different_requests_do_not_overlap() {
        for rules in [
            ["a GET http://h/<.*>", "b POST http://h/<.*>"],
            ["a GET http://h/a/<.*>", "b GET http://h/b/<.*>"],
            ["a GET http://h/<[0-9]+>", "b GET http://h/<[a-z]+>"],
            ["a GET http://<[^.]+>.test/<.*>", "b GET http://h.i.test/<.*>"],
            // Said elsewhere.
            ["a GET http://h/<.*>", "b GET http://h/<.*>"],
            // Only a path that no request has would match both.
            ["a GET http://h/<[.a]+>", "b GET http://h/<[.b]>"],
            ["a GET http://h/x<.*>", "b GET http://h/<[a-z]>/"],
        ] {
            assert_eq!(overlaps(&rules), Vec::<String>::new(), "{rules:?}");
        }
    }

    #[test]
    fn an_overlap_is_told_with_a_request_that_meets_both() {
        assert_eq!(
            overlaps(&[
                "all GET,post http://h/<.*>",
                "one PUT,POST http://h/one",
                "two POST http://h/<(one|two)>"
            ]),
            [
                "rule `all` of this file matches some of the same requests: `POST http://h/one` meets both and \
                 answers 500: exactly one rule may match a request",
                "rule `all` of this file and 1 more match some of the same requests: `POST http://h/two` meets both \
                 and answers 500: exactly one rule may match a request",
            ]
        );
    }
}
