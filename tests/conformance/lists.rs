//! The two lists of rows that are not expected to be as recorded.

use okgate_testkit::pattern;
use std::fs;
use std::path::Path;

/// Rows with the reason each stands there.
#[derive(Debug, Default)]
pub struct List {
    /// Name of the file.
    name: String,
    /// Whether lines may be suites and patterns.
    patterns: bool,
    /// Row, suite or pattern, and reason.
    lines: Vec<(String, String)>,
}

impl List {
    /// Reads `ROW  REASON` lines; empty ones and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The line that has no reason.
    pub fn read(path: &Path, patterns: bool) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::parse(&path.file_name().unwrap_or_default().to_string_lossy(), patterns, &text)
    }

    fn parse(name: &str, patterns: bool, text: &str) -> Result<Self, String> {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let split = |line: &str| {
            let (row, reason) = line.split_once("  ")?;
            Some((row.to_owned(), reason.trim().to_owned())).filter(|(_, reason)| !reason.is_empty())
        };
        let lines = lines.map(|line| split(line).ok_or_else(|| format!("{name}: no reason given: {line}")));
        Ok(Self { name: name.to_owned(), patterns, lines: lines.collect::<Result<_, _>>()? })
    }

    /// The reason for a row: a line names it, or is a pattern that its suite or itself fits.
    pub fn reason(&self, row: &str) -> Option<&str> {
        self.lines.iter().find(|(line, _)| self.names(line, row)).map(|(_, reason)| reason.as_str())
    }

    /// Lines that name none of `rows`.
    pub fn stale(&self, rows: &[String]) -> Vec<String> {
        let is_stale = |line: &&(String, String)| !rows.iter().any(|row| self.names(&line.0, row));
        self.lines
            .iter()
            .filter(is_stale)
            .map(|(line, _)| format!("{}: no such row: {line}", self.name))
            .collect()
    }

    fn names(&self, line: &str, row: &str) -> bool {
        let suite = row.split("::").next().unwrap_or_default();
        let fits = || pattern::fits(line, row) || (!line.contains("::") && pattern::fits(line, suite));
        line == row || (self.patterns && fits())
    }
}

/// What must hold of this module.
pub fn self_checks() -> Vec<(&'static str, fn())> {
    vec![("a line names a row, all rows of a suite, or those of a pattern", || {
        let list =
            List::parse("x.txt", true, "# why\n\na/b  whole suite\na/c::one row  exact\na/d*::x [*]  odd\n")
                .expect("a list");
        let rows = ["a/b::x", "a/c::one row", "a/c::two", "a/d1::x [*]", "a/bb::x"].map(String::from);
        let reasons: Vec<_> = rows.iter().map(|row| list.reason(row)).collect();
        assert_eq!(reasons, [Some("whole suite"), Some("exact"), None, None, None]);
        assert_eq!(list.stale(&rows), ["x.txt: no such row: a/d*::x [*]"]);
        let exact = List::parse("x.txt", false, "a/b::x*  only this").expect("a list");
        assert_eq!((exact.reason("a/b::xy"), exact.reason("a/b::x*")), (None, Some("only this")));
        List::parse("x.txt", true, "a/b").expect_err("a line without a reason");
    })]
}
