//! Rules behind a URL: nginx, which gives every file an `ETag` and answers 304 to who knows it.

use super::{PATIENCE, becomes, config, is_told, rule, rules};
use crate::example::find;
use okgate_testkit::gate::Start;
use okgate_testkit::process::Process;
use okgate_testkit::{ports, wait};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub const PROGRAM: &str = "nginx";

pub fn rules_come_from_a_web_server() -> Result<(), String> {
    let site = Site::start()?;
    site.put("one")?;
    let url = format!("http://127.0.0.1:{}/web.yaml", site.port);
    let gate = Start::new(env!("CARGO_BIN_EXE_okgate"), config(&url)).run();
    if rule(&gate).as_deref() != Some("one") {
        return Err(format!("no rule at the first request: {}", gate.stderr()));
    }
    site.answers("304")?;
    // nginx makes them of time and length, and the time has no fractions.
    site.put("another")?;
    becomes(&gate, "another")?;
    fs::remove_file(site.folder().join("web.yaml")).map_err(|error| error.to_string())?;
    is_told(&gate, "it answered with status 404")?;
    becomes(&gate, "another")?;
    site.put("third")?;
    becomes(&gate, "third")
}

struct Site {
    port: u16,
    dir: TempDir,
    _server: Process,
}

impl Site {
    fn start() -> Result<Self, String> {
        let said = |error: std::io::Error| error.to_string();
        let [port] = ports::free().map_err(said)?;
        let dir = tempfile::tempdir().map_err(said)?;
        let at = dir.path().display();
        let config = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;
             events {{}}
             http {{
                 log_format status $status;
                 access_log {at}/statuses status;
                 client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;
                 uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;
                 server {{ listen 127.0.0.1:{port}; root {at}; }}
             }}"
        );
        fs::write(dir.path().join("nginx.conf"), config).map_err(said)?;
        let mut command = Command::new(find(PROGRAM).ok_or("nginx is gone")?);
        command.arg("-p").arg(dir.path()).arg("-c").arg(dir.path().join("nginx.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Process::start(&mut command).map_err(said)?;
        wait::until(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok())
            .ok_or("nginx does not start")?;
        Ok(Self { port, dir, _server: server })
    }

    fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Puts a document in the place of another, whole.
    fn put(&self, id: &str) -> Result<(), String> {
        let new = self.folder().join("new");
        fs::write(&new, rules(id)).map_err(|error| error.to_string())?;
        fs::rename(new, self.folder().join("web.yaml")).map_err(|error| error.to_string())
    }

    /// Waits until the server has answered with this status.
    fn answers(&self, status: &str) -> Result<(), String> {
        let statuses = || fs::read_to_string(self.folder().join("statuses")).unwrap_or_default();
        let answered = || statuses().lines().any(|line| line == status).then_some(());
        wait::until(PATIENCE, answered).ok_or_else(|| format!("no {status} among {}", statuses()))
    }
}
