//! Overlaps: rules that match some of the same requests, which then answer 500.
//!
//! Looking for them takes longer than a load may: this is for tools. Servers say what can be seen rule by rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::across::other;
use super::{Rule, RuleSet};
use crate::diagnostic::{Finding, Report};
use crate::matcher::overlap::overlaps;
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Origin, Part, Parts};

/// Adds a warning for each rule that shares requests with a rule before it. What is reported is certain; of
/// very many rules not every overlap is found.
pub fn check(rules: &RuleSet, report: &mut Report) {
    let able: Vec<&Arc<Rule>> = rules.all().iter().filter(|rule| rule.pattern.is_some()).collect();
    let patterns = able.iter().filter_map(|rule| Some((rule.methods(), rule.pattern.as_ref()?)));
    let mut shared: BTreeMap<usize, Vec<(&Rule, String)>> = BTreeMap::new();
    for overlap in overlaps(patterns) {
        let (Some(first), Some(second)) = (able.get(overlap.first), able.get(overlap.second)) else {
            continue;
        };
        // The same URL in both is an error already.
        let url = |rule: &Rule| rule.pattern.as_ref().map(|pattern| pattern.source().to_owned());
        let same = url(first) == url(second);
        if !same && meets(rules, &overlap.method, &overlap.url, [first, second]) {
            let request = format!("{} {}", overlap.method.to_ascii_uppercase(), overlap.url);
            shared.entry(overlap.second).or_default().push((first, request));
        }
    }
    for (index, shared) in shared {
        let Some(rule) = able.get(index) else { continue };
        if let Some(finding) = finding(rule, &shared) {
            let id = (!rule.id().is_empty()).then(|| rule.id());
            report.push(&rule.source, id, finding.under(&format!("/{}", rule.index)));
        }
    }
}

/// Whether a request for this URL meets both rules once it has been made canonical.
fn meets(rules: &RuleSet, method: &str, url: &str, both: [&Arc<Rule>; 2]) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let origin = Origin::RequestLine;
    let parts = Parts {
        method: Part { value: method.into(), origin },
        scheme: Part { value: scheme.into(), origin },
        host: Part { value: host.into(), origin },
        path: Part { value: path.as_bytes().into(), origin },
        query: Part { value: None, origin },
        peer: None,
        client: crate::request::Client::Peer,
        host_header: None,
    };
    let headers = HeaderFields::default();
    let Ok(request) = AccessRequest::new(parts, &headers) else { return false };
    let Some(reading) = request.primary() else { return false };
    let met = rules.met(method, reading).unwrap_or_default();
    both.iter().all(|rule| met.iter().any(|one| Arc::ptr_eq(one, rule)))
}

fn finding(rule: &Rule, shared: &[(&Rule, String)]) -> Option<Finding> {
    let (first, request) = shared.first()?;
    let first = other(rule, first);
    let message = match shared.len() - 1 {
        0 => format!("{first} matches some of the same requests"),
        more => format!("{first} and {more} more match some of the same requests"),
    };
    let help = format!("`{request}` meets both and answers 500: exactly one rule may match a request");
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
