//! `envoy_grpc`: for Envoy's `ext_authz` with a `grpc_service`, and for what is built on Envoy or speaks as it does
//! (<https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/external_auth.proto>).
//!
//! Not at a path, but on a listener of its own, `serve.grpc`. The question is a [`Check`], which only a peer that is
//! believed can ask. The answer is a `CheckResponse`, the body of the [`Reply`]; a no of any kind is a denied
//! response, since a call that fails may be configured to let requests pass.

mod check;
mod wire;

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

pub use self::check::Check;
pub use self::wire::Malformed;
use self::wire::Message;
use super::answer::is_sent;
use super::{Asked, Dialect, No, Understood, Yes, x_forwarded};
use crate::pipeline::{Denial, Detail, Reply};
use crate::request::{Client, Origin, Part, Parts};

/// `google.rpc.Code`
const PERMISSION_DENIED: u32 = 7;
/// `google.rpc.Code`
const UNAUTHENTICATED: u32 = 16;
/// `HeaderAppendAction`: in the place of the client's own. To append is 0, the default.
const OVERWRITE_IF_EXISTS_OR_ADD: u32 = 2;

/// See the module.
pub struct EnvoyGrpc;

impl Dialect for EnvoyGrpc {
    fn id(&self) -> &'static str {
        "envoy_grpc"
    }

    fn read<'r>(&self, asked: &Asked<'r>) -> Result<Understood<'r>, Detail> {
        x_forwarded::believed(asked)?;
        let host = asked.headers.first("host");
        if host.is_some_and(|host| !host.eq_ignore_ascii_case(asked.host.as_bytes())) {
            return Err(Detail::id("contradiction").log("the request names two hosts"));
        }
        let parts = Parts {
            method: Part { value: Cow::Borrowed(asked.method), origin: Origin::Body },
            scheme: Part {
                value: Cow::Borrowed(if asked.tls { "https" } else { "http" }),
                origin: Origin::Body,
            },
            host: Part { value: Cow::Borrowed(asked.host), origin: Origin::Body },
            path: Part { value: Cow::Borrowed(asked.path.as_bytes()), origin: Origin::Body },
            query: Part { value: asked.query.map(Cow::Borrowed), origin: Origin::Body },
            peer: asked.peer,
            client: Client::Peer,
            host_header: Some(Cow::Borrowed(asked.host)),
        };
        Ok(parts.into())
    }

    /// What has no value is set to nothing and named for removal: whoever takes only one of the two to heart
    /// does not hand on the client's own.
    fn grant(&self, yes: Yes<'_>) -> Reply {
        let removed: Vec<HeaderName> = yes.removed().cloned().collect();
        let said = Said {
            decision_id: yes.id.unwrap_or_default().to_owned(),
            rule_id: yes.rule_id().to_owned(),
            subject: yes.subject().to_owned(),
            outcome: "granted",
        };
        let parameters = yes.strip_query;
        let Reply { status, headers, .. } = yes.into_reply();
        if status != 200 {
            // The whole answer to a preflight, for the browser: the upstream is not asked.
            let answer = Reply { status, headers, body: Bytes::new() };
            return denied(&answer, PERMISSION_DENIED, &said);
        }
        let response = Message::of(|response| {
            response.message(1, |_| {});
            response.message(3, |ok| {
                put(ok, 2, &headers);
                for name in &removed {
                    ok.entry(5, name.as_str().as_bytes());
                }
                for name in parameters {
                    ok.entry(8, name.as_bytes());
                }
            });
            said.put(response);
        });
        Reply { status, headers: Vec::new(), body: Bytes::from(response) }
    }

    fn refuse(&self, no: No<'_>) -> Reply {
        let code = match no.denial {
            Denial::Unauthenticated { .. } => UNAUTHENTICATED,
            _ => PERMISSION_DENIED,
        };
        let said = Said {
            decision_id: no.id.unwrap_or_default().to_owned(),
            rule_id: String::new(),
            subject: String::new(),
            outcome: no.denial.outcome(),
        };
        denied(&no.into_reply(), code, &said)
    }
}

fn denied(reply: &Reply, code: u32, said: &Said) -> Reply {
    let response = Message::of(|response| {
        response.message(1, |status| {
            status.number(1, code);
            status.bytes(2, said.outcome.as_bytes());
        });
        response.message(2, |denied| {
            denied.message(1, |status| status.number(1, u32::from(reply.status)));
            put(denied, 2, &reply.headers);
            denied.bytes(3, String::from_utf8_lossy(&reply.body).as_bytes());
        });
        said.put(response);
    });
    Reply { status: reply.status, headers: Vec::new(), body: Bytes::from(response) }
}

/// Header fields as `HeaderValueOption`s. The first of a name takes the place of what there is; which of two ways to
/// say so counts, depends on the version of Envoy.
fn put(message: &mut Message, field: u32, headers: &[(HeaderName, HeaderValue)]) {
    for (index, (name, value)) in headers.iter().enumerate().filter(|(_, (name, _))| is_sent(name)) {
        let again = headers.iter().take(index).any(|(before, _)| before == name);
        message.message(field, |option| {
            option.message(1, |header| {
                header.bytes(1, name.as_str().as_bytes());
                // Text has to be UTF-8, and Envoy takes one of them.
                let text = std::str::from_utf8(value.as_bytes()).is_ok();
                header.bytes(if text { 2 } else { 3 }, value.as_bytes());
            });
            if again {
                option.message(2, |append| append.number(1, 1));
            } else {
                option.number(3, OVERWRITE_IF_EXISTS_OR_ADD);
            }
        });
    }
}

/// What Envoy's later filters and its log can know of a decision.
struct Said {
    decision_id: String,
    rule_id: String,
    subject: String,
    outcome: &'static str,
}

impl Said {
    /// `dynamic_metadata`, a `google.protobuf.Struct`.
    fn put(&self, response: &mut Message) {
        let fields = [
            ("decision_id", self.decision_id.as_str()),
            ("outcome", self.outcome),
            ("rule_id", &self.rule_id),
            ("subject", &self.subject),
        ];
        response.message(4, |metadata| {
            for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
                metadata.message(1, |entry| {
                    entry.bytes(1, name.as_bytes());
                    entry.message(2, |text| text.entry(3, value.as_bytes()));
                });
            }
        });
    }
}

#[cfg(test)]
mod tests;
