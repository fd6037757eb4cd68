//! Yes and No: what a dialect puts into its gateway's words.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST};
use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::Event;
use crate::pipeline::{Denial, Grant, Reply};

/// Headers that belong to one connection or to the framing of a message (RFC 9110 section 7.6.1): no answer
/// hands them to a gateway that would copy them.
const NEVER_SENT: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header may be handed to a gateway.
pub(super) fn is_sent(name: &HeaderName) -> bool {
    is_end_to_end(name.as_str())
}

/// Whether a header, by its name in lower case, is for more than one connection.
pub(crate) fn is_end_to_end(name: &str) -> bool {
    !NEVER_SENT.contains(&name)
}

/// Whether an upstream may take one name for the other: programs behind CGI, WSGI and PHP see no difference between
/// `X_User`, `X.User` and `X-User`.
fn is_taken_for(name: &HeaderName, own: &HeaderName) -> bool {
    let same = |(a, b): (u8, u8)| a == b || (matches!(a, b'_' | b'.') && b == b'-');
    let (name, own) = (name.as_str(), own.as_str());
    name.len() == own.len() && name.bytes().zip(own.bytes()).all(same)
}

/// A yes, with the headers that the upstream shall see.
pub struct Yes<'y> {
    pub(super) grant: Grant,
    pub(super) strip: &'y [HeaderName],
    /// Names of query parameters that the upstream shall not see.
    pub strip_query: &'y [String],
    pub(super) removable: &'y [HeaderName],
    pub(super) emit_empty: bool,
    /// What was asked, where the answer names it.
    pub event: Option<&'y Event<'y>>,
    /// The decision's id, where the answer names it.
    pub id: Option<&'y str>,
}

impl Yes<'_> {
    /// Who is calling.
    pub fn subject(&self) -> &str {
        self.grant.subject()
    }

    /// Id of the rule that let the request pass.
    pub fn rule_id(&self) -> &str {
        self.grant.rule().id()
    }

    /// 200, or 204 to a preflight, with every header, those of [`absent`](Self::absent) without a value, so that a gateway that
    /// copies what it is given puts them in the place of the client's own.
    pub fn into_reply(self) -> Reply {
        let absent: SmallVec<[HeaderName; 4]> =
            if self.emit_empty { self.absent().cloned().collect() } else { SmallVec::new() };
        let status = self.grant.status();
        let mut headers = self.into_headers();
        headers.extend(absent.into_iter().map(|name| (name, HeaderValue::from_static(""))));
        Reply { status, headers, body: Bytes::new() }
    }

    /// The headers that have a value.
    pub fn into_headers(self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = self.grant.into_headers();
        headers.retain(|(name, _)| is_sent(name));
        headers
    }

    /// The header fields of a request to the upstream, but for `Host`: what the rule sets, and of the client's what no
    /// rule can set (`of_any`), or only this one. What it can set and has not is there without a value, or not at all.
    pub fn into_request<'c>(
        self,
        client: impl Iterator<Item = (&'c HeaderName, &'c HeaderValue)>,
        of_any: bool,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let absent: SmallVec<[HeaderName; 4]> =
            if of_any { self.removed().cloned().collect() } else { self.absent().cloned().collect() };
        let (rule, emit_empty) = (Arc::clone(self.grant.rule()), self.emit_empty);
        let mut fields = self.into_headers();
        fields.retain(|(name, _)| *name != HOST);
        let set = fields.len();
        for (name, value) in client.filter(|(name, _)| **name != HOST) {
            let own = fields.iter().take(set).map(|(own, _)| own);
            if !own.chain(&absent).any(|own| is_taken_for(name, own)) {
                fields.push((name.clone(), value.clone()));
            }
        }
        if emit_empty {
            let of_rule = absent.into_iter().filter(|name| rule.identity_headers.contains(name));
            // Nobody is known by an empty one of these.
            let of_rule = of_rule.filter(|name| ![AUTHORIZATION, COOKIE].contains(name));
            fields.extend(of_rule.map(|name| (name, HeaderValue::from_static(""))));
        }
        fields
    }

    /// What the matched rule may set and has not, and what is stripped: the client's own must not pass for
    /// it.
    pub fn absent(&self) -> impl Iterator<Item = &HeaderName> {
        let rule = self.grant.rule();
        let of_rule = rule.identity_headers.iter();
        let more = self.strip.iter().filter(|name| !rule.identity_headers.contains(name));
        of_rule.chain(more).filter(|name| self.is_absent(name))
    }

    /// The same with what any rule may set: for gateways that are told which headers to take away.
    pub fn removed(&self) -> impl Iterator<Item = &HeaderName> {
        let more = self.grant.rule().identity_headers.iter().filter(|name| !self.removable.contains(name));
        self.removable.iter().chain(more).filter(|name| self.is_absent(name))
    }

    fn is_absent(&self, name: &HeaderName) -> bool {
        is_sent(name) && self.grant.headers().get(name.as_str()).is_none()
    }
}

/// A no as an error handler has shaped it.
pub struct No<'n> {
    /// Why.
    pub denial: &'n Denial,
    /// The shaped answer. Its status is not that of a yes.
    pub reply: Reply,
    /// The status that is configured for the denial, where an error handler did not choose another one.
    pub status: Option<u16>,
    /// What was asked, where the answer names it.
    pub event: Option<&'n Event<'n>>,
    /// The decision's id, where the answer names it.
    pub id: Option<&'n str>,
}

/// The status that the answer would have had.
const STATUS: HeaderName = HeaderName::from_static("x-auth-status");
/// Why the answer is a no, as one word of [`Denial::outcome`].
const REASON: HeaderName = HeaderName::from_static("x-auth-reason");

impl No<'_> {
    /// The answer with its own status or the configured one.
    pub fn into_reply(mut self) -> Reply {
        if let Some(status) = self.status {
            self.reply.status = status;
        }
        self.reply
    }

    /// The answer with another status, and headers that say which one it had and why.
    pub fn with_status(mut self, status: u16) -> Reply {
        if self.reply.status != status {
            self.reply.headers.push((STATUS, HeaderValue::from(self.reply.status)));
        }
        self.reply.headers.push((REASON, HeaderValue::from_static(self.denial.outcome())));
        self.reply.status = status;
        self.reply
    }

    /// The value of a header of the answer.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.reply.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }
}
