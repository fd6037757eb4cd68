//! Gateways: how each of them asks, and what it can make of an answer.
//!
//! A [`Dialect`] reads what a gateway says about the client's request, and has the last word on how the
//! answer is put, because gateways differ in which answers they understand. An [`Endpoint`] is a dialect with
//! its settings: it adds what all have in common, from whom anything is believed, which headers are kept
//! out, which status stands for what. To add a dialect: a file here, a `mod` line and a line in [`DIALECTS`].
//! A dialect may make a refusal gentler or blunter; it writes a yes only from a [`Yes`], which only a
//! [`Grant`](crate::pipeline::Grant) can become.

mod answer;
mod aws_lambda;
mod contradiction;
mod endpoint;
pub mod envoy_grpc;
mod envoy_http;
mod forwarded;
mod ingress_nginx;
mod nginx;
mod oathkeeper;
pub mod proxy;
mod statuses;
mod trust;
mod x_forwarded;

use std::net::IpAddr;

pub(crate) use self::answer::is_end_to_end;
pub use self::answer::{No, Yes};
pub use self::aws_lambda::{Event, EventHeaders};
pub use self::endpoint::Endpoint;
pub use self::statuses::Statuses;
pub use self::trust::{Source, Trust};
use crate::pipeline::{Detail, Reply};
use crate::request::{Headers, Parts};

/// A gateway's question as it came over the wire.
#[derive(Clone, Copy)]
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
    /// Its body, for a dialect whose question is in there ([`Dialect::question_bytes`]).
    pub body: &'r [u8],
    /// The other end of the connection; none behind a unix socket.
    pub peer: Option<IpAddr>,
    /// The other end of the gateway's own connection, where the gateway says so apart from header fields.
    pub source: Source,
    /// Whether what the peer says about other people's requests is believed.
    pub believed: bool,
    /// What the answer and the log call the decision, where they do.
    pub id: Option<&'r str>,
}

#[cfg(test)]
impl<'r> Asked<'r> {
    /// `GET http://own.test` with these header fields, believed.
    fn of(headers: &'r dyn Headers) -> Self {
        Self {
            method: "GET",
            path: "",
            query: None,
            host: "own.test",
            tls: false,
            headers,
            body: &[],
            peer: None,
            source: Source::Unsaid,
            believed: true,
            id: None,
        }
    }
}

/// What a dialect understood.
#[derive(Debug)]
pub struct Understood<'r> {
    /// The client's request.
    pub parts: Parts<'r>,
    /// The client's header fields, where they are not those of the question.
    pub headers: Option<EventHeaders<'r>>,
    /// What the answer has to name again.
    pub event: Option<Event<'r>>,
}

impl<'r> From<Parts<'r>> for Understood<'r> {
    fn from(parts: Parts<'r>) -> Self {
        Self { parts, headers: None, event: None }
    }
}

/// One gateway's way of asking and of being answered.
pub trait Dialect: Sync {
    /// The name in configuration.
    fn id(&self) -> &'static str;

    /// How many bytes of body a question has at most; 0 where it is in the request line and the header
    /// fields, and the body, if any, is the client's.
    fn question_bytes(&self) -> usize {
        0
    }

    /// What the gateway says about the client's request, or why that cannot be understood. What a peer
    /// says that is not believed does not count.
    fn read<'r>(&self, asked: &Asked<'r>) -> Result<Understood<'r>, Detail>;

    /// Puts a yes.
    fn grant(&self, yes: Yes<'_>) -> Reply {
        yes.into_reply()
    }

    /// Puts a no that an error handler has shaped.
    fn refuse(&self, no: No<'_>) -> Reply;
}

/// Every dialect of `serve.api.endpoints`, in the order of the documentation.
pub const DIALECTS: &[&dyn Dialect] = &[
    &oathkeeper::Oathkeeper,
    &forwarded::Forwarded,
    &nginx::Nginx,
    &ingress_nginx::IngressNginx,
    &envoy_http::EnvoyHttp,
    &aws_lambda::AwsLambda,
];

/// The names of all dialects, those of other listeners than `serve.api` included.
pub const DIALECT_IDS: [&str; 8] =
    ["oathkeeper", "forwarded", "nginx", "ingress_nginx", "envoy_http", "aws_lambda", "envoy_grpc", "proxy"];

/// The dialect of a name.
pub fn dialect(id: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().find(|d| d.id() == id).copied()
}

#[cfg(test)]
mod tests;
