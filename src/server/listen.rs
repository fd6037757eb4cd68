//! Listeners: addresses, unix sockets, TLS, HTTP/1 and HTTP/2, timeouts.

use std::fmt;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use openssl::pkey::PKey;
use openssl::ssl::{AlpnError, Ssl, SslAcceptor, SslMethod, select_next_proto};
use openssl::x509::X509;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::fields::{self, Fitting};
use super::reply::response;
use super::streams::Streams;
use super::worker::{self, Front, MakeWorker};
use crate::config::{Listener, Tls};
use crate::pipeline::errors::json::error_body;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 2048;
/// After how long the other end of a silent connection is asked whether it is still there.
const VANISHED: Duration = Duration::from_secs(60);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// How long a client of the proxy that still sends may take to read its answer to the end: an upstream may have answered
/// early, and a connection that is closed on unread bytes takes back what was answered.
const LINGER: Duration = Duration::from_secs(5);
/// What HTTP/2 clients that know the server for one begin with (RFC 9113 section 3.4), as far as it is needed
/// to tell them apart from all others.
const PREFACE: &[u8; 12] = b"PRI * HTTP/2";
/// What is spoken over TLS, as ALPN lists it, the best first.
const PROTOCOLS: &[u8] = b"\x02h2\x08http/1.1";

/// HTTP over connections of any kind. No function: the types in between cannot be named.
macro_rules! http {
    ($times:expr, $make:expr, $tls:expr) => {{
        let worker = $make();
        // Who goes away while an upstream works is not waited for. A gateway that only asks may have no more to say.
        let is_proxy = matches!(worker.front, Front::Proxy(_));
        // Without extractors and a route around it, which cost each request a few allocations.
        let app = App::new().default_service(fn_service(move |mut request: ServiceRequest| {
            let worker = Rc::clone(&worker);
            async move {
                let unfolded = fields::unfold(request.headers_mut());
                let (request, payload) = request.into_parts();
                let response = match unfolded {
                    Ok(()) => worker::serve(&request, payload, &worker, $tls).await,
                    Err(_) => response(error_body(400, "A header field is malformed", None, None), false),
                };
                Ok::<_, actix_web::Error>(ServiceResponse::new(request, response))
            }
        }));
        let app = app.into_factory().map_err(|error| error.error_response());
        let ending = $times.ending.clone();
        HttpService::build()
            .keep_alive($times.idle)
            .client_request_timeout($times.read)
            .h1_allow_half_closed(!is_proxy)
            .client_disconnect_timeout(if is_proxy { LINGER } else { Duration::ZERO })
            .graceful_shutdown_signal(move || {
                let ending = ending.clone();
                async move { ending.notified().await }
            })
            .finish(map_config(app, |()| AppConfig::default()))
    }};
}

/// Where a listener can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String, u16),
    /// A unix socket.
    Socket(PathBuf),
}

