//! Rules from elsewhere: a real server for each kind, which checks who asks where it can.

mod azblob;
mod gs;
mod http;
mod s3;

use crate::example::find;
use crate::left_out;
use libtest_mimic::{Completion, Failed, Trial};
use okgate_testkit::gate::Gate;
use okgate_testkit::wait;
use std::time::Duration;

type Check = fn() -> Result<(), String>;

/// The rows, each left out where its store is not installed.
pub fn trials(required: bool) -> impl Iterator<Item = Trial> {
    let rows: [(&str, &str, Check); 4] = [
        (
            "nginx::rules come from a web server, follow it, and outlive a lost file",
            http::PROGRAM,
            http::rules_come_from_a_web_server,
        ),
        ("moto::rules come from s3, follow it, and outlive a lost key", s3::PROGRAM, s3::rules_come_from_s3),
        (
            "azurite::rules come from azure, follow it, and outlive a lost blob",
            azblob::PROGRAM,
            azblob::rules_come_from_azure,
        ),
        (
            "fake-gcs-server::rules come from google, follow it, and outlive a lost object",
            gs::PROGRAM,
            gs::rules_come_from_google,
        ),
    ];
    rows.into_iter().map(move |(name, program, check)| {
        Trial::ignorable_test(name, move || match find(program) {
            None => left_out(program, required),
            Some(_) => check().map(|()| Completion::Completed).map_err(Failed::from),
        })
    })
}

const PATIENCE: Duration = Duration::from_secs(20);

fn config(url: &str) -> String {
    format!(
        "
serve: {{api: {{host: 127.0.0.1, port: 0}}}}
access_rules: {{repositories: ['{url}'], reload: {{poll: 300ms}}}}
authenticators: {{anonymous: {{enabled: true}}}}
authorizers: {{allow: {{enabled: true}}}}
mutators: {{header: {{enabled: true, config: {{headers: {{}}}}}}}}
"
    )
}

/// A document with one rule of this id.
fn rules(id: &str) -> String {
    format!(
        "[{{id: {id}, match: {{url: 'http://app.test/<.*>', methods: [GET]}}, authorizer: {{handler: allow}},
           authenticators: [{{handler: anonymous}}],
           mutators: [{{handler: header, config: {{headers: {{X-Rule: {id}}}}}}}]}}]"
    )
}

fn rule(gate: &Gate) -> Option<String> {
    gate.decide("GET", "http://app.test/x").header("x-rule")
}

fn becomes(gate: &Gate, id: &str) -> Result<(), String> {
    let became = wait::until(PATIENCE, || (rule(gate).as_deref() == Some(id)).then_some(()));
    became.ok_or_else(|| format!("the rule is not `{id}`: {}", gate.stderr()))
}

/// Waits until this is said of the source.
fn is_told(gate: &Gate, reason: &str) -> Result<(), String> {
    let told = |said: String| (said.contains("failing_sources") && said.contains(reason)).then_some(());
    let ready = || gate.get("/health/ready").text();
    wait::until(PATIENCE, || told(ready())).ok_or_else(|| format!("nobody says {reason}, but {}", ready()))
}
