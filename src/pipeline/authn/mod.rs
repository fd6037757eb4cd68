//! Authenticators: who is calling?
//!
//! To add one: a file here with a `REGISTRATION`, its schema in
//! `schemas/pipeline/authenticators.<id>.schema.json`, a `mod` line and a line in [`REGISTRY`]. Nothing else
//! names a handler. What they do not do: decide whether the caller may (that is the authorizer's).

pub mod anonymous;
pub mod api_key;
pub mod basic;
mod basic_credentials;
pub mod bearer_token;
pub mod cookie_session;
mod credential_file;
#[cfg(test)]
mod faults;
pub mod jwt;
pub mod noop;
pub mod oauth2_client_credentials;
pub mod oauth2_introspection;
pub mod scope;
mod session_check;
#[cfg(test)]
mod testing;
mod token_endpoint;
pub mod token_from;
pub mod unauthorized;

use super::handler::{Authenticator, Registration};

/// Every authenticator, in the order of the documentation.
pub const REGISTRY: &[Registration<dyn Authenticator>] = &[
    noop::REGISTRATION,
    unauthorized::REGISTRATION,
    anonymous::REGISTRATION,
    cookie_session::REGISTRATION,
    bearer_token::REGISTRATION,
    jwt::REGISTRATION,
    oauth2_introspection::REGISTRATION,
    oauth2_client_credentials::REGISTRATION,
    basic::REGISTRATION,
    api_key::REGISTRATION,
];
