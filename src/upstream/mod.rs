//! Calls out: one trait for every request this server makes, and its implementation on awc.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{HeaderName, HeaderValue, Method};

/// A request to send. Redirects are not followed unless asked for.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Absolute URL, http or https.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body, empty for none.
    pub body: Bytes,
    /// Everything, connection to last byte, has to be done in this time.
    pub timeout: Duration,
    /// A longer body (after inflating) is an error.
    pub max_response_bytes: usize,
    /// How many redirects to follow; credentials never follow to another host.
    pub redirects: u8,
}

/// An answer, complete.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// HTTP status code.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, inflated.
    pub body: Bytes,
}

/// Why there is no answer. The text names the URL without its userinfo and query.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum FetchError {
    #[error("`{url}` is not a usable http(s) URL")]
    Url { url: String },
    #[error("no connection to {url}: {reason}")]
    Connect { url: String, reason: String },
    #[error("no complete answer from {url} within {}ms", after.as_millis())]
    Timeout { url: String, after: Duration },
    #[error("the answer of {url} is longer than {limit} bytes")]
    TooLarge { url: String, limit: usize },
    #[error("the answer of {url} broke off or is not HTTP: {reason}")]
    Protocol { url: String, reason: String },
}

/// Sends requests. One per worker: clients are bound to their thread.
pub trait Fetch {
    /// Sends one request and collects the whole answer.
    fn send(&self, request: Outgoing) -> LocalBoxFuture<'static, Result<Incoming, FetchError>>;
}
