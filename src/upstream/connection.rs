//! Connections out: TCP, and TLS on top for https, that put right what awc would take for something else.
//!
//! - awc takes a connection that is closed between two chunks of an answer for the end of the answer. So the end is an
//!   error of its own here, and who reads an answer knows whether it may end so.
//! - It takes an interim answer (RFC 9110 section 15.2) for the answer, and would give the one that follows to whoever
//!   is next on the connection: one caller's session to another. Interim answers end here.
//! - It takes an answer without a length for one without a body, with the same end. Such a body ends with its connection
//!   (RFC 9112 section 6.3), which awc knows of HTTP/1.0 only; so that is what it gets to see.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_rt::net::{ActixStream, Ready};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection as Connected};
use bytes::{Buf as _, BytesMut};
use futures_util::future::LocalBoxFuture;
use http::Uri;
use openssl::ssl::SslConnector;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    head: Head,
    /// Whether there is an answer to each request, and not one in all.
    is_kept: bool,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<SslStream<TcpStream>>),
}

/// What is done with the head of an answer.
#[derive(Debug)]
enum Head {
    /// It is waited for; these bytes came.
    Awaited(BytesMut),
    /// It was looked at, and is handed on.
    Seen(BytesMut),
    /// It was handed on.
    Passed,
}

/// After how long the other end of a silent connection is asked whether it is still there.
const VANISHED: Duration = Duration::from_secs(60);
/// A longer head is no answer.
const LONGEST_HEAD: usize = 64 << 10;

/// Connects to a host, a name or an address without brackets, for one request.
pub(super) async fn connect(host: &str, port: u16, tls: Option<&SslConnector>) -> io::Result<Connection> {
    let stream = open(host, port, tls).await?;
    Ok(Connection { stream, head: Head::Awaited(BytesMut::new()), is_kept: false })
}

async fn open(host: &str, port: u16, tls: Option<&SslConnector>) -> io::Result<Stream> {
    let connection = TcpStream::connect((host, port)).await?;
    // Only costs time.
    let _ = connection.set_nodelay(true);
    let _ = SockRef::from(&connection).set_tcp_keepalive(&TcpKeepalive::new().with_time(VANISHED));
    let Some(tls) = tls else { return Ok(Stream::Plain(connection)) };
    let secured = tls.configure().and_then(|tls| tls.into_ssl(host));
    let mut secured = Box::new(SslStream::new(secured?, connection)?);
    poll_fn(|context| Pin::new(&mut *secured).poll_connect(context))
        .await
        .map_err(|error| error.into_io_error().unwrap_or_else(io::Error::other))?;
    Ok(Stream::Tls(secured))
}

impl Connection {
    /// What comes next is the answer to another request.
    pub(super) fn expect_answer(&mut self) {
        self.head = Head::Awaited(BytesMut::new());
    }

    /// Whether the other side neither closed the connection nor said anything unasked, be it a part of a head or an
    /// interim answer.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut byte = [0; 1];
        self.stream.poll_some(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

/// The same for awc, which keeps the connections and asks for one by URL.
#[derive(Clone)]
pub(super) struct Connector {
    /// Every connection has TLS where this is set, whatever the URL's scheme.
    pub(super) tls: Option<SslConnector>,
}

impl Service<ConnectInfo<Uri>> for Connector {
    type Response = Connected<Uri, Connection>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_service::always_ready!();

    fn call(&self, to: ConnectInfo<Uri>) -> Self::Future {
        let tls = self.tls.clone();
        Box::pin(async move {
            let host = to.hostname().trim_matches(['[', ']']);
            let connected = connect(host, to.port(), tls.as_ref()).await.map_err(ConnectError::Io)?;
            let connected = Connection { is_kept: true, ..connected };
            Ok(Connected::new(to.request().clone(), connected))
        })
    }
}

/// The other side has closed the connection.
#[derive(Debug)]
struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was closed")
    }
}

impl Error for Ended {}

/// Whether an error says that the other side has closed the connection, as it may.
pub(super) fn is_end(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Ended>)
}

