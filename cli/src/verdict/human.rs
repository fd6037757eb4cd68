//! A verdict for people.

use std::fmt::Write as _;

use okgate::diagnostic::text::one_line;
use okgate::request::Origin;
use okgate::rule::{Hit, OnMultipleMatches, Rule};

use super::{Outcome, Verdict, chosen, conditions, methods, name, patterns, steps, title_case, why};
use crate::place::Places;

impl Verdict<'_> {
    /// The request as it was understood, the answer, and the rules that do not match.
    pub fn to_human(&self, colour: bool) -> String {
        let places = self.places();
        let mut page = Page { text: String::new(), colour, places: &places };
        page.request(self);
        page.text.push('\n');
        match &self.outcome {
            Outcome::One(hit) => page.matched(self, hit),
            Outcome::None if self.explanation.readings.is_empty() => {
                page.no(
                    "no rule can match: scheme and host are none that a rule could mean; the answer is 404",
                );
            }
            Outcome::None => page.no("no rule matches: the answer is 404"),
            Outcome::Several => page.several(self),
            Outcome::Ambiguous => page.ambiguous(self),
            Outcome::Unreadable(why) => {
                page.no(&format!("the path cannot be read: the answer is 400\n  {why}"));
            }
            Outcome::AmbiguousField => page
                .no("a header or query parameter has several values, and a rule is for some of them only: \
                 the answer is 400"),
            Outcome::TooCostly => page.no("a pattern takes too long for this URL: the answer is 500"),
        }
        page.near_misses(self);
        page.text
    }
}

/// What is written so far.
struct Page<'p> {
    text: String,
    colour: bool,
    places: &'p Places,
}

impl Page<'_> {
    fn request(&mut self, verdict: &Verdict<'_>) {
        let parts = verdict.parts;
        let sent = String::from_utf8_lossy(&parts.path.value);
        let url = verdict.access.and_then(|access| access.primary()).map(|reading| reading.text().to_owned());
        let url = url.unwrap_or_else(|| format!("{}://{}{sent}", parts.scheme.value, parts.host.value));
        self.line("request", &one_line(&format!("{} {url}", parts.method.value)));
        if verdict.access.is_some_and(|access| access.primary().is_some() && access.path() != sent) {
            self.line("sent path", &one_line(&sent));
        }
        let origins = [
            ("method", parts.method.origin),
            ("scheme", parts.scheme.origin),
            ("host", parts.host.origin),
            ("path", parts.path.origin),
        ];
        for (part, origin) in origins {
            if let Origin::Header(name) = origin {
                self.line("", &format!("{part} from {}", title_case(name)));
            }
        }
        if parts.query.value.is_some() && !verdict.query_counts {
            self.line("query", "takes no part in matching");
        }
    }

    fn matched(&mut self, verdict: &Verdict<'_>, hit: &Hit) {
        let rule = &hit.rule;
        let name = self.paint("1;32", &name(rule));
        self.line("rule", &format!("{name}  {}", self.places.place(rule)));
        for (index, pattern) in patterns(rule).iter().chain(&conditions(rule)).enumerate() {
            self.line(if index == 0 { "match" } else { "" }, &one_line(pattern));
        }
        if let Some(chosen) = chosen(hit, verdict.met()) {
            self.line("chosen by", &chosen);
        }
        for (index, capture) in verdict.captures(hit).iter().enumerate() {
            let label = if index == 0 { "captures" } else { "" };
            self.line(label, &format!("{index}: {}", one_line(capture)));
        }
        for (stage, handlers) in steps(rule) {
            if !handlers.is_empty() {
                self.line(stage, &one_line(&handlers.join(", ")));
            }
        }
        if !rule.is_valid() {
            self.no("\nthe rule has errors: the answer is never a yes");
        }
        let findings = verdict.findings(rule);
        if !findings.is_empty() {
            let _ = write!(self.text, "\n{}", findings.to_human(self.colour));
        }
    }

    fn several(&mut self, verdict: &Verdict<'_>) {
        let rules = verdict.met();
        let why = match verdict.policy {
            OnMultipleMatches::Error => "",
            OnMultipleMatches::Priority => ", and not one alone has the highest priority",
            OnMultipleMatches::MostSpecific => {
                ", and none is known to match only a part of what each other one matches"
            }
        };
        self.no(&format!("{} rules match{why}: the answer is 500", rules.len()));
        for rule in rules {
            self.rule(rule);
        }
    }

    fn ambiguous(&mut self, verdict: &Verdict<'_>) {
        let readings = &verdict.explanation.readings;
        self.no(&format!(
            "upstreams may read the path in {} ways, which do not meet the same rule: the answer is 400",
            readings.len()
        ));
        for met in readings {
            let _ = writeln!(self.text, "\n  {}", one_line(&met.url));
            for rule in &met.rules {
                let name = self.paint("1", &name(rule));
                let _ = writeln!(self.text, "    meets {name}  {}", self.places.place(rule));
            }
            if met.rules.is_empty() {
                self.text.push_str("    meets no rule\n");
            }
        }
    }

    fn near_misses(&mut self, verdict: &Verdict<'_>) {
        if verdict.near_misses().next().is_none() {
            return;
        }
        self.text.push_str("\nrules that do not match, the nearest first:\n");
        for miss in verdict.near_misses() {
            self.rule(&miss.rule);
            let _ = writeln!(self.text, "    {}", one_line(&why(miss)));
        }
        if verdict.explanation.farther > 0 {
            let _ = writeln!(self.text, "\n  and {} more; `--all` shows them", verdict.explanation.farther);
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let name = self.paint("1", &name(rule));
        let _ = writeln!(self.text, "\n  {name}  {}", self.places.place(rule));
        let listed = one_line(&methods(rule).join(","));
        for pattern in patterns(rule) {
            let _ = writeln!(self.text, "    {listed} {}", one_line(&pattern));
        }
        for condition in conditions(rule) {
            let _ = writeln!(self.text, "    {}", one_line(&condition));
        }
    }

    /// What a line is about, and what there is to say.
    fn line(&mut self, label: &str, value: &str) {
        let _ = writeln!(self.text, "{label:<16}{value}");
    }

    fn no(&mut self, verdict: &str) {
        let verdict = self.paint("1;31", verdict);
        let _ = writeln!(self.text, "{verdict}");
    }

    /// SGR parameters (ECMA-48), reset after the text.
    fn paint(&self, tone: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{tone}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
