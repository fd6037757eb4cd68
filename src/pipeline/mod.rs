//! The pipeline: authenticators, authorizer, mutators, and for refusals the error handlers.
//!
//! [`Engine::decide`] walks a matched rule's steps in this order and ends in a [`Grant`] or in a
//! [`Refusal`]. A step is built when rules load ([`step`]); what could not be built stays in its place as a
//! denial, so that a rule with a fault keeps its URLs closed.

pub mod authn;
pub mod authz;
pub mod context;
pub mod cors;
pub mod denial;
mod engine;
pub mod errors;
pub mod files;
pub mod grant;
pub mod handler;
pub mod json_path;
pub mod mutate;
pub mod outage;
pub mod patience;
pub mod session;
pub mod step;
#[cfg(test)]
pub(crate) mod trial;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use context::{Context, Shared};
pub use denial::{Denial, Detail};
pub use engine::{Decision, Engine, Preflight, Refusal, Stage};
pub use grant::{Grant, Reply};
pub use handler::{Answer, Authentication, Exchange};
pub use session::Session;

use crate::diagnostic::Finding;

/// Reads a handler's settings from its merged configuration. The schema has been checked before; what is
/// left is reported at the root of the configuration.
pub fn settings<T: DeserializeOwned>(config: &Value) -> Result<T, Vec<Finding>> {
    T::deserialize(config).map_err(|error| vec![Finding::error("bad-config", "", error.to_string())])
}
