//! The proxy: real requests through the real binary to upstreams that each test writes itself, byte for byte where
//! they have to misbehave.

mod connections;
mod failures;
mod given;
mod http2;
mod smuggling;
mod streaming;
mod websocket;