impl Stream {
    /// Reads what is there; the end is an error.
    fn poll_some(&mut self, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let full = into.remaining() == 0;
        ready!(match self {
            Self::Plain(connection) => Pin::new(connection).poll_read(context, into),
            Self::Tls(connection) => Pin::new(&mut **connection).poll_read(context, into),
        })?;
        if into.filled().len() == before && !full {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, Ended)));
        }
        Poll::Ready(Ok(()))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(connection) => connection,
            Self::Tls(connection) => connection.get_ref(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.head {
                Head::Passed => return this.stream.poll_some(context, into),
                Head::Seen(bytes) => {
                    into.put_slice(&bytes.split_to(bytes.len().min(into.remaining())));
                    if bytes.is_empty() {
                        this.head = Head::Passed;
                    }
                    return Poll::Ready(Ok(()));
                }
                Head::Awaited(bytes) => {
                    let mut piece = [0; 4096];
                    let mut piece = ReadBuf::new(&mut piece);
                    let seen = match ready!(this.stream.poll_some(context, &mut piece)) {
                        Ok(()) => {
                            bytes.extend_from_slice(piece.filled());
                            look_at_head(bytes)?
                        }
                        // Half a head, for who reads it to complain about.
                        Err(error) if is_end(&error) && !bytes.is_empty() => true,
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    if seen {
                        this.head = Head::Seen(std::mem::take(bytes));
                    }
                }
            }
        }
    }
}

/// Takes interim answers away, and says whether all of a head is there that may be handed on.
fn look_at_head(bytes: &mut BytesMut) -> io::Result<bool> {
    const STATUS: std::ops::Range<usize> = 9..12;
    loop {
        let begin = bytes.get(..7).unwrap_or(bytes);
        if !b"HTTP/1.".starts_with(begin) {
            // Not even an empty line: who reads it would pass over that, to an interim answer.
            return Err(io::Error::other("what comes is no answer"));
        }
        let Some(end) = end_of_head(bytes) else {
            let too_long = || io::Error::other("the head of the answer is too long");
            return if bytes.len() > LONGEST_HEAD { Err(too_long()) } else { Ok(false) };
        };
        match bytes.get(STATUS) {
            Some([b'1', tens, ones]) if [*tens, *ones] != *b"01" => bytes.advance(end),
            Some(b"204" | b"304" | b"101") => return Ok(true),
            _ => {
                let (head, version) = (bytes.get(..end).unwrap_or_default(), bytes.get(7));
                if version == Some(&b'0') && names(head, "transfer-encoding", |_| true) {
                    // Of that time nobody can say what it means (RFC 9112 section 6.1).
                    return Err(io::Error::other("HTTP/1.0 has no transfer codings"));
                }
                let has_length = has_length(head);
                if let Some(version) = bytes.get_mut(7).filter(|_| !has_length) {
                    *version = b'0';
                }
                return Ok(true);
            }
        }
    }
}

/// Where the body begins: after the first empty line.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let ends = memchr::memchr_iter(b'\n', bytes);
    ends.map(|at| at + 1).find_map(|line| match bytes.get(line..)? {
        [b'\n', ..] => Some(line + 1),
        [b'\r', b'\n', ..] => Some(line + 2),
        _ => None,
    })
}

/// Whether a head says where its body ends.
fn has_length(head: &[u8]) -> bool {
    names(head, "content-length", |_| true)
        || names(head, "transfer-encoding", |coding| !coding.eq_ignore_ascii_case(b"identity"))
}

/// Whether a head has a field of a name, in lower case, with such a value.
fn names(head: &[u8], name: &str, has: impl Fn(&[u8]) -> bool) -> bool {
    head.split(|byte| *byte == b'\n').skip(1).any(|line| {
        let (found, value) = line.split_at(memchr::memchr(b':', line).unwrap_or(line.len()));
        found.trim_ascii().eq_ignore_ascii_case(name.as_bytes())
            && has(value.get(1..).unwrap_or_default().trim_ascii())
    })
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_kept && matches!(this.head, Head::Passed) {
            this.expect_answer();
        }
        match &mut this.stream {
            Stream::Plain(connection) => Pin::new(connection).poll_write(context, bytes),
            Stream::Tls(connection) => Pin::new(&mut **connection).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(connection) => Pin::new(connection).poll_flush(context),
            Stream::Tls(connection) => Pin::new(&mut **connection).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(connection) => Pin::new(connection).poll_shutdown(context),
            Stream::Tls(connection) => Pin::new(&mut **connection).poll_shutdown(context),
        }
    }
}

impl ActixStream for Connection {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.stream.socket(), context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.stream.socket(), context)
    }
}

#[cfg(test)]
mod tests;
