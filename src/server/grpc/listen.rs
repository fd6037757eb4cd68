//! The listener: an address or a unix socket, with TLS or without.

use std::io;
use std::rc::Rc;

use actix_server::ServerBuilder;
use actix_service::fn_service;
use openssl::ssl::SslAcceptor;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::connection::{Times, Wire, serve};
use crate::config::Listener;
use crate::server::listen::{Address, Fault, accept, acceptor, bind, bind_socket};
use crate::server::worker::MakeWorker;

const NAME: &str = "grpc";
/// What is spoken over TLS, as ALPN lists it.
const PROTOCOLS: &[u8] = b"\x02h2";

/// Adds the listener to a server, and gives the addresses that it has. What a connection ends with is its own
/// affair: nothing about it is an error of the server.
pub(in crate::server) fn add(
    server: ServerBuilder,
    listener: &Listener,
    address: &Address,
    make: &MakeWorker,
) -> Result<(ServerBuilder, Vec<String>), Fault> {
    let times = Times::of(listener.read_timeout, listener.idle_timeout, server.graceful_shutdown_signal());
    let make = MakeWorker::clone(make);
    match address {
        Address::Socket(path) => {
            let bound = bind_socket(path, listener.socket_mode)?;
            let server = server.listen_uds(NAME, bound, move || {
                let (worker, times) = (make(), times.clone());
                fn_service(move |io: UnixStream| {
                    let (worker, times) = (Rc::clone(&worker), times.clone());
                    async move {
                        serve(Box::new(io), None, worker, times).await;
                        Ok::<_, io::Error>(())
                    }
                })
            })?;
            Ok((server, vec![format!("unix:{}", path.display())]))
        }
        Address::Tcp(host, port) => {
            let tls = listener.tls.as_ref().map(|tls| acceptor(tls, PROTOCOLS)).transpose();
            let tls = tls.map_err(Fault::Tls)?;
            let scheme = if tls.is_some() { "https" } else { "http" };
            let bound = bind(host, *port)?;
            let addresses = bound.iter().map(|b| Ok(format!("{scheme}://{}", b.local_addr()?)));
            let addresses = addresses.collect::<io::Result<_>>()?;
            let server = bound.into_iter().try_fold(server, |server, bound| {
                let (times, make, tls) = (times.clone(), MakeWorker::clone(&make), tls.clone());
                server.listen(NAME, bound, move || {
                    let (worker, times, tls) = (make(), times.clone(), tls.clone());
                    fn_service(move |io: TcpStream| {
                        let (worker, times, tls) = (Rc::clone(&worker), times.clone(), tls.clone());
                        async move {
                            // Small answers must not wait for more.
                            let _ = io.set_nodelay(true);
                            let peer = io.peer_addr().ok().map(|peer| peer.ip());
                            if let Some(wire) = wire(io, tls.as_ref(), &times).await {
                                serve(wire, peer, worker, times).await;
                            }
                            Ok::<_, io::Error>(())
                        }
                    })
                })
            })?;
            Ok((server, addresses))
        }
    }
}

async fn wire(io: TcpStream, tls: Option<&SslAcceptor>, times: &Times) -> Option<Box<dyn Wire>> {
    let Some(tls) = tls else { return Some(Box::new(io)) };
    let stream = timeout(times.read, accept(io, tls)).await.ok()?.ok()?;
    Some(Box::new(stream))
}
