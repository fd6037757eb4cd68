//! `okctl rules get`

use anyhow::bail;

use crate::api::{Endpoint, segment, trimmed};
use crate::exit::Exit;
use crate::output;

/// Show one access rule of a running server
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  okctl rules get users:read --endpoint http://localhost:4456")]
pub struct Args {
    /// Id of the rule
    id: String,

    #[command(flatten)]
    endpoint: Endpoint,
}

/// Asks for a rule and prints it.
pub fn run(args: &Args, endpoint: Option<String>) -> anyhow::Result<Exit> {
    // A client would take `.` and `..` for steps in the path, and an empty one for the list.
    if matches!(args.id.as_str(), "" | "." | "..") {
        bail!("`{}` cannot be asked for by id", args.id);
    }
    let answer = args.endpoint.api(endpoint)?.get(&format!("/rules/{}", segment(&args.id)))?;
    match answer.status() {
        200 => output::print_tabbed_json(&trimmed(answer.json()?))?,
        404 if is_error(&answer) => {
            output::note(&format!("okctl: the server has no rule `{}`: {}", args.id, answer.complaint()));
            return Ok(Exit::No);
        }
        _ => bail!("{}", answer.complaint()),
    }
    Ok(Exit::Yes)
}

/// Whether it is the rules API that has no such rule. Another server's 404 page says nothing about rules.
fn is_error(answer: &crate::api::Answer) -> bool {
    answer.json().is_ok_and(|body| body.get("error").is_some())
}
