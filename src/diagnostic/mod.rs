//! Diagnostics: what is wrong with what people wrote, where, and what would be right.
//!
//! A [`Finding`] is made where something is noticed and only knows a JSON pointer; a [`Report`] collects
//! all of them with the file they belong to, finds line and column, and prints them. Server start, reload
//! and okctl print the same report.

pub mod position;
pub mod render;
pub mod secret;
pub mod suggest;
pub mod text;

use std::fmt;
use std::path::PathBuf;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Warning,
    /// The thing it points at will not work.
    Error,
}

/// Something noticed about a value in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable kebab-case id, such as `unknown-handler`.
    pub code: &'static str,
    /// One lower-case sentence without a full stop, the user's words in backticks.
    pub message: String,
    /// JSON pointer (RFC 6901) from the root of what was checked to the value.
    pub pointer: String,
    /// Byte range inside the pointed-at text (a template, a pattern), where the fault is narrower. With an
    /// empty pointer: inside the document.
    pub span: Option<(usize, usize)>,
    /// True when the key, not the value, is at fault.
    pub at_key: bool,
    /// The way out.
    pub help: Option<String>,
}

impl Finding {
    /// An error at `pointer`.
    pub fn error(code: &'static str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            pointer: pointer.into(),
            span: None,
            at_key: false,
            help: None,
        }
    }

    /// A warning at `pointer`.
    pub fn warning(code: &'static str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, pointer, message) }
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Narrows the finding to a byte range of the pointed-at text.
    #[must_use]
    pub fn span(mut self, start: usize, end: usize) -> Self {
        self.span = Some((start, end));
        self
    }

    /// Points at the key instead of the value.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.at_key = true;
        self
    }

    /// Puts `prefix` before the pointer: what was checked is itself part of something larger.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }
}

/// One step of a JSON pointer, escaped (RFC 6901 section 3).
pub fn pointer_token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Where a document came from; owns its text, so that excerpts can be shown.
#[derive(Clone)]
pub struct Source {
    /// Name shown to people: a path, a URL without credentials, `inline://…`, `environment`.
    pub name: String,
    /// Path on disk, where there is one.
    pub path: Option<PathBuf>,
    /// The text, where there is one.
    pub text: Option<std::sync::Arc<str>>,
}

/// Leaves the text out: it may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A finding with its place in a document.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// What was noticed.
    pub finding: Finding,
    /// Id of the rule it concerns, where there is one.
    pub rule_id: Option<String>,
    /// The document.
    pub source: std::sync::Arc<Source>,
}

/// All findings of one load.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// In the order they were made: by document, then by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Adds a finding about `source`.
    pub fn push(&mut self, source: &std::sync::Arc<Source>, rule_id: Option<&str>, finding: Finding) {
        self.diagnostics.push(Diagnostic {
            finding,
            rule_id: rule_id.map(str::to_owned),
            source: std::sync::Arc::clone(source),
        });
    }

    /// Takes over all findings of another report.
    pub fn extend(&mut self, other: Self) {
        self.diagnostics.extend(other.diagnostics);
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.finding.severity == Severity::Error).count()
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}
