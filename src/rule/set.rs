//! The rule set: all rules of a moment, and which one a request meets.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Rule;
use crate::matcher::{Captures, Index, TooCostly};
use crate::pipeline::denial::{Denial, Detail};
use crate::pipeline::session::Matched;
use crate::request::{AccessRequest, Reading};

/// All rules, indexed. Valid and invalid ones alike take part in matching.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    index: Index,
    /// Whether any pattern spells out a scheme's default port, so that the port has to be tried too.
    names_default_port: bool,
}

/// The one rule a request meets.
#[derive(Debug)]
pub struct Hit {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Its capture groups, positions in `matched`.
    pub captures: Captures,
    /// The text that was matched.
    pub matched: Matched,
}

type Found = SmallVec<[u32; 4]>;

impl RuleSet {
    /// Indexes rules, keeping their order.
    pub fn new(rules: Vec<Arc<Rule>>) -> Self {
        let index = Index::build(rules.iter().map(|rule| (rule.methods(), rule.pattern.as_ref())));
        let names_default_port =
            rules.iter().filter_map(|r| r.pattern.as_ref()).any(crate::matcher::Pattern::names_default_port);
        Self { rules, index, names_default_port }
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
        let (found, matched) = self.find_reading(request.method(), primary)?;
        for other in others {
            let (also, _) = self.find_reading(request.method(), other)?;
            if also != found {
                return Err(self.ambiguous(&found, &also));
            }
        }
        match found.as_slice() {
            [] => Ok(None),
            [one] => {
                let Some(rule) = self.rules.get(*one as usize) else { return Ok(None) };
                let text = matched.text(request);
                let captures = rule
                    .pattern
                    .as_ref()
                    .map_or_else(|| Ok(Captures::default()), |p| p.captures(text))
                    .map_err(|cost| self.too_costly(cost))?;
                Ok(Some(Hit { rule: Arc::clone(rule), captures, matched }))
            }
            several => Err(Denial::SeveralRules { ids: self.ids(several) }),
        }
    }

    /// All rules that one reading meets: without its trailing slash, and only when nothing does, with it.
    fn find_reading(&self, method: &str, reading: &Reading) -> Result<(Found, Matched), Denial> {
        let mut found = self.find_text(method, reading.text())?;
        let mut matched = Matched::Primary;
        if self.names_default_port
            && let Some(with_port) = reading.with_default_port()
        {
            self.add(&mut found, &mut matched, method, with_port)?;
        }
        if found.is_empty()
            && let Some(with_slash) = reading.with_slash()
        {
            self.add(&mut found, &mut matched, method, with_slash)?;
        }
        Ok((found, matched))
    }

    /// Adds what another form of the same URL meets.
    fn add(
        &self,
        found: &mut Found,
        matched: &mut Matched,
        method: &str,
        text: String,
    ) -> Result<(), Denial> {
        let more = self.find_text(method, &text)?;
        if found.is_empty() && !more.is_empty() {
            *matched = Matched::Variant(text.into_boxed_str());
        }
        for rule in more {
            if !found.contains(&rule) {
                found.push(rule);
            }
        }
        found.sort_unstable();
        Ok(())
    }

    fn find_text(&self, method: &str, text: &str) -> Result<Found, Denial> {
        let mut found = Found::new();
        self.index.find(method, text, &mut found).map_err(|cost| self.too_costly(cost))?;
        found.sort_unstable();
        Ok(found)
    }

    fn ids(&self, found: &[u32]) -> Vec<String> {
        found.iter().filter_map(|i| self.rules.get(*i as usize)).map(|r| r.id().to_owned()).collect()
    }

    fn ambiguous(&self, one: &[u32], other: &[u32]) -> Denial {
        let why = Detail::id("ambiguous-path").public("The path can be read in more than one way.").log(
            format_args!("one reading of the path meets {:?}, another {:?}", self.ids(one), self.ids(other)),
        );
        Denial::BadRequest { why }
    }

    #[expect(clippy::needless_pass_by_value, reason = "used as a mapping function")]
    fn too_costly(&self, _: TooCostly) -> Denial {
        Denial::Misconfigured {
            message: "A pattern took too long to match".into(),
            why: Detail::id("pattern-too-costly").log("a pattern exceeded its backtracking budget"),
        }
    }
}
