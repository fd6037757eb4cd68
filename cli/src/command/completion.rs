//! `okctl completion SHELL`

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::Okctl;
use crate::exit::Exit;
use crate::output;

/// Which shell.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  okctl completion bash > /etc/bash_completion.d/okctl
  okctl completion zsh > ~/.zfunc/_okctl
  okctl completion fish > ~/.config/fish/completions/okctl.fish")]
pub struct Args {
    /// The shell to complete in
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    generate(args.shell, &mut Okctl::command(), "okctl", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Yes)
}
