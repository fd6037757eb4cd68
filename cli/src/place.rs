//! Where in their files rules stand.

use std::collections::HashMap;
use std::sync::Arc;

use okgate::diagnostic::position::Locator;
use okgate::diagnostic::{Finding, Source};
use okgate::rule::Rule;

/// Lines of rules.
pub struct Places {
    lines: HashMap<(*const Source, usize), usize>,
}

impl Places {
    /// Looks rules up. Each file is read for its structure once.
    pub fn of<'r>(rules: impl Iterator<Item = &'r Arc<Rule>>) -> Self {
        let mut locators: HashMap<*const Source, Option<Locator<'r>>> = HashMap::new();
        let mut lines = HashMap::new();
        for rule in rules {
            let source = &rule.source;
            let locator = locators
                .entry(Arc::as_ptr(source))
                .or_insert_with(|| source.text.as_deref().map(|text| Locator::new(text, &source.name)));
            if let Some(locator) = locator {
                let range = locator.find(&Finding::warning("rule", format!("/{}", rule.index), ""));
                lines.insert((Arc::as_ptr(source), rule.index), locator.position(&range).line);
            }
        }
        Self { lines }
    }

    /// The line where a rule begins, counted from 1.
    pub fn line(&self, rule: &Rule) -> Option<usize> {
        self.lines.get(&(Arc::as_ptr(&rule.source), rule.index)).copied()
    }

    /// `file:line`
    pub fn place(&self, rule: &Rule) -> String {
        match self.line(rule) {
            Some(line) => format!("{}:{line}", rule.source.name),
            None => rule.source.name.clone(),
        }
    }
}
