//! What checks end in.

use clap::ValueEnum;
use okgate::diagnostic::Severity;

/// A check and how it ended.
pub struct Check {
    /// What is checked: `asks-okgate`.
    pub id: &'static str,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a check ended.
pub enum Outcome {
    /// Nothing is wrong, and what shows it.
    Good(String),
    /// Something is wrong.
    Bad(Vec<Finding>),
    /// There was no way to see, and what would be one.
    NotChecked(String),
    /// It was begun, and could not be ended.
    Failed(String),
}

/// Something that is wrong.
#[derive(Debug)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What kind of thing.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// The probe that showed it.
    pub sent: String,
    /// What would be right.
    pub help: String,
    /// How many more probes showed the same.
    pub more: usize,
}

/// What can be wrong. The names are stable, in kebab case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Code {
    /// Nothing that okgate refuses is kept out.
    OpenGateway,
    /// A request that no rule should match passes.
    PerhapsOpen,
    /// Everything is an error.
    NoDecision,
    /// Nothing that okgate lets through passes.
    NothingPasses,
    /// Some of what okgate lets through does not pass.
    GrantedRefused,
    /// Some of what okgate refuses passes.
    RefusedPasses,
    /// A refusal arrives as an error of the server.
    StatusSwallowed,
    /// A refusal arrives with another status.
    StatusChanged,
    /// Visitors see what is meant for the gateway.
    WrongDialect,
    /// A redirect arrives as a plain refusal.
    RedirectLost,
    /// A redirect leads elsewhere, or back to elsewhere.
    LocationChanged,
    /// 401 without `WWW-Authenticate`.
    ChallengeLost,
    /// A method that okgate refuses passes.
    MethodIgnored,
    /// The query does not arrive as it was sent.
    QueryChanged,
    /// The method does not arrive as it was sent.
    MethodChanged,
    /// A way to write a path gets past the rules.
    PathEscape,
    /// A header of the client changes what is decided.
    Spoofable,
    /// A client's own identity header reaches the upstream.
    IdentitySpoofable,
    /// So does one with `_` for `-`.
    IdentityAlias,
    /// An identity header of okgate's does not arrive.
    IdentityMissing,
    /// Visitors see an identity header.
    IdentityLeaked,
    /// A long header does not pass.
    LargeHeadersRefused,
    /// okgate is not ready.
    OkgateNotReady,
    /// okgate runs with other rules than those taken for right.
    OtherRules,
}

impl Code {
    /// `open-gateway`
    pub fn id(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Bad where there are findings, else good.
pub fn verdict(findings: Vec<Finding>, good: impl FnOnce() -> String) -> Outcome {
    if findings.is_empty() { Outcome::Good(good()) } else { Outcome::Bad(findings) }
}

/// One finding for each code: the first, and how many more there are.
pub fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        match kept.iter_mut().find(|known| known.code == finding.code) {
            Some(known) => known.more += 1,
            None => kept.push(finding),
        }
    }
    kept
}
