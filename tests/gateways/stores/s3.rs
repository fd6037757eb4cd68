//! Rules in S3: moto, which speaks it and checks who asks with AWS's own code.

use super::{PATIENCE, becomes, config, is_told, rule, rules};
use crate::example::find;
use okgate_testkit::gate::Start;
use okgate_testkit::http::{Reply, Request, exchange};
use okgate_testkit::process::Process;
use okgate_testkit::{ports, wait};
use std::process::{Command, Stdio};

pub const PROGRAM: &str = "moto_server";

pub fn rules_come_from_s3() -> Result<(), String> {
    let store = Store::start()?;
    let keys = store.user()?;
    store.put("one")?;
    store.check_signatures(true)?;
    let url = format!(
        "s3://rules/team a/web.yaml?endpoint=127.0.0.1:{}&disable_https=true&region=eu-west-1",
        store.port
    );
    let start = || Start::new(env!("CARGO_BIN_EXE_okgate"), config(&url)).env("AWS_ACCESS_KEY_ID", &keys.0);
    let wrong = start().env("AWS_SECRET_ACCESS_KEY", "hunter2").run();
    let ready = wrong.get("/health/ready");
    if ready.status != 503 || !ready.text().contains("`SignatureDoesNotMatch`") {
        return Err(format!("with a wrong key: {}", ready.summary()));
    }
    drop(wrong);

    let gate = start().env("AWS_SECRET_ACCESS_KEY", &keys.1).run();
    if rule(&gate).as_deref() != Some("one") {
        return Err(format!("no rule at the first request: {}", gate.stderr()));
    }
    store.check_signatures(false)?;
    store.put("two")?;
    store.check_signatures(true)?;
    becomes(&gate, "two")?;
    store.iam(&[("Action", "DeleteAccessKey"), ("UserName", "gate"), ("AccessKeyId", &keys.0)], true)?;
    is_told(&gate, "`InvalidAccessKeyId`")?;
    becomes(&gate, "two")
}

/// moto with a bucket `rules`.
struct Store {
    port: u16,
    _server: Process,
}

impl Store {
    fn start() -> Result<Self, String> {
        let [port] = ports::free().map_err(|error| error.to_string())?;
        let mut command = Command::new(find(PROGRAM).ok_or("moto is gone")?);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let store = Self { port, _server: Process::start(&mut command).map_err(|error| error.to_string())? };
        wait::until(PATIENCE, || store.send(&Request::get("/moto-api/")).ok())
            .ok_or("moto does not start")?;
        store.s3(&Request::new("PUT", "/rules"))?;
        Ok(store)
    }

    fn send(&self, request: &Request) -> Result<Reply, String> {
        // The name of the host says which bucket is meant: with an address, the path does.
        let request = request.clone().header("Host", format!("127.0.0.1:{}", self.port));
        exchange(self.port, false, &request.to_bytes(), false).map_err(|error| error.to_string())
    }

    /// A user who may read the bucket: key and secret.
    fn user(&self) -> Result<(String, String), String> {
        self.iam(&[("Action", "CreateUser"), ("UserName", "gate")], false)?;
        let policy =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
        let user = [("Action", "PutUserPolicy"), ("UserName", "gate"), ("PolicyName", "reads")];
        self.iam(&[&user[..], &[("PolicyDocument", policy)]].concat(), false)?;
        let made = self.iam(&[("Action", "CreateAccessKey"), ("UserName", "gate")], false)?;
        let between = |tag: &str| {
            let (_, rest) = made.split_once(&format!("<{tag}>"))?;
            Some(rest.split_once("</")?.0.to_owned())
        };
        between("AccessKeyId").zip(between("SecretAccessKey")).ok_or_else(|| format!("no key in {made}"))
    }

    fn put(&self, id: &str) -> Result<(), String> {
        let rules = rules(id);
        let put = Request::new("PUT", "/rules/team%20a/web.yaml");
        self.s3(&put.header("Content-Length", rules.len().to_string()).body(rules))
    }

    fn s3(&self, request: &Request) -> Result<(), String> {
        let reply = self.send(&request.clone().header("Authorization", service("s3")))?;
        if reply.status == 200 { Ok(()) } else { Err(reply.summary()) }
    }

    /// Asks the user administration; with signatures being checked it is not asked for one meanwhile.
    fn iam(&self, form: &[(&str, &str)], checked: bool) -> Result<String, String> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.append_pair("Version", "2010-05-08").extend_pairs(form).finish();
        let request = Request::new("POST", "/")
            .header("Authorization", service("iam"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Content-Length", body.len().to_string())
            .body(body);
        if checked {
            self.check_signatures(false)?;
        }
        let reply = self.send(&request)?;
        if checked {
            self.check_signatures(true)?;
        }
        if reply.status == 200 { Ok(reply.text()) } else { Err(reply.summary()) }
    }

    /// Whether requests from now on need the signature of somebody who is known.
    fn check_signatures(&self, on: bool) -> Result<(), String> {
        let unchecked = if on { "0" } else { "1000000" };
        let request = Request::new("POST", "/moto-api/reset-auth")
            .header("Content-Type", "text/plain")
            .header("Content-Length", unchecked.len().to_string())
            .body(unchecked);
        let reply = self.send(&request)?;
        if reply.status == 200 { Ok(()) } else { Err(reply.summary()) }
    }
}

/// Tells moto which service is meant, while it does not look at signatures.
fn service(name: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=mock/20200101/us-east-1/{name}/aws4_request, SignedHeaders=host, Signature=x"
    )
}
