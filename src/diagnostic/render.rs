//! Reports in print: with excerpts for people, one line a finding for logs, JSON for programs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::position::{Locator, Position};
use super::text::{one_line, quote};
use super::{Diagnostic, Report, Severity, Source};

/// What stands in an excerpt where a secret was.
const HIDDEN: &str = "[redacted]";

/// Characters of a long line that are shown before and after the place.
const CONTEXT: usize = 60;

/// A finding with its place worked out.
struct Placed<'r> {
    diagnostic: &'r Diagnostic,
    place: Option<(Range<usize>, Position)>,
    excerpt: Option<Excerpt>,
}

/// One line of a document, fit to be shown, and the part of it to mark.
struct Excerpt {
    line: String,
    mark: Range<usize>,
}

impl Report {
    /// For people: each finding with the line it is about, then how many there are. Sorted by file and line.
    pub fn to_human(&self, colour: bool) -> String {
        let mut text = self.excerpts(colour);
        if !self.is_empty() {
            let _ = writeln!(text, "{}", self.summary());
        }
        text
    }

    /// For people: each finding with the line it is about. Sorted by file and line.
    pub fn excerpts(&self, colour: bool) -> String {
        let mut text = String::new();
        for placed in self.placed() {
            let _ = writeln!(text, "{}", placed.human(&Paint { colour }));
        }
        text
    }

    /// How many there are: `3 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let count = |number: usize, what: &str| match number {
            1 => format!("1 {what}"),
            _ => format!("{number} {what}s"),
        };
        format!("{}, {}", count(self.errors(), "error"), count(self.warnings(), "warning"))
    }

    /// For logs: one line a finding, sorted by file and line.
    pub fn to_lines(&self) -> Vec<String> {
        self.to_log().into_iter().map(|(_, line)| line).collect()
    }

    /// The same lines with how bad each is.
    pub fn to_log(&self) -> Vec<(Severity, String)> {
        self.placed().iter().map(|p| (p.diagnostic.finding.severity, p.line())).collect()
    }

    /// For programs: a list of objects with `severity`, `code`, `message`, `file`, `pointer`, `line`,
    /// `column`, `end_line`, `end_column`, `rule` and `help`; what is not known is `null`. Sorted by file and line.
    pub fn to_json(&self) -> Value {
        Value::Array(self.placed().iter().map(Placed::json).collect())
    }

    fn placed(&self) -> Vec<Placed<'_>> {
        let mut locators: HashMap<*const Source, Option<Locator<'_>>> = HashMap::new();
        let mut placed: Vec<Placed<'_>> = self
            .diagnostics
            .iter()
            .map(|diagnostic| {
                let source = &diagnostic.source;
                let locator = locators
                    .entry(Arc::as_ptr(source))
                    .or_insert_with(|| source.text.as_deref().map(|text| Locator::new(text, &source.name)));
                let place = locator.as_ref().map(|locator| {
                    let range = locator.find(&diagnostic.finding);
                    let position = locator.position(&range);
                    (range, position)
                });
                let excerpt = match (locator, source.text.as_deref(), &place) {
                    (Some(locator), Some(text), Some((range, _))) if !text.is_empty() => {
                        Some(Excerpt::new(locator, text, range))
                    }
                    _ => None,
                };
                Placed { diagnostic, place, excerpt }
            })
            .collect();
        placed.sort_by(|a, b| {
            let key = |placed: &Placed<'_>| placed.place.as_ref().map(|(range, _)| range.start);
            (&a.diagnostic.source.name, key(a)).cmp(&(&b.diagnostic.source.name, key(b)))
        });
        placed
    }
}

/// SGR parameters (ECMA-48): each is reset after its text.
const BOLD: &str = "1";
const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "1;34";

/// Puts colour on, where it is wanted.
struct Paint {
    colour: bool,
}

