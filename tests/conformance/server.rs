//! The server under test: one start for a suite, in a folder of its own.

use crate::check::finds;
use crate::placeholder::{Values, bytes, document};
use crate::suite::{Start, Suite};
use okgate_testkit::http::{self, Reply, Request};
use okgate_testkit::process::Process;
use okgate_testkit::stub::{Route, Stub};
use okgate_testkit::{ports, wait};
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often a start is tried again when another process was faster to take a port.
const TRIES: usize = 3;

/// A started server with its stub and what the placeholders stand for.
pub struct Server<'a> {
    pub suite: &'a Suite,
    pub stub: &'a Stub,
    pub values: Values,
    process: Process,
    dir: TempDir,
}

/// How the start went.
pub enum Started<'a> {
    /// The cases can be asked.
    Serving(Server<'a>),
    /// The start was the whole question, or went wrong: what is to be said about it, nothing when it is as expected.
    Judged { differences: Vec<String>, departure: bool },
}

impl<'a> Server<'a> {
    /// Starts the server for `suite` and waits as the suite says.
    pub fn start(suite: &'a Suite, stub: &'a Stub) -> Result<Started<'a>, String> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let mut server = Self::launch(suite, stub)?;
            let waited = match suite.expect_start {
                Start::Ok => server.serves(),
                Start::Fail => return Ok(server.judge_end(Duration::from_secs(12))),
                Start::Runs => return Ok(server.judge_end(Duration::from_millis(1500))),
            };
            match waited {
                Ok(()) => return Ok(Started::Serving(server)),
                Err(_) if tries > 0 && server.log().to_lowercase().contains("address already in use") => {}
                Err(why) => {
                    let differences =
                        vec![format!("server: {why}"), format!("output: {}", server.log_end(1500))];
                    let departure = suite.departure.is_some() && suite.departure_start;
                    return Ok(Started::Judged { differences, departure });
                }
            }
        }
    }

    fn launch(suite: &'a Suite, stub: &'a Stub) -> Result<Self, String> {
        let io = |e: std::io::Error| format!("could not start: {e}");
        let dir = tempfile::Builder::new().prefix("okgate-conformance-").tempdir().map_err(io)?;
        let [api, proxy, metrics, dead] = ports::free().map_err(io)?;
        let host = |port: u16| Value::from(format!("127.0.0.1:{port}"));
        let url = |port: u16| Value::from(format!("http://127.0.0.1:{port}"));
        let values = Values(
            [
                ("API_PORT", api.into()),
                ("PROXY_PORT", proxy.into()),
                ("METRICS_PORT", metrics.into()),
                ("STUB_PORT", stub.port().into()),
                ("STUB_HOST", host(stub.port())),
                ("STUB", url(stub.port())),
                ("API_HOST", host(api)),
                ("PROXY_HOST", host(proxy)),
                ("DEAD", url(dead)),
                ("DEAD_HOST", host(dead)),
                ("DIR", dir.path().to_string_lossy().into()),
            ]
            .into(),
        );
        set_routes(stub, &values, &suite.stub)?;
        for (name, content) in &suite.files {
            write(dir.path(), name, &values.fill(content)).map_err(io)?;
        }
        let name = suite.config_name.as_deref().unwrap_or("config.yaml");
        let config = match &suite.config_text {
            Some(text) => Value::from(values.fill_text(text)),
            None => values.fill(suite.config.as_ref().unwrap_or(&Value::Object(Map::new()))),
        };
        write(dir.path(), name, &config).map_err(io)?;

        let log = File::create(dir.path().join("server.log")).map_err(io)?;
        let mut command = command(&dir.path().join(name));
        command.args(suite.args.iter().filter_map(|arg| values.fill(arg).as_str().map(str::to_owned)));
        command.env_clear().current_dir(dir.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(io)?).stderr(log);
        for name in ["PATH", "HOME", "LANG", "TMPDIR", "RUST_BACKTRACE", "RUST_LOG"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("SQA_OPT_OUT", "true"); // the reference phones home else
        for (name, value) in &suite.env {
            let value = values.fill(value);
            command.env(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let process = Process::start(&mut command).map_err(io)?;
        Ok(Self { suite, stub, values, process, dir })
    }

    /// Waits until the cases can be asked; not being ready in time is for the cases to tell.
    fn serves(&mut self) -> Result<(), String> {
        let with_rules = self.suite.config.as_ref().is_some_and(|c| c.to_string().contains("access_rules"));
        let goal = self.suite.wait.as_deref().unwrap_or(if with_rules { "ready" } else { "alive" });
        let end = Instant::now() + Duration::from_secs(15);
        self.serves_until(end, &|server| server.answers_200("/health/alive").is_some())
            .map_err(|why| why.unwrap_or_else(|| "did not answer within 15s".to_owned()))?;
        std::thread::sleep(Duration::from_millis(if goal == "alive" { self.suite.wait_ms } else { 0 }));
        let rules: Option<usize> = goal.strip_prefix("rules:").and_then(|n| n.parse().ok());
        let reached = |server: &Self| match (goal, rules) {
            ("alive", _) => true,
            (_, Some(rules)) => server
                .answers_200("/rules?limit=500")
                .is_some_and(|reply| reply.json().as_array().is_some_and(|list| list.len() >= rules)),
            _ => server.answers_200("/health/ready").is_some(),
        };
        match self.serves_until(Instant::now() + Duration::from_secs(3), &reached) {
            Err(Some(ended)) => Err(ended),
            Err(None) | Ok(()) => Ok(()),
        }
    }

    /// `Err(Some(how))` when the process ended, `Err(None)` when the time is over.
    fn serves_until(&mut self, end: Instant, holds: &dyn Fn(&Self) -> bool) -> Result<(), Option<String>> {
        let limit = end.saturating_duration_since(Instant::now());
        wait::until(limit, || match self.process.ended() {
            Some(status) => Some(Err(Some(how(status)))),
            None => holds(self).then_some(Ok(())),
        })
        .unwrap_or(Err(None))
    }

    fn answers_200(&self, target: &str) -> Option<Reply> {
        let request = Request::get(target).to_bytes();
        let tls = self.suite.tls.iter().any(|listener| listener == "api");
        http::exchange(self.values.port("API_PORT"), tls, &request, false)
            .ok()
            .filter(|reply| reply.status == 200)
    }

    /// For suites whose only question is how the start goes.
    fn judge_end(mut self, limit: Duration) -> Started<'a> {
        let ended = self.process.ends_within(limit);
        let mut differences = Vec::new();
        let mut departure = self.suite.departure.is_some();
        match (self.suite.expect_start, ended) {
            (Start::Runs, Some(status)) => {
                differences.push(format!("start: expected the process to stay up, it {}", how(status)));
                departure &= !status.success();
            }
            (Start::Fail, None) => {
                differences
                    .push("start: expected the server to end with an error, it kept running".to_owned());
            }
            (Start::Fail, Some(status)) if status.success() => {
                differences.push("start: expected an exit code that is not zero".to_owned());
            }
            _ => {}
        }
        if let Some(regex) = &self.suite.stderr_regex
            && self.suite.expect_start == Start::Fail
            && !finds(&regex.as_str().into(), &self.log())
        {
            differences.push(format!("start: output does not match `{regex}`"));
        }
        if !differences.is_empty() {
            differences.push(format!("output: {}", self.log_end(800)));
        }
        Started::Judged { differences, departure }
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        self.process.ended().map(how)
    }

    /// Sends a signal, and waits for the end where one is expected.
    pub fn signal(&mut self, name: &str, exit: Option<i32>, limit: Duration) -> Result<(), String> {
        self.process.signal(name).map_err(|e| e.to_string())?;
        let Some(wanted) = exit else { return Ok(()) };
        let status = self.process.ends_within(limit).ok_or("did not exit")?;
        if status.code() == Some(wanted) {
            Ok(())
        } else {
            Err(format!("exit code: expected {wanted}, it {}", how(status)))
        }
    }

    /// Replaces the stub's routes.
    pub fn set_routes(&self, routes: &[Value]) -> Result<(), String> {
        set_routes(self.stub, &self.values, routes)
    }

    /// Writes a file of the suite's folder: in place where it exists, as editors without atomic save do.
    pub fn write(&self, name: &str, content: &Value) -> Result<(), String> {
        write(self.dir.path(), name, &self.values.fill(content)).map_err(|e| format!("{name}: {e}"))
    }

    /// Puts a new file in place of an old one by renaming, as Kubernetes and most editors do.
    pub fn replace(&self, name: &str, content: &Value) -> Result<(), String> {
        let text = document(name, &self.values.fill(content));
        let new = self.dir.path().join(format!("{name}.new"));
        fs::write(&new, bytes(&text))
            .and_then(|()| fs::rename(new, self.dir.path().join(name)))
            .map_err(|e| format!("{name}: {e}"))
    }

    /// Deletes a file of the suite's folder.
    pub fn delete(&self, name: &str) -> Result<(), String> {
        fs::remove_file(self.dir.path().join(name)).map_err(|e| format!("{name}: {e}"))
    }

    /// All the server has said.
    pub fn log(&self) -> String {
        fs::read(self.dir.path().join("server.log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The end of what the server has said.
    pub fn log_end(&self, length: usize) -> String {
        let log = self.log();
        let skip = log.chars().count().saturating_sub(length);
        log.chars().skip(skip).collect()
    }
}

/// `okgate serve -c CONFIG`, or what `CONFORMANCE_SERVER` says instead, with `{config}` for the configuration.
fn command(config: &Path) -> Command {
    let config = config.to_string_lossy();
    let given = std::env::var("CONFORMANCE_SERVER").ok();
    let line = given.as_deref().unwrap_or(concat!(env!("CARGO_BIN_EXE_okgate"), " serve -c {config}"));
    let mut words = line.split_whitespace().map(|word| word.replace("{config}", &config));
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

fn set_routes(stub: &Stub, values: &Values, routes: &[Value]) -> Result<(), String> {
    let routes: Result<Vec<Route>, _> =
        routes.iter().map(|r| serde_json::from_value(values.fill(r))).collect();
    stub.set_routes(routes.map_err(|e| format!("stub: {e}"))?)
}

/// A file that is new comes whole; one that exists is overwritten where it is.
fn write(dir: &Path, name: &str, content: &Value) -> std::io::Result<()> {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap_or(dir))?;
    let text = bytes(&document(name, content));
    if path.exists() {
        return fs::write(path, text);
    }
    let new = dir.join(format!("{name}.tmp~"));
    fs::write(&new, text)?;
    fs::rename(new, path)
}

fn how(status: ExitStatus) -> String {
    format!("ended with {status}")
}
