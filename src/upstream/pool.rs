//! Connections to upstreams of the proxy: opened when they are needed, kept for the next request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use actix_http::RequestHead;
use http::Method;
use tokio::time::{Instant, sleep, timeout};

use super::awc::plain;
use super::connection::{Connection, connect};
use super::relay::{Answer, RelayError, Sending, converse};
use super::tls::{Outbound, Trust};

/// How long an unused connection is kept: less than servers usually do.
const IDLE: Duration = Duration::from_secs(45);
/// How many unused connections are kept for one upstream, and for all of them.
const MOST_FOR_ONE: usize = 64;
const MOST: usize = 512;

/// Where a request goes.
#[derive(Clone, Copy)]
pub struct Destination<'d> {
    /// Scheme, host and port: what connections are told apart by.
    pub origin: &'d str,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: &'d str,
    /// Port.
    pub port: u16,
}

/// How long what may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// To connect, TLS included.
    pub connect: Duration,
    /// To begin an answer, and between two pieces of it.
    pub answer: Duration,
}

/// One worker's connections.
#[derive(Clone)]
pub struct Pool {
    outbound: Arc<Outbound>,
    idle: Rc<RefCell<Idle>>,
}

#[derive(Default)]
struct Idle {
    by_origin: HashMap<Box<str>, Vec<Kept>>,
    count: usize,
    /// Whether somebody looks after them.
    is_swept: bool,
}

struct Kept {
    connection: Connection,
    /// Whom it was made to trust, if it has TLS.
    trust: Option<Arc<Trust>>,
    since: Instant,
}

/// Where a connection goes when it is of no further use.
pub(super) struct Home {
    idle: Rc<RefCell<Idle>>,
    origin: Box<str>,
    trust: Option<Arc<Trust>>,
}

impl Home {
    pub(super) fn give_back(self, mut connection: Connection) {
        connection.expect_answer();
        let mut idle = self.idle.borrow_mut();
        if idle.count >= MOST {
            return;
        }
        let kept = Kept { connection, trust: self.trust, since: Instant::now() };
        let list = idle.by_origin.entry(self.origin).or_default();
        if list.len() < MOST_FOR_ONE {
            list.push(kept);
            idle.count += 1;
        }
        if !idle.is_swept {
            idle.is_swept = true;
            actix_rt::spawn(sweep(Rc::downgrade(&self.idle)));
        }
    }
}

impl Pool {
    /// No connections yet.
    pub fn new(outbound: Arc<Outbound>) -> Self {
        Self { outbound, idle: Rc::default() }
    }

    /// Sends a request, once more if that is safe and a kept connection turns out to be closed, and waits until the
    /// answer begins.
    pub async fn send(
        &self,
        to: Destination<'_>,
        head: RequestHead,
        sending: Sending,
        limits: Limits,
    ) -> Result<Answer, RelayError> {
        let head = Rc::new(head);
        let trust = to.tls.then(|| self.outbound.current());
        let home = || Home { idle: Rc::clone(&self.idle), origin: to.origin.into(), trust: trust.clone() };
        // An upgrade is for the life of a connection, which therefore has to have one ahead.
        let kept = match &sending {
            Sending::Upgraded(_) => None,
            _ => self.idle.borrow_mut().take(to.origin, trust.as_ref()),
        };
        let mut sending = sending;
        if let Some(kept) = kept {
            let again = again(&head.method, &sending);
            match converse(kept, Rc::clone(&head), sending, limits.answer, home()).await {
                Err(unanswered) if unanswered.is_unheard => match again {
                    Some(again) => sending = again,
                    None => return Err(unanswered.error),
                },
                answer => return answer.map_err(|unanswered| unanswered.error),
            }
        }
        let connection = self.open(to, trust.as_deref(), limits.connect).await?;
        converse(connection, head, sending, limits.answer, home())
            .await
            .map_err(|unanswered| unanswered.error)
    }

    async fn open(
        &self,
        to: Destination<'_>,
        trust: Option<&Trust>,
        within: Duration,
    ) -> Result<Connection, RelayError> {
        let tls = trust.map(Trust::connector).transpose();
        let tls = tls.map_err(|error| RelayError::Connect(format!("TLS cannot be set up: {error}")))?;
        match timeout(within, connect(to.host, to.port, tls)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(RelayError::Connect(plain(&error.to_string()))),
            Err(_) => Err(RelayError::Timeout(within)),
        }
    }
}

/// What to send once more, where that does no harm (RFC 9110 section 9.2.2).
fn again(method: &Method, sending: &Sending) -> Option<Sending> {
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method);
    match sending {
        Sending::Nothing if is_safe => Some(Sending::Nothing),
        _ => None,
    }
}

impl Idle {
    /// A connection that is still open.
    fn take(&mut self, origin: &str, trust: Option<&Arc<Trust>>) -> Option<Connection> {
        let now = Instant::now();
        let list = self.by_origin.get_mut(origin)?;
        while let Some(mut kept) = list.pop() {
            self.count -= 1;
            let trusted = match (&kept.trust, trust) {
                (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                (old, new) => old.is_none() && new.is_none(),
            };
            if trusted && now - kept.since < IDLE && kept.connection.is_quiet() {
                return Some(kept.connection);
            }
        }
        None
    }

    /// Closes what nobody used for long, or the other side closed.
    fn sweep(&mut self, now: Instant) {
        self.by_origin.retain(|_, list| {
            list.retain_mut(|kept| now - kept.since < IDLE && kept.connection.is_quiet());
            !list.is_empty()
        });
        self.count = self.by_origin.values().map(Vec::len).sum();
    }
}

/// Sweeps as long as there is something.
async fn sweep(idle: Weak<RefCell<Idle>>) {
    loop {
        sleep(IDLE / 2).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = idle.borrow_mut();
        idle.sweep(Instant::now());
        if idle.count == 0 {
            idle.is_swept = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_connection_that_nobody_uses_is_closed_after_a_while() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut piece = [0; 1000];
            let _ = stream.read(&mut piece).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            stream.read(&mut piece).unwrap()
        });
        actix_rt::System::new().block_on(async move {
            let pool = Pool::new(Arc::default());
            let to = Destination { origin: "http://127.0.0.1", tls: false, host: "127.0.0.1", port };
            let limits = Limits { connect: IDLE, answer: IDLE };
            let answer = pool.send(to, RequestHead::default(), Sending::Nothing, limits).await.unwrap();
            assert_eq!((answer.head.status.as_u16(), pool.idle.borrow().count), (200, 1));
            tokio::time::pause();
            sleep(IDLE / 3).await;
            assert_eq!(pool.idle.borrow().count, 1);
            sleep(IDLE * 2).await;
            assert_eq!(pool.idle.borrow().count, 0);
            assert!(!pool.idle.borrow().is_swept);
        });
        assert_eq!(upstream.join().unwrap(), 0, "the end of the connection");
    }
}
