//! Scope strategies: does a granted scope cover a required one?

use serde::Deserialize;

/// How scopes are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeStrategy {
    /// Not at all.
    #[default]
    None,
    /// Equal texts.
    Exact,
    /// A scope covers those below it: `a.b` covers `a.b.c`.
    Hierarchic,
    /// `*` stands for one segment, at the end for one or more: `a.*` covers `a.b.c`.
    Wildcard,
}

impl ScopeStrategy {
    /// Whether one of the `granted` scopes covers `required`. [`ScopeStrategy::None`] covers nothing.
    pub fn covers<'g>(self, granted: impl IntoIterator<Item = &'g str>, required: &str) -> bool {
        granted.into_iter().any(|scope| match self {
            Self::None => false,
            Self::Exact => scope == required,
            Self::Hierarchic => hierarchic(scope, required),
            Self::Wildcard => wildcard(scope, required),
        })
    }
}

fn hierarchic(granted: &str, required: &str) -> bool {
    let below = |rest: &str| rest.starts_with('.') && !granted.is_empty();
    required.strip_prefix(granted).is_some_and(|rest| rest.is_empty() || below(rest))
}

fn wildcard(granted: &str, required: &str) -> bool {
    let mut wanted = required.split('.');
    let mut last = "";
    for segment in granted.split('.') {
        match wanted.next() {
            Some(want) if segment == want || (segment == "*" && !want.is_empty()) => last = segment,
            _ => return false,
        }
    }
    last == "*" || wanted.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::ScopeStrategy::{Exact, Hierarchic, None, Wildcard};

    #[test]
    fn strategies() {
        for (strategy, granted, required, covers) in [
            (None, "a", "a", false),
            (Exact, "a", "a", true),
            (Exact, "a", "a.b", false),
            (Exact, "a", "A", false),
            (Exact, "*", "a", false),
            (Hierarchic, "a", "a", true),
            (Hierarchic, "a", "a.b", true),
            (Hierarchic, "a.b", "a", false),
            (Hierarchic, "a.b", "a.b.c", true),
            (Hierarchic, "a.c", "a.b.c", false),
            (Hierarchic, "foo", "foobar", false),
            (Hierarchic, "", "a", false),
            (Hierarchic, "", ".a", false),
            (Hierarchic, "", "", true),
            (Hierarchic, "a.", "a.b", false),
            (Hierarchic, "a.b.c", "a.b", false),
            (Wildcard, "a.*", "a.b", true),
            (Wildcard, "a.*", "a.b.c", true),
            (Wildcard, "a.*", "a", false),
            (Wildcard, "a.*", "a.", false),
            (Wildcard, "*", "a", true),
            (Wildcard, "*", "a.b", true),
            (Wildcard, "*", "", false),
            (Wildcard, "a.*.c", "a.x.c", true),
            (Wildcard, "a.*.c", "a.x.d", false),
            (Wildcard, "a.*.c", "a.x.y.c", false),
            (Wildcard, "a.b", "a.b", true),
            (Wildcard, "a.b", "a.b.c", false),
            (Wildcard, "a.b.c", "a.b", false),
            (Wildcard, "baz.*", "baz.*", true),
            (Wildcard, "", "", true),
            (Wildcard, "", "a", false),
            (Wildcard, "a.*", "a.b.", true),
        ] {
            assert_eq!(strategy.covers([granted], required), covers, "{strategy:?}: {granted} -> {required}");
        }
        assert!(Exact.covers(["x", "a"], "a"), "any of several");
        assert!(!Exact.covers([], "a"), "of none");
    }
}
