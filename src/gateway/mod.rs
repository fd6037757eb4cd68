//! Gateways: how each of them asks, and what it can make of an answer.
//!
//! A [`Dialect`] reads what a gateway says about the client's request, and has the last word on how the
//! answer is put, because gateways differ in which answers they understand. To add one: a file here, a
//! `mod` line and a line in [`DIALECTS`]. A dialect may make a refusal gentler or blunter; it writes a yes
//! only from a [`Grant`].

mod forwarded;
mod nginx;
mod oathkeeper;

use std::net::IpAddr;

use crate::pipeline::{Denial, Grant, Reply};
use crate::request::{Headers, Parts};

/// A gateway's question as it came over the wire.
pub struct Asked<'r> {
    /// Method of the question itself.
    pub method: &'r str,
    /// Path below the endpoint, percent-escapes and all: `/a/b` of `/decisions/a/b`.
    pub path: &'r str,
    /// Query of the question itself, without the question mark.
    pub query: Option<&'r str>,
    /// Host of the question itself: of an absolute-form target, else the `Host` header.
    pub host: &'r str,
    /// Whether the question came over TLS.
    pub tls: bool,
    /// Its header fields.
    pub headers: &'r dyn Headers,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
}

/// One gateway's way of asking and of being answered.
pub trait Dialect: Sync {
    /// The name in configuration.
    fn id(&self) -> &'static str;

    /// What the gateway says about the client's request.
    fn read<'r>(&self, asked: &Asked<'r>) -> Parts<'r>;

    /// Puts a yes.
    fn grant(&self, grant: Grant) -> Reply {
        Reply { status: 200, headers: grant.into_headers(), body: bytes::Bytes::new() }
    }

    /// Puts a no that an error handler has shaped.
    fn refuse(&self, denial: &Denial, reply: Reply) -> Reply;
}

/// Every dialect, in the order of the documentation.
pub const DIALECTS: &[&dyn Dialect] = &[&oathkeeper::Oathkeeper, &nginx::Nginx];

/// The dialect of a name.
pub fn dialect(id: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().find(|d| d.id() == id).copied()
}
