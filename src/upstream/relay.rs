//! Requests that are passed on: one HTTP/1.1 exchange with an upstream, streamed in both directions.
//!
//! Neither body is ever collected. The answer may begin before the request ended, and a connection goes back to the
//! [`Pool`](super::pool::Pool) only when both did.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_codec::{Encoder as _, Framed};
use actix_http::body::BodySize;
use actix_http::h1::{ClientCodec, ClientPayloadCodec, Message, MessageType};
use actix_http::{RequestHead, RequestHeadType, ResponseHead};
use bytes::{Bytes, BytesMut};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use http::{Method, StatusCode, Version, header};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::connection::{self, Connection};
use super::pool::Home;
use crate::request::body::{BodyError, Pieces};

/// What is sent behind the head of a request.
pub enum Sending {
    /// Nothing.
    Nothing,
    /// All of a body.
    Whole(Bytes),
    /// The client's body, while it comes.
    Pieces(Pieces),
    /// Whatever the client sends, if the upstream takes the connection for another protocol.
    Upgraded(LocalBoxStream),
}

/// What a client sends after an upgrade.
pub type LocalBoxStream = Pin<Box<dyn Stream<Item = Result<Bytes, ()>>>>;

/// Why there is no answer, or no end of one.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RelayError {
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no answer within {}ms", .0.as_millis())]
    Timeout(Duration),
    #[error("the answer cannot be used: {0}")]
    Protocol(String),
    #[error("the request was not sent to its end: {0}")]
    Body(BodyError),
}

/// An answer that begins.
pub struct Answer {
    /// Status and header fields.
    pub head: ResponseHead,
    /// Whether the connection speaks another protocol from here on.
    pub is_upgraded: bool,
    /// What follows; none where nothing does.
    pub body: Option<AnswerBody>,
}

/// No answer. Another connection may do better where this one was used before and nothing was heard on it.
pub(super) struct Unanswered {
    pub(super) error: RelayError,
    pub(super) is_unheard: bool,
}

/// Sends a request over a connection and waits until the answer begins. `within`: how long the other side may do
/// nothing.
pub(super) async fn converse(
    connection: Connection,
    head: Rc<RequestHead>,
    sending: Sending,
    within: Duration,
    home: Home,
) -> Result<Answer, Unanswered> {
    let (read, write) = tokio::io::split(connection);
    let mut codec = ClientCodec::default();
    let mut out = BytesMut::with_capacity(1024);
    let size = size(&head.method, &sending);
    let upgrades = matches!(sending, Sending::Upgraded(_));
    let unheard = |error: &dyn ToString| Unanswered {
        error: RelayError::Protocol(error.to_string()),
        is_unheard: true,
    };
    // The codec has to know what it waits for. What it writes would have a `Date`, which the client did not send.
    let told = Message::Item((RequestHeadType::Rc(Rc::clone(&head), None), size));
    codec.encode(told, &mut out).map_err(|e| unheard(&e))?;
    out.clear();
    put_head(&head, size, &mut out);
    let progress = Rc::new(Cell::new(Instant::now()));
    let mut after_upgrade = None;
    let body = if let Sending::Pieces(pieces) = &sending { Some(pieces.clone()) } else { None };
    let writer: LocalBoxFuture<'static, Result<WriteHalf<Connection>, Unsent>> = match sending {
        Sending::Nothing => Box::pin(write_all(write, out)),
        Sending::Whole(body) => {
            out.extend_from_slice(&body);
            Box::pin(write_all(write, out))
        }
        Sending::Pieces(pieces) => Box::pin(write_pieces(write, out, pieces, Rc::clone(&progress))),
        Sending::Upgraded(stream) => {
            after_upgrade = Some(stream);
            Box::pin(write_all(write, out))
        }
    };
    let unsent = |reason| Unanswered { error: RelayError::Body(reason), is_unheard: false };
    let mut writer = Writer::start(writer).map_err(unsent)?;
    let mut heads = Framed::new(read, codec);
    let head = hear(&mut heads, &mut writer, &progress, within).await.map_err(|unanswered| {
        // It is the client who keeps everybody waiting.
        let is_late = matches!(unanswered.error, RelayError::Timeout(_));
        if is_late && body.is_some_and(|body| body.is_awaited()) {
            return unsent(BodyError::TooSlow);
        }
        unanswered
    })?;
    let is_upgraded = upgrades && head.status == StatusCode::SWITCHING_PROTOCOLS;
    if head.status == StatusCode::SWITCHING_PROTOCOLS && !upgrades {
        return Err(Unanswered {
            error: RelayError::Protocol("it changes to a protocol that nobody asked for".to_owned()),
            is_unheard: false,
        });
    }
    if let Some(stream) = after_upgrade.filter(|_| is_upgraded) {
        // A long head may have gone out in pieces, of which the last is through by now.
        if let Writer::Going(_) = writer {
            let _ = writer.ended().await;
        }
        if let Writer::Done(write) = writer {
            writer = Writer::Going(Task::spawn(write_upgraded(write, stream)));
        }
    }
    // These have no body, whatever length they name (RFC 9112 section 6.3).
    let is_empty = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status)
        || heads.codec_ref().message_type() == MessageType::None;
    let is_new = head.version == Version::HTTP_11;
    // Before, a connection was for one answer.
    let home = Some(home).filter(|_| is_new);
    let body = if is_empty && !is_upgraded {
        let parts = heads.into_parts();
        if let Some(home) = home
            && parts.codec.keep_alive()
            && parts.read_buf.is_empty()
        {
            writer.give_back(parts.io, home);
        }
        None
    } else {
        let has_length = head.headers().contains_key(header::CONTENT_LENGTH)
            || (is_new && head.headers().contains_key(header::TRANSFER_ENCODING));
        let is_framed = !is_upgraded && has_length;
        let pieces = if is_upgraded {
            Incoming::Raw(heads.into_map_codec(|_| actix_codec::BytesCodec))
        } else {
            Incoming::Framed(heads.into_map_codec(ClientCodec::into_payload_codec))
        };
        // What was upgraded may be silent for as long as both sides like.
        let patience = (!is_upgraded).then(|| Patience { within, since: None, sleep: None });
        Some(AnswerBody { pieces: Some(pieces), writer, home, is_framed, patience, ahead: None })
    };
    Ok(Answer { head, is_upgraded, body })
}

