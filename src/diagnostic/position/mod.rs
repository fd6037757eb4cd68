//! Positions: from a finding's JSON pointer to the place in the text it is about.
//!
//! Built only when there is a finding to show. YAML and TOML places come from their parsers; where a place
//! cannot be told exactly, the nearest thing around it is given.

mod json;
mod scalar;
mod toml;
mod tree;
mod yaml;

use std::ops::Range;

use self::tree::{Content, Found, Style, Tree};
use super::{Finding, pointer_token, secret};

/// A place in a text. Lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Position {
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

/// A text whose places can be asked for.
pub struct Locator<'t> {
    text: &'t str,
    tree: Tree,
    /// Byte offset of each line.
    lines: Vec<usize>,
}

impl<'t> Locator<'t> {
    /// Reads the text's structure: TOML by the name's ending, else JSON where it is JSON, else YAML.
    pub fn new(text: &'t str, name: &str) -> Self {
        let ending = name.rsplit('.').next().unwrap_or_default();
        let tree = if ending.eq_ignore_ascii_case("toml") {
            toml::tree(text)
        } else if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            json::tree(text)
        } else {
            yaml::tree(text)
        };
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, tree, lines }
    }

    /// The bytes a finding is about.
    ///
    /// With an empty pointer a finding's span counts from the start of the text; otherwise it counts in
    /// the decoded string the pointer leads to.
    pub fn find(&self, finding: &Finding) -> Range<usize> {
        if finding.pointer.is_empty() {
            return match finding.span {
                Some((start, end)) => self.clamp(start..end),
                None => self.start(),
            };
        }
        let Some(found) = self.tree.find(&finding.pointer) else { return self.start() };
        if finding.at_key || !found.exact {
            return self.clamp(found.key.map_or_else(|| self.collection(&found), |key| key.span.clone()));
        }
        match &found.node.content {
            Content::Scalar(style, decoded) => {
                let whole = found.node.span.clone();
                let raw = self.text.get(whole.clone()).unwrap_or_default();
                let narrow = finding.span.and_then(|span| scalar::raw_range(*style, raw, decoded, span));
                match (narrow, finding.span) {
                    (Some(inner), _) => self.clamp(whole.start + inner.start..whole.start + inner.end),
                    (None, Some(_)) => self.clamp(whole.start..whole.start),
                    // Nothing is written where the value should be: the key shows it.
                    (None, None) if whole.is_empty() => {
                        self.clamp(found.key.map_or(whole, |key| key.span.clone()))
                    }
                    (None, None) => self.clamp(whole),
                }
            }
            _ => self.clamp(self.collection(&found)),
        }
    }

    /// A collection is shown by its key, unless it stands on one line.
    fn collection(&self, found: &Found<'_>) -> Range<usize> {
        let span = found.node.span.clone();
        let text = self.text.get(span.clone()).unwrap_or_default();
        let starts_below =
            found.key.is_some_and(|key| self.line_around(key.span.start) != self.line_around(span.start));
        let end = text.find('\n').or(starts_below.then_some(text.len()));
        let Some(end) = end else { return span };
        match found.key {
            Some(key) => key.span.clone(),
            None => span.start..span.start + text.get(..end).unwrap_or_default().trim_end().len(),
        }
    }

    /// The first thing in the text.
    fn start(&self) -> Range<usize> {
        let skipped =
            self.text.len() - self.text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).len();
        let line = self.text.get(skipped..).unwrap_or_default().lines().next().unwrap_or_default();
        skipped..skipped + line.trim_end().len()
    }

    /// Brings a range into the text and onto whole characters.
    fn clamp(&self, range: Range<usize>) -> Range<usize> {
        let mut start = range.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = range.end.clamp(start, self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }

    /// Line and column of both ends of a byte range.
    pub fn position(&self, range: &Range<usize>) -> Position {
        let range = self.clamp(range.clone());
        let (line, column) = self.line_and_column(range.start);
        let (end_line, end_column) = self.line_and_column(range.end);
        Position { line, column, end_line, end_column }
    }

    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or_default();
        (line, before.trim_start_matches('\u{feff}').chars().count() + 1)
    }

    /// The line that a byte stands on, without its end.
    pub(super) fn line_around(&self, at: usize) -> Range<usize> {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(0);
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        let text = self.text.get(start..end).unwrap_or_default();
        start..start + text.trim_end_matches('\r').len()
    }

    /// The parts of `range` that must not be shown, in order: values of secret keys, passwords in URLs,
    /// key material.
    pub(super) fn secrets(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let mut hidden = Vec::new();
        for node in &self.tree.nodes {
            let Content::Map(entries) = &node.content else { continue };
            let is_key_set = entries.iter().any(|(key, _)| key.text == "kty");
            for (key, value) in entries {
                let Some(value) = self.tree.nodes.get(*value) else { continue };
                let is_template =
                    matches!(&value.content, Content::Scalar(_, text) if secret::is_template(text));
                let is_secret = secret::is_secret_key(&key.text)
                    || (is_key_set && secret::is_private_jwk_member(&key.text));
                if is_secret && !is_template {
                    hidden.push(value.span.clone());
                }
            }
        }
        let text = self.text.get(range.clone()).unwrap_or_default();
        hidden.extend(
            secret::in_text(text).into_iter().map(|found| range.start + found.start..range.start + found.end),
        );
        hidden.retain(|span| span.start < range.end && span.end > range.start);
        for span in &mut hidden {
            *span = span.start.max(range.start)..span.end.min(range.end);
        }
        hidden.sort_by_key(|span| (span.start, span.end));
        hidden
    }
}

/// The pointer and the text of every YAML scalar that stands without quotes, where aliases and `<<` bring it
/// in as well. Bounded: of a document that repeats itself without end, the beginning.
pub(crate) fn plain_scalars(text: &str) -> Vec<(String, String)> {
    let tree = yaml::tree(text);
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), 0)];
    let mut budget = tree.nodes.len().saturating_mul(4);
    while let Some((pointer, id)) = waiting.pop() {
        let Some(left) = budget.checked_sub(1) else { break };
        budget = left;
        match tree.nodes.get(id).map(|node| &node.content) {
            Some(Content::Scalar(Style::Plain, text)) => found.push((pointer, text.clone())),
            Some(Content::Alias(Some(target))) => waiting.push((pointer, *target)),
            Some(Content::List(items)) => {
                waiting.extend(
                    items.iter().enumerate().rev().map(|(index, item)| (format!("{pointer}/{index}"), *item)),
                );
            }
            Some(Content::Map(entries)) => waiting.extend(entries.iter().rev().map(|(key, value)| {
                let place = if key.text == "<<" {
                    pointer.clone()
                } else {
                    format!("{pointer}/{}", pointer_token(&key.text))
                };
                (place, *value)
            })),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
