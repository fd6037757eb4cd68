//! Bodies of questions: a handler may read one; what is left may stand in the way of the next question.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, rt};

use crate::request::body::{Body, BodyRoom};

/// A longer body costs the connection: reading on would cost more.
const LONGEST: u64 = 64 * 1024;
/// How long to wait for a short body that is still on its way. One that never comes costs only this.
const PATIENCE: Duration = Duration::from_millis(10);

/// The body of a question, for who asks for it. Most have none.
pub fn of(request: &HttpRequest, payload: Payload, room: &BodyRoom) -> Option<Body> {
    (!matches!(payload, Payload::None)).then(|| Body::new(payload, promised(request), room))
}

/// How long the body is, where the question says so.
fn promised(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a short body of known length, so that the connection can be used again. Bodies in chunks are
/// drained by the connection itself; after all others it is closed.
pub async fn discard(body: &Body) {
    if !body.promised().is_some_and(|length| length > 0 && length <= LONGEST) {
        return;
    }
    // Too late or broken, the answer goes out all the same.
    let _ = rt::time::timeout(PATIENCE, body.discard()).await;
}
