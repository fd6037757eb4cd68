//! The rule set: all rules of a moment, and which one a request meets.

use std::sync::Arc;

use super::Rule;
use super::conditions::Verdict;
use super::pace;
use super::policy::{ChosenBy, Narrower, OnMultipleMatches, Policy};
use crate::matcher::{Captures, Hits, Index, Pattern};
use crate::pipeline::denial::{Denial, Detail};
use crate::pipeline::session::Matched;
use crate::request::{AccessRequest, Reading};

/// All rules, indexed. Valid and invalid ones alike take part in matching.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    /// Finds patterns by their place in `patterns`.
    index: Index,
    /// Every pattern of every rule: the place of its rule in `rules`, and its own there. In their order.
    patterns: Vec<(u32, u32)>,
    /// Whether any rule asks for more than method and URL.
    conditional: bool,
    policy: Policy,
    narrower: Narrower,
    /// The place of the rule for requests that no rule matches.
    default: Option<u32>,
}

/// The one rule a request meets.
#[derive(Debug)]
pub struct Hit {
    /// The rule.
    pub rule: Arc<Rule>,
    /// The place of the pattern that matched among the rule's.
    pattern: Option<u32>,
    /// The text that was matched.
    pub matched: Matched,
    /// Why this one.
    pub chosen_by: ChosenBy,
}

/// What a policy makes of the rules that match.
#[derive(Debug, Clone, Copy)]
enum Choice {
    None,
    /// A place in `patterns`.
    One(u32, ChosenBy),
    Several,
}

impl RuleSet {
    /// Indexes rules, keeping their order.
    pub fn new(rules: Vec<Arc<Rule>>, policy: Policy) -> Self {
        let numbered = || (0_u32..).zip(&rules);
        let patterns: Vec<(u32, u32)> = numbered()
            .flat_map(|(at, rule)| (0..).zip(&rule.patterns).map(move |(own, _)| (at, own)))
            .collect();
        let index = Index::build(rules.iter().flat_map(|r| {
            pace::pause();
            r.patterns.iter().map(|p| (r.methods(), p))
        }));
        let conditional = rules.iter().any(|rule| rule.conditions.is_some());
        let narrower = match policy.on_multiple_matches {
            OnMultipleMatches::MostSpecific => {
                Narrower::of(&rules, &index, |at| patterns.get(at as usize).map(|(rule, _)| *rule))
            }
            OnMultipleMatches::Error | OnMultipleMatches::Priority => Narrower::default(),
        };
        let mut named = numbered().filter(|(_, rule)| policy.is_default(rule.id())).map(|(at, _)| at);
        // Of several it would be chance.
        let default = named.next().filter(|_| named.next().is_none());
        Self { rules, index, patterns, conditional, policy, narrower, default }
    }

    /// Takes the set apart, with pauses for others.
    pub fn dismantle(self) {
        drop((self.index, self.narrower));
        for rule in self.rules {
            drop(rule);
            pace::pause();
        }
    }

