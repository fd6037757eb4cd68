//! What a question costs over the wire: CPU time of the server's process for every dialect, on connections that stay
//! open.
//!
//! The servers are the released program and a bare handler, in processes of their own. They are asked in turns, so that
//! what else the machine does meets all of them alike.

#![expect(clippy::expect_used, reason = "what is not answered measures nothing")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::future::join_all;
use h2::client::SendRequest;
use http::Request;
use okgate::gateway::DIALECTS;
use okgate::matcher::Strategy;
use okgate_benches::{check, event, rule, split, write};
use okgate_testkit::gate::{Gate, Start};
use okgate_testkit::process::Process;
use okgate_testkit::{ports, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// How many questions are asked at a time, and how many in a round.
const PACES: [(usize, usize); 2] = [(32, 12_800), (1, 3200)];
const ROUNDS: usize = 15;
const URL: &str = "https://app.example.com/x/1";

/// What a client sends beside its request line and host, whoever asks about it.
const CLIENT: [(&str, &str); 4] = [
    ("Accept", "*/*"),
    ("User-Agent", "curl/8.14.1"),
    ("X-Forwarded-For", "192.0.2.7"),
    ("X-Request-Id", "5b6a3c1e-2222-4444-8888-0123456789ab"),
];

/// Prints the table.
pub fn table() {
    let programs = programs();
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let mut gate = okgate(&programs.join("okgate"), folder.path());
    let mut bare = Bare::start(&programs.join("examples/bare"));
    let mut rows = rows(&mut gate, &mut bare);
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    for _ in 0..ROUNDS {
        for row in &mut rows {
            row.ask(&runtime);
        }
    }
    print(&rows);
}

/// Names the folder of programs to measure, for instance of an earlier release, where they shall not be built.
const PROGRAMS: &str = "OKGATE_FIGURES_PROGRAMS";

/// Builds the programs, and gives the folder that they are in.
fn programs() -> PathBuf {
    if let Some(folder) = env::var_os(PROGRAMS) {
        return folder.into();
    }
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "okgate",
            "--bin",
            "okgate",
            "--example",
            "bare",
        ])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the programs cannot be built");
    let own = env::current_exe().expect("this program has a path");
    own.ancestors().nth(2).expect("it lies in `deps`, in the folder of its profile").to_owned()
}

/// The server, with an endpoint for each dialect.
fn okgate(program: &Path, folder: &Path) -> Gate {
    let rules = vec![rule(0, "https://app.example.com/x/<.*>", &json!({}))];
    let config = fs::read(write(folder, Strategy::Regexp, rules)).expect("it was written");
    let mut config: Value = serde_json::from_slice(&config).expect("it is JSON");
    let endpoints: Vec<Value> = DIALECTS
        .iter()
        .map(|dialect| json!({"path": format!("/{}", dialect.id()), "dialect": dialect.id()}))
        .collect();
    let here = |more: Value| {
        let mut listener = json!({"host": "127.0.0.1", "port": 0, "trusted_proxies": ["127.0.0.1"]});
        if let (Some(listener), Value::Object(more)) = (listener.as_object_mut(), more) {
            listener.extend(more);
        }
        listener
    };
    if let Some(config) = config.as_object_mut() {
        let serve = json!({"api": here(json!({"endpoints": endpoints})), "grpc": here(json!({}))});
        config.insert("serve".to_owned(), serve);
    }
    Start::new(program, config.to_string()).run().ready()
}

/// Where it listens for gRPC.
fn grpc_port(gate: &mut Gate) -> u16 {
    let said = || {
        let said = gate.stdout();
        let line = said.lines().find_map(|line| line.strip_prefix("okgate: serving grpc on "))?;
        line.rsplit(':').next()?.parse().ok()
    };
    wait::eventually("gRPC is served", said)
}

/// The handler that answers 200 to everything.
struct Bare {
    process: Process,
    port: u16,
}

