//! Envoy's questions over gRPC, asked with somebody else's client and messages.

mod checks;
mod client;
mod connections;
