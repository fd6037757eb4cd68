//! The HTTP server: the only place that names actix-web.
//!
//! [`run`] loads, binds and serves; [`api`] is the table of contents of what the API answers, with
//! decisions first; [`proxy`] takes requests itself and passes them on; [`metrics`] tells Prometheus what
//! was counted; [`live`] is what a reload swaps.

mod api;
mod body;
pub mod decisions;
mod fields;
pub mod grpc;
mod headers;
mod listen;
pub mod live;
pub mod log;
mod metrics;
mod not_found;
mod proxy;
mod reload;
mod reloads;
mod reply;
mod run;
mod status;
mod streams;
mod worker;

pub use run::{StartError, run};
