//! The wire: one request to the gateway byte for byte, and the head of its answer.
//!
//! HTTP libraries tidy paths up before they send them; what a gateway does with untidy ones is the question here.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslVerifyMode};

/// Heads of answers longer than this are not read to their end.
const MAX_HEAD_BYTES: usize = 256 << 10;

/// The gateway as clients reach it.
pub struct Wire {
    /// `http` or `https`
    pub scheme: &'static str,
    /// `app.example.com:8443`, as the header `Host` has it.
    pub authority: String,
    host: String,
    address: SocketAddr,
    tls: Option<SslConnector>,
    timeout: Duration,
}

/// A request as it goes out. Its parts hold no line breaks.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path and query as they are sent.
    pub target: String,
    /// Header fields in their order, beside `Host` and `Connection`.
    pub headers: Vec<(String, String)>,
    /// More of them, which are never shown.
    pub credentials: Vec<(String, String)>,
}

/// The head of an answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// The first value of a field, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Request {
    /// `GET` or another method, without header fields.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            credentials: Vec::new(),
        }
    }

    /// The same with header fields that are never shown.
    #[must_use]
    pub fn with_credentials(mut self, fields: &[(String, String)]) -> Self {
        self.credentials.extend_from_slice(fields);
        self
    }

    /// All header fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().chain(&self.credentials).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same with one more header field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn bytes(&self, authority: &str) -> Vec<u8> {
        let has = |name: &str| self.fields().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let own = [
            ("Host", authority),
            ("User-Agent", concat!("okctl-doctor/", env!("CARGO_PKG_VERSION"))),
            ("Connection", "close"),
        ];
        let own = own.into_iter().filter(|(name, _)| !has(name));
        for (name, value) in own.chain(self.fields()) {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// How the gateway is reached.
pub struct Settings<'s> {
    /// `https://app.example.com`
    pub url: &'s str,
    /// Where it is, if not at the host of the URL: `HOST:PORT`.
    pub connect_to: Option<&'s str>,
    /// Certificates to trust beside the machine's.
    pub ca: Option<&'s Path>,
    /// Whether any certificate will do.
    pub insecure: bool,
    /// For each request, from the connection to the end of the answer's head.
    pub timeout: Duration,
}

impl Wire {
    /// Finds the gateway's address. Nothing is sent.
    pub fn new(settings: &Settings<'_>) -> anyhow::Result<Self> {
        let wanted = "`--url` is the gateway's address: `https://app.example.com`, without a path";
        let (scheme, rest) = settings.url.split_once("://").context(wanted)?;
        let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => bail!(wanted),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:[]".contains(c);
        if authority.is_empty() || !authority.chars().all(plain) {
            bail!(wanted);
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().context(wanted)?),
            _ => (authority, port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let mut found = match settings.connect_to {
            Some(address) => address.to_socket_addrs().map(Iterator::collect::<Vec<_>>),
            None => (host.as_str(), port).to_socket_addrs().map(Iterator::collect),
        }
        .with_context(|| {
            format!("the gateway's address `{}` cannot be found", settings.connect_to.unwrap_or(authority))
        })?;
        // Gateways of tests and sidecars rarely listen on ::1.
        found.sort_by_key(SocketAddr::is_ipv6);
        let address = *found.first().context("the gateway's host has no address")?;
        let tls = if scheme == "https" { Some(connector(settings)?) } else { None };
        Ok(Self { scheme, authority: authority.to_owned(), host, address, tls, timeout: settings.timeout })
    }

    /// Sends a request and reads the head of the answer, all in the time given; and the address it was sent from.
    pub fn send(&self, request: &Request) -> io::Result<(Answer, IpAddr)> {
        let deadline = Instant::now() + self.timeout;
        let stream = TcpStream::connect_timeout(&self.address, self.timeout)?;
        stream.set_nodelay(true)?;
        let from = stream.local_addr()?.ip();
        let stream = Timed { stream, deadline };
        let bytes = request.bytes(&self.authority);
        let head = match &self.tls {
            None => exchange(stream, &bytes)?,
            Some(connector) => {
                let stream = connector.connect(&self.host, stream).map_err(|error| match error {
                    HandshakeError::SetupFailure(error) => io::Error::new(ErrorKind::InvalidData, error),
                    HandshakeError::Failure(middle) | HandshakeError::WouldBlock(middle) => {
                        io::Error::new(ErrorKind::InvalidData, format!("TLS failed: {}", why(middle.error())))
                    }
                })?;
                exchange(stream, &bytes)?
            }
        };
        Ok((head, from))
    }
}

/// What OpenSSL says in its last words, or the connection.
fn why(error: &openssl::ssl::Error) -> String {
    let reason = error.ssl_error().and_then(|stack| stack.errors().first()?.reason().map(str::to_owned));
    reason.unwrap_or_else(|| error.to_string())
}

fn connector(settings: &Settings<'_>) -> anyhow::Result<SslConnector> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    if let Some(ca) = settings.ca {
        builder
            .set_ca_file(ca)
            .with_context(|| format!("cannot read certificates from `{}`", ca.display()))?;
    }
    if settings.insecure {
        builder.set_verify(SslVerifyMode::NONE);
    }
    Ok(builder.build())
}

/// A connection that ends at a moment, however slowly the other side trickles.
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Answer> {
    // A gateway may answer and close before it has read a long head.
    let sent = stream.write_all(request).and_then(|()| stream.flush());
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(end) = find(&bytes, b"\r\n\r\n") {
            let answer = parse(bytes.get(..end).unwrap_or_default())?;
            if answer.status >= 200 || answer.status == 101 {
                return Ok(answer);
            }
            bytes.drain(..end + 4);
        }
        if bytes.len() > MAX_HEAD_BYTES {
            return Err(io::Error::other("the head of the answer does not end"));
        }
        match stream.read(&mut buffer) {
            Ok(0) => {
                return Err(sent.err().unwrap_or_else(|| {
                    io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed without an answer")
                }));
            }
            Ok(read) => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(io::Error::new(ErrorKind::TimedOut, "no answer in time"));
            }
            Err(error) => return Err(error),
        }
    }
}

