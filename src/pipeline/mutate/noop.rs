//! `noop`: the upstream gets what the client sent.
//!
//! A decision cannot hand the client's headers on, the gateway does. Only the credentials are given back,
//! for gateways that take them from the answer; other headers are not, or a client could choose the
//! identity that its gateway copies. A caller who was let in as `anonymous` has shown no credentials that
//! counted, so none are given back. They are the client's own either way, so no [`Mutator::header_names`].

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, BuildContext, Exchange, Mutator, Registration};

/// How the registry knows it. Oathkeeper takes any configuration for it and reads none.
pub const REGISTRATION: Registration<dyn Mutator> = Registration { id: "noop", build };

struct Noop;

#[expect(clippy::unnecessary_wraps, reason = "the signature is the registry's")]
fn build(_: &BuildContext<'_>, _: &Value) -> Result<Box<dyn Mutator>, Vec<Finding>> {
    Ok(Box::new(Noop))
}

impl Mutator for Noop {
    fn mutate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        if exchange.session.anonymous {
            return Answer::Now(Ok(()));
        }
        give_back(exchange, AUTHORIZATION, false);
        give_back(exchange, COOKIE, true);
        Answer::Now(Ok(()))
    }

    fn uses_captures(&self) -> bool {
        false
    }
}

/// Puts a header of the client into the session unless an earlier mutator has set it. Cookies may come in
/// several fields (RFC 9113 section 8.2.3) and are joined again.
fn give_back(exchange: &mut Exchange<'_>, name: HeaderName, joined: bool) {
    if exchange.session.headers.get(name.as_str()).is_some() {
        return;
    }
    let mut values: Vec<&[u8]> = Vec::new();
    exchange.request.headers().each(name.as_str(), &mut |value| {
        if joined || values.is_empty() {
            values.push(value);
        }
    });
    if values.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_bytes(&values.join(b"; ".as_slice())) {
        exchange.session.headers.set(name, value);
    }
}
