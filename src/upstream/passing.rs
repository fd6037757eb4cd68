//! Bodies that are passed on: one HTTP/1.1 exchange in which the answer may come before the body's end.
//!
//! awc reads no answer before all of a body is sent, so a service that says no at the sight of the headers would
//! not be heard. Each exchange has a connection of its own: one whose body was not sent to its end is of no
//! further use.

use std::pin::pin;

use actix_codec::{Encoder as _, Framed};
use actix_http::body::BodySize;
use actix_http::error::PayloadError;
use actix_http::h1::{ClientCodec, ClientPayloadCodec, Message, MessageType};
use actix_http::{ConnectionType, RequestHead, ResponseHead};
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Method, header};
use openssl::ssl::SslConnector;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, WriteHalf};
use url::Url;

use super::awc::{host, plain};
use super::connection::connect;
use super::{FetchError, Incoming, answer, shown_url};
use crate::request::body::{BodyError, Pieces};

/// What goes before the body.
pub(super) struct Head<'h> {
    /// Method.
    pub(super) method: &'h Method,
    /// http or https, without userinfo and fragment.
    pub(super) url: &'h Url,
    /// Header fields, without what frames the message.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Connects, passes the body on and reads an answer of at most `limit` bytes. Waits for as long as it takes.
pub(super) async fn exchange(
    head: Head<'_>,
    pieces: &Pieces,
    tls: Option<&SslConnector>,
    limit: usize,
) -> Result<Incoming, FetchError> {
    let url = shown_url(head.url.as_str());
    let unreachable = |reason: String| FetchError::Connect { url: url.clone(), reason };
    let host = head.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = head.url.port_or_known_default().unwrap_or_default();
    let connection =
        connect(host, port, tls).await.map_err(|error| unreachable(plain(&error.to_string())))?;
    converse(connection, head, pieces, &url, limit).await
}

async fn converse<C: AsyncRead + AsyncWrite>(
    connection: C,
    head: Head<'_>,
    pieces: &Pieces,
    url: &str,
    limit: usize,
) -> Result<Incoming, FetchError> {
    let (read, write) = tokio::io::split(connection);
    let answer = pin!(hear(read, url, limit));
    match select(pin!(say(write, head, pieces)), answer).await {
        // Nobody takes an answer to half a body for one to all of it.
        Either::Left((Err(Unsaid::Body(reason)), _)) => Err(FetchError::Body { url: url.to_owned(), reason }),
        // The service may have said why it listens no longer.
        Either::Left((Ok(()) | Err(Unsaid::Unheard), answer)) => answer.await,
        Either::Right((answer, _)) => answer,
    }
}

/// Why a request was not sent to its end.
enum Unsaid {
    Body(BodyError),
    Unheard,
}

impl From<std::io::Error> for Unsaid {
    fn from(_: std::io::Error) -> Self {
        Self::Unheard
    }
}

async fn say<C: AsyncWrite>(
    mut connection: WriteHalf<C>,
    head: Head<'_>,
    pieces: &Pieces,
) -> Result<(), Unsaid> {
    let size = pieces.promised().map_or(BodySize::Stream, BodySize::Sized);
    let mut codec = ClientCodec::default();
    let mut out = BytesMut::new();
    codec.encode(Message::Item((request(head).into(), size)), &mut out)?;
    loop {
        connection.write_all_buf(&mut out).await?;
        let piece = pieces.next().await.transpose().map_err(Unsaid::Body)?;
        let end = piece.is_none();
        codec.encode(Message::Chunk(piece), &mut out)?;
        if end {
            connection.write_all_buf(&mut out).await?;
            return Ok(connection.flush().await?);
        }
    }
}

fn request(head: Head<'_>) -> RequestHead {
    let mut request = RequestHead::default();
    request.method = head.method.clone();
    request.uri = head.url.as_str().parse().unwrap_or_default();
    request.set_connection_type(ConnectionType::Close);
    if let Ok(host) = HeaderValue::from_str(&host(head.url)) {
        request.headers.insert(header::HOST, host);
    }
    for (name, value) in head.headers {
        request.headers.append(name, value);
    }
    request
}

async fn hear(read: impl AsyncRead + Unpin, url: &str, limit: usize) -> Result<Incoming, FetchError> {
    let broken =
        |reason: &dyn ToString| FetchError::Protocol { url: url.to_owned(), reason: reason.to_string() };
    let mut heads = Framed::new(read, ClientCodec::default());
    let head: ResponseHead = loop {
        match heads.next().await {
            Some(Ok(head)) if head.status.is_informational() => {}
            Some(Ok(head)) => break head,
            Some(Err(error)) => return Err(broken(&error)),
            None => return Err(broken(&"the connection was closed")),
        }
    };
    let headers = head.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let status = head.status.as_u16();
    let has_body = heads.codec_ref().message_type() != MessageType::None;
    let pieces = has_body.then(|| heads.into_map_codec(ClientCodec::into_payload_codec));
    answer::read(url, status, headers, body(pieces), limit, has_body).await
}

type Piece = Result<Bytes, PayloadError>;

/// The pieces of an answer's body, if it has one.
fn body<R: AsyncRead + Unpin>(
    framed: Option<Framed<R, ClientPayloadCodec>>,
) -> impl futures_util::Stream<Item = Piece> {
    stream::unfold(framed, move |framed| async move {
        let mut framed = framed?;
        match framed.next().await? {
            Ok(piece) => Some((Ok(piece?), Some(framed))),
            Err(error) => Some((Err(error), None)),
        }
    })
}
