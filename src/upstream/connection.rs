//! Connections out: TCP, and TLS on top for https, that say so when they end.
//!
//! awc takes a connection that is closed between two chunks of an answer for the end of the answer. So the end is an
//! error of its own here, and who reads an answer knows whether it may end so.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_rt::net::{ActixStream, Ready};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection as Connected};
use futures_util::future::LocalBoxFuture;
use http::Uri;
use openssl::ssl::SslConnector;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// A connection that is open.
#[derive(Debug)]
pub(super) enum Connection {
    Plain(TcpStream),
    Tls(Box<SslStream<TcpStream>>),
}

/// Connects to a host, a name or an address without brackets.
pub(super) async fn connect(host: &str, port: u16, tls: Option<&SslConnector>) -> io::Result<Connection> {
    let connection = TcpStream::connect((host, port)).await?;
    // Only costs time.
    let _ = connection.set_nodelay(true);
    let Some(tls) = tls else { return Ok(Connection::Plain(connection)) };
    let secured = tls.configure().and_then(|tls| tls.into_ssl(host));
    let mut secured = Box::new(SslStream::new(secured?, connection)?);
    poll_fn(|context| Pin::new(&mut *secured).poll_connect(context))
        .await
        .map_err(|error| error.into_io_error().unwrap_or_else(io::Error::other))?;
    Ok(Connection::Tls(secured))
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

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let full = into.remaining() == 0;
        ready!(match self.get_mut() {
            Self::Plain(connection) => Pin::new(connection).poll_read(context, into),
            Self::Tls(connection) => Pin::new(&mut **connection).poll_read(context, into),
        })?;
        if into.filled().len() == before && !full {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, Ended)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(connection) => Pin::new(connection).poll_write(context, bytes),
            Self::Tls(connection) => Pin::new(&mut **connection).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(connection) => Pin::new(connection).poll_flush(context),
            Self::Tls(connection) => Pin::new(&mut **connection).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(connection) => Pin::new(connection).poll_shutdown(context),
            Self::Tls(connection) => Pin::new(&mut **connection).poll_shutdown(context),
        }
    }
}

impl ActixStream for Connection {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.socket(), context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.socket(), context)
    }
}

impl Connection {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(connection) => connection,
            Self::Tls(connection) => connection.get_ref(),
        }
    }
}
