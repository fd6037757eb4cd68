//! Error handlers: how is a refusal put?
//!
//! To add one: a file here with a `REGISTRATION`, its schema in `schemas/pipeline/errors.<id>.schema.json`,
//! a `mod` line and a line in [`REGISTRY`]. Which handler answers is decided in [`select`]; what a client
//! may read of a [`Denial`](super::Denial) in [`json`].

pub mod accept;
pub mod json;
pub mod redirect;
pub mod select;
pub mod when;
pub mod www_authenticate;

use super::handler::{ErrorHandler, Registration};

/// Every error handler, in the order of the documentation.
pub const REGISTRY: &[Registration<dyn ErrorHandler>] =
    &[json::REGISTRATION, redirect::REGISTRATION, www_authenticate::REGISTRATION];
