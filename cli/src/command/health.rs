//! `okctl health alive` and `okctl health ready`

use okgate::upstream::FetchError;
use serde_json::Value;

use crate::api::Endpoint;
use crate::exit::Exit;
use crate::output;

/// Which server.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    endpoint: Endpoint,
}

pub const ALIVE_HELP: &str = "\
Exits with 0 when the server says `ok`, and with 1 when it says anything else or cannot be reached.

Example:
  okctl health alive --endpoint http://localhost:4456";

pub const READY_HELP: &str = "\
Exits with 0 when the server says `ok`, and with 1 when it says anything else or cannot be reached.

Example:
  okctl health ready --endpoint http://localhost:4456";

/// Asks and prints the answer. No answer is a no: probes of containers read it so.
pub fn run(what: &str, args: &Args, endpoint: Option<String>) -> anyhow::Result<Exit> {
    let answer = match args.endpoint.api(endpoint)?.get(&format!("/health/{what}")) {
        Ok(answer) => answer,
        Err(error @ FetchError::Url { .. }) => return Err(error.into()),
        Err(error) => {
            output::note(&format!("okctl: {error}"));
            return Ok(Exit::No);
        }
    };
    let body = answer.json().unwrap_or_default();
    if answer.status() == 200 && body.get("status").and_then(Value::as_str) == Some("ok") {
        output::print_tabbed_json(&body)?;
        return Ok(Exit::Yes);
    }
    output::note(&format!("okctl: not {what}: {}", answer.complaint()));
    Ok(Exit::No)
}