/// Writes a head, with the names of fields as people write them: some servers compare them by letter.
fn put_head(head: &RequestHead, size: BodySize, out: &mut BytesMut) {
    let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    for part in [head.method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for (name, value) in head.headers() {
        let mut begins = true;
        out.extend(name.as_str().bytes().map(|byte| {
            let byte = if begins { byte.to_ascii_uppercase() } else { byte };
            begins = byte == b'-';
            byte
        }));
        for part in [b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    match size {
        BodySize::None => {}
        BodySize::Sized(bytes) => out.extend_from_slice(format!("Content-Length: {bytes}\r\n").as_bytes()),
        BodySize::Stream => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// How a request says what follows its head.
fn size(method: &Method, sending: &Sending) -> BodySize {
    match sending {
        Sending::Nothing if [Method::POST, Method::PUT, Method::PATCH].contains(method) => BodySize::Sized(0),
        Sending::Nothing | Sending::Upgraded(_) => BodySize::None,
        Sending::Whole(body) => BodySize::Sized(body.len() as u64),
        Sending::Pieces(pieces) => pieces.promised().map_or(BodySize::Stream, BodySize::Sized),
    }
}

/// Waits for the head of an answer. As long as a body goes out, nobody is late.
async fn hear(
    heads: &mut Framed<ReadHalf<Connection>, ClientCodec>,
    writer: &mut Writer,
    progress: &Cell<Instant>,
    within: Duration,
) -> Result<ResponseHead, Unanswered> {
    let broken = |error: RelayError| Unanswered { error, is_unheard: false };
    loop {
        let until = progress.get() + within;
        let next = async {
            tokio::select! {
                biased;
                next = heads.next() => Ok(next),
                ended = writer.ended() => Err(ended),
            }
        };
        match timeout_at(until, next).await {
            Ok(Ok(Some(Ok(head)))) => return Ok(head),
            Ok(Ok(Some(Err(error)))) => {
                // A connection that was closed while it was idle says so now.
                let is_unheard = heads.is_read_buf_empty();
                return Err(Unanswered { error: RelayError::Protocol(error.to_string()), is_unheard });
            }
            Ok(Ok(None)) => {
                let error = RelayError::Protocol("the connection was closed".to_owned());
                return Err(Unanswered { error, is_unheard: true });
            }
            // What the upstream did not want to hear to its end, it may have answered.
            Ok(Err(Ok(()) | Err(Unsent::Unheard))) => progress.set(Instant::now()),
            Ok(Err(Err(Unsent::Body(reason)))) => return Err(broken(RelayError::Body(reason))),
            Err(_) if progress.get() + within > until => {}
            Err(_) => return Err(broken(RelayError::Timeout(within))),
        }
    }
}

/// Why a request was not sent to its end.
enum Unsent {
    Body(BodyError),
    Unheard,
}

impl From<io::Error> for Unsent {
    fn from(_: io::Error) -> Self {
        Self::Unheard
    }
}

type Written = Result<WriteHalf<Connection>, Unsent>;

/// What sends a request.
enum Writer {
    Done(WriteHalf<Connection>),
    Going(Task),
    Failed,
}

impl Writer {
    /// Sends what fits into the socket's buffer, which nearly every request does. The rest has a task of its own, so that
    /// an upstream that does not read it can be heard.
    fn start(mut writing: LocalBoxFuture<'static, Written>) -> Result<Self, BodyError> {
        match (&mut writing).now_or_never() {
            Some(Ok(write)) => Ok(Self::Done(write)),
            Some(Err(Unsent::Body(reason))) => Err(reason),
            Some(Err(Unsent::Unheard)) => Ok(Self::Failed),
            None => Ok(Self::Going(Task::spawn(writing))),
        }
    }

    /// Waits for the end of what goes on.
    async fn ended(&mut self) -> Result<(), Unsent> {
        let Self::Going(task) = self else { return std::future::pending().await };
        let ended = (&mut task.0).await;
        match ended {
            Ok(Ok(write)) => {
                *self = Self::Done(write);
                Ok(())
            }
            Ok(Err(error)) => {
                *self = Self::Failed;
                Err(error)
            }
            Err(_) => {
                *self = Self::Failed;
                Err(Unsent::Unheard)
            }
        }
    }

    /// Puts the connection where the next request finds it, if this one was sent.
    fn give_back(mut self, read: ReadHalf<Connection>, home: Home) {
        if let Self::Going(_) = self
            && self.ended().now_or_never().is_none()
        {
            return;
        }
        if let Self::Done(write) = self {
            home.give_back(read.unsplit(write));
        }
    }
}

/// A task that ends with whoever started it.
struct Task(JoinHandle<Written>);

impl Task {
    fn spawn(future: impl Future<Output = Written> + 'static) -> Self {
        Self(actix_rt::spawn(future))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn write_all(mut connection: WriteHalf<Connection>, mut out: BytesMut) -> Written {
    connection.write_all_buf(&mut out).await?;
    connection.flush().await?;
    Ok(connection)
}

/// Sends a head and the pieces of a body, in chunks where nobody promised its length. A body that ends before its
/// end ends the connection: half of it must not pass for all.
async fn write_pieces(
    mut connection: WriteHalf<Connection>,
    mut out: BytesMut,
    pieces: Pieces,
    progress: Rc<Cell<Instant>>,
) -> Written {
    let mut left = pieces.promised();
    loop {
        if !out.is_empty() {
            connection.write_all_buf(&mut out).await?;
            progress.set(Instant::now());
        }
        let broken = match (pieces.next().await, &mut left) {
            // HTTP/2 knows frames without data. A chunk without data would end the request.
            (Some(Ok(piece)), _) if piece.is_empty() => continue,
            (Some(Ok(piece)), None) => {
                out.extend_from_slice(format!("{:X}\r\n", piece.len()).as_bytes());
                out.extend_from_slice(&piece);
                out.extend_from_slice(b"\r\n");
                continue;
            }
            (Some(Ok(piece)), Some(left)) if piece.len() as u64 <= *left => {
                *left -= piece.len() as u64;
                out.extend_from_slice(&piece);
                continue;
            }
            (None, None) => {
                out.extend_from_slice(b"0\r\n\r\n");
                return write_all(connection, out).await;
            }
            (None, Some(0)) => return write_all(connection, out).await,
            (Some(Ok(_)) | None, Some(_)) => BodyError::BrokenOff,
            (Some(Err(error)), _) => error,
        };
        let _ = connection.shutdown().await;
        return Err(Unsent::Body(broken));
    }
}

/// Sends what a client sends, until it ends.
async fn write_upgraded(mut connection: WriteHalf<Connection>, mut stream: LocalBoxStream) -> Written {
    while let Some(Ok(mut piece)) = stream.next().await {
        connection.write_all_buf(&mut piece).await?;
        connection.flush().await?;
    }
    connection.shutdown().await?;
    Ok(connection)
}

/// The body of an answer.
pub struct AnswerBody {
    pieces: Option<Incoming>,
    writer: Writer,
    home: Option<Home>,
    /// Whether its end is told by something else than the end of the connection.
    is_framed: bool,
    patience: Option<Patience>,
    /// What was looked at before its time.
    ahead: Option<Result<Bytes, RelayError>>,
}

enum Incoming {
    Framed(Framed<ReadHalf<Connection>, ClientPayloadCodec>),
    Raw(Framed<ReadHalf<Connection>, actix_codec::BytesCodec>),
}

/// How long to wait for a piece. The timer is set only where there is something to wait for: a client that takes its time
/// over what came is not the upstream's fault.
struct Patience {
    within: Duration,
    since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<RelayError> {
        let until = *self.since.get_or_insert_with(Instant::now) + self.within;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        loop {
            std::task::ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= until {
                return Poll::Ready(RelayError::Timeout(self.within));
            }
            sleep.as_mut().reset(until);
        }
    }
}

impl AnswerBody {
    /// Waits for the first piece, and shows it; none where there is nothing, or nothing good.
    pub async fn begin(&mut self) -> Option<&[u8]> {
        if self.ahead.is_none() {
            self.ahead = self.next().await;
        }
        self.ahead.as_ref()?.as_deref().ok()
    }

    fn end(&mut self) {
        let Some(Incoming::Framed(framed)) = self.pieces.take() else { return };
        let parts = framed.into_parts();
        if parts.codec.keep_alive()
            && parts.read_buf.is_empty()
            && self.is_framed
            && let Some(home) = self.home.take()
        {
            std::mem::replace(&mut self.writer, Writer::Failed).give_back(parts.io, home);
        }
    }
}

impl Stream for AnswerBody {
    type Item = Result<Bytes, RelayError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(piece) = this.ahead.take() {
            return Poll::Ready(Some(piece));
        }
        let next = match &mut this.pieces {
            None => return Poll::Ready(None),
            Some(Incoming::Framed(framed)) => framed.poll_next_unpin(context).map_err(|error| match error {
                actix_http::error::PayloadError::Incomplete(Some(error))
                | actix_http::error::PayloadError::Io(error) => error,
                other => io::Error::other(other.to_string()),
            }),
            Some(Incoming::Raw(framed)) => framed
                .poll_next_unpin(context)
                .map(|next| next.map(|piece| piece.map(|piece| Some(piece.freeze())))),
        };
        match next {
            Poll::Ready(Some(Ok(Some(piece)))) => {
                if let Some(patience) = &mut this.patience {
                    patience.since = None;
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(Some(Ok(None))) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) if !this.is_framed && connection::is_end(&error) => {
                this.pieces = None;
                Poll::Ready(None)
            }
            Poll::Ready(ended) => {
                this.pieces = None;
                let reason = match ended {
                    Some(Err(error)) => error.to_string(),
                    _ => "the connection was closed".to_owned(),
                };
                Poll::Ready(Some(Err(RelayError::Protocol(reason))))
            }
            Poll::Pending => match &mut this.patience {
                None => Poll::Pending,
                Some(patience) => patience.poll_over(context).map(|error| {
                    this.pieces = None;
                    Some(Err(error))
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_upstream_is_late_only_while_somebody_waits_for_it() {
        let within = Duration::from_secs(1);
        let mut patience = Patience { within, since: None, sleep: None };
        let begun = Instant::now();
        let over = std::future::poll_fn(|context| patience.poll_over(context)).await;
        assert!(matches!(over, RelayError::Timeout(_)));
        assert_eq!(begun.elapsed().as_secs(), 1);
        // A piece came, and the client read it for an hour.
        patience.since = None;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let begun = Instant::now();
        std::future::poll_fn(|context| patience.poll_over(context)).await;
        assert_eq!(begun.elapsed().as_secs(), 1);
    }
}
