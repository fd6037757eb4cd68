//! `okctl version`

use crate::exit::Exit;
use crate::output;

/// Prints three lines, as Oathkeeper does; builds outside a release pipeline do not know the last two.
pub fn run() -> anyhow::Result<Exit> {
    let hash = option_env!("OKGATE_GIT_HASH").unwrap_or("undefined");
    let time = option_env!("OKGATE_BUILD_TIME").unwrap_or("undefined");
    output::print(&format!(
        "Version:    {}\nGit Hash:   {hash}\nBuild Time: {time}\n",
        env!("CARGO_PKG_VERSION")
    ))?;
    Ok(Exit::Yes)
}
