//! Statuses: which one stands for which kind of no, where an endpoint says so.

use serde::Deserialize;

use crate::pipeline::Denial;

/// `status` of an endpoint. What is not set keeps the status of the denial.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the configuration reference has them")]
pub struct Statuses {
    pub no_rule: Option<u16>,
    pub multiple_rules: Option<u16>,
    pub bad_request: Option<u16>,
    pub unauthenticated: Option<u16>,
    pub forbidden: Option<u16>,
    pub too_many_requests: Option<u16>,
    pub backend_error: Option<u16>,
    pub misconfigured: Option<u16>,
}

impl Statuses {
    /// The status for a denial; never one of a yes.
    pub fn of(&self, denial: &Denial) -> Option<u16> {
        let status = match denial {
            Denial::NoRule => self.no_rule,
            Denial::SeveralRules { .. } => self.multiple_rules,
            Denial::BadRequest { .. } => self.bad_request,
            Denial::Unauthenticated { .. } => self.unauthenticated,
            Denial::Forbidden { .. } => self.forbidden,
            Denial::TooManyRequests { .. } => self.too_many_requests,
            Denial::CouldNotDecide { .. } => self.backend_error,
            Denial::Misconfigured { .. } => self.misconfigured,
        };
        status.filter(|status| (400..600).contains(status))
    }
}
