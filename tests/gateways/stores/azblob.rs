//! Rules in Azure: Azurite, Microsoft's own emulator, which checks the signature of whoever asks.

use super::{PATIENCE, becomes, config, is_told, rule, rules};
use crate::example::find;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use okgate_testkit::gate::Start;
use okgate_testkit::http::{Reply, Request, exchange};
use okgate_testkit::process::Process;
use okgate_testkit::{ports, wait};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use std::fs::File;
use std::process::{Command, Stdio};

pub const PROGRAM: &str = "azurite-blob";
/// The account and key that Azurite documents.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const BLOB: &str = "rules/team%20a/web.yaml";

pub fn rules_come_from_azure() -> Result<(), String> {
    let store = Store::start()?;
    store.send("PUT", "rules?restype=container", "")?;
    store.put("one")?;
    let url = format!("azblob://{BLOB}?localemu=true&domain=127.0.0.1:{}", store.port);
    let start =
        || Start::new(env!("CARGO_BIN_EXE_okgate"), config(&url)).env("AZURE_STORAGE_ACCOUNT", ACCOUNT);
    let wrong = start().env("AZURE_STORAGE_KEY", &STANDARD.encode("hunter2")).run();
    let ready = wrong.get("/health/ready");
    if ready.status != 503 || !ready.text().contains("`AuthorizationFailure`") {
        return Err(format!("with a wrong key: {}", ready.summary()));
    }
    drop(wrong);

    let gate = start().env("AZURE_STORAGE_KEY", KEY).run();
    if rule(&gate).as_deref() != Some("one") {
        return Err(format!("no rule at the first request: {}", gate.stderr()));
    }
    store.put("two")?;
    becomes(&gate, "two")?;
    wait::until(PATIENCE, || store.log().contains(" 304 ").then_some(()))
        .ok_or_else(|| format!("it asks without a condition: {}", store.log()))?;
    store.send("DELETE", BLOB, "")?;
    is_told(&gate, "it answered with status 404, `BlobNotFound`")?;
    becomes(&gate, "two")?;
    store.put("three")?;
    becomes(&gate, "three")
}

struct Store {
    port: u16,
    dir: tempfile::TempDir,
    _server: Process,
}

impl Store {
    fn start() -> Result<Self, String> {
        let said = |error: std::io::Error| error.to_string();
        let [port] = ports::free().map_err(said)?;
        let dir = tempfile::tempdir().map_err(said)?;
        let mut command = Command::new(find("node").ok_or("node is not installed")?);
        command.arg(find(PROGRAM).ok_or("azurite is gone")?);
        command.args(["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        let log = File::create(dir.path().join("log")).map_err(said)?;
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        let store = Self { port, dir, _server: Process::start(&mut command).map_err(said)? };
        let listens = || store.log().contains("successfully listens").then_some(());
        wait::until(PATIENCE, listens).ok_or("azurite does not start")?;
        Ok(store)
    }

    /// What it was asked.
    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn put(&self, id: &str) -> Result<(), String> {
        self.send("PUT", BLOB, &rules(id))
    }

    /// Sends a request that is signed as the service asks for ("Authorize with Shared Key").
    fn send(&self, method: &str, target: &str, body: &str) -> Result<(), String> {
        let length = if body.is_empty() { String::new() } else { body.len().to_string() };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = if query.is_empty() { String::new() } else { format!("\n{}", query.replace('=', ":")) };
        let headers =
            "x-ms-blob-type:BlockBlob\nx-ms-date:Sun, 22 Nov 2026 10:00:00 GMT\nx-ms-version:2021-12-02";
        // Path and account: the emulator's paths have the account in them, too.
        let signed =
            format!("{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{headers}\n/{ACCOUNT}/{ACCOUNT}/{path}{query}");
        let mut request = Request::new(method, format!("/{ACCOUNT}/{target}"))
            .header("Host", format!("127.0.0.1:{}", self.port))
            .header("Content-Length", body.len().to_string())
            .header("Authorization", format!("SharedKey {ACCOUNT}:{}", signature(&signed)?));
        for (name, value) in headers.lines().filter_map(|line| line.split_once(':')) {
            request = request.header(name, value);
        }
        let reply = exchange(self.port, false, &request.body(body).to_bytes(), false);
        let reply: Reply = reply.map_err(|error| error.to_string())?;
        if reply.status < 300 { Ok(()) } else { Err(reply.summary()) }
    }
}

/// An HMAC with the account's key, in base64.
fn signature(text: &str) -> Result<String, String> {
    let made = || -> Result<String, openssl::error::ErrorStack> {
        let key = PKey::hmac(&STANDARD.decode(KEY).unwrap_or_default())?;
        let signed = Signer::new(MessageDigest::sha256(), &key)?.sign_oneshot_to_vec(text.as_bytes())?;
        Ok(STANDARD.encode(signed))
    };
    made().map_err(|error| error.to_string())
}
