//! okgate itself, on a free port, in a folder of its own.

use crate::http::{self, Reply, Request};
use crate::process::Process;
use crate::wait;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use tempfile::TempDir;

/// How long a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is done with okgate's stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stderr {
    /// Written to a file that [`Gate::stderr`] reads.
    Kept,
    /// A pipe that nobody reads.
    Unread,
    /// A pipe whose reading end is closed once okgate serves.
    Closed,
}

/// How to start okgate.
#[derive(Debug, Clone)]
pub struct Start {
    program: PathBuf,
    files: Vec<(String, Vec<u8>)>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    stderr: Stderr,
}

impl Start {
    /// `PROGRAM serve -c config.yaml`, in a folder that has `config` as `config.yaml`. Relative `file://` addresses in
    /// it are relative to that folder.
    pub fn new(program: impl Into<PathBuf>, config: impl Into<Vec<u8>>) -> Self {
        Self {
            program: program.into(),
            files: vec![("config.yaml".into(), config.into())],
            args: ["serve", "-c", "config.yaml"].map(String::from).into(),
            env: Vec::new(),
            stderr: Stderr::Kept,
        }
    }

    /// Adds a file to the folder.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Replaces the arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args = args.iter().copied().map(String::from).collect();
        self
    }

    /// Sets a variable of the environment, which else has `PATH` only.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Says what is done with stderr.
    #[must_use]
    pub fn stderr(mut self, stderr: Stderr) -> Self {
        self.stderr = stderr;
        self
    }

    /// Starts it and waits until it accepts connections.
    ///
    /// # Errors
    /// How it ended instead, with what it said.
    ///
    /// # Panics
    /// When the machine has no folder, no process or no twenty seconds for it.
    #[expect(clippy::expect_used, reason = "a test that cannot start a process ends there")]
    pub fn try_run(self) -> Result<Gate, Ended> {
        let dir = tempfile::Builder::new().prefix("okgate-test-").tempdir().expect("a folder");
        for (name, content) in &self.files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
        let log = dir.path().join("stderr.log");
        let stderr = match self.stderr {
            Stderr::Kept => Stdio::from(File::create(&log).expect("a log file")),
            Stderr::Unread | Stderr::Closed => Stdio::piped(),
        };
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(dir.path()).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).envs(self.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut process = Process::start(&mut command).expect("okgate");
        let stdout = process.child().stdout.take().expect("stdout");
        let mut gate = Gate { process, said: lines(stdout), stdout: Vec::new(), log, dir, api: None };
        let ended = wait::until(PATIENCE, || {
            gate.listen();
            if gate.api.is_some() { Some(None) } else { gate.process.ended().map(Some) }
        });
        if let Some(Some(status)) = ended {
            gate.stdout.extend(gate.said.iter()); // until the pipe ends
            return Err(Ended { status, stderr: gate.stderr(), stdout: gate.stdout() });
        }
        assert!(gate.api.is_some(), "okgate does not say where it serves: {}", gate.stderr());
        if self.stderr == Stderr::Closed {
            drop(gate.process.child().stderr.take());
        }
        Ok(gate)
    }

    /// Starts it, and fails the test when it does not.
    ///
    /// # Panics
    /// When it ends instead of serving.
    #[track_caller]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn run(self) -> Gate {
        self.try_run().unwrap_or_else(|ended| panic!("okgate did not start: {ended}"))
    }
}

/// An okgate that ended instead of serving.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// All it said on stderr.
    pub stderr: String,
    /// All it said on stdout.
    pub stdout: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}{}", self.status, self.stdout, self.stderr)
    }
}

/// A running okgate. Dropping it kills it and removes its folder.
pub struct Gate {
    process: Process,
    said: Receiver<String>,
    stdout: Vec<String>,
    log: PathBuf,
    dir: TempDir,
    api: Option<(bool, u16)>,
}

impl Gate {
    /// The port of the API; 0 where it is a unix socket.
    ///
    /// # Panics
    /// Never: a gate without one is not handed out.
    #[expect(clippy::expect_used, reason = "`try_run` hands out no gate without one")]
    pub fn port(&self) -> u16 {
        self.api.expect("an API listener").1
    }

    /// The folder with its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// All it said on stderr so far.
    pub fn stderr(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// All it said on stdout so far.
    pub fn stdout(&mut self) -> String {
        self.listen();
        self.stdout.join("\n")
    }

    /// Sends a request to the API.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn try_send(&self, request: &Request) -> io::Result<Reply> {
        let tls = self.api.is_some_and(|(tls, _)| tls);
        http::exchange(self.port(), tls, &request.to_bytes(), request.method == "HEAD")
    }

    /// Sends a request to the API; no answer fails the test.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn send(&self, request: &Request) -> Reply {
        self.try_send(request).unwrap_or_else(|e| {
            panic!("no answer to {}: {e}\n{}", String::from_utf8_lossy(&request.to_bytes()), self.stderr())
        })
    }

    /// `GET target`.
    #[track_caller]
    pub fn get(&self, target: &str) -> Reply {
        self.send(&Request::get(target))
    }

    /// What the API decides about `url`, asked as a gateway does.
    #[track_caller]
    pub fn decide(&self, method: &str, url: &str) -> Reply {
        self.send(&Request::decision(method, url))
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it is not within ten seconds.
    #[track_caller]
    #[must_use]
    pub fn ready(self) -> Self {
        wait::eventually("ready", || (self.get("/health/ready").status == 200).then_some(()));
        self
    }

    /// Overwrites a file in place, as editors without atomic save do.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[expect(clippy::expect_used, reason = "a test that cannot write ends there")]
    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.dir().join(name), content).expect("a file");
    }

    /// Puts a new file in place of the old one by renaming.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[expect(clippy::expect_used, reason = "a test that cannot write ends there")]
    pub fn replace(&self, name: &str, content: &str) {
        let new = self.dir().join(format!(".{}.new", name.replace('/', "-")));
        fs::write(&new, content).expect("a file");
        fs::rename(new, self.dir().join(name)).expect("a rename");
    }

    /// Points the symbolic link `name` at `target`, in one step.
    ///
    /// # Panics
    /// When the link cannot be made.
    #[expect(clippy::expect_used, reason = "a test that cannot write ends there")]
    pub fn relink(&self, name: &str, target: &str) {
        let new = self.dir().join(format!(".{name}.new"));
        symlink(target, &new).expect("a link");
        fs::rename(new, self.dir().join(name)).expect("a rename");
    }

    fn listen(&mut self) {
        self.stdout.extend(self.said.try_iter());
        if self.api.is_none() {
            self.api = self.stdout.iter().find_map(|line| {
                let url = line.strip_prefix("okgate: serving api on ")?;
                if url.starts_with("unix:") {
                    return Some((false, 0));
                }
                let (scheme, address) = url.split_once("://")?;
                let port = address.trim_end_matches('/').rsplit(':').next()?.parse().ok()?;
                Some((scheme == "https", port))
            });
        }
    }
}

/// Reads lines as they come.
fn lines(stdout: impl io::Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}