    /// All rules in load order, invalid ones too.
    pub fn all(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The rules without a fault, in load order.
    pub fn valid(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter().filter(|r| r.is_valid())
    }

    /// Which rule is meant where not exactly one matches.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether there are too many rules to find out of each pair which one is narrower.
    pub fn is_partly_compared(&self) -> bool {
        self.narrower.gave_up
    }

    /// The one rule that every reading of the request meets.
    pub fn find(&self, request: &AccessRequest<'_>) -> Result<Option<Hit>, Denial> {
        self.find_for(request, request.method())
    }

    /// As [`find`](Self::find), as if the request had another method.
    pub fn find_for(&self, request: &AccessRequest<'_>, method: &str) -> Result<Option<Hit>, Denial> {
        let Some((primary, others)) = request.readings().split_first() else { return Ok(None) };
        let mut hits = Hits::default();
        let matched = self.find_reading(request, method, primary, &mut hits)?;
        let choice = self.choose(&hits.matched, primary);
        for other in others {
            let mut also = Hits::default();
            self.find_reading(request, method, other, &mut also)?;
            let second = self.choose(&also.matched, other);
            if !self.agree((choice, &hits), (second, &also)) {
                return Err(self.ambiguous(&hits, &also));
            }
        }
        match choice {
            Choice::One(place, chosen_by) => {
                let Some((rule, pattern)) = self.at(place) else { return Ok(None) };
                let matched = if self.chooses() { text_matched(pattern, primary) } else { matched };
                let pattern = self.patterns.get(place as usize).map(|(_, own)| *own);
                Ok(Some(Hit { rule: Arc::clone(rule), pattern, matched, chosen_by }))
            }
            Choice::Several => Err(Denial::SeveralRules { ids: self.ids(&self.contenders(&hits.matched)) }),
            Choice::None => Ok(self.default.and_then(|at| self.rules.get(at as usize)).map(|rule| Hit {
                rule: Arc::clone(rule),
                pattern: None,
                matched: Matched::Primary,
                chosen_by: ChosenBy::Default,
            })),
        }
    }

    /// All rules that one reading of a request meets, in load order. For explanations: a decision needs
    /// [`find`](Self::find).
    pub fn met(&self, request: &AccessRequest<'_>, reading: &Reading) -> Result<Vec<Arc<Rule>>, Denial> {
        let mut hits = Hits::default();
        self.find_reading(request, request.method(), reading, &mut hits)?;
        Ok(self
            .rules_of(&hits.matched)
            .filter_map(|at| self.rules.get(at as usize))
            .map(Arc::clone)
            .collect())
    }

    /// All rules that one reading meets: without its trailing slash, and only when nothing does, with it. Where a
    /// policy chooses among rules, one for what lies below `/a/` counts for `/a/` as much as one for everything.
    fn find_reading(
        &self,
        request: &AccessRequest<'_>,
        method: &str,
        reading: &Reading,
        hits: &mut Hits,
    ) -> Result<Matched, Denial> {
        let mut matched = Matched::Primary;
        self.index.find(method, reading.text(), hits);
        self.keep_those_that_hold(request, hits)?;
        self.find_with_port(request, method, reading, false, hits, &mut matched)?;
        let before = hits.is_empty();
        if (before || self.chooses())
            && let Some(with_slash) = reading.with_slash()
        {
            self.index.find(method, &with_slash, hits);
            self.keep_those_that_hold(request, hits)?;
            if before && !hits.is_empty() {
                matched = Matched::Variant(with_slash.into_boxed_str());
            }
            self.find_with_port(request, method, reading, true, hits, &mut matched)?;
        }
        hits.matched.sort_unstable();
        hits.matched.dedup();
        if hits.undecided.is_empty() { Ok(matched) } else { Err(self.undecided(&hits.undecided)) }
    }

    /// Patterns that spell out a default port are tried with the port spelled out.
    fn find_with_port(
        &self,
        request: &AccessRequest<'_>,
        method: &str,
        reading: &Reading,
        slash: bool,
        hits: &mut Hits,
        matched: &mut Matched,
    ) -> Result<(), Denial> {
        if !self.index.names_default_port() {
            return Ok(());
        }
        let Some(mut text) = reading.with_default_port() else { return Ok(()) };
        if slash {
            text.push('/');
        }
        let before = hits.is_empty();
        self.index.find_with_port(method, &text, hits);
        self.keep_those_that_hold(request, hits)?;
        if before && !hits.is_empty() {
            *matched = Matched::Variant(text.into_boxed_str());
        }
        Ok(())
    }

    /// Of the rules found, those whose other conditions hold.
    fn keep_those_that_hold(&self, request: &AccessRequest<'_>, hits: &mut Hits) -> Result<(), Denial> {
        if !self.conditional || hits.is_empty() {
            return Ok(());
        }
        let mut open: Option<(u32, Verdict)> = None;
        let mut keep = |place: &mut u32| {
            let conditions = self.at(*place).and_then(|(rule, _)| rule.conditions.as_deref());
            match conditions.map_or(Verdict::Holds, |conditions| conditions.check(request)) {
                Verdict::Holds => true,
                Verdict::Fails => false,
                verdict => {
                    open = Some((*place, verdict));
                    false
                }
            }
        };
        hits.matched.retain(&mut keep);
        hits.undecided.retain(&mut keep);
        match open {
            None => Ok(()),
            Some((place, Verdict::Undecided)) => Err(self.undecided(&[place])),
            Some((place, _)) => Err(Denial::BadRequest {
                why: Detail::id("ambiguous-field")
                    .public("A header or query parameter has several values that do not mean the same.")
                    .log(format_args!("a field that {:?} asks for has several values", self.ids(&[place]))),
            }),
        }
    }

    /// Whether the policy may choose one of several rules.
    fn chooses(&self) -> bool {
        self.policy.on_multiple_matches != OnMultipleMatches::Error
    }

    /// Which of the patterns that match a reading counts.
    fn choose(&self, matched: &[u32], reading: &Reading) -> Choice {
        let Some((first, others)) = matched.split_first() else { return Choice::None };
        let Some(rule) = self.rule_at(*first) else { return Choice::None };
        if others.iter().all(|place| self.rule_at(*place) == Some(rule)) {
            return Choice::One(*first, ChosenBy::Only);
        }
        let contenders = self.contenders(matched);
        match (self.policy.on_multiple_matches, contenders.as_slice()) {
            (OnMultipleMatches::Error, [one, rest @ ..]) if self.are_one(*one, rest) => {
                Choice::One(*one, ChosenBy::Only)
            }
            (OnMultipleMatches::Priority, [one, rest @ ..]) if self.are_one(*one, rest) => {
                Choice::One(*one, ChosenBy::Priority)
            }
            // Inclusions are proved for texts without line breaks.
            (OnMultipleMatches::MostSpecific, all) if !reading.text().contains('\n') => {
                let is_narrower = |one: u32, other: u32| match (self.rule_at(one), self.rule_at(other)) {
                    (Some(one), Some(other)) => self.narrower.is_narrower(one, other),
                    _ => false,
                };
                // If one is narrower than all others, none that comes after it takes its place.
                let narrowest =
                    all.iter().copied().reduce(|best, one| if is_narrower(one, best) { one } else { best });
                let narrowest = narrowest.filter(|one| {
                    let same = |other: u32| self.rule_at(*one) == self.rule_at(other);
                    all.iter().all(|other| same(*other) || is_narrower(*one, *other))
                });
                narrowest.map_or(Choice::Several, |one| Choice::One(one, ChosenBy::MostSpecific))
            }
            _ => Choice::Several,
        }
    }

    /// Whether all these patterns are of one rule.
    fn are_one(&self, first: u32, others: &[u32]) -> bool {
        others.iter().all(|other| self.rule_at(*other) == self.rule_at(first))
    }

    /// Of several patterns that match, those among which the policy has to choose.
    fn contenders(&self, matched: &[u32]) -> Vec<u32> {
        let rule = |place: u32| self.at(place).map(|(rule, _)| rule);
        let mut contenders = matched.to_vec();
        match self.policy.on_multiple_matches {
            // What a broken pattern was meant to match concerns nobody else here.
            OnMultipleMatches::Error => {
                let certain = |place: &u32| rule(*place).is_some_and(|rule| !rule.has_stand_in());
                if matched.iter().any(certain) {
                    contenders.retain(|place| certain(place));
                }
            }
            OnMultipleMatches::Priority => {
                let top = matched.iter().filter_map(|place| rule(*place)).map(|rule| rule.priority()).max();
                contenders.retain(|place| rule(*place).map(|rule| rule.priority()) == top);
            }
            OnMultipleMatches::MostSpecific => {}
        }
        contenders
    }

    /// Whether two readings of a request end at the same rule.
    fn agree(&self, (one, hits): (Choice, &Hits), (other, also): (Choice, &Hits)) -> bool {
        match (one, other) {
            (Choice::None, Choice::None) => true,
            (Choice::One(one, _), Choice::One(other, _)) => self.rule_at(one) == self.rule_at(other),
            (Choice::Several, Choice::Several) => {
                self.rules_of(&hits.matched).eq(self.rules_of(&also.matched))
            }
            _ => false,
        }
    }

    fn rule_at(&self, place: u32) -> Option<u32> {
        self.patterns.get(place as usize).map(|(rule, _)| *rule)
    }

    fn at(&self, place: u32) -> Option<(&Arc<Rule>, &Pattern)> {
        let (rule, pattern) = self.patterns.get(place as usize)?;
        let rule = self.rules.get(*rule as usize)?;
        Some((rule, rule.patterns.get(*pattern as usize)?))
    }

    /// The rules of patterns that stand in their order, each once.
    fn rules_of(&self, places: &[u32]) -> impl Iterator<Item = u32> {
        let mut last = None;
        places
            .iter()
            .filter_map(|place| self.rule_at(*place))
            .filter(move |rule| last.replace(*rule) != Some(*rule))
    }

    fn ids(&self, places: &[u32]) -> Vec<String> {
        self.rules_of(places)
            .filter_map(|at| self.rules.get(at as usize))
            .map(|r| r.id().to_owned())
            .collect()
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

    fn undecided(&self, patterns: &[u32]) -> Denial {
        too_costly(&self.ids(patterns))
    }
}

impl Hit {
    /// The pattern of the rule that matched; none for a default rule.
    pub fn pattern(&self) -> Option<&Pattern> {
        self.rule.patterns.get(self.pattern? as usize)
    }

    /// The capture groups of the pattern, positions in `matched`. Worked out here, since most rules have no use
    /// for them.
    pub fn captures(&self, request: &AccessRequest<'_>) -> Result<Captures, Denial> {
        let Some(pattern) = self.pattern() else { return Ok(Captures::default()) };
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

/// The text of a reading that a pattern matches, which was found to match one.
fn text_matched(pattern: &Pattern, reading: &Reading) -> Matched {
    if pattern.is_match(reading.text()) == Ok(true) {
        return Matched::Primary;
    }
    let with_port = reading.with_default_port();
    let with_both = with_port.clone().filter(|_| reading.with_slash().is_some()).map(|text| text + "/");
    let variants = [with_port, reading.with_slash(), with_both];
    let found = variants.into_iter().flatten().find(|text| pattern.is_match(text) == Ok(true));
    found.map_or(Matched::Primary, |text| Matched::Variant(text.into_boxed_str()))
}
