//! An example of `examples/`, copied with ports of its own and running.

use crate::written;
use okgate_testkit::http::{self, Reply, Request};
use okgate_testkit::process::Process;
use okgate_testkit::{ports, wait};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// The example without another gateway.
pub const PROXY: &str = "proxy";

const PATIENCE: Duration = Duration::from_secs(20);

/// Files by name.
pub type Files = Vec<(&'static str, String)>;

/// A folder of `examples/`, and how what is in it is started. Each port stands in it for one thing only.
pub struct Example {
    pub name: &'static str,
    /// The folder.
    pub folder: &'static str,
    /// The gateway's port as the files have it.
    pub port: u16,
    /// The upstream's; okgate's are the next two.
    pub upstream: u16,
    /// Program and arguments, from the root of the repository. The last one is the gateway.
    pub programs: &'static [&'static [&'static str]],
    /// Makes files of what `okctl gateway` writes, where the gateway runs with that and not with the folder's own.
    pub written: Option<fn(&str) -> Files>,
    /// What this gateway makes of okgate's 404.
    pub unmatched: u16,
}

pub const EXAMPLES: &[Example] = &[
    Example {
        name: "nginx",
        folder: "nginx",
        port: 18080,
        upstream: 18081,
        programs: &[&["nginx", "-p", "examples/nginx", "-c", "nginx.conf", "-e", "stderr"]],
        written: None,
        unmatched: 403,
    },
    Example {
        name: "traefik",
        folder: "traefik",
        port: 28080,
        upstream: 28081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "28081"],
            &["traefik", "--configFile=examples/traefik/traefik.yaml"],
        ],
        written: None,
        unmatched: 404,
    },
    Example {
        name: "caddy",
        folder: "caddy",
        port: 38080,
        upstream: 38081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "38081"],
            &["caddy", "run", "--config", "examples/caddy/Caddyfile", "--adapter", "caddyfile"],
        ],
        written: None,
        unmatched: 404,
    },
    Example {
        name: "envoy",
        folder: "envoy",
        port: 48080,
        upstream: 48081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "48081"],
            &["envoy", "-c", "examples/envoy/envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1"],
        ],
        written: None,
        unmatched: 404,
    },
    Example {
        name: "envoy-grpc",
        folder: "envoy",
        port: 48084,
        upstream: 48081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "48081"],
            &["envoy", "-c", "examples/envoy/grpc.yaml", "--use-dynamic-base-id", "--concurrency", "1"],
        ],
        written: None,
        unmatched: 404,
    },
    Example {
        name: "haproxy",
        folder: "haproxy",
        port: 58080,
        upstream: 58081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "58081"],
            &["haproxy", "-db", "-f", "examples/haproxy/haproxy.cfg"],
        ],
        written: None,
        unmatched: 404,
    },
    // okgate itself is the gateway.
    Example {
        name: PROXY,
        folder: "proxy",
        port: 26080,
        upstream: 26081,
        programs: &[&["python3", "examples/upstream/echo.py", "26081"]],
        written: None,
        unmatched: 404,
    },
    Example {
        name: "openresty",
        folder: "openresty",
        port: 19080,
        upstream: 19081,
        programs: &[
            &["python3", "examples/upstream/echo.py", "19081"],
            &["nginx", "-p", "examples/openresty", "-c", "nginx.conf", "-e", "stderr"],
        ],
        written: None,
        unmatched: 404,
    },
];

impl Example {
    /// The name of its rows.
    pub fn title(&self) -> String {
        let what = if self.written.is_some() { "-as-okctl-writes-it" } else { "" };
        format!("{}{what}", self.name)
    }

    /// The first program it needs that is not installed.
    pub fn missing_program(&self) -> Option<&'static str> {
        self.programs
            .iter()
            .filter_map(|words| words.first().copied())
            .find(|program| find(program).is_none())
    }
}

