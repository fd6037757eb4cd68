//! Calls out: one trait for every request this server makes, and its implementation on awc.
//!
//! Handlers hold no client: a worker's [`crate::pipeline::Context`] lends them its [`Fetch`]. A handler that
//! asks a service for each decision does so through a [`backend::Backend`]. Programs without a runtime of
//! their own, such as okctl, use [`fetch_once`].

mod answer;
pub mod awc;
pub mod backend;
pub mod calls;
mod connection;
pub mod counts;
pub mod fake;
pub mod headers;
mod passing;
pub mod pool;
pub mod relay;
pub mod tls;
pub mod trace;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{HeaderName, HeaderValue, Method};

use crate::request::body::{BodyError, Pieces};

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
    pub body: OutgoingBody,
    /// Everything, connection to last byte, has to be done in this time.
    pub timeout: Duration,
    /// A longer body (after inflating) is an error.
    pub max_response_bytes: usize,
    /// How many redirects to follow; credentials never follow to another host.
    pub redirects: u8,
}

impl Outgoing {
    /// A plain GET: no header fields, no redirects, an answer of at most a megabyte.
    pub fn get(url: impl Into<String>, timeout: Duration) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: Vec::new(),
            body: OutgoingBody::default(),
            timeout,
            max_response_bytes: 1 << 20,
            redirects: 0,
        }
    }
}

/// What goes out as a body.
#[derive(Debug, Clone)]
pub enum OutgoingBody {
    /// All of it, to be sent as often as need be.
    Whole(Bytes),
    /// The client's, passed on while it comes. An answer that comes before its end counts.
    Passing(Pieces),
}

impl OutgoingBody {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    /// All of it; nothing where it is passed on.
    pub fn whole(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Passing(_) => &[],
        }
    }

    /// Whether it can be sent from its beginning, once more if need be.
    fn rewind(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Passing(pieces) => pieces.rewind(),
        }
    }
}

impl Default for OutgoingBody {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl<B: Into<Bytes>> From<B> for OutgoingBody {
    fn from(bytes: B) -> Self {
        Self::Whole(bytes.into())
    }
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

impl Incoming {
    /// The first value of a header field.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
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
    #[error("the answer of {url} cannot be used: {reason}")]
    Protocol { url: String, reason: String },
    #[error("the call to {url} ended with the body of the request: {reason}")]
    Body { url: String, reason: BodyError },
}

/// Sends requests. One per worker: clients are bound to their thread.
pub trait Fetch {
    /// Sends one request and collects the whole answer.
    fn send(&self, request: Outgoing) -> LocalBoxFuture<'static, Result<Incoming, FetchError>>;
}

/// Sends one request from a thread that has no runtime, and waits for the answer.
pub fn fetch_once(request: Outgoing) -> Result<Incoming, FetchError> {
    let url = shown_url(&request.url);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| FetchError::Connect { url, reason: error.to_string() })?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async { awc::Client::new().send(request).await })
}

/// A URL as messages and logs may show it: without userinfo, query and fragment.
pub fn shown_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let shown = url.get(..end).unwrap_or_default();
    let Some((scheme, rest)) = shown.split_once("://") else { return shown.to_owned() };
    let slash = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(slash);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_holds_no_credentials() {
        for (url, shown) in [
            ("https://idp.test/keys", "https://idp.test/keys"),
            ("https://user:pa%40ss@idp.test:8443/keys?token=x#y", "https://idp.test:8443/keys"),
            ("https://a@b@idp.test", "https://idp.test"),
            ("https://idp.test?token=x", "https://idp.test"),
            ("file:///etc/keys@home.json", "file:///etc/keys@home.json"),
            ("no url?secret", "no url"),
        ] {
            assert_eq!(shown_url(url), shown, "{url}");
        }
    }

    #[test]
    fn fetch_once_needs_no_runtime() {
        let error = fetch_once(Outgoing {
            method: Method::GET,
            url: "ftp://user:secret@idp.test/?q".to_owned(),
            headers: Vec::new(),
            body: OutgoingBody::default(),
            timeout: Duration::from_secs(1),
            max_response_bytes: 10,
            redirects: 0,
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "`ftp://idp.test/` is not a usable http(s) URL");
    }
}
