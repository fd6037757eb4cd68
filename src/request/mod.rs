//! `AccessRequest`: the request as the client made it, in canonical form.
//!
//! A dialect collects [`Parts`] from what a gateway sends, with where each came from; [`AccessRequest::new`]
//! makes the one form that matcher, templates, redirects and logs see. A path that upstreams may read
//! differently gets several [`Reading`]s, and the matcher asks for a rule that all of them meet.

pub mod body;
pub mod cookies;
pub mod headers;
pub mod host;
pub mod path;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

pub use body::Body;
pub use headers::Headers;
use smallvec::SmallVec;

/// Where a part of the request was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A header of the gateway, by its lower-case name.
    Header(&'static str),
    /// The request line of the request itself, or its `Host`.
    RequestLine,
    /// The connection: TLS or not, its peer.
    Connection,
    /// The body of the question.
    Body,
}

/// A part of the request with where it was read.
#[derive(Debug, Clone)]
pub struct Part<T> {
    /// The value as it was sent.
    pub value: T,
    /// Where it was read.
    pub origin: Origin,
}

/// Which address the client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Client {
    /// Nobody said whose word about it counts: the other end of the connection.
    #[default]
    Peer,
    /// What the gateways that are trusted say; none where they know none.
    Found(Option<IpAddr>),
}

/// What a dialect read, untouched.
#[derive(Debug, Clone)]
pub struct Parts<'r> {
    /// The method in the client's own spelling.
    pub method: Part<Cow<'r, str>>,
    /// `http`, `https`, `ws`, `wss` in any case.
    pub scheme: Part<Cow<'r, str>>,
    /// Host, with the port where there is one.
    pub host: Part<Cow<'r, str>>,
    /// The path as it was sent, percent-escapes and all, without the query.
    pub path: Part<Cow<'r, [u8]>>,
    /// The query as it was sent, without the question mark; `None` where there was none.
    pub query: Part<Option<Cow<'r, str>>>,
    /// The address the connection came from; none behind a unix socket.
    pub peer: Option<IpAddr>,
    /// Who the client is.
    pub client: Client,
    /// The `Host` header of the request to this server; session checks with `preserve_host` pass it on.
    pub host_header: Option<Cow<'r, str>>,
}

impl<'r> Parts<'r> {
    /// What stands for a request that could not be understood: nothing about it but who asked, and where.
    pub fn unknown(host: &'r str, peer: Option<IpAddr>) -> Self {
        fn part<T>(value: T) -> Part<T> {
            Part { value, origin: Origin::RequestLine }
        }
        Self {
            method: part("GET".into()),
            scheme: part("http".into()),
            host: part(host.into()),
            path: part(b"/".as_slice().into()),
            query: part(None),
            peer,
            client: Client::Peer,
            host_header: None,
        }
    }
}

#[cfg(test)]
impl Parts<'static> {
    /// `GET http://gate.test/`, as tests ask that look at other things.
    pub(crate) fn root() -> Self {
        let part = |value| Part { value, origin: Origin::RequestLine };
        Self {
            method: part("GET".into()),
            scheme: part("http".into()),
            host: part("gate.test".into()),
            path: Part { value: b"/".into(), origin: Origin::RequestLine },
            query: Part { value: None, origin: Origin::RequestLine },
            peer: None,
            client: Client::Peer,
            host_header: None,
        }
    }
}

/// The request that is decided on.
pub struct AccessRequest<'r> {
    parts: Parts<'r>,
    readings: SmallVec<[Reading; 1]>,
    headers: &'r dyn Headers,
    body: Option<&'r Body>,
}

/// One way to read the request's URL: `scheme://host/path`, all canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    text: String,
    host_at: usize,
    path_at: usize,
    trailing_slash: bool,
}

/// Why a request cannot be decided on: the gateway is told 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// The path has no canonical form.
    #[error(transparent)]
    Path(#[from] path::Unreadable),
}

impl<'r> AccessRequest<'r> {
    /// Makes the canonical form. A host, scheme or path that no rule could mean leaves the request without
    /// any [`Reading`], so that no rule matches it.
    pub fn new(parts: Parts<'r>, headers: &'r dyn Headers) -> Result<Self, BadRequest> {
        let raw = parts.path.value.as_ref();
        // `a/..` is not the root, whatever is left of it.
        let below_root = raw.is_empty() || raw.starts_with(b"/");
        let scheme = host::canonical_scheme(&parts.scheme.value).filter(|_| below_root);
        let mut readings = SmallVec::new();
        if let Some((text, trailing_slash)) = path::already_canonical(raw) {
            readings.extend(scheme.and_then(|s| Reading::new(&s, &parts.host.value, text, trailing_slash)));
        } else {
            let paths = path::readings(raw)?;
            if let Some(scheme) = scheme {
                // One reading that no rule could mean spoils the others.
                let all: Option<SmallVec<_>> = paths
                    .iter()
                    .map(|p| Reading::new(&scheme, &parts.host.value, &p.text, p.trailing_slash))
                    .collect();
                readings = all.unwrap_or_default();
            }
        }
        Ok(Self { parts, readings, headers, body: None })
    }