fn parse(head: &[u8]) -> io::Result<Answer> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let Some(status) = status else {
        return Err(io::Error::new(ErrorKind::InvalidData, "the answer is not HTTP/1"));
    };
    Ok(Answer { status, headers: fields(lines) })
}

/// Header fields of lines, names in lower case.
pub fn fields<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<(String, String)> {
    let fields = lines.filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
}

/// Where a text begins.
pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(url: &str) -> anyhow::Result<Wire> {
        let timeout = Duration::from_secs(1);
        Wire::new(&Settings { url, connect_to: None, ca: None, insecure: false, timeout })
    }

    #[test]
    fn a_gateway_is_a_scheme_and_a_host() {
        for (url, authority, port) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", 8000),
            ("http://127.0.0.1/", "127.0.0.1", 80),
            ("HTTPS://127.0.0.1", "127.0.0.1", 443),
            ("http://[::1]:81", "[::1]:81", 81),
            ("http://[::1]", "[::1]", 80),
        ] {
            let wire = wire(url).unwrap();
            assert_eq!((wire.authority.as_str(), wire.address.port()), (authority, port), "{url}");
        }
        for url in [
            "127.0.0.1",
            "ftp://127.0.0.1",
            "http://",
            "http://127.0.0.1/path",
            "http://u@127.0.0.1",
            "http://a\r\nb",
            "http://127.0.0.1:x",
        ] {
            assert!(wire(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_path_goes_out_as_it_is_written() {
        let request = Request::new("GET", "/a/..%2f/./b\\c?x#y").with("X-A", "1");
        let text = String::from_utf8(request.bytes("h")).unwrap();
        assert!(text.starts_with("GET /a/..%2f/./b\\c?x#y HTTP/1.1\r\nHost: h\r\n"), "{text}");
        assert!(text.contains("\r\nConnection: close\r\nX-A: 1\r\n\r\n"), "{text}");
    }

    /// A server that says these bytes to whoever comes.
    fn says(bytes: &'static [u8]) -> io::Result<Answer> {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(bytes);
            // Neither more nor an end, unless there is nothing to say.
            if !bytes.is_empty() {
                let _ = stream.read(&mut [0]);
            }
        });
        wire(&url).unwrap().send(&Request::new("GET", "/")).map(|(answer, _)| answer)
    }

    #[test]
    fn the_head_of_an_answer_is_enough_and_what_comes_before_it_is_skipped() {
        let answer =
            says(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 401 No\r\nX-A:  b \r\ncontent-length: 9\r\n\r\n")
                .unwrap();
        assert_eq!((answer.status, answer.header("x-a")), (401, Some("b")));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for (bytes, why) in [
            (b"".as_slice(), "the connection was closed without an answer"),
            (b"SSH-2.0-x\r\n\r\n", "the answer is not HTTP/1"),
            (b"HTTP/1.1 200", "no answer in time"),
        ] {
            assert_eq!(says(bytes).unwrap_err().to_string(), why);
        }
    }

    /// A server with a certificate of its own for 127.0.0.1, which answers one request; its address and certificate.
    fn tls_server(folder: &Path) -> (String, std::path::PathBuf) {
        use openssl::{asn1::Asn1Time, hash::MessageDigest, pkey::PKey, rsa::Rsa, ssl::SslAcceptor, x509};
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut cert = x509::X509::builder().unwrap();
        let mut name = x509::X509Name::builder().unwrap();
        name.append_entry_by_text("CN", "doctor").unwrap();
        let name = name.build();
        cert.set_version(2).unwrap();
        cert.set_subject_name(&name).unwrap();
        cert.set_issuer_name(&name).unwrap();
        cert.set_pubkey(&key).unwrap();
        cert.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        cert.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        let context = cert.x509v3_context(None, None);
        let own = x509::extension::SubjectAlternativeName::new().ip("127.0.0.1").build(&context).unwrap();
        cert.append_extension(own).unwrap();
        cert.sign(&key, MessageDigest::sha256()).unwrap();
        let cert = cert.build();
        let file = folder.join("ca.pem");
        std::fs::write(&file, cert.to_pem().unwrap()).unwrap();
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(&key).unwrap();
        acceptor.set_certificate(&cert).unwrap();
        let acceptor = acceptor.build();
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", server.local_addr().unwrap());
        std::thread::spawn(move || {
            let (stream, _) = server.accept().unwrap();
            if let Ok(mut stream) = acceptor.accept(stream) {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 204 \r\n\r\n");
            }
        });
        (url, file)
    }

    #[test]
    fn a_certificate_is_checked_unless_any_will_do() {
        for (trusted, insecure, good) in [(false, false, false), (true, false, true), (false, true, true)] {
            let folder = tempfile::tempdir().unwrap();
            let (url, file) = tls_server(folder.path());
            let timeout = Duration::from_secs(5);
            let ca = trusted.then_some(file.as_path());
            let wire = Wire::new(&Settings { url: &url, connect_to: None, ca, insecure, timeout }).unwrap();
            let answer = wire.send(&Request::new("GET", "/"));
            assert_eq!(answer.is_ok(), good, "{:?}", answer.err());
            if let Err(error) = answer {
                assert_eq!(error.to_string(), "TLS failed: certificate verify failed");
            }
        }
    }
}
