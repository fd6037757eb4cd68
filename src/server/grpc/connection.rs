//! Connections: HTTP/2 from the first byte, many calls at a time, and an end that waits for those under way.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use actix_server::GracefulShutdownSignal;
use actix_web::rt;
use h2::server::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};

use super::call;
use crate::server::worker::Worker;

/// Calls under way on one connection. Envoy opens another one beyond.
const CALLS: u32 = 1000;
/// The longest head of a call, which says nothing about the request: names and traces.
const HEAD_BYTES: u32 = 64 * 1024;
/// What stands for no limit: eight years.
const NEVER: Duration = Duration::from_secs(1 << 28);

/// What connections are made of: one type for all of them, since HTTP/2 is compiled for each.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Wire for T {}

/// How long connections may take for what.
#[derive(Clone)]
pub(super) struct Times {
    /// To begin, and to send a question.
    pub(super) read: Duration,
    /// To stay without one.
    pub(super) idle: Duration,
    /// When the server ends.
    pub(super) ending: GracefulShutdownSignal,
}

impl Times {
    /// The same with a limit instead of none.
    pub(super) fn of(read: Duration, idle: Duration, ending: GracefulShutdownSignal) -> Self {
        let limit = |time: Duration| if time.is_zero() { NEVER } else { time.min(NEVER) };
        Self { read: limit(read), idle: limit(idle), ending }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(wire: Box<dyn Wire>, peer: Option<IpAddr>, worker: Rc<Worker>, times: Times) {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(CALLS).max_header_list_size(HEAD_BYTES);
    let Ok(Ok(mut connection)) = timeout(times.read, builder.handshake(wire)).await else { return };
    // One owner more for each call under way.
    let calls = Rc::new(());
    let mut busy = Instant::now();
    let mut ended = false;
    let mut ending = pin!(times.ending.notified());
    let mut idle = pin!(sleep(times.idle));
    loop {
        tokio::select! {
            call = connection.accept() => {
                let Some(Ok((request, respond))) = call else { break };
                busy = Instant::now();
                let (call, worker, patience) = (Rc::clone(&calls), Rc::clone(&worker), times.read);
                rt::spawn(async move {
                    call::answer(request, respond, peer, &worker, patience).await;
                    drop(call);
                });
            }
            () = &mut ending, if !ended => {
                ended = true;
                connection.graceful_shutdown();
            }
            () = &mut idle => {
                let now = Instant::now();
                if Rc::strong_count(&calls) > 1 {
                    busy = now;
                } else if ended && now >= busy + times.read {
                    // It was told to end and does not.
                    return;
                } else if !ended && now >= busy + times.idle {
                    ended = true;
                    busy = now;
                    connection.graceful_shutdown();
                }
                idle.as_mut().reset(busy + if ended { times.read } else { times.idle });
            }
        }
    }
    let _ = poll_fn(|cx| connection.poll_closed(cx)).await;
}
