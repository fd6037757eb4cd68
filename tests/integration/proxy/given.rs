//! A proxy, upstreams that do what they are told, and what both have heard.

use crate::given::with_config;
use okgate_testkit::gate::{Gate, Start};
use okgate_testkit::http::{Connection, Reply, Request};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long anything that should happen may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Every handler that needs no network; `PROXY` stands for settings.
const CONFIG: &str = "
serve: {api: {host: 127.0.0.1, port: 0}, proxy: {host: 127.0.0.1, port: 0PROXY}}
access_rules: {repositories: ['file://rules.yaml']}
authenticators:
  anonymous: {enabled: true, config: {subject: guest}}
  noop: {enabled: true}
  unauthorized: {enabled: true}
authorizers:
  allow: {enabled: true}
  deny: {enabled: true}
mutators:
  noop: {enabled: true}
  header: {enabled: true, config: {headers: {}}}
errors:
  handlers:
    json: {enabled: true, config: {verbose: true}}
";

/// A proxy that runs.
pub struct Proxy {
    pub gate: Gate,
    pub port: u16,
    tls: bool,
}

/// The configuration with settings of `serve.proxy`.
pub fn config(settings: &str) -> String {
    let settings = if settings.is_empty() { String::new() } else { format!(", {settings}") };
    CONFIG.replace("PROXY", &settings)
}

/// okgate with settings of `serve.proxy` and rules, not yet started.
pub fn start(settings: &str, rules: &str) -> Start {
    with_config(&config(settings)).file("rules.yaml", rules)
}

/// A proxy with settings of `serve.proxy` and rules.
#[track_caller]
pub fn proxy(settings: &str, rules: &str) -> Proxy {
    Proxy::of(start(settings, rules).run())
}

/// A proxy that sends everything that is meant for `gate.test` to an upstream.
#[track_caller]
pub fn everything_to(upstream: &Upstream) -> Proxy {
    proxy("", &to(&upstream.url("")))
}

/// A rule for everything that is meant for `gate.test`, with the methods that people use.
pub fn to(url: &str) -> String {
    rule("all", "<https?>://gate.test/<.*>", "noop", "allow", "{handler: noop}", &format!("url: '{url}'"))
}

/// A rule of one handler a stage, as flow YAML.
pub fn rule(
    id: &str,
    url: &str,
    authenticator: &str,
    authorizer: &str,
    mutator: &str,
    upstream: &str,
) -> String {
    format!(
        "- id: {id}
  match: {{url: '{url}', methods: [GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT]}}
  authenticators: [{{handler: {authenticator}}}]
  authorizer: {{handler: {authorizer}}}
  mutators: [{mutator}]
  upstream: {{{upstream}}}
"
    )
}

impl Proxy {
    /// A gate whose proxy listens on TCP.
    #[track_caller]
    pub fn of(mut gate: Gate) -> Self {
        let said = okgate_testkit::wait::eventually("where the proxy serves", || {
            let all = gate.stdout();
            all.lines().find_map(|line| line.strip_prefix("okgate: serving proxy on ")).map(str::to_owned)
        });
        let port = said.rsplit(':').next().unwrap().parse().unwrap_or_default();
        Self { gate, port, tls: said.starts_with("https") }
    }

    /// A connection of a client.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        if self.tls { Connection::open_tls(self.port).unwrap() } else { Connection::open(self.port).unwrap() }
    }

    /// The answer to a request on a connection of its own.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Reply {
        self.bytes(&request.to_bytes(), request.method == "HEAD")
    }

    /// The answer to bytes on a connection of their own.
    #[track_caller]
    pub fn bytes(&self, bytes: &[u8], head: bool) -> Reply {
        self.try_bytes(bytes, head).unwrap_or_else(|error| {
            panic!("no answer to {}: {error}\n{}", String::from_utf8_lossy(bytes), self.gate.stderr())
        })
    }

    /// The same, where none need come.
    pub fn try_bytes(&self, bytes: &[u8], head: bool) -> std::io::Result<Reply> {
        let mut connection = self.connect();
        let sent = connection.send(bytes);
        connection.reply(head).map_err(|error| sent.err().unwrap_or(error))
    }

    /// `GET target`
    #[track_caller]
    pub fn get(&self, target: &str) -> Reply {
        self.send(&Request::get(target))
    }

    /// A socket of a client, for what a [`Connection`] is too well-behaved for.
    pub fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.set_write_timeout(Some(LIMIT)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// How many bytes of memory okgate has.
    pub fn memory(&mut self) -> usize {
        let pid = self.gate.process().child().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }
}