impl Bare {
    fn start(program: &Path) -> Self {
        let [port] = ports::free().expect("a port");
        let mut command = Command::new(program);
        let process = Process::start(command.arg(port.to_string()).stdout(Stdio::null())).expect("it starts");
        wait::eventually("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Self { process, port }
    }
}

/// One way to ask.
struct Row {
    name: String,
    process: u32,
    port: u16,
    question: Question,
    /// Microseconds of each round, at each pace.
    times: [Vec<f64>; PACES.len()],
}

enum Question {
    /// A message, and what a yes to it has in it.
    Http(String, &'static str),
    /// A `CheckRequest` with its prefix.
    Grpc(Bytes),
}

fn rows(gate: &mut Gate, bare: &mut Bare) -> Vec<Row> {
    let (process, api, grpc) = (gate.process().child().id(), gate.port(), grpc_port(gate));
    let row = |name: &str, (process, port), question| {
        let times = PACES.map(|_| Vec::with_capacity(ROUNDS));
        Row { name: name.to_owned(), process, port, question, times }
    };
    let (host, path) = split(URL);
    let forwarded = [
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Uri", path),
    ];
    let ok = "HTTP/1.1 200 OK\r\n";
    let decisions = get("/decisions", "gate", &forwarded);
    let mut rows = vec![
        row("a bare handler", (bare.process.child().id(), bare.port), Question::Http(decisions.clone(), ok)),
        row("`/decisions`", (process, api), Question::Http(decisions, ok)),
    ];
    for dialect in DIALECTS.iter().map(|dialect| dialect.id()) {
        let endpoint = format!("/{dialect}");
        let questions = match dialect {
            "oathkeeper" => continue,
            "ingress_nginx" => {
                let original = [("X-Original-Method", "GET"), ("X-Original-URL", URL)];
                vec![("", get(&endpoint, "gate", &original), ok)]
            }
            "envoy_http" => {
                vec![("", get(&format!("{endpoint}{path}"), host, &[("X-Forwarded-Proto", "https")]), ok)]
            }
            "aws_lambda" => vec![
                (", format 1.0", post(&endpoint, &event::rest(URL)), r#""Effect":"Allow""#),
                (", format 2.0", post(&endpoint, &event::http(URL)), r#""isAuthorized":true"#),
            ],
            _ => vec![("", get(&endpoint, "gate", &forwarded), ok)],
        };
        rows.extend(questions.into_iter().map(|(format, question, yes)| {
            row(&format!("`{dialect}`{format}"), (process, api), Question::Http(question, yes))
        }));
    }
    let message = check(URL);
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("a short message"));
    framed.extend_from_slice(&message);
    rows.push(row("gRPC, one connection", (process, grpc), Question::Grpc(framed.freeze())));
    rows
}

fn get(target: &str, host: &str, fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().chain(&CLIENT).map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{}\r\n", fields.collect::<String>())
}

fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

impl Row {
    /// One round at each pace.
    fn ask(&mut self, runtime: &Runtime) {
        for ((at_a_time, count), times) in PACES.iter().zip(&mut self.times) {
            let each = count / at_a_time;
            let took = match &self.question {
                Question::Http(question, yes) => {
                    runtime.block_on(over_http(self.process, self.port, (question, yes), *at_a_time, each))
                }
                Question::Grpc(message) => {
                    runtime.block_on(over_grpc(self.process, self.port, message, *at_a_time, each))
                }
            };
            times.push(took.as_secs_f64() * 1e6 / f64::from(u32::try_from(*count).unwrap_or(u32::MAX)));
        }
    }
}

/// The CPU time that a process has taken, all of its threads.
fn cpu_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let nanos = threads.flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

async fn over_http(
    process: u32,
    port: u16,
    (question, yes): (&str, &str),
    at_a_time: usize,
    each: usize,
) -> Duration {
    let connect = (0..at_a_time).map(|_| Connection::open(port, question, yes));
    let mut connections = join_all(connect).await;
    let start = cpu_time(process);
    let asked = connections.iter_mut().map(async |connection| {
        for _ in 0..each {
            connection.ask(question).await;
        }
    });
    join_all(asked).await;
    cpu_time(process).saturating_sub(start)
}

/// A connection on which one question is asked again and again.
struct Connection {
    wire: TcpStream,
    /// The first answer. All others are as long.
    answer: Vec<u8>,
}

impl Connection {
    async fn open(port: u16, question: &str, yes: &str) -> Self {
        let mut wire = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        wire.set_nodelay(true).expect("it is a socket");
        wire.write_all(question.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            assert_ne!(wire.read_buf(&mut answer).await.expect("it answers"), 0, "it went away");
        }
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 200 ") && text.contains(yes), "{question}\n{text}");
        Self { wire, answer }
    }

    async fn ask(&mut self, question: &str) {
        self.wire.write_all(question.as_bytes()).await.expect("it reads");
        self.wire.read_exact(&mut self.answer).await.expect("it answers");
        assert!(self.answer.starts_with(b"HTTP/1.1 200 "));
    }
}

/// Whether an answer has come, by its own account.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    body.len() >= length.unwrap_or(0)
}

async fn over_grpc(process: u32, port: u16, message: &Bytes, at_a_time: usize, each: usize) -> Duration {
    let wire = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    wire.set_nodelay(true).expect("it is a socket");
    let (client, connection) = h2::client::handshake(wire).await.expect("it speaks HTTP/2");
    let connection = tokio::spawn(connection);
    call(&client, message).await;
    let start = cpu_time(process);
    let asked = (0..at_a_time).map(async |_| {
        for _ in 0..each {
            call(&client, message).await;
        }
    });
    join_all(asked).await;
    let took = cpu_time(process).saturating_sub(start);
    connection.abort();
    took
}

/// Asks once; the answer has to be a yes.
async fn call(client: &SendRequest<Bytes>, message: &Bytes) {
    let request = Request::post("http://gate/envoy.service.auth.v3.Authorization/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("it is a request");
    let mut client = client.clone().ready().await.expect("it is connected");
    let (response, mut body) = client.send_request(request, false).expect("it is sent");
    body.send_data(message.clone(), true).expect("it is sent");
    let mut answer = response.await.expect("it answers").into_body();
    let mut said = Vec::new();
    while let Some(piece) = answer.data().await {
        let piece = piece.expect("it answers");
        answer.flow_control().release_capacity(piece.len()).expect("it was taken");
        said.extend_from_slice(&piece);
    }
    let trailers = answer.trailers().await.expect("it ends").expect("it says how");
    assert_eq!(trailers.get("grpc-status").map(http::HeaderValue::as_bytes), Some(b"0".as_slice()));
    // Behind the prefix a status without a code: 0.
    assert_eq!(said.get(5..7), Some([0x0a, 0].as_slice()), "it is no yes");
}

#[expect(clippy::print_stdout, reason = "that is its job")]
fn print(rows: &[Row]) {
    println!("\n## A decision over the wire, by who asks\n");
    println!("| | 32 at a time | `/decisions` = 1 | one at a time | `/decisions` = 1 |");
    println!("| --- | --- | --- | --- | --- |");
    let Some(decisions) = rows.iter().find(|row| row.name == "`/decisions`") else { return };
    for row in rows {
        let columns = row.times.iter().zip(&decisions.times).map(|(own, theirs)| {
            let (own, theirs) = (usual(own), usual(theirs));
            format!("{own:.1} µs | {:.2}", own / theirs)
        });
        println!("| {} | {} |", row.name, columns.collect::<Vec<_>>().join(" | "));
    }
}

/// The lower quartile of the rounds: what others take of the machine while a process waits or wakes counts as its own
/// time, and there is no upper limit to that.
fn usual(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 4).copied().unwrap_or_default()
}
