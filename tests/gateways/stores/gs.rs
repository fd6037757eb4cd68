//! Rules in Google's store: fake-gcs-server, which speaks it but lets everybody read. That a service account signs what
//! it asks with is tested beside the source.

use super::{PATIENCE, becomes, config, is_told, rule, rules};
use crate::example::find;
use okgate_testkit::gate::Start;
use okgate_testkit::http::{Request, exchange};
use okgate_testkit::process::Process;
use okgate_testkit::{ports, wait};
use std::process::{Command, Stdio};

pub const PROGRAM: &str = "fake-gcs-server";

pub fn rules_come_from_google() -> Result<(), String> {
    let store = Store::start()?;
    store.send("POST", "/storage/v1/b", r#"{"name": "rules"}"#)?;
    store.put("one")?;
    let start = |url: &str| {
        Start::new(env!("CARGO_BIN_EXE_okgate"), config(url))
            .env("STORAGE_EMULATOR_HOST", &format!("127.0.0.1:{}", store.port))
    };
    let missing = start("gs://other/web.yaml").run();
    let ready = missing.get("/health/ready");
    if ready.status != 503 || !ready.text().contains("it answered with status 404") {
        return Err(format!("of a bucket that is not there: {}", ready.summary()));
    }
    drop(missing);

    let gate = start("gs://rules/team%20a/web.yaml").run();
    if rule(&gate).as_deref() != Some("one") {
        return Err(format!("no rule at the first request: {}", gate.stderr()));
    }
    store.put("two")?;
    becomes(&gate, "two")?;
    store.send("DELETE", "/storage/v1/b/rules/o/team%20a%2Fweb.yaml", "")?;
    is_told(&gate, "it answered with status 404")?;
    becomes(&gate, "two")?;
    store.put("three")?;
    becomes(&gate, "three")
}

struct Store {
    port: u16,
    _server: Process,
}

impl Store {
    fn start() -> Result<Self, String> {
        let [port] = ports::free().map_err(|error| error.to_string())?;
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(find(PROGRAM).ok_or("fake-gcs-server is gone")?);
        command.args(["-scheme", "http", "-host", "127.0.0.1", "-port", &port.to_string()]);
        command.args(["-backend", "memory", "-public-host", &address]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let store = Self { port, _server: Process::start(&mut command).map_err(|error| error.to_string())? };
        wait::until(PATIENCE, || store.send("GET", "/storage/v1/b", "").ok())
            .ok_or("fake-gcs-server does not start")?;
        Ok(store)
    }

    fn put(&self, id: &str) -> Result<(), String> {
        let upload = "/upload/storage/v1/b/rules/o?uploadType=media&name=team%20a%2Fweb.yaml";
        self.send("POST", upload, &rules(id))
    }

    fn send(&self, method: &str, target: &str, body: &str) -> Result<(), String> {
        let request = Request::new(method, target)
            .header("Host", format!("127.0.0.1:{}", self.port))
            .header("Content-Length", body.len().to_string())
            .body(body);
        let reply =
            exchange(self.port, false, &request.to_bytes(), false).map_err(|error| error.to_string())?;
        if reply.status < 300 { Ok(()) } else { Err(reply.summary()) }
    }
}
