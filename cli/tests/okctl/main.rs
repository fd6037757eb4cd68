//! okctl as people run it: transcripts in `tests/cmd/` and in the documentation, and what transcripts
//! cannot show.

#![expect(clippy::unwrap_used, reason = "a test that cannot run okctl ends there")]

mod doctor;
mod gateway;
mod keys;
mod output;
mod server;
mod stub;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where the rules of the transcripts are.
fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop")
}

/// Runs okctl in the shop's folder, without anything of the environment that could change what it says.
fn okctl(arguments: &[&str]) -> Output {
    command(arguments).stdin(Stdio::null()).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_okctl"));
    command.args(arguments).current_dir(shop()).env_clear();
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_transcript_is_what_okctl_says() {
    let stub = stub::start();
    let endpoint = stub.url("");
    // Transcripts name files as somebody in that folder does.
    std::env::set_current_dir(shop()).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    trycmd::TestCases::new()
        .env("OKCTL_ENDPOINT", &endpoint)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .insert_var("[ENDPOINT]", endpoint)
        .unwrap()
        .case(root.join("tests/cmd/*.trycmd"))
        .case(root.join("../docs/OKCTL.md"));
}
