//! `okgate`: reads its arguments and serves.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use okgate::config::Sources;
use okgate::server::{self, StartError};

const USAGE: &str = "\
okgate decides for a gateway whether a request is allowed

Usage: okgate [-c FILE]… serve [-c FILE]…
       okgate version
       okgate help

Options:
  -c, --config FILE   configuration in YAML, JSON or TOML; given several times or as a comma-separated
                      list, later files win; environment variables win over files
";

enum Command {
    Serve,
    Version,
    Help,
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)).and_then(|(command, files)| run(&command, files)) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("okgate: {error:#}\n"));
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command, files: Vec<PathBuf>) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match command {
        Command::Help => out.write_all(USAGE.as_bytes())?,
        Command::Version => writeln!(out, "okgate {}", env!("CARGO_PKG_VERSION"))?,
        Command::Serve => {
            drop(out);
            let environment = std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect();
            return match server::run(Sources { files, environment }) {
                Ok(()) => Ok(ExitCode::SUCCESS),
                Err(StartError::Findings(report)) => {
                    say(&report.to_human(std::io::stderr().is_terminal()));
                    say("okgate: not started\n");
                    Ok(ExitCode::FAILURE)
                }
                Err(error) => {
                    say(&format!("okgate: {error}\n"));
                    Ok(ExitCode::FAILURE)
                }
            };
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// To standard error; a closed one is nothing to fail for.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn parse(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<(Command, Vec<PathBuf>)> {
    use lexopt::prelude::{Long, Short, Value, ValueExt as _};
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut files = Vec::new();
    let mut command = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('c') | Long("config") => {
                let list = parser.value()?.string().context("--config takes file names in UTF-8")?;
                files.extend(list.split(',').filter(|f| !f.is_empty()).map(PathBuf::from));
            }
            // Oathkeeper's switches about telemetry, which does not exist here.
            Long("sqa-opt-out" | "disable-telemetry") => {
                let _ = parser.optional_value();
            }
            Short('h') | Long("help") => return Ok((Command::Help, files)),
            Short('V') | Long("version") => return Ok((Command::Version, files)),
            Value(name) if command.is_none() => {
                command = Some(match name.to_str() {
                    Some("serve") => Command::Serve,
                    Some("version") => Command::Version,
                    Some("help") => Command::Help,
                    _ => bail!("`{}` is no command; try `okgate help`", name.to_string_lossy()),
                });
            }
            other => return Err(other.unexpected().into()),
        }
    }
    match command {
        Some(command) => Ok((command, files)),
        None => bail!("no command given; try `okgate serve -c config.yaml` or `okgate help`"),
    }
}
