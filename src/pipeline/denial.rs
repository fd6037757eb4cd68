//! Denial: why a request does not pass, in two voices.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue};

/// Why a request does not pass.
///
/// Closed on purpose: every place that turns one into an answer has an arm for each.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are explained at `Detail` and at each variant")]
pub enum Denial {
    /// No rule matches.
    NoRule,
    /// More than one rule matches; the log names them all, the client learns nothing of them.
    SeveralRules { ids: Vec<String> },
    /// What the gateway says about the request can be read in two ways that end at different rules, or
    /// cannot be read at all.
    BadRequest { why: Detail },
    /// No or wrong credentials.
    Unauthenticated { why: Detail },
    /// Known, but not allowed.
    Forbidden { why: Detail },
    /// A backend asks to slow down; its rate-limit headers travel along.
    TooManyRequests { why: Detail, headers: Vec<(HeaderName, HeaderValue)> },
    /// A backend that has to be asked did not answer usefully. `status` is what Oathkeeper would answer.
    CouldNotDecide { status: u16, why: Detail, retry_after: Option<u32> },
    /// The matched rule cannot be carried out as it is written.
    Misconfigured { message: Cow<'static, str>, why: Detail },
}

/// The particulars of a denial: what a verbose answer may say, and what only the log may.
#[derive(Debug, Clone, Default)]
pub struct Detail {
    /// Stable kebab-case id of the cause, for logs and metrics.
    pub id: &'static str,
    /// A reason that may be shown to the client when the json handler is `verbose`. Never holds a
    /// credential, a template, a backend's text or a path of this machine.
    pub public: Option<Cow<'static, str>>,
    /// What the operator needs to know.
    pub log: Option<String>,
}

impl Detail {
    /// A cause without particulars.
    pub fn id(id: &'static str) -> Self {
        Self { id, public: None, log: None }
    }

    /// Adds a reason that a verbose answer may show.
    #[must_use]
    pub fn public(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.public = Some(text.into());
        self
    }

    /// Adds what only the log may say.
    #[must_use]
    pub fn log(mut self, text: impl fmt::Display) -> Self {
        self.log = Some(text.to_string());
        self
    }
}

impl Denial {
    /// The HTTP status this denial carries before an error handler shapes it.
    pub fn status(&self) -> u16 {
        match self {
            Self::NoRule => 404,
            Self::SeveralRules { .. } | Self::Misconfigured { .. } => 500,
            Self::BadRequest { .. } => 400,
            Self::Unauthenticated { .. } => 401,
            Self::Forbidden { .. } => 403,
            Self::TooManyRequests { .. } => 429,
            Self::CouldNotDecide { status, .. } => *status,
        }
    }

    /// The id of the outcome, for logs and metrics.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::NoRule => "no-rule",
            Self::SeveralRules { .. } => "several-rules",
            Self::BadRequest { .. } => "bad-request",
            Self::Unauthenticated { .. } => "unauthenticated",
            Self::Forbidden { .. } => "forbidden",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::CouldNotDecide { .. } => "could-not-decide",
            Self::Misconfigured { .. } => "misconfigured",
        }
    }

    /// What a verbose answer says, in Oathkeeper's words.
    pub fn message(&self) -> &str {
        match self {
            Self::NoRule => "Requested url does not match any rules",
            Self::SeveralRules { .. } => "Expected exactly one rule but found multiple rules",
            Self::BadRequest { .. } => "The request was malformed or contained invalid parameters",
            // Oathkeeper says so of what it cannot check, too.
            Self::Unauthenticated { .. } | Self::CouldNotDecide { status: 401, .. } => {
                "Access credentials are invalid"
            }
            Self::Forbidden { .. } => "Access credentials are not sufficient to access this resource",
            Self::TooManyRequests { .. } => "Too many requests",
            Self::CouldNotDecide { status: 408 | 413, .. } => "The body of the request could not be read",
            Self::CouldNotDecide { .. } => "A service that takes part in the decision did not answer",
            Self::Misconfigured { message, .. } => message,
        }
    }

    /// The particulars, where there are any.
    pub fn detail(&self) -> Option<&Detail> {
        match self {
            Self::NoRule | Self::SeveralRules { .. } => None,
            Self::BadRequest { why }
            | Self::Unauthenticated { why }
            | Self::Forbidden { why }
            | Self::TooManyRequests { why, .. }
            | Self::CouldNotDecide { why, .. }
            | Self::Misconfigured { why, .. } => Some(why),
        }
    }
}
