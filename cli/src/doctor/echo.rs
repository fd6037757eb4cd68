//! The upstream that sees what a gateway passes on: it remembers the probes that reach it, and answers 200 to all.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::wire::{fields, find};

/// The field that tells probes apart.
pub const PROBE: &str = "Okctl-Doctor-Probe";

/// Longer heads are not read.
const MAX_HEAD_BYTES: usize = 256 << 10;
/// Longer bodies are not read.
const MAX_BODY_BYTES: usize = 1 << 20;
/// So many are talked to at once.
const MAX_CONNECTIONS: usize = 64;
/// A connection may be silent for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A probe as it reached the upstream.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Seen {
    /// Every value of a field, by its lower-case name.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A running upstream. It ends with the program.
pub struct Echo {
    seen: Arc<Mutex<HashMap<String, Seen>>>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Echo {
    /// Listens. Only probes whose id begins with `nonce` are remembered.
    pub fn start(address: &str, nonce: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Mutex::new(HashMap::new()));
        let (kept, nonce) = (Arc::clone(&seen), nonce.to_owned());
        let open = Arc::new(AtomicUsize::new(0));
        std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                if open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
                    continue;
                }
                open.fetch_add(1, Ordering::Relaxed);
                let (kept, nonce, count) = (Arc::clone(&kept), nonce.clone(), Arc::clone(&open));
                let serve = move || {
                    // A gateway that goes away has what it wanted.
                    let _ = serve(stream, &nonce, &kept);
                    count.fetch_sub(1, Ordering::Relaxed);
                };
                if std::thread::Builder::new().spawn(serve).is_err() {
                    open.fetch_sub(1, Ordering::Relaxed);
                }
            }
        })?;
        Ok(Self { seen, address })
    }

    /// The probe with this id, if it has arrived. It has before its answer has.
    pub fn take(&self, id: &str) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}

fn serve(mut stream: TcpStream, nonce: &str, kept: &Mutex<HashMap<String, Seen>>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    let end = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end;
        }
        let read = stream.read(&mut buffer)?;
        if read == 0 || bytes.len() > MAX_HEAD_BYTES {
            return Ok(());
        }
        bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
    };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().splitn(2, ' ');
    let method = first.next().unwrap_or_default().to_owned();
    let target =
        first.next().and_then(|rest| rest.rsplit_once(' ')).map_or("", |(target, _)| target).to_owned();
    let seen = Seen { method, target, headers: fields(lines) };
    let length = seen.all("content-length").next().and_then(|length| length.parse().ok()).unwrap_or(0_usize);
    let mut left = length.min(MAX_BODY_BYTES).saturating_sub(bytes.len() - end - 4);
    while left > 0 {
        match stream.read(&mut buffer)? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    let body = if seen.method == "HEAD" { "" } else { "okctl doctor\n" };
    let id =
        seen.all(&PROBE.to_ascii_lowercase()).next().filter(|id| id.starts_with(nonce)).map(str::to_owned);
    if let Some(id) = id {
        kept.lock().unwrap_or_else(PoisonError::into_inner).insert(id, seen);
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_probes_of_this_run_are_remembered() {
        let echo = Echo::start("127.0.0.1:0", "nonce").unwrap();
        for (id, kept) in [("nonce-1", true), ("other-1", false)] {
            let mut stream = TcpStream::connect(echo.address).unwrap();
            write!(stream, "GET /a?b HTTP/1.1\r\nHost: h\r\n{PROBE}: {id}\r\nX-A: 1\r\nx-a: 2\r\n\r\n")
                .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("okctl doctor\n"), "{answer}");
            let seen = echo.take(id);
            assert_eq!(seen.is_some(), kept);
            if let Some(seen) = seen {
                assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/a?b"));
                assert_eq!(seen.all("x-a").collect::<Vec<_>>(), ["1", "2"]);
            }
        }
    }
}