/// A program on the path, where system programs are, or among the gateways that `.ci/run` installs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = [
        "/usr/sbin",
        "/usr/local/sbin",
        concat!(env!("CARGO_MANIFEST_DIR"), "/.gateways/venv/bin"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/.gateways/bin"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/.gateways/azurite/node_modules/.bin"),
    ];
    std::env::split_paths(&path)
        .chain(more.iter().map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// In a file of this name, this text stands in place of that one: `(file, that, this)`.
pub type Edit = (&'static str, &'static str, &'static str);

/// nginx is its own upstream there.
const NO_UPSTREAM: Edit =
    ("nginx.conf", "listen 127.0.0.1:18081;", "listen unix:/tmp/okgate-example-nginx-upstream;");

/// A running example.
pub struct Setup {
    pub example: &'static Example,
    port: u16,
    upstream: u16,
    okgate_port: u16,
    okgate: Mutex<Option<Process>>,
    others: Vec<Process>,
    dir: TempDir,
}

impl Setup {
    /// Copies the example, starts okgate and what else it has, and waits until the public page comes.
    pub fn start(example: &'static Example) -> Result<Self, String> {
        let setup = Self::try_start(example, &[], true).and_then(|setup| {
            let public = Request::get("/public/ready");
            wait::until(PATIENCE, || setup.send(&public).ok().filter(|reply| reply.status == 200))
                .ok_or_else(|| io::Error::other(format!("no public page\n{}", setup.logs())))?;
            Ok(setup)
        });
        setup.map_err(|e| format!("the {} example cannot be set up: {e}", example.name))
    }

    /// The same with other texts in its files, and nobody behind it.
    pub fn without_upstream(example: &'static Example, edits: &[Edit]) -> Result<Self, String> {
        let mut edits = edits.to_vec();
        if example.name == "nginx" {
            edits.push(NO_UPSTREAM);
        }
        let setup = Self::try_start(example, &edits, false).and_then(|setup| {
            // Traefik answers 404 until it has read its files, and may go on to for somebody who is refused so.
            let denied = Request::get("/internal/ready");
            wait::until(PATIENCE, || setup.send(&denied).ok().filter(|reply| reply.status != 404))
                .ok_or_else(|| io::Error::other(format!("no answer\n{}", setup.logs())))?;
            wait::until(PATIENCE, || TcpStream::connect(("127.0.0.1", setup.okgate_port)).ok())
                .ok_or_else(|| io::Error::other("no okgate"))?;
            Ok(setup)
        });
        setup.map_err(|e| format!("the {} example cannot be set up: {e}", example.name))
    }

    /// Runs `okctl doctor` as its upstream.
    pub fn doctor(&self, more: &[&str]) -> io::Result<Output> {
        let mut command = Command::new(written::okctl()?);
        command.args(["doctor", "--url", &format!("http://{}", self.host())]);
        if self.example.name != PROXY {
            command.args(["--gateway", self.example.name]);
        }
        command.args(["-c", &format!("examples/{}/config.yaml", self.example.folder)]);
        command.args(["--listen", &format!("127.0.0.1:{}", self.upstream)]);
        command.args(["--api", &format!("http://127.0.0.1:{}", self.okgate_port)]);
        command.args(["-H", &format!("Authorization: Bearer {}", self.token())]);
        command.args(more).current_dir(self.dir.path()).output()
    }

    fn try_start(example: &'static Example, edits: &[Edit], with_upstream: bool) -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = tempfile::Builder::new().prefix("okgate-gateway-").tempdir()?;
        let own: [u16; 4] = ports::free()?;
        let [gateway, upstream, okgate_port, _] = own;
        let own = own.map(|port| port.to_string());
        let first = example.upstream;
        let written = [example.port, first, first + 1, first + 2].map(|port| port.to_string());
        let adapt = |file: &str, text: &str| {
            let own_edits = edits.iter().filter(|(name, ..)| *name == file);
            let text = own_edits.fold(text.to_owned(), |text, (_, that, this)| text.replace(that, this));
            let paths = text.replace("/tmp/okgate-example", &dir.path().join("run").to_string_lossy());
            written.iter().zip(&own).fold(paths, |text, (written, own)| text.replace(written, own))
        };
        for folder in
            [&format!("examples/{}", example.folder), "examples/demo-keys", "examples/upstream", "rules"]
        {
            copy(&root.join(folder), &dir.path().join(folder), &adapt)?;
        }
        for (name, content) in written::files(example, dir.path(), gateway, upstream)? {
            fs::write(dir.path().join(name), content)?;
        }
        let start = |program: &Path, args: &[String], log: &str| {
            let log = File::create(dir.path().join(log))?;
            let mut command = Command::new(program);
            command.args(args).current_dir(dir.path()).stdin(Stdio::null());
            Process::start(command.stdout(log.try_clone()?).stderr(log))
        };
        let config = format!("examples/{}/config.yaml", example.folder);
        let serve = ["serve".to_owned(), "-c".to_owned(), config];
        let okgate = start(Path::new(env!("CARGO_BIN_EXE_okgate")), &serve, "okgate.log")?;
        let mut others = Vec::new();
        for words in example.programs {
            let [name, args @ ..] = words else { continue };
            if *name == "python3" && !with_upstream {
                continue;
            }
            let program = find(name).ok_or_else(|| io::Error::other(format!("{name} is not installed")))?;
            let args: Vec<String> = args.iter().map(|arg| adapt("", arg)).collect();
            others.push(start(&program, &args, &format!("{name}.log"))?);
        }
        Ok(Self { example, port: gateway, upstream, okgate_port, okgate: Some(okgate).into(), others, dir })
    }

    /// Sends a request to the gateway.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(&self, request: &Request) -> io::Result<Reply> {
        http::exchange(self.port, false, &request.to_bytes(), request.method == "HEAD")
    }

    /// The gateway's address as clients write it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The token of the demo keys.
    pub fn token(&self) -> String {
        let text = fs::read_to_string(self.dir.path().join("examples/demo-keys/token.txt"));
        text.unwrap_or_default().trim().to_owned()
    }

    /// Ends okgate while everything else goes on.
    pub fn end_okgate(&self) {
        if let Ok(mut okgate) = self.okgate.lock() {
            okgate.take();
        }
    }

    /// The end of what each program has said.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                let log = fs::read(entry.path()).unwrap_or_default();
                let log = String::from_utf8_lossy(&log);
                let last = log.lines().count().saturating_sub(15);
                let _ = writeln!(text, "--- {}", entry.file_name().display());
                log.lines().skip(last).for_each(|line| text.extend([line, "\n"]));
            }
        }
        text
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        for process in self.others.iter_mut().rev() {
            process.end(Duration::from_secs(5));
        }
    }
}

fn copy(from: &Path, to: &Path, adapt: &dyn Fn(&str, &str) -> String) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, target) = (entry.as_ref().map(fs::DirEntry::path), to);
        let path = path.map_err(|e| io::Error::other(e.to_string()))?;
        let name = path.file_name().unwrap_or_default();
        let target = target.join(name);
        if path.is_dir() {
            copy(&path, &target, adapt)?;
        } else {
            fs::write(target, adapt(&name.to_string_lossy(), &fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}
