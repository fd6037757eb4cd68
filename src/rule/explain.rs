//! Explanation: what a rule set makes of a request, told in full.
//!
//! Built only when somebody asks; the decision itself is [`RuleSet::find`].

use std::sync::Arc;

use super::{Rule, RuleSet};
use crate::matcher::Pattern;
use crate::matcher::explanation::{self, near_misses};
use crate::request::AccessRequest;

/// What a rule set makes of a request.
#[derive(Debug, Default)]
pub struct Explanation {
    /// Each reading of the request's URL with the rules it meets.
    pub readings: Vec<Met>,
    /// The rules that the first reading does not meet, the nearest first.
    pub near_misses: Vec<NearMiss>,
    /// How many more rules it does not meet.
    pub farther: usize,
}

/// One reading of a request's URL.
#[derive(Debug)]
pub struct Met {
    /// `scheme://host/path` in canonical form.
    pub url: String,
    /// The rules that match it, in load order.
    pub rules: Vec<Arc<Rule>>,
}

/// A rule that a request does not meet.
#[derive(Debug)]
pub struct NearMiss {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What of method and URL is not as the rule wants it; `None` where no request is. Of several patterns it is
    /// the nearest that counts.
    pub why: Option<explanation::Explanation>,
    /// What else of the request is not as the rule wants it, in words.
    pub unmet: Vec<String>,
}

impl Explanation {
    /// Explains what `rules` make of a request, with so many near misses.
    pub fn new(rules: &RuleSet, request: &AccessRequest<'_>, nearest: usize) -> Self {
        let mut readings: Vec<Met> = Vec::new();
        for reading in request.readings() {
            // A pattern that takes too long is the decision's to tell.
            let rules = rules.met(request, reading).unwrap_or_default();
            readings.push(Met { url: reading.text().to_owned(), rules });
        }
        let met = |rule: &Arc<Rule>| readings.iter().any(|m| m.rules.iter().any(|r| Arc::ptr_eq(r, rule)));
        let missed: Vec<&Arc<Rule>> = rules.all().iter().filter(|rule| !met(rule)).collect();
        let (able, never): (Vec<&Arc<Rule>>, Vec<&Arc<Rule>>) =
            missed.iter().partition(|rule| !rule.patterns.is_empty());
        let unmet = |rule: &Rule| rule.conditions.as_ref().map(|c| c.unmet(request)).unwrap_or_default();
        let mut nearest_misses: Vec<NearMiss> = Vec::new();
        if let Some(reading) = request.primary() {
            let (method, url) = (request.method(), reading.text());
            let patterns = || able.iter().flat_map(|rule| rule.patterns.iter().map(move |p| (*rule, p)));
            // Where method and URL are right, only a condition is in the way.
            let conditional = patterns()
                .filter(|(rule, pattern)| rule.conditions.is_some() && pattern.is_match(url) == Ok(true));
            for (rule, pattern) in conditional {
                let why = explanation::Explanation::new(rule.methods(), pattern, method, url);
                let known = nearest_misses.iter().any(|miss| Arc::ptr_eq(&miss.rule, rule));
                if why.matches() && !known && nearest_misses.len() < nearest {
                    nearest_misses.push(NearMiss {
                        rule: Arc::clone(rule),
                        why: Some(why),
                        unmet: unmet(rule),
                    });
                }
            }
            let all: Vec<(&Arc<Rule>, &Pattern)> = patterns().collect();
            let listed = all.iter().map(|(rule, pattern)| (rule.methods(), *pattern));
            // Several patterns of one rule may be among them.
            let wanted = nearest.saturating_mul(if all.len() > able.len() { 4 } else { 1 });
            for miss in near_misses(listed, method, url, wanted) {
                let Some((rule, _)) = all.get(miss.rule) else { continue };
                let known = nearest_misses.iter().any(|one| Arc::ptr_eq(&one.rule, rule));
                if !known && nearest_misses.len() < nearest {
                    let (why, unmet) = (Some(miss.explanation), unmet(rule));
                    nearest_misses.push(NearMiss { rule: Arc::clone(rule), why, unmet });
                }
            }
        }
        for rule in never.into_iter().take(nearest.saturating_sub(nearest_misses.len())) {
            nearest_misses.push(NearMiss { rule: Arc::clone(rule), why: None, unmet: Vec::new() });
        }
        let farther = missed.len().saturating_sub(nearest_misses.len());
        Self { readings, near_misses: nearest_misses, farther }
    }
}
