//! `okctl schema print`

use anyhow::bail;
use okgate::config::Stage;
use okgate::schema::{self, Schema};

use crate::exit::Exit;
use crate::output;

/// Print the JSON Schema of the configuration, of rules, or of one handler's settings
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  okctl schema print > config.schema.json
  okctl schema print rules > rules.schema.json
  okctl schema print authenticators.jwt

In editors with the YAML language server, this line at the top of a file checks it while you type:
  # yaml-language-server: $schema=rules.schema.json")]
pub struct Args {
    /// `config`, `rules` (a document of rules), `rule` (one of them), or a handler such as `mutators.header`
    #[arg(default_value = "config")]
    what: String,
}

/// Prints it, self-contained.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(schema) = find(&args.what) else {
        bail!(
            "there is no schema `{}`; there are config, rules, rule and {}",
            args.what,
            handlers().join(", ")
        );
    };
    output::print_json(&schema.document())?;
    Ok(Exit::Yes)
}

fn find(what: &str) -> Option<&'static Schema> {
    match what {
        "config" => Some(schema::config()),
        "rule" => Some(schema::rule()),
        "rules" => Some(schema::rules()),
        handler => {
            let (stage, id) = handler.split_once('.')?;
            let stage = Stage::ALL.into_iter().find(|s| s.to_string() == stage)?;
            schema::handler(stage, id)
        }
    }
}

/// `authenticators.anonymous` and so on.
fn handlers() -> Vec<String> {
    Stage::ALL
        .into_iter()
        .flat_map(|stage| schema::handler_ids(stage).map(move |id| format!("{stage}.{id}")))
        .collect()
}
