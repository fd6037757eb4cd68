//! Access rules: as written, as run, and where they come from.

pub mod spec;

pub use spec::RuleSpec;

/// A rule as it runs.
#[derive(Debug)]
pub struct Rule {
    /// What was written.
    pub spec: RuleSpec,
}
