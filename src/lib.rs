//! okgate: is this request allowed, and what does the upstream learn about its sender?
//!
//! The way of a request, in the order of the modules:
//!
//! 1. [`server`] takes a connection; it is the only place that names actix-web.
//! 2. [`gateway`] reads what the gateway says about the client's request, and has the last word on how
//!    the answer is put.
//! 3. [`request`] is that request, once, in canonical form: everything later sees only this.
//! 4. [`matcher`] finds the one access rule for it; [`rule`] is where rules come from.
//! 5. [`pipeline`] authenticates, authorizes and mutates, and ends in a [`pipeline::Grant`] or a
//!    [`pipeline::Denial`], which an error handler turns into a [`pipeline::Reply`].
//!
//! What those lean on: [`template`], [`keys`], [`upstream`] (calls out), [`cache`], [`metrics`],
//! [`json`], [`config`], [`schema`], and [`diagnostic`] for findings about what people wrote. `okctl` uses the same steps, so
//! what it says offline is what the server does.

pub mod cache;
pub mod config;
pub mod diagnostic;
pub mod gateway;
pub mod json;
pub mod keys;
pub mod matcher;
pub mod metrics;
pub mod pipeline;
pub mod request;
pub mod rule;
pub mod schema;
pub mod server;
pub mod template;
pub mod upstream;
