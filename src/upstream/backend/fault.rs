//! Faults: why a backend gave no usable answer.

use crate::request::body::BodyError;
use crate::upstream::FetchError;

/// Why there is no usable answer. The texts are for the log: they name the URL without its userinfo and
/// query, and hold nothing that was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection: nobody listens, the name is unknown, TLS fails.
    #[error("{0}")]
    Refused(String),
    /// No whole answer in time.
    #[error("{0}")]
    TimedOut(String),
    /// The answer broke off or is not HTTP.
    #[error("{0}")]
    Broken(String),
    /// The answer is longer than the limit.
    #[error("{0}")]
    TooLarge(String),
    /// Too many calls to the service were under way all the time.
    #[error("{0}")]
    Busy(String),
    /// The URL cannot be called; only a request's own part of it can be to blame.
    #[error("{0}")]
    Unusable(String),
    /// The client's body, which was to be passed on, was none.
    #[error("{0}")]
    Body(BodyError),
}

impl Fault {
    /// Stable kebab-case id, for logs and metrics.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Refused(_) => "backend-refused",
            Self::TimedOut(_) => "backend-timed-out",
            Self::Broken(_) => "backend-broke-off",
            Self::TooLarge(_) => "backend-answer-too-large",
            Self::Busy(_) => "backend-busy",
            Self::Unusable(_) => "backend-url-unusable",
            Self::Body(error) => error.id(),
        }
    }

    /// Whether the same call may end better.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::TimedOut(_) | Self::Broken(_))
    }
}

impl From<FetchError> for Fault {
    fn from(error: FetchError) -> Self {
        let text = error.to_string();
        match error {
            FetchError::Url { .. } => Self::Unusable(text),
            FetchError::Connect { .. } => Self::Refused(text),
            FetchError::Timeout { .. } => Self::TimedOut(text),
            FetchError::TooLarge { .. } => Self::TooLarge(text),
            FetchError::Protocol { .. } => Self::Broken(text),
            FetchError::Body { reason, .. } => Self::Body(reason),
        }
    }
}
