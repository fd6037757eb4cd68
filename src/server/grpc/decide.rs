//! Decisions on what Envoy asks.

use std::net::IpAddr;

use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::gateway::envoy_grpc::{Check, Malformed};
use crate::gateway::{Asked, Source};
use crate::pipeline::{Context, Denial, Detail, Reply};
use crate::request::body::BodyRoom;
use crate::request::headers::HeaderFields;
use crate::request::{Body, Parts};
use crate::server::decisions;
use crate::server::live::Snapshot;

/// Decides on a `CheckRequest` that came from `peer`. The body of the reply is the `CheckResponse`. Handlers may read
/// the client's body, as far as it is in the question, and find it in `room`.
pub async fn decide(
    message: &Bytes,
    peer: Option<IpAddr>,
    deadline: Option<Instant>,
    snapshot: &Snapshot,
    context: &Context,
    room: &BodyRoom,
) -> Result<Reply, Malformed> {
    let check = Check::read(message)?;
    let mut id = [0; Hyphenated::LENGTH];
    let id = new_id(&mut id);
    let asked = match check.asked(peer, id) {
        Ok(asked) => asked,
        Err(why) => return Ok(refuse(Denial::BadRequest { why }, peer, snapshot, context)),
    };
    let read = snapshot.grpc.read(asked);
    let body = check.body().map(|(body, whole)| {
        let rest = (!whole).then_some(Err(()));
        let length = whole.then_some(body.len() as u64);
        Body::new(stream::iter([Ok(message.slice_ref(body))].into_iter().chain(rest)), length, room)
    });
    Ok(decisions::answer(&asked, read, body.as_ref(), deadline, &snapshot.grpc, snapshot, context).await)
}

/// What log and gateway call a decision.
fn new_id(buffer: &mut [u8; Hyphenated::LENGTH]) -> &str {
    Uuid::new_v4().hyphenated().encode_lower(buffer)
}

/// The no to a question of which nothing is known.
fn refuse(denial: Denial, peer: Option<IpAddr>, snapshot: &Snapshot, context: &Context) -> Reply {
    let mut id = [0; Hyphenated::LENGTH];
    let headers = HeaderFields::default();
    let asked = Asked {
        method: "GET",
        path: "",
        query: None,
        host: "",
        tls: false,
        headers: &headers,
        body: &[],
        peer,
        source: Source::Unsaid,
        believed: false,
        id: Some(new_id(&mut id)),
    };
    decisions::refuse_unread(
        Parts::unknown("", peer),
        denial,
        None,
        &asked,
        &snapshot.grpc,
        snapshot,
        context,
    )
}

/// The no to a question that is too long to be read.
pub(super) fn too_long(peer: Option<IpAddr>, snapshot: &Snapshot, context: &Context) -> Reply {
    let why =
        Detail::id("message-too-long").log("the question is longer than `serve.grpc.max_message_bytes`");
    refuse(Denial::CouldNotDecide { status: 413, why, retry_after: None }, peer, snapshot, context)
}

/// The no to a question for which there is no room among those that wait.
pub(super) fn no_room(peer: Option<IpAddr>, snapshot: &Snapshot, context: &Context) -> Reply {
    let why = Detail::id("no-room").log("too many long questions and bodies are kept at the same time");
    refuse(Denial::CouldNotDecide { status: 503, why, retry_after: None }, peer, snapshot, context)
}
