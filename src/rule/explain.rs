//! Explanation: what a rule set makes of a request, told in full.
//!
//! Built only when somebody asks; the decision itself is [`RuleSet::find`].

use std::sync::Arc;

use super::{Rule, RuleSet};
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
    /// What of the request is not as the rule wants it; `None` where no request is.
    pub why: Option<explanation::Explanation>,
}

impl Explanation {
    /// Explains what `rules` make of a request, with so many near misses.
    pub fn new(rules: &RuleSet, request: &AccessRequest<'_>, nearest: usize) -> Self {
        let mut readings: Vec<Met> = Vec::new();
        for reading in request.readings() {
            // A pattern that takes too long is the decision's to tell.
            let rules = rules.met(request.method(), reading).unwrap_or_default();
            readings.push(Met { url: reading.text().to_owned(), rules });
        }
        let met = |rule: &Arc<Rule>| readings.iter().any(|m| m.rules.iter().any(|r| Arc::ptr_eq(r, rule)));
        let missed: Vec<&Arc<Rule>> = rules.all().iter().filter(|rule| !met(rule)).collect();
        let (able, never): (Vec<&Arc<Rule>>, Vec<&Arc<Rule>>) =
            missed.iter().partition(|rule| rule.pattern.is_some());
        let mut nearest_misses: Vec<NearMiss> = Vec::new();
        if let Some(reading) = request.primary() {
            let patterns = able.iter().filter_map(|rule| Some((rule.methods(), rule.pattern.as_ref()?)));
            for miss in near_misses(patterns, request.method(), reading.text(), nearest) {
                let Some(rule) = able.get(miss.rule) else { continue };
                nearest_misses.push(NearMiss { rule: Arc::clone(rule), why: Some(miss.explanation) });
            }
        }
        for rule in never.into_iter().take(nearest.saturating_sub(nearest_misses.len())) {
            nearest_misses.push(NearMiss { rule: Arc::clone(rule), why: None });
        }
        let farther = missed.len().saturating_sub(nearest_misses.len());
        Self { readings, near_misses: nearest_misses, farther }
    }
}
