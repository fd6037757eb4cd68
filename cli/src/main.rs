//! `okctl`: validate and match access rules offline, make credentials, ask a running server.
//!
//! Each command is a file in `command/` with its arguments and one function that does it. What they find
//! out comes from the library, so that it is what the server does.

mod api;
mod command;
mod doctor;
mod exit;
mod gateway;
mod input;
mod output;
mod place;
mod request;
mod verdict;

use clap::Parser as _;

use command::Okctl;
use exit::Exit;

fn main() -> Exit {
    // Usage errors end here, with exit code 2.
    match command::run(Okctl::parse()) {
        Ok(exit) => exit,
        Err(error) => {
            output::note(&format!("okctl: {error:#}"));
            Exit::CouldNot
        }
    }
}
