//! One call: a message in, a message out, and a status
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use std::future::poll_fn;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout};

use super::decide;
use crate::metrics::labels::Service;
use crate::request::body::{BodyRoom, Place};
use crate::server::live::Snapshot;
use crate::server::worker::Worker;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// What stands before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Shorter questions, which most are, take nothing of the room for bodies.
const SHORT: usize = 16 * 1024;
/// A question about health that is longer is none.
const HEALTH_BYTES: usize = 4 * 1024;
/// Where nothing else is configured any more.
const MESSAGE_BYTES: usize = 4 << 20;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Why a call has no answer: status code and text.
type Failed = (u16, &'static str);

const UNREADABLE: Failed = (3, "the message is not readable");
const TOO_SLOW: Failed = (4, "the message did not come in time");
const TOO_LONG: Failed = (8, "the message is too long");
const UNKNOWN: Failed = (12, "there is no such method");
const COMPRESSED: Failed = (12, "compressed messages are not understood");
const BROKEN_OFF: Failed = (3, "the message broke off");

/// What came.
enum Came {
    Whole(Bytes, Place),
    TooLong,
    NoRoom,
}

/// Answers a call, unless whoever asks goes away before. What comes after the answer is passed over: a stream that is
/// left before its end is a fault to HTTP/2, and a connection with many of them is ended.
pub(super) async fn answer(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    peer: Option<IpAddr>,
    worker: &Worker,
    patience: Duration,
) {
    let (head, mut body) = request.into_parts();
    respond_to(&head, &mut body, respond, peer, worker, patience).await;
    if !body.is_end_stream() {
        let rest = async {
            while let Some(Ok(piece)) = body.data().await {
                let _ = body.flow_control().release_capacity(piece.len());
            }
        };
        let _ = timeout(patience, rest).await;
    }
}

async fn respond_to(
    request: &Parts,
    body: &mut RecvStream,
    mut respond: SendResponse<Bytes>,
    peer: Option<IpAddr>,
    worker: &Worker,
    patience: Duration,
) {
    let path = request.uri.path();
    let tally = worker.context.tally.as_ref().filter(|_| path != HEALTH);
    let running = tally.map(|tally| tally.begin(Service::Grpc, request.method.as_str(), path));
    let is_grpc = request.headers.get(CONTENT_TYPE).is_some_and(|kind| {
        let rest = kind.as_bytes().strip_prefix(GRPC.as_bytes());
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    });
    if request.method != Method::POST || !is_grpc {
        let mut response = Response::new(());
        *response.status_mut() =
            if is_grpc { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::UNSUPPORTED_MEDIA_TYPE };
        if let Some(running) = running {
            running.answered(response.status().as_u16());
        }
        // Who went away needs no answer; the same holds below.
        let _ = respond.send_response(response, true);
        return;
    }
    let outcome = tokio::select! {
        outcome = outcome(request, body, peer, worker, patience) => outcome,
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
    };
    if let Some(running) = running {
        running.answered(outcome.as_ref().map_or_else(|(code, _)| http_status(*code), |(status, _)| *status));
    }
    let mut head = Response::new(());
    head.headers_mut().insert(CONTENT_TYPE, GRPC);
    match outcome {
        Ok((_, message)) => {
            let mut trailers = HeaderMap::with_capacity(1);
            trailers.insert(STATUS, HeaderValue::from_static("0"));
            if let Ok(mut stream) = respond.send_response(head, false)
                && stream.send_data(framed(&message), false).is_ok()
            {
                let _ = stream.send_trailers(trailers);
            }
        }
        Err((code, text)) => {
            head.headers_mut().insert(STATUS, HeaderValue::from(code));
            head.headers_mut().insert(MESSAGE, HeaderValue::from_static(text));
            let _ = respond.send_response(head, true);
        }
    }
}

/// The message of an answer, with the status that it stands for.
async fn outcome(
    request: &Parts,
    body: &mut RecvStream,
    peer: Option<IpAddr>,
    worker: &Worker,
    patience: Duration,
) -> Result<(u16, Bytes), Failed> {
    let deadline = request.headers.get("grpc-timeout").and_then(|value| budget(value.as_bytes()));
    // A little before: Envoy's own clock began earlier, and what it does not get in time may pass.
    let deadline = deadline.and_then(|budget| Instant::now().checked_add(budget / 10 * 9));
    let snapshot = worker.live.load();
    let room = &worker.live.shared.bodies;
    let mut read = async |limit| timeout(patience, message(body, limit, room)).await.or(Err(TOO_SLOW))?;
    match request.uri.path() {
        CHECK => {
            let limit =
                snapshot.config.serve.grpc.as_ref().map_or(MESSAGE_BYTES, |grpc| grpc.max_message_bytes);
            let reply = match read(limit).await? {
                Came::Whole(message, _place) => {
                    decide::decide(&message, peer, deadline, &snapshot, &worker.context, room)
                        .await
                        .map_err(|_| UNREADABLE)?
                }
                Came::TooLong => decide::too_long(peer, &snapshot, &worker.context),
                Came::NoRoom => decide::no_room(peer, &snapshot, &worker.context),
            };
            Ok((reply.status, reply.body))
        }
        HEALTH => match read(HEALTH_BYTES).await? {
            Came::Whole(..) => Ok((200, health(&snapshot, worker))),
            Came::TooLong | Came::NoRoom => Err(TOO_LONG),
        },
        _ => Err(UNKNOWN),
    }
}

/// What a status of gRPC is called in HTTP (google.rpc.Code), of those that there are.
fn http_status(code: u16) -> u16 {
    match code {
        3 => 400,
        4 => 504,
        8 => 429,
        12 => 501,
        _ => 500,
    }
}

/// `HealthCheckResponse`: `SERVING` or `NOT_SERVING`, of every service.
fn health(snapshot: &Snapshot, worker: &Worker) -> Bytes {
    Bytes::from_static(if worker.live.is_ready(snapshot) { &[0x08, 1] } else { &[0x08, 2] })
}

/// Reads the one message of a call. Short ones mostly come in one piece, which is then not copied.
async fn message(body: &mut RecvStream, limit: usize, room: &BodyRoom) -> Result<Came, Failed> {
    let mut place = room.place();
    let mut came = Bytes::new();
    let mut gathered = BytesMut::new();
    loop {
        let bytes = if gathered.is_empty() { came.as_ref() } else { gathered.as_ref() };
        if let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() {
            let [compressed, length @ ..] = *prefix;
            let length = u32::from_be_bytes(length) as usize;
            match compressed {
                0 => {}
                1 => return Err(COMPRESSED),
                _ => return Err(UNREADABLE),
            }
            if length > limit {
                return Ok(Came::TooLong);
            }
            if rest.len() >= length {
                let mut whole = if gathered.is_empty() { came } else { gathered.freeze() };
                // A call has one message.
                return match whole.split_off(PREFIX) {
                    message if message.len() == length => Ok(Came::Whole(message, place)),
                    _ => Err(UNREADABLE),
                };
            }
        }
        let piece = body.data().await.ok_or(BROKEN_OFF)?.map_err(|_| BROKEN_OFF)?;
        // Of a connection that broke off nobody waits for an answer.
        let _ = body.flow_control().release_capacity(piece.len());
        if came.is_empty() && gathered.is_empty() {
            came = piece;
            if came.len() > SHORT && !place.extend(came.len()) {
                return Ok(Came::NoRoom);
            }
            continue;
        }
        if gathered.is_empty() {
            gathered.extend_from_slice(&std::mem::take(&mut came));
        }
        gathered.extend_from_slice(&piece);
        if gathered.len() > SHORT && !place.extend(piece.len()) {
            return Ok(Came::NoRoom);
        }
    }
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    // What a decision says is far from 4 GiB.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(message);
    frame.freeze()
}

/// The value of `grpc-timeout`: at most eight digits and a unit.
fn budget(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.len() > 8 {
        return None;
    }
    let count = std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read() {
        for (value, want) in [
            ("5S", Some(Duration::from_secs(5))),
            ("200m", Some(Duration::from_millis(200))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("1M", Some(Duration::from_secs(60))),
            ("7u", Some(Duration::from_micros(7))),
            ("7n", Some(Duration::from_nanos(7))),
            ("100000000S", None),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("1s", None),
        ] {
            assert_eq!(budget(value.as_bytes()), want, "{value}");
        }
    }
}