    /// The same with the client's body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Option<&'r Body>>) -> Self {
        self.body = body.into();
        self
    }

    /// Every way the URL may be read; empty when no rule could mean it.
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// The reading that templates see.
    pub fn primary(&self) -> Option<&Reading> {
        self.readings.first()
    }

    /// The method in the client's own spelling.
    pub fn method(&self) -> &str {
        &self.parts.method.value
    }

    /// Scheme in canonical form, or as it was sent where it has none.
    pub fn scheme(&self) -> &str {
        self.primary().map_or(&self.parts.scheme.value, Reading::scheme)
    }

    /// Host in canonical form with a port that is not the default, or as it was sent.
    pub fn host(&self) -> &str {
        self.primary().map_or(&self.parts.host.value, Reading::host)
    }

    /// The canonical path without its trailing slash.
    pub fn path(&self) -> Cow<'_, str> {
        match self.primary() {
            Some(reading) => Cow::Borrowed(reading.path()),
            None => String::from_utf8_lossy(&self.parts.path.value),
        }
    }

    /// The path byte for byte as the client sent it.
    pub fn raw_path(&self) -> &[u8] {
        &self.parts.path.value
    }

    /// The query as the client sent it, empty for none.
    pub fn query(&self) -> &str {
        self.parts.query.value.as_deref().unwrap_or_default()
    }

    /// Whether there was a question mark.
    pub fn has_query(&self) -> bool {
        self.parts.query.value.is_some()
    }

    /// The client's header fields, as the gateway handed them on.
    pub fn headers(&self) -> &'r dyn Headers {
        self.headers
    }

    /// The client's body, where the gateway handed one on.
    pub fn body(&self) -> Option<&'r Body> {
        self.body
    }

    /// The address of the client, which IP conditions, templates and logs look at.
    pub fn client_address(&self) -> Option<IpAddr> {
        match self.parts.client {
            Client::Peer => self.parts.peer,
            Client::Found(address) => address,
        }
    }

    /// What was read, with where it was read.
    pub fn parts(&self) -> &Parts<'r> {
        &self.parts
    }

    /// The URL as text: what a session check, a redirect or a log line names. The path is shown as the
    /// client sent it where that is ASCII, so that following the URL leads to where the client wanted.
    pub fn url(&self) -> String {
        let mut url = format!("{}://{}", self.scheme(), self.host());
        for &byte in self.raw_path() {
            if byte.is_ascii_graphic() {
                url.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(url, "%{byte:02X}");
            }
        }
        if self.has_query() {
            url.push('?');
            url.push_str(self.query());
        }
        url
    }
}

impl Reading {
    /// `None` when the host cannot be one or the path is not one below the root.
    fn new(scheme: &str, host: &str, path: &str, trailing_slash: bool) -> Option<Self> {
        if !(path.is_empty() || path.starts_with('/')) {
            return None;
        }
        let mut text = String::with_capacity(scheme.len() + host.len() + path.len() + 4);
        text.push_str(scheme);
        text.push_str("://");
        let host_at = text.len();
        host::push_canonical_host(&mut text, scheme, host)?;
        let path_at = text.len();
        text.push_str(path);
        Some(Self { text, host_at, path_at, trailing_slash })
    }

    /// What patterns are matched against: `scheme://host/path`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with the trailing slash that was cut; `None` when there was none.
    pub fn with_slash(&self) -> Option<String> {
        self.trailing_slash.then(|| format!("{}/", self.text))
    }

    /// The text with the scheme's default port spelled out, for patterns that name it; `None` where
    /// another port is named already.
    pub fn with_default_port(&self) -> Option<String> {
        let host = self.host();
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let port = host::default_port(self.scheme()).filter(|_| !has_port)?;
        Some(format!("{}://{host}:{port}{}", self.scheme(), self.path()))
    }

    /// Scheme.
    pub fn scheme(&self) -> &str {
        self.text.get(..self.host_at.saturating_sub(3)).unwrap_or_default()
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        self.text.get(self.host_at..self.path_at).unwrap_or_default()
    }

    /// Path without its trailing slash.
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }
}