/// `GET target` on a connection that stays open.
pub fn keep(target: &str) -> Request {
    Request::get(target).header("Connection", "keep-alive")
}

/// An upstream. What its connections do is a function's, one thread each.
pub struct Upstream {
    pub port: u16,
    accepted: Arc<AtomicUsize>,
}

/// One connection to an upstream.
pub struct Asked {
    pub stream: BufReader<TcpStream>,
}

/// An upstream that does with each connection what it is told; what it sends comes out of the receiver.
pub fn upstream<T: Send + 'static>(
    serve: impl Fn(&mut Asked, &Sender<T>) + Send + Clone + 'static,
) -> (Upstream, Receiver<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            stream.set_write_timeout(Some(LIMIT)).unwrap();
            stream.set_nodelay(true).unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (serve, sender) = (serve.clone(), sender.clone());
            thread::spawn(move || serve(&mut Asked { stream: BufReader::new(stream) }, &sender));
        }
    });
    (Upstream { port, accepted }, receiver)
}

/// An upstream that answers every request with 200 and `up`, and tells what it heard.
pub fn listener() -> (Upstream, Receiver<Heard>) {
    upstream(|asked, heard| {
        while let Some(request) = asked.request() {
            let body = if request.method() == "HEAD" { "" } else { "up" };
            let _ = heard.send(request);
            asked.say(&format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{body}"
            ));
        }
    })
}

impl Upstream {
    /// Its URL with a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Asked {
    /// The next request, read as strictly as can be; none at the end of the connection.
    pub fn request(&mut self) -> Option<Heard> {
        let mut heard = self.head()?;
        heard.body = self.body(&heard);
        Some(heard)
    }

    /// The head of the next request.
    pub fn head(&mut self) -> Option<Heard> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let before = head.len();
            if self.stream.read_until(b'\n', &mut head).unwrap_or(0) == 0 {
                assert!(before == 0, "half a head: {}", String::from_utf8_lossy(&head));
                return None;
            }
        }
        let text: String = head.iter().copied().map(char::from).collect();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let fields = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").or_else(|| line.split_once(':')).unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect();
        assert!(line.ends_with(" HTTP/1.1") && line.split(' ').count() == 3, "request line {line:?}");
        Some(Heard { line, fields, body: Vec::new() })
    }

    /// The body that a head promises.
    pub fn body(&mut self, head: &Heard) -> Vec<u8> {
        let mut body = Vec::new();
        if head.all("transfer-encoding") == ["chunked"] {
            assert!(head.all("content-length").is_empty(), "two lengths: {head:?}");
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
        } else if let [length] = &head.all("content-length")[..] {
            body.resize(length.parse().unwrap(), 0);
            self.stream.read_exact(&mut body).unwrap();
        } else {
            assert!(head.all("content-length").is_empty() && head.all("transfer-encoding").is_empty());
        }
        body
    }

    /// The next chunk; none is the last.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let size = usize::from_str_radix(line.strip_suffix("\r\n").expect("a whole line"), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// Sends text.
    pub fn say(&mut self, text: &str) {
        let _ = self.write(text.as_bytes());
    }

    /// Sends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Waits until the other side closes the connection; whether it did so without another byte.
    pub fn is_ended(&mut self) -> bool {
        match self.stream.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// A request as an upstream got it.
#[derive(Debug, Clone)]
pub struct Heard {
    pub line: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Heard {
    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap()
    }

    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    /// All values of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &**value).collect()
    }

    /// The names of all fields, in lower case and sorted, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// What an upstream said next.
#[track_caller]
pub fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LIMIT).expect("something from the upstream")
}

/// A certificate for a host and its key, in PEM form.
pub fn certificate(host: &str) -> (Vec<u8>, Vec<u8>) {
    use openssl::asn1::Asn1Time;
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::x509::extension::SubjectAlternativeName;
    use openssl::x509::{X509, X509NameBuilder};
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", host).unwrap();
    let name = name.build();
    let mut made = X509::builder().unwrap();
    made.set_version(2).unwrap();
    made.set_subject_name(&name).unwrap();
    made.set_issuer_name(&name).unwrap();
    made.set_pubkey(&key).unwrap();
    made.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    made.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    let mut names = SubjectAlternativeName::new();
    let names = names.dns(host).build(&made.x509v3_context(None, None)).unwrap();
    made.append_extension(names).unwrap();
    made.sign(&key, MessageDigest::sha256()).unwrap();
    (made.build().to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap())
}
