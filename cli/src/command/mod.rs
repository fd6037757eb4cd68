//! The commands: `okctl NOUN VERB`.
//!
//! To add one: a file `noun_verb.rs` with an `Args` struct and a function `run`, and its lines here.

mod completion;
mod credentials_generate;
mod doctor;
mod gateway;
mod health;
mod rules_get;
mod rules_list;
mod rules_match;
mod rules_migrate;
mod rules_validate;
mod schema_print;
mod version;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};

use crate::exit::Exit;

/// Toolkit for okgate: validate and match access rules offline, make credentials, ask a running server.
#[derive(Parser)]
#[command(name = "okctl", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Okctl {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  yes: nothing wrong, one rule matches, key made, server alive
  1  no: errors found, no rule or several, not there, not ready
  2  could not do it, or wrong usage

Examples:
  okctl rules validate -c config.yaml
  okctl rules match --url https://app.example.com/users/7 -c config.yaml
  okctl credentials generate --alg ES256 --out jwks.json";

#[derive(Subcommand)]
enum Command {
    /// Check access rules, find the one for a request, bring old ones up to date, list those of a running server
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Rules(Rules),
    /// Make keys to sign tokens with
    #[command(subcommand)]
    Credentials(Credentials),
    Gateway(gateway::Args),
    Doctor(doctor::Args),
    /// Ask a running server how it is
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Health(Health),
    /// Show the JSON Schemas of configuration, rules and handlers
    #[command(subcommand)]
    Schema(Schema),
    /// Say which version this is
    Version,
    /// Print a completion script for a shell
    Completion(completion::Args),
}

#[derive(Args)]
struct Rules {
    #[command(flatten)]
    before: EndpointBefore,
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Subcommand)]
enum RulesCommand {
    Validate(rules_validate::Args),
    Match(rules_match::Args),
    Migrate(rules_migrate::Args),
    List(rules_list::Args),
    Get(rules_get::Args),
}

#[derive(Subcommand)]
enum Credentials {
    Generate(credentials_generate::Args),
}

#[derive(Args)]
struct Health {
    #[command(flatten)]
    before: EndpointBefore,
    #[command(subcommand)]
    command: HealthCommand,
}

#[derive(Subcommand)]
enum HealthCommand {
    /// Ask whether a server answers at all
    #[command(after_help = health::ALIVE_HELP)]
    Alive(health::Args),
    /// Ask whether a server has rules to decide by
    #[command(after_help = health::READY_HELP)]
    Ready(health::Args),
}

#[derive(Subcommand)]
enum Schema {
    Print(schema_print::Args),
}

/// `okctl rules -e URL list`: Oathkeeper takes the flag before the verb as well.
#[derive(Args)]
struct EndpointBefore {
    #[arg(short, long, value_name = "URL", hide = true)]
    endpoint: Option<String>,
}

/// Does what was asked for.
pub fn run(okctl: Okctl) -> anyhow::Result<Exit> {
    match okctl.command {
        Command::Rules(Rules { before: EndpointBefore { endpoint }, command }) => match command {
            RulesCommand::List(args) => rules_list::run(&args, endpoint),
            RulesCommand::Get(args) => rules_get::run(&args, endpoint),
            _ if endpoint.is_some() => bail!("this command works offline and takes no `--endpoint`"),
            RulesCommand::Validate(args) => rules_validate::run(&args),
            RulesCommand::Match(args) => rules_match::run(&args),
            RulesCommand::Migrate(args) => rules_migrate::run(&args),
        },
        Command::Credentials(Credentials::Generate(args)) => credentials_generate::run(&args),
        Command::Health(Health { before: EndpointBefore { endpoint }, command }) => match command {
            HealthCommand::Alive(args) => health::run("alive", &args, endpoint),
            HealthCommand::Ready(args) => health::run("ready", &args, endpoint),
        },
        Command::Gateway(args) => gateway::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Schema(Schema::Print(args)) => schema_print::run(&args),
        Command::Version => version::run(),
        Command::Completion(args) => completion::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Okctl;

    #[test]
    fn the_command_tree_is_sound() {
        Okctl::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_gives_an_example() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            if command.get_subcommands().next().is_none()
                && !["version", "help"].contains(&command.get_name())
            {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example"), "{}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Okctl::command());
    }
}
