//! An example of `examples/`, copied with ports of its own and running.

use okgate_testkit::http::{self, Reply, Request};
use okgate_testkit::process::Process;
use okgate_testkit::{ports, wait};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of `examples/`, and how what is in it is started. Each port stands in it for one thing only.
pub struct Example {
    pub name: &'static str,
    /// The folder.
    folder: &'static str,
    /// The gateway's port as the files have it.
    port: u16,
    /// The upstream's; okgate's are the next two.
    upstream: u16,
    /// Program and arguments, from the root of the repository. The last one is the gateway.
    programs: &'static [&'static [&'static str]],
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
        unmatched: 404,
    },
];

impl Example {
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
        concat!(env!("CARGO_MANIFEST_DIR"), "/.gateways/azurite/node_modules/.bin"),
    ];
    std::env::split_paths(&path)
        .chain(more.iter().map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A running example.
pub struct Setup {
    pub example: &'static Example,
    port: u16,
    okgate: Mutex<Option<Process>>,
    others: Vec<Process>,
    dir: TempDir,
}

impl Setup {
    /// Copies the example, starts okgate and what else it has, and waits until the public page comes.
    pub fn start(example: &'static Example) -> Result<Self, String> {
        Self::try_start(example).map_err(|e| format!("the {} example cannot be set up: {e}", example.name))
    }

    fn try_start(example: &'static Example) -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = tempfile::Builder::new().prefix("okgate-gateway-").tempdir()?;
        let own: [u16; 4] = ports::free()?;
        let [gateway, ..] = own;
        let own = own.map(|port| port.to_string());
        let first = example.upstream;
        let written = [example.port, first, first + 1, first + 2].map(|port| port.to_string());
        let adapt = |text: &str| {
            let paths = text.replace("/tmp/okgate-example", &dir.path().join("run").to_string_lossy());
            written.iter().zip(&own).fold(paths, |text, (written, own)| text.replace(written, own))
        };
        for folder in
            [&format!("examples/{}", example.folder), "examples/demo-keys", "examples/upstream", "rules"]
        {
            copy(&root.join(folder), &dir.path().join(folder), &adapt)?;
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
            let program = find(name).ok_or_else(|| io::Error::other(format!("{name} is not installed")))?;
            let args: Vec<String> = args.iter().map(|arg| adapt(arg)).collect();
            others.push(start(&program, &args, &format!("{name}.log"))?);
        }
        let setup = Self { example, port: gateway, okgate: Some(okgate).into(), others, dir };
        let public = Request::get("/public/ready");
        wait::until(PATIENCE, || setup.send(&public).ok().filter(|reply| reply.status == 200))
            .ok_or_else(|| io::Error::other(format!("no public page\n{}", setup.logs())))?;
        Ok(setup)
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

fn copy(from: &Path, to: &Path, adapt: &dyn Fn(&str) -> String) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, target) = (entry.as_ref().map(fs::DirEntry::path), to);
        let path = path.map_err(|e| io::Error::other(e.to_string()))?;
        let target = target.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target, adapt)?;
        } else {
            fs::write(target, adapt(&fs::read_to_string(&path)?))?;
        }
    }
    Ok(())
}
