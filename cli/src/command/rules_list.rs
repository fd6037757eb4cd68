//! `okctl rules list`

use serde_json::Value;

use crate::api::{Endpoint, trimmed};
use crate::exit::Exit;
use crate::output;
use anyhow::bail;

/// List the access rules that a running server decides by
#[derive(clap::Args)]
#[command(after_help = "\
Rules with an error are not listed; `okctl rules validate` says what is wrong with them.

Example:
  okctl rules list --endpoint http://localhost:4456 --limit 100 --page 2")]
pub struct Args {
    #[command(flatten)]
    endpoint: Endpoint,

    /// Rules on a page
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=500))]
    limit: u64,

    /// Which page, counted from 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    page: u64,
}

/// Asks for a page of rules and prints it.
pub fn run(args: &Args, endpoint: Option<String>) -> anyhow::Result<Exit> {
    let offset = args.limit * (args.page - 1);
    let answer = args.endpoint.api(endpoint)?.get(&format!("/rules?limit={}&offset={offset}", args.limit))?;
    if answer.status() != 200 {
        bail!("{}", answer.complaint());
    }
    match answer.json()? {
        rules @ Value::Array(_) => output::print_tabbed_json(&trimmed(rules))?,
        _ => bail!("{} answers with something that is no list of rules", answer.url),
    }
    Ok(Exit::Yes)
}
