//! `okctl rules validate`

use okgate::rule::overlap;
use serde_json::json;

use crate::exit::Exit;
use crate::input::Input;
use crate::output::{self, Color, Format};

/// Check access rules as the server would load them, and show everything that is wrong
///
/// Schema, handlers and their settings, templates and patterns are checked, for each rule merged with the
/// global configuration of its handlers, and then all rules together: two rules that match the same request
/// answer 500. Without `-c`, every handler counts as switched on, and settings that a rule may leave to the
/// global configuration may be missing.
#[derive(clap::Args)]
#[command(after_help = "\
Exits with 0 when there is no error, with 1 when there is one, and with 2 when nothing could be checked.

Examples:
  okctl rules validate -c config.yaml
  okctl rules validate rules/ more/*.yaml
  kubectl get configmap rules -o jsonpath='{.data.rules\\.yaml}' | okctl rules validate -
  okctl rules validate -c config.yaml --deny-warnings --format json")]
pub struct Args {
    #[command(flatten)]
    input: Input,

    /// Text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Exit with 1 for warnings as well
    #[arg(long)]
    deny_warnings: bool,

    /// Colour; `auto` means on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
}

/// Loads, reports, and says whether it is good.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let (report, scope) = match args.input.load()? {
        Ok(mut loaded) => {
            overlap::check(loaded.engine.rules(), &mut loaded.report);
            let rules = count(loaded.rules, "rule");
            (loaded.report, format!(" in {rules} from {}", count(loaded.documents, "file")))
        }
        Err(report) => (report, " in the configuration; the rules were not looked at".to_owned()),
    };
    match args.format {
        Format::Human => output::print(&report.excerpts(args.color.on()))?,
        Format::Json => output::print_json(&json!({
            "errors": report.errors(),
            "warnings": report.warnings(),
            "findings": report.to_json(),
        }))?,
    }
    let summary = if report.is_empty() { "nothing wrong".to_owned() } else { report.summary() };
    output::note(&format!("{summary}{scope}"));
    let good = report.errors() == 0 && (report.warnings() == 0 || !args.deny_warnings);
    Ok(Exit::from_yes(good))
}

/// `1 rule`, `2 rules`
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
