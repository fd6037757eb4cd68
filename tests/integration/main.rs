//! Stories of the running server: each test starts okgate on a free port in a folder of its own.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends by failing")]

mod api;
mod bad_input;
mod bodies;
mod decisions;
mod given;
mod logging;
mod metrics;
mod policies;
mod proxy;
mod readiness;
mod reload;
mod robustness;
mod services;
mod sources;
mod start_and_stop;
mod torture;
mod trust;
