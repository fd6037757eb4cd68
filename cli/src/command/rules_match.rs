//! `okctl rules match`

use anyhow::bail;
use okgate::pipeline::Denial;
use okgate::request::AccessRequest;
use okgate::rule::RuleSet;
use okgate::rule::explain::Explanation;

use crate::exit::Exit;
use crate::input::Input;
use crate::output::{self, Color, Format};
use crate::request::RequestArgs;
use crate::verdict::{Outcome, Verdict};

/// Find the access rule for a request, and say why the others do not match
///
/// Works offline, with the same steps as the server: the request is brought to its canonical form, in every
/// way it may be read, and all rules are tried. Nothing is authenticated or sent.
#[derive(clap::Args)]
#[command(after_help = "\
Exits with 0 when exactly one rule matches, with 1 when none or several do or the path is ambiguous, and
with 2 when the rules could not be loaded.

Examples:
  okctl rules match --url https://app.example.com/users/7 -c config.yaml
  okctl rules match --method POST --url https://app.example.com/users rules/
  okctl rules match --url http://okgate:4456/decisions rules.yaml \\
    -H 'X-Forwarded-Method: GET' -H 'X-Forwarded-Proto: https' \\
    -H 'X-Forwarded-Host: app.example.com' -H 'X-Forwarded-Uri: /users/7'")]
pub struct Args {
    #[command(flatten)]
    request: RequestArgs,

    #[command(flatten)]
    input: Input,

    /// Show every rule that does not match, not only the nearest
    #[arg(long)]
    all: bool,

    /// Text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Colour; `auto` means on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
}

/// Rules that do not match are shown so many, unless all are wanted.
const NEAREST: usize = 5;

/// Loads the rules, matches, and explains.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let request = args.request.read()?;
    let loaded = match args.input.load()? {
        Ok(loaded) if loaded.incomplete => {
            output::note(loaded.report.to_human(false).trim_end());
            bail!("some rules could not be read, so that the answer would not be the server's");
        }
        Ok(loaded) => loaded,
        Err(report) => {
            output::note(report.to_human(false).trim_end());
            bail!("the configuration cannot be used");
        }
    };
    let rules = loaded.engine.rules();
    let invalid = rules.all().len() - rules.valid().count();
    if invalid > 0 {
        let all = rules.all().len();
        output::note(&format!(
            "note: rules with errors: {invalid} of {all}; `okctl rules validate` shows them"
        ));
    }
    let parts = request.parts();
    let access = AccessRequest::new(parts.clone(), request.headers());
    let (outcome, explanation) = match &access {
        Ok(access) => judge(rules, access, if args.all { usize::MAX } else { NEAREST }),
        Err(error) => (Outcome::Unreadable(error.to_string()), Explanation::default()),
    };
    let matched = matches!(outcome, Outcome::One(_));
    let verdict = Verdict {
        parts: &parts,
        access: access.as_ref().ok(),
        outcome,
        explanation,
        policy: rules.policy().on_multiple_matches,
        query_counts: rules.all().iter().any(|rule| rule.conditions.as_ref().is_some_and(|c| c.have_query())),
        report: &loaded.report,
    };
    match args.format {
        Format::Human => output::print(&verdict.to_human(args.color.on()))?,
        Format::Json => output::print_json(&verdict.to_json())?,
    }
    if !matched && !request.is_forwarded() && parts.path.value.starts_with(b"/decisions/") {
        output::note("note: `--url` is what the client asks for, without the gateway's `/decisions`");
    }
    Ok(Exit::from_yes(matched))
}

/// What the server would decide on, and everything around it.
fn judge(rules: &RuleSet, access: &AccessRequest<'_>, nearest: usize) -> (Outcome, Explanation) {
    let outcome = match rules.find(access) {
        Ok(Some(hit)) if hit.rule.uses_captures() && hit.captures(access).is_err() => Outcome::TooCostly,
        Ok(Some(hit)) => Outcome::One(hit),
        Ok(None) => Outcome::None,
        Err(Denial::SeveralRules { .. }) => Outcome::Several,
        Err(Denial::BadRequest { why }) if why.id == "ambiguous-field" => Outcome::AmbiguousField,
        Err(Denial::BadRequest { .. }) => Outcome::Ambiguous,
        Err(_) => Outcome::TooCostly,
    };
    (outcome, Explanation::new(rules, access, nearest))
}
