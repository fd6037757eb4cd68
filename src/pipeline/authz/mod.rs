//! Authorizers: may they?
//!
//! To add one: a file here with a `REGISTRATION`, its schema in
//! `schemas/pipeline/authorizers.<id>.schema.json`, a `mod` line and a line in [`REGISTRY`].

pub mod allow;
pub mod allow_list;
mod decision_point;
pub mod deny;
pub mod keto_engine_acp_ory;
pub mod remote;
pub mod remote_json;

use super::handler::{Authorizer, Registration};

/// Every authorizer, in the order of the documentation.
pub const REGISTRY: &[Registration<dyn Authorizer>] = &[
    allow::REGISTRATION,
    deny::REGISTRATION,
    allow_list::REGISTRATION,
    keto_engine_acp_ory::REGISTRATION,
    remote::REGISTRATION,
    remote_json::REGISTRATION,
];

#[cfg(test)]
mod tests;