impl Paint {
    fn with(&self, tone: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{tone}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

impl Excerpt {
    /// What stands before the marked part, and the marked part.
    fn parts(&self) -> (&str, &str) {
        let before = self.line.get(..self.mark.start).unwrap_or_default();
        (before, self.line.get(self.mark.clone()).unwrap_or_default())
    }

    /// The first line of `range`, without secrets and not longer than a screen is wide.
    fn new(locator: &Locator<'_>, text: &str, range: &Range<usize>) -> Self {
        let whole = locator.line_around(range.start);
        let mark = range.start.min(whole.end)..range.end.min(whole.end);
        let shown = window(text, &whole, &mark);
        let mut excerpt = Self { line: String::new(), mark: usize::MAX..usize::MAX };
        if shown.start > whole.start {
            excerpt.line.push('…');
        }
        let mut at = shown.start;
        // Secrets are looked for in the whole line: half of one may not look like one.
        for secret in locator.secrets(&whole) {
            let secret = secret.start.max(at)..secret.end.min(shown.end);
            if secret.is_empty() {
                continue;
            }
            excerpt.copy(text, at..secret.start, &mark);
            excerpt.replace(&secret, &mark);
            at = secret.end;
        }
        excerpt.copy(text, at..shown.end, &mark);
        let end = excerpt.line.len();
        excerpt.mark = excerpt.mark.start.min(end)..excerpt.mark.end.min(end);
        if shown.end < whole.end {
            excerpt.line.push('…');
        }
        excerpt
    }

    fn copy(&mut self, text: &str, part: Range<usize>, mark: &Range<usize>) {
        for (offset, c) in text.get(part.clone()).unwrap_or_default().char_indices() {
            self.place(part.start + offset, mark);
            match c {
                '\t' => self.line.push_str("  "),
                '\u{feff}' => {}
                c => self.line.push_str(&one_line(c.encode_utf8(&mut [0; 4]))),
            }
        }
        self.place(part.end, mark);
    }

    fn replace(&mut self, secret: &Range<usize>, mark: &Range<usize>) {
        if (secret.start..secret.end).contains(&mark.start) && self.mark.start == usize::MAX {
            self.mark.start = self.line.len();
        }
        self.line.push_str(HIDDEN);
        if (secret.start + 1..=secret.end).contains(&mark.end) && self.mark.end == usize::MAX {
            self.mark.end = self.line.len();
        }
    }

    /// Remembers where the marked part is, once the copying comes by.
    fn place(&mut self, at: usize, mark: &Range<usize>) {
        if at >= mark.start && self.mark.start == usize::MAX {
            self.mark.start = self.line.len();
        }
        if at >= mark.end && self.mark.end == usize::MAX {
            self.mark.end = self.line.len();
        }
    }
}

/// The part of a line to show: all of it, or so much around the marked part.
fn window(text: &str, line: &Range<usize>, mark: &Range<usize>) -> Range<usize> {
    let before = text.get(line.start..mark.start).unwrap_or_default();
    let marked = text.get(mark.clone()).unwrap_or_default();
    let after = text.get(mark.end..line.end).unwrap_or_default();
    let start = before.char_indices().rev().nth(CONTEXT).map_or(line.start, |(at, _)| line.start + at);
    let end_of = |text: &str, from: usize, limit: usize| {
        text.char_indices().nth(limit).map_or(from + text.len(), |(at, _)| from + at)
    };
    let marked_end = end_of(marked, mark.start, CONTEXT * 2);
    let end = if marked_end < mark.end { marked_end } else { end_of(after, mark.end, CONTEXT) };
    start..end
}

impl Placed<'_> {
    fn human(&self, paint: &Paint) -> String {
        let Diagnostic { finding, rule_id, source } = self.diagnostic;
        let tone = match finding.severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
        };
        let mut text = paint.with(tone, &format!("{}[{}]", finding.severity, finding.code));
        let _ = writeln!(text, "{}", paint.with(BOLD, &format!(": {}", one_line(&finding.message))));
        let mut origin = one_line(&source.name);
        let mut help = finding.help.as_deref().map(one_line);
        let mut gutter = 1;
        if let Some((_, position)) = &self.place {
            let _ = write!(origin, ":{}:{}", position.line, position.column);
            gutter = position.line.to_string().len();
        }
        let _ = writeln!(text, "{:gutter$}{} {origin}", "", paint.with(BLUE, "-->"));
        if let (Some((_, position)), Some(excerpt)) = (&self.place, &self.excerpt) {
            let (before, marked) = excerpt.parts();
            // A short question reads best at the place itself.
            let question = help.take_if(|help| help.starts_with("did you mean")).unwrap_or_default();
            let carets = format!("{} {question}", "^".repeat(marked.width().max(1)));
            let bar = paint.with(BLUE, &format!("{:gutter$} |", ""));
            let number = paint.with(BLUE, &format!("{:>gutter$} |", position.line));
            let _ = writeln!(text, "{bar}\n{number} {}", excerpt.line);
            let _ = writeln!(
                text,
                "{bar} {:width$}{}",
                "",
                paint.with(tone, carets.trim_end()),
                width = before.width()
            );
        }
        let rule = rule_id.as_deref().map(|rule| ("rule", quote(rule)));
        for (what, note) in rule.into_iter().chain(help.map(|help| ("help", help))) {
            let _ = writeln!(text, "{:gutter$} {} {what}: {note}", "", paint.with(BLUE, "="));
        }
        text
    }

    fn line(&self) -> String {
        let finding = &self.diagnostic.finding;
        let mut line = one_line(&self.diagnostic.source.name);
        if let Some((_, position)) = &self.place {
            let _ = write!(line, ":{}:{}", position.line, position.column);
        }
        let _ = write!(line, ": {}[{}]: {}", finding.severity, finding.code, one_line(&finding.message));
        if let Some(rule) = &self.diagnostic.rule_id {
            let _ = write!(line, ", in rule {}", quote(rule));
        }
        if let Some(help) = &finding.help {
            let _ = write!(line, " ({})", one_line(help));
        }
        line
    }

    fn json(&self) -> Value {
        let Diagnostic { finding, rule_id, source } = self.diagnostic;
        let position = self.place.as_ref().map(|(_, position)| position);
        json!({
            "severity": finding.severity.to_string(),
            "code": finding.code,
            "message": finding.message,
            "file": source.name,
            "pointer": finding.pointer,
            "line": position.map(|p| p.line),
            "column": position.map(|p| p.column),
            "end_line": position.map(|p| p.end_line),
            "end_column": position.map(|p| p.end_column),
            "rule": rule_id,
            "help": finding.help,
        })
    }
}

#[cfg(test)]
mod tests;
