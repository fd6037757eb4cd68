//! Grant and Reply: the two things a decision can end in on the wire.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::session::{HeaderList, Session};
use crate::rule::Rule;

/// Proof that every stage of a rule let the request pass. Only the pipeline can make one, and a dialect
/// writes a yes only from one.
#[derive(Debug)]
pub struct Grant {
    rule: Arc<Rule>,
    session: Session,
    status: u16,
}

impl Grant {
    pub(super) fn new(rule: Arc<Rule>, session: Session) -> Self {
        Self { rule, session, status: 200 }
    }

    /// A yes to a preflight that was answered here: its status is that of a whole answer, 204.
    pub(super) fn answered(rule: Arc<Rule>, session: Session) -> Self {
        Self { rule, session, status: 204 }
    }

    /// The status that says yes, as far as the gateway takes any 2xx for one.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the grant is all there is to answer: nothing goes on to an upstream.
    pub fn is_answered(&self) -> bool {
        self.status == 204
    }

    /// The rule that let the request pass.
    pub fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// Who is calling.
    pub fn subject(&self) -> &str {
        &self.session.subject
    }

    /// The headers that the upstream shall see, for the answer.
    pub fn into_headers(self) -> Vec<(HeaderName, HeaderValue)> {
        self.session.headers.into_vec()
    }

    /// The headers that the upstream shall see.
    pub fn headers(&self) -> &HeaderList {
        &self.session.headers
    }
}

/// A complete HTTP answer, before a dialect adapts it to what its gateway understands.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// Header fields, content type included.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; left out on HEAD by the server.
    pub body: Bytes,
}
