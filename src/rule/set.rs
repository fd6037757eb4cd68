//! The rule set: all rules of a moment, and which one a request meets.

use std::sync::Arc;

use super::Rule;
use crate::matcher::{Captures, Hits, Index};
use crate::pipeline::denial::{Denial, Detail};
use crate::pipeline::session::Matched;
use crate::request::{AccessRequest, Reading};

/// All rules, indexed. Valid and invalid ones alike take part in matching.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    /// Finds rules by their place in `matchable`.
    index: Index,
    /// Places in `rules` of the rules that have a pattern.
    matchable: Vec<u32>,
}

/// The one rule a request meets.
#[derive(Debug)]
pub struct Hit {
    /// The rule.
    pub rule: Arc<Rule>,
    /// The text that was matched.
    pub matched: Matched,
}

impl RuleSet {
    /// Indexes rules, keeping their order.
    pub fn new(rules: Vec<Arc<Rule>>) -> Self {
        let matchable =
            (0..).zip(&rules).filter(|(_, rule)| rule.pattern.is_some()).map(|(at, _)| at).collect();
        let index = Index::build(rules.iter().filter_map(|r| Some((r.methods(), r.pattern.as_ref()?))));
        Self { rules, index, matchable }
    }

    /// All rules in load order, invalid ones too.
    pub fn all(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The rules without a fault, in load order.
    pub fn valid(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter().filter(|r| r.is_valid())
    }

    /// The one rule that every reading of the request meets.
    pub fn find(&self, request: &AccessRequest<'_>) -> Result<Option<Hit>, Denial> {
        let Some((primary, others)) = request.readings().split_first() else { return Ok(None) };
        let mut hits = Hits::default();
        let matched = self.find_reading(request.method(), primary, &mut hits)?;
        for other in others {
            let mut also = Hits::default();
            self.find_reading(request.method(), other, &mut also)?;
            if also != hits {
                return Err(self.ambiguous(&hits, &also));
            }
        }
        match hits.matched.as_slice() {
            [] => Ok(None),
            [one] => Ok(self.rule(*one).map(|rule| Hit { rule: Arc::clone(rule), matched })),
            several => Err(Denial::SeveralRules { ids: self.ids(several) }),
        }
    }

    /// All rules that one reading of a request meets, in load order. For explanations: a decision needs
    /// [`find`](Self::find).
    pub fn met(&self, method: &str, reading: &Reading) -> Result<Vec<Arc<Rule>>, Denial> {
        let mut hits = Hits::default();
        self.find_reading(method, reading, &mut hits)?;
        Ok(hits.matched.iter().filter_map(|at| self.rule(*at)).map(Arc::clone).collect())
    }

    /// All rules that one reading meets: without its trailing slash, and only when nothing does, with it.
    fn find_reading(&self, method: &str, reading: &Reading, hits: &mut Hits) -> Result<Matched, Denial> {
        let mut matched = Matched::Primary;
        self.index.find(method, reading.text(), hits);
        self.find_with_port(method, reading, false, hits, &mut matched);
        if hits.is_empty()
            && let Some(with_slash) = reading.with_slash()
        {
            self.index.find(method, &with_slash, hits);
            if !hits.is_empty() {
                matched = Matched::Variant(with_slash.into_boxed_str());
            }
            self.find_with_port(method, reading, true, hits, &mut matched);
        }
        hits.matched.sort_unstable();
        hits.matched.dedup();
        if hits.undecided.is_empty() { Ok(matched) } else { Err(self.undecided(&hits.undecided)) }
    }

    /// Patterns that spell out a default port are tried with the port spelled out.
    fn find_with_port(
        &self,
        method: &str,
        reading: &Reading,
        slash: bool,
        hits: &mut Hits,
        matched: &mut Matched,
    ) {
        if !self.index.names_default_port() {
            return;
        }
        let Some(mut text) = reading.with_default_port() else { return };
        if slash {
            text.push('/');
        }
        let before = hits.is_empty();
        self.index.find_with_port(method, &text, hits);
        if before && !hits.is_empty() {
            *matched = Matched::Variant(text.into_boxed_str());
        }
    }

    fn rule(&self, found: u32) -> Option<&Arc<Rule>> {
        self.rules.get(*self.matchable.get(found as usize)? as usize)
    }

    fn ids(&self, found: &[u32]) -> Vec<String> {
        found.iter().filter_map(|at| self.rule(*at)).map(|r| r.id().to_owned()).collect()
    }

    fn ambiguous(&self, one: &Hits, other: &Hits) -> Denial {
        let why = Detail::id("ambiguous-path").public("The path can be read in more than one way.").log(
            format_args!(
                "one reading of the path meets {:?}, another {:?}",
                self.ids(&one.matched),
                self.ids(&other.matched)
            ),
        );
        Denial::BadRequest { why }
    }

    fn undecided(&self, rules: &[u32]) -> Denial {
        too_costly(&self.ids(rules))
    }
}

impl Hit {
    /// The capture groups of the rule's pattern, positions in `matched`. Worked out here, since most rules
    /// have no use for them.
    pub fn captures(&self, request: &AccessRequest<'_>) -> Result<Captures, Denial> {
        let Some(pattern) = &self.rule.pattern else { return Ok(Captures::default()) };
        let groups = pattern.groups(self.matched.text(request));
        Ok(groups.map_err(|_| too_costly(&[self.rule.id()]))?.unwrap_or_default())
    }
}

fn too_costly<I: std::fmt::Debug>(ids: &[I]) -> Denial {
    Denial::Misconfigured {
        message: "A pattern took too long to match".into(),
        why: Detail::id("pattern-too-costly")
            .log(format_args!("the patterns of {ids:?} exceeded their step limit")),
    }
}
