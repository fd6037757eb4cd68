//! Bodies of questions: a handler may read one; what is left may stand in the way of the next question.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, rt};
use futures_util::StreamExt as _;

use crate::request::body::Streamed;

/// A longer body costs the connection: reading on would cost more.
const LONGEST: u64 = 64 * 1024;
/// How long to wait for a short body that is still on its way. One that never comes costs only this.
const PATIENCE: Duration = Duration::from_millis(10);

/// The body of a question, for who asks for it.
pub fn of<'p>(request: &HttpRequest, payload: &'p mut Payload) -> Streamed<&'p mut Payload> {
    Streamed::new(payload, promised(request))
}

/// How long the body is, where the question says so.
fn promised(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a short body of known length, so that the connection can be used again. Bodies in chunks are
/// drained by the connection itself; after all others it is closed.
pub async fn discard(request: &HttpRequest, mut payload: Payload) {
    if !promised(request).is_some_and(|length| length > 0 && length <= LONGEST) {
        return;
    }
    let read = async { while let Some(Ok(_)) = payload.next().await {} };
    // Too late or broken, the answer goes out all the same.
    let _ = rt::time::timeout(PATIENCE, read).await;
}
