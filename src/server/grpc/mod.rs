//! gRPC: Envoy asks over HTTP/2 whether a request is allowed, `envoy.service.auth.v3.Authorization/Check`.
//!
//! [`listen`] takes connections, [`connection`] and [`call`] speak gRPC over them, and [`decide`] makes a decision of
//! a question. That it is spoken here and not by a library, is for the size of the server: the HTTP/2 below is that of
//! actix-http, and of gRPC little is needed. Nothing here names actix-web.

mod call;
mod connection;
mod decide;
mod listen;

pub use self::decide::decide;
pub(super) use self::listen::add;
