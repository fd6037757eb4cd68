//! `okctl rules migrate`

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use okgate::diagnostic::{Report, Source};
use okgate::rule::rewrite::{Rewritten, rewrite};

use crate::exit::Exit;
use crate::output;

/// Bring rules that were written for an old version up to date
///
/// The server reads old rules as if they were written as they are now, by their `version`. This writes them so: to
/// standard output, or with `--write` into the files. Comments and layout stay wherever that is possible; where it is
/// not, a note says so.
#[derive(clap::Args)]
#[command(after_help = "\
Exits with 0 when all is up to date or was brought there, with 1 when `--check` finds something to do or a rule
cannot be migrated, and with 2 when a file could not be read or written.

Examples:
  okctl rules migrate rules.yaml > new.yaml
  okctl rules migrate --write rules/*.yaml
  okctl rules migrate --check rules/*.yaml")]
pub struct Args {
    /// Files with access rules, `-` for standard input
    #[arg(value_name = "FILES", required = true)]
    files: Vec<PathBuf>,

    /// Write the result into the files
    #[arg(long, conflicts_with = "check")]
    write: bool,

    /// Write nothing, only say what would change
    #[arg(long)]
    check: bool,
}

/// Migrates file by file.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.files.len() > 1 && !args.write && !args.check {
        bail!("several files cannot go to standard output; use `--write` or `--check`");
    }
    let mut good = true;
    let mut old = false;
    for path in &args.files {
        let text = read(path)?;
        let name = if path == Path::new("-") { "<stdin>".to_owned() } else { path.display().to_string() };
        match rewrite(&text, &name) {
            Ok(None) => {
                output::note(&format!("{name}: nothing to migrate"));
                if !args.write && !args.check {
                    output::print(&text)?;
                }
            }
            Ok(Some(rewritten)) => {
                old = true;
                tell(&name, &rewritten, args.check);
                if args.write {
                    put(path, &rewritten.text)?;
                } else if !args.check {
                    output::print(&rewritten.text)?;
                }
            }
            Err(findings) => {
                good = false;
                let source = Source { name, path: Some(path.clone()), text: Some(Arc::from(text)) };
                let source = Arc::new(source);
                let mut report = Report::default();
                for finding in findings {
                    report.push(&source, None, finding);
                }
                output::note(report.to_human(false).trim_end());
            }
        }
    }
    Ok(Exit::from_yes(good && !(args.check && old)))
}

/// What was changed, or would be.
fn tell(name: &str, rewritten: &Rewritten, check: bool) {
    let done = if check { "to migrate" } else { "migrated" };
    for pointer in &rewritten.changed {
        let (index, below) =
            pointer.trim_start_matches('/').split_once('/').unwrap_or((pointer.as_str(), ""));
        let number = index.parse::<usize>().unwrap_or_default() + 1;
        let place = okgate::schema::dotted(&format!("/{below}"));
        output::note(&format!("{name}: {done}: `{place}` of rule {number}"));
    }
    if !rewritten.layout_kept {
        let lost = if check { "would be lost" } else { "are lost" };
        output::note(&format!("{name}: note: comments and layout {lost}"));
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Writes a new file beside the old one and puts it in its place, so that nobody reads half of it.
fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    let what = || format!("cannot write `{}`", path.display());
    if path == Path::new("-") {
        return Ok(output::print(text)?);
    }
    // What a symbolic link leads to is replaced, not the link.
    let path = std::fs::canonicalize(path).with_context(what)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".migrated");
    let beside = path.with_file_name(name);
    let written = std::fs::write(&beside, text)
        .and_then(|()| std::fs::set_permissions(&beside, std::fs::metadata(&path)?.permissions()))
        .and_then(|()| std::fs::rename(&beside, &path));
    if written.is_err() {
        // It may not be there at all.
        let _ = std::fs::remove_file(&beside);
    }
    written.with_context(what)
}
