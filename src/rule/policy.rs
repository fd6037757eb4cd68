//! Policies: which rule is meant where several match, and where none does.
//!
//! What a policy needs to know of pairs of rules is found out at load; a request only looks it up.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::{Rule, conditions, pace};
use crate::matcher::inclusion::{Budget, Inclusion, Urls};
use crate::matcher::{ANY_METHOD, Hits, Index};

/// Places looked at for all pairs of rules, and for each rule more: some seconds at most for ten thousand.
const MAX_PLACES: usize = 2_000_000;
const MAX_PLACES_MORE: usize = 100;
/// Rules that others may be narrower than are kept at hand, up to so many.
const MAX_KEPT: usize = 4096;

/// `access_rules.on_multiple_matches`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMultipleMatches {
    /// Exactly one rule may match: 500, as in Oathkeeper.
    #[default]
    Error,
    /// The rule with the highest `priority`; several with the highest are a 500.
    Priority,
    /// The rule that is for part of each other one's requests; a 500 where that cannot be proved of any.
    MostSpecific,
}

impl OnMultipleMatches {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Priority => "priority",
            Self::MostSpecific => "most_specific",
        }
    }
}

/// Which rule is meant where not exactly one matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Where several match.
    pub on_multiple_matches: OnMultipleMatches,
    /// Where none does: the id of a rule.
    pub default_rule: Option<String>,
}

impl Policy {
    /// Whether a request that a rule with a broken pattern was meant for could end at another rule.
    pub fn resolves(&self) -> bool {
        self.on_multiple_matches != OnMultipleMatches::Error || self.default_rule.is_some()
    }

    /// Whether a rule is the one for requests that no other is for.
    pub fn is_default(&self, id: &str) -> bool {
        self.default_rule.as_deref() == Some(id)
    }
}

/// Why a rule was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// No other matches.
    Only,
    /// Others match, with a lower priority.
    Priority,
    /// Others match, and it is strictly narrower than each.
    MostSpecific,
    /// None matches.
    Default,
}

impl ChosenBy {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Only => "only-match",
            Self::Priority => "priority",
            Self::MostSpecific => "most-specific",
            Self::Default => "default-rule",
        }
    }
}

/// Of each rule, by its place in the load order, the rules that it is strictly narrower than, in order.
#[derive(Debug, Default)]
pub struct Narrower {
    wider: Vec<Box<[u32]>>,
    /// Whether the limits left pairs that were not compared.
    pub(super) gave_up: bool,
}

impl Narrower {
    /// Compares all rules. `index` finds, for a method and a URL, the numbers of the rules that match.
    ///
    /// A rule can only be narrower than those that match its own example, which leaves few pairs to compare. What
    /// cannot be proved within the limits counts as not narrower.
    pub(super) fn of(rules: &[Arc<Rule>], index: &Index, rule_at: impl Fn(u32) -> Option<u32>) -> Self {
        let mut budget = Budget::new(rules.len().saturating_mul(MAX_PLACES_MORE).saturating_add(MAX_PLACES));
        let mut all = Vec::with_capacity(rules.len());
        let mut hits = Hits::default();
        let mut outers: HashMap<u32, Urls> = HashMap::new();
        for (number, rule) in (0_u32..).zip(rules) {
            pace::pause();
            if budget.is_spent() {
                break;
            }
            let urls = Urls::of(&rule.patterns);
            let mut others: Vec<u32> = match (rule.methods().first(), urls.example(&mut budget)) {
                _ if rule.patterns.is_empty() => Vec::new(),
                (None, _) => Vec::new(),
                (Some(method), Some(url)) => {
                    hits.clear();
                    index.find(method, url, &mut hits);
                    hits.matched.iter().filter_map(|at| rule_at(*at)).collect()
                }
                // Without an example every rule has to be looked at.
                (Some(_), None) => (0_u32..).zip(rules).map(|(other, _)| other).collect(),
            };
            others.sort_unstable();
            others.dedup();
            let mut wider = Vec::new();
            for other in others.into_iter().filter(|other| *other != number) {
                let Some(outer) = rules.get(other as usize).filter(|outer| !outer.is_vague()) else {
                    continue;
                };
                // Catch-alls are asked for again and again; nobody else needs to be kept.
                if !outers.contains_key(&other) {
                    budget.read(outer.patterns.iter().map(|pattern| pattern.source().len()).sum());
                    if outers.len() >= MAX_KEPT {
                        outers.clear();
                    }
                }
                if budget.is_spent() {
                    break;
                }
                let theirs = outers.entry(other).or_insert_with(|| Urls::of(&outer.patterns));
                if within((rule, &urls), (outer, theirs), &mut budget) == Inclusion::Less {
                    wider.push(other);
                }
                theirs.shrink();
            }
            all.push(wider.into());
        }
        Self { wider: all, gave_up: budget.is_spent() }
    }

    /// Whether `rule` is strictly narrower than `other`.
    pub(super) fn is_narrower(&self, rule: u32, other: u32) -> bool {
        self.wider.get(rule as usize).is_some_and(|wider| wider.binary_search(&other).is_ok())
    }
}

/// Whether every request that meets a rule, given with its URLs, meets another one, as far as can be proved.
fn within((inner, own): (&Rule, &Urls), (outer, theirs): (&Rule, &Urls), budget: &mut Budget) -> Inclusion {
    let methods = methods_within(inner.methods(), outer.methods());
    if methods == Inclusion::Open {
        return Inclusion::Open;
    }
    let others = conditions::within(inner.conditions.as_deref(), outer.conditions.as_deref(), budget);
    if others == Inclusion::Open {
        return Inclusion::Open;
    }
    conditions::together(&[methods, others, own.within(theirs, budget)])
}

fn methods_within(inner: &[String], outer: &[String]) -> Inclusion {
    let any = |list: &[String]| list.iter().any(|method| method == ANY_METHOD);
    let has = |list: &[String], method: &String| list.iter().any(|other| other.eq_ignore_ascii_case(method));
    let all =
        |some: &[String], of: &[String]| any(of) || (!any(some) && some.iter().all(|method| has(of, method)));
    match (all(inner, outer), all(outer, inner)) {
        (false, _) => Inclusion::Open,
        (true, true) => Inclusion::Within,
        (true, false) => Inclusion::Less,
    }
}

#[cfg(test)]
pub(crate) mod tests;
