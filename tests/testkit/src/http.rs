//! A byte-exact HTTP/1.1 client: what a test writes is what goes out.

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a socket may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it goes out. Nothing is checked or encoded.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: Vec<u8>,
    /// The version, such as `HTTP/1.1`.
    pub version: String,
    /// Header fields in order.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body; `None` sends no Content-Length.
    pub body: Option<Vec<u8>>,
    /// Whether `Host: gate.test` is left out where no host is given.
    pub no_host: bool,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, target: impl Into<Vec<u8>>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            version: "HTTP/1.1".to_owned(),
            headers: Vec::new(),
            body: None,
            no_host: false,
        }
    }

    /// `GET target`.
    pub fn get(target: impl Into<Vec<u8>>) -> Self {
        Self::new("GET", target)
    }

    /// What a gateway asks about `url` (`http://app.test/path?query`) when it puts the request in X-Forwarded-*.
    pub fn decision(method: &str, url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self::get("/decisions")
            .header("X-Forwarded-Method", method)
            .header("X-Forwarded-Proto", scheme)
            .header("X-Forwarded-Host", host)
            .header("X-Forwarded-Uri", path)
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.as_bytes().to_vec(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// The bytes: with `Host: gate.test` in first place, `Connection: close` and a Content-Length for a body, each
    /// unless given.
    pub fn to_bytes(&self) -> Vec<u8> {
        let has = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        let mut out = Vec::new();
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.target);
        out.push(b' ');
        out.extend_from_slice(self.version.as_bytes());
        out.extend_from_slice(b"\r\n");
        if !has("host") && !self.no_host {
            out.extend_from_slice(b"Host: gate.test\r\n");
        }
        for (name, value) in &self.headers {
            out.extend_from_slice(name);
            out.extend_from_slice(if value.is_empty() { b":" } else { b": " });
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        if !has("connection") {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        if let Some(body) = &self.body
            && !has("content-length")
            && !has("transfer-encoding")
        {
            out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.body.as_deref().unwrap_or_default());
        out
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header fields in order, values without surrounding blanks.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, with chunked coding undone.
    pub body: Vec<u8>,
}

impl Reply {
    /// All values of a field, as text.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| String::from_utf8_lossy(v).into_owned())
            .collect()
    }

    /// The first value of a field, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }

    /// The names of all fields, in lower case and sorted.
    pub fn header_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.headers.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, `Null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status, fields but `date`, and body, to be read by people and compared as a whole.
    pub fn summary(&self) -> String {
        let mut out = format!("{}\n", self.status);
        for (name, value) in &self.headers {
            if !name.eq_ignore_ascii_case("date") {
                let _ = writeln!(out, "{name}: {}", String::from_utf8_lossy(value));
            }
        }
        out + "\n" + &self.text()
    }
}

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// An open connection.
pub struct Connection {
    stream: BufReader<Box<dyn Duplex>>,
}

impl Connection {
    /// Connects to 127.0.0.1.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn open(port: u16) -> io::Result<Self> {
        Ok(Self { stream: BufReader::new(Box::new(connect(port)?)) })
    }

    /// Connects to 127.0.0.1 and speaks TLS as `gate.test`; the certificate is not checked.
    ///
    /// # Errors
    /// When nothing listens there, or the handshake fails.
    pub fn open_tls(port: u16) -> io::Result<Self> {
        Self::open_tls_to(port, "gate.test")
    }

    /// The same as a client of this host.
    ///
    /// # Errors
    /// When nothing listens there, or the handshake fails.
    pub fn open_tls_to(port: u16, host: &str) -> io::Result<Self> {
        let tcp = connect(port)?;
        let mut connector = SslConnector::builder(SslMethod::tls_client())?;
        connector.set_verify(SslVerifyMode::NONE);
        let mut config = connector.build().configure()?;
        config.set_verify_hostname(false);
        let stream = config.connect(host, tcp).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(Self { stream: BufReader::new(Box::new(stream)) })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }

    /// Reads the next final answer (1xx are passed over); `head` when it answers a HEAD request.
    ///
    /// # Errors
    /// When the connection ends before the answer does, or what comes is no HTTP.
    pub fn reply(&mut self, head: bool) -> io::Result<Reply> {
        loop {
            let status = self.status_line()?;
            let headers = self.headers()?;
            if status >= 200 {
                let mut reply = Reply { status, headers, body: Vec::new() };
                reply.body = self.body(&reply, head)?;
                return Ok(reply);
            }
        }
    }

    /// Whether the other side ends the connection, as opposed to sending more.
    pub fn is_ended(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]))
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            let text = if line.is_empty() { "connection closed without an answer" } else { "answer cut off" };
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }

    /// Reads the first line of an answer, for its status.
    ///
    /// # Errors
    /// When the connection ends before, or what comes is no HTTP.
    pub fn status_line(&mut self) -> io::Result<u16> {
        let line = self.line()?;
        let text = String::from_utf8_lossy(&line);
        let mut words = text.split(' ');
        words
            .next()
            .filter(|version| version.starts_with("HTTP/"))
            .and_then(|_| words.next()?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("bad status line {text:?}")))
    }

    fn headers(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(headers);
            }
            let colon = line.iter().position(|&b| b == b':').unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            headers.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
        }
    }

    fn body(&mut self, reply: &Reply, head: bool) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if head || matches!(reply.status, 204 | 304) {
            return Ok(body);
        }
        if reply.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked")) {
            loop {
                let line = self.line()?;
                let size = String::from_utf8_lossy(&line);
                let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
                    .map_err(|_| io::Error::other("bad chunk size"))?;
                if size == 0 {
                    while !self.line()?.is_empty() {}
                    return Ok(body);
                }
                self.take(size, &mut body)?;
                self.line()?;
            }
        }
        if let Some(length) = reply.header("content-length") {
            let length = length.parse().map_err(|_| io::Error::other("bad Content-Length"))?;
            self.take(length, &mut body)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn take(&mut self, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
        let got = (&mut self.stream).take(length).read_to_end(body)?;
        if got as u64 == length { Ok(()) } else { Err(io::Error::other("body cut off")) }
    }
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends `bytes` on a connection of their own and reads the answer, which may come before all was sent.
///
/// # Errors
/// When there is no answer.
pub fn exchange(port: u16, tls: bool, bytes: &[u8], head: bool) -> io::Result<Reply> {
    let mut connection = if tls { Connection::open_tls(port)? } else { Connection::open(port)? };
    let sent = connection.send(bytes);
    connection.reply(head).map_err(|e| sent.err().unwrap_or(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one connection with `answer` whatever it is asked, and gives back what it was asked.
    fn answered_with(answer: &'static [u8], request: &Request) -> (io::Result<Reply>, Vec<u8>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let wanted = request.to_bytes();
        let length = wanted.len();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; length];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(answer).unwrap();
            asked
        });
        let reply = exchange(port, false, &wanted, request.method == "HEAD");
        (reply, server.join().unwrap())
    }

    #[test]
    fn a_request_goes_out_as_written() {
        let request = Request::new("PUT", "/a b").header("x-Odd", "").header("X-Raw", *b"\xff").body("hi");
        let (_, asked) = answered_with(b"HTTP/1.1 204 No Content\r\n\r\n", &request);
        assert_eq!(
            asked,
            b"PUT /a b HTTP/1.1\r\nHost: gate.test\r\nx-Odd:\r\nX-Raw: \xff\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
        );
    }

    #[test]
    fn an_answer_is_read_in_each_of_its_framings() {
        let get = Request::get("/");
        for (answer, body) in [
            (
                &b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more"[..],
                "hi",
            ),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n", "hi"),
            (b"HTTP/1.0 200 OK\r\n\r\nhi until the end", "hi until the end"),
        ] {
            assert_eq!(answered_with(answer, &get).0.unwrap().text(), body);
        }
        let head = Request::new("HEAD", "/");
        assert_eq!(
            answered_with(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &head).0.unwrap().body,
            b""
        );
    }

    #[test]
    fn an_answer_that_is_cut_off_is_an_error() {
        for answer in [
            &b""[..],
            b"HTTP/1.1 20",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nX: y\r\n",
            b"SSH-2.0-x\r\n\r\n",
        ] {
            answered_with(answer, &Request::get("/")).0.unwrap_err();
        }
    }

    #[test]
    fn a_decision_carries_the_url_in_x_forwarded_headers() {
        let sent = Request::decision("POST", "https://app.test/a?b=c").to_bytes();
        let text = String::from_utf8(sent).unwrap();
        for line in [
            "GET /decisions HTTP/1.1",
            "X-Forwarded-Method: POST",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: app.test",
            "X-Forwarded-Uri: /a?b=c",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }
}