impl Address {
    /// The address to bind. An empty host means all interfaces: both IP versions where the machine has both.
    pub fn of(listener: &Listener) -> Self {
        if let Some(path) = listener.socket() {
            return Self::Socket(path.to_owned());
        }
        let host = match listener.host.as_str() {
            "" if TcpListener::bind(("::", 0)).is_ok() => "::",
            "" => "0.0.0.0",
            host => host.trim_matches(['[', ']']),
        };
        Self::Tcp(host.to_owned(), listener.port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why nothing listens.
#[derive(Debug)]
pub enum Fault {
    /// The address cannot be had.
    Address(io::Error),
    /// Certificate and key do not go together.
    Tls(openssl::error::ErrorStack),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Address(error)
    }
}

/// Adds a listener to a server, and gives the addresses that it has.
pub fn add(
    server: ServerBuilder,
    name: &'static str,
    listener: &Listener,
    address: &Address,
    make: &MakeWorker,
) -> Result<(ServerBuilder, Vec<String>), Fault> {
    let times = Times::of(listener, &server);
    let make = MakeWorker::clone(make);
    match address {
        Address::Socket(path) => {
            let bound = bind_socket(path, listener.socket_mode)?;
            let server = server.listen_uds(name, bound, move || {
                fn_service(|io| async { Ok(connection(io, false, None)) }).and_then(http!(times, make, false))
            })?;
            Ok((server, vec![format!("unix:{}", path.display())]))
        }
        Address::Tcp(host, port) => {
            let tls =
                listener.tls.as_ref().map(|tls| acceptor(tls, PROTOCOLS)).transpose().map_err(Fault::Tls)?;
            let scheme = if tls.is_some() { "https" } else { "http" };
            let bound = bind(host, *port)?;
            let addresses = bound.iter().map(|b| Ok(format!("{scheme}://{}", b.local_addr()?)));
            let addresses = addresses.collect::<io::Result<_>>()?;
            let server = bound.into_iter().try_fold(server, |server, bound| {
                let (times, make) = (times.clone(), MakeWorker::clone(&make));
                match tls.clone() {
                    Some(tls) => server.listen(name, bound, move || {
                        let tls = tls.clone();
                        fn_service(move |io| encrypted(io, tls.clone())).and_then(http!(times, make, true))
                    }),
                    None => server.listen(name, bound, move || {
                        let own = times.clone();
                        fn_service(move |io| told_apart(io, own.clone())).and_then(http!(times, make, false))
                    }),
                }
            })?;
            Ok((server, addresses))
        }
    }
}

/// A connection, what is spoken over it, and with whom.
type Connection<S> = (Fitting<Streams<S>>, Protocol, Option<SocketAddr>);

fn connection<S>(io: S, http2: bool, peer: Option<SocketAddr>) -> Connection<S> {
    let protocol = if http2 { Protocol::Http2 } else { Protocol::Http1 };
    (Fitting::new(Streams::new(io, http2)), protocol, peer)
}

/// How long connections may take for what.
#[derive(Clone)]
struct Times {
    read: Duration,
    idle: Duration,
    ending: GracefulShutdownSignal,
}

impl Times {
    fn of(listener: &Listener, server: &ServerBuilder) -> Self {
        let ending = server.graceful_shutdown_signal();
        Self { read: listener.read_timeout, idle: listener.idle_timeout, ending }
    }
}

/// HTTP/1 and HTTP/2 in clear text, told apart by the first bytes. Who sends none is not waited for, less so
/// when the server ends.
async fn told_apart(io: TcpStream, times: Times) -> Result<Connection<TcpStream>, DispatchError> {
    let mut first = [0; PREFACE.len()];
    tokio::select! {
        read = timeout(times.read, io.peek(&mut first)) => match read {
            Ok(read) => read.map_err(DispatchError::Io)?,
            Err(_) => return Err(DispatchError::SlowRequestTimeout),
        },
        () = times.ending.notified() => return Err(DispatchError::DisconnectTimeout),
    };
    // A preface comes in one piece, or its sender is no HTTP/2 client worth waiting for.
    let http2 = first == *PREFACE;
    settle(&io);
    let peer = io.peer_addr().ok();
    Ok(connection(io, http2, peer))
}

/// HTTP/1 and HTTP/2 over TLS, told apart by what was agreed on.
async fn encrypted(
    io: TcpStream,
    tls: SslAcceptor,
) -> Result<Connection<SslStream<TcpStream>>, DispatchError> {
    settle(&io);
    let peer = io.peer_addr().ok();
    let Ok(accepted) = timeout(HANDSHAKE, accept(io, &tls)).await else {
        return Err(DispatchError::SlowRequestTimeout);
    };
    let io = accepted?;
    let http2 = io.ssl().selected_alpn_protocol() == Some(b"h2");
    Ok(connection(io, http2, peer))
}

/// Small answers must not wait for more, and who vanished without a word must be found out: nobody else looks after a
/// connection that was upgraded.
fn settle(io: &TcpStream) {
    let _ = io.set_nodelay(true);
    let _ = SockRef::from(io).set_tcp_keepalive(&TcpKeepalive::new().with_time(VANISHED));
}

/// The server's side of a TLS handshake.
pub(super) async fn accept(io: TcpStream, tls: &SslAcceptor) -> io::Result<SslStream<TcpStream>> {
    let mut stream = SslStream::new(Ssl::new(tls.context())?, io)?;
    Pin::new(&mut stream).accept().await.map_err(io::Error::other)?;
    Ok(stream)
}

/// An acceptor for a certificate chain and its key: TLS 1.2 and later, Mozilla's intermediate ciphers. What is
/// spoken over it, as ALPN lists it.
pub(super) fn acceptor(
    tls: &Tls,
    protocols: &'static [u8],
) -> Result<SslAcceptor, openssl::error::ErrorStack> {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    let chain = X509::stack_from_pem(&tls.cert)?;
    let mut certificates = chain.into_iter();
    if let Some(leaf) = certificates.next() {
        acceptor.set_certificate(&leaf)?;
    }
    for certificate in certificates {
        acceptor.add_extra_chain_cert(certificate)?;
    }
    acceptor.set_private_key(PKey::private_key_from_pem(tls.key.expose())?.as_ref())?;
    acceptor.check_private_key()?;
    acceptor
        .set_alpn_select_callback(|_, offered| select_next_proto(protocols, offered).ok_or(AlpnError::NOACK));
    Ok(acceptor.build())
}

/// Listens on all addresses of a host.
pub(super) fn bind(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut bound = Vec::new();
    let mut failed = None;
    for address in (host, port).to_socket_addrs()? {
        match listen(address) {
            Ok(listener) => bound.push(listener),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if bound.is_empty() => Err(error),
        _ if bound.is_empty() => Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address")),
        _ => Ok(bound),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    // A port is free again as soon as the server that had it has ended.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Listens on a unix socket that only those may use whom `mode` lets. What another server left behind is
/// removed; what one is still using, or what is no socket, is not.
pub(super) fn bind_socket(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => return Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => std::fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Tells on standard output where a listener accepts connections: with port 0 nobody could know.
pub fn announce(name: &str, addresses: &[String]) {
    let mut out = io::stdout().lock();
    for address in addresses {
        // A closed standard output is no reason to stop serving.
        let _ = writeln!(out, "okgate: serving {name} on {address}");
    }
    let _ = out.flush();
}
