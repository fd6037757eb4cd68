//! Envoy's questions over gRPC, asked with somebody else's client and messages.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends by failing")]

mod checks;
mod client;
mod connections;
