//! `okctl credentials generate`

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use okgate::keys::generate::NewKey;
use serde_json::Value;

use crate::exit::Exit;
use crate::output;

/// Make a key to sign tokens with, as a JSON Web Key Set
#[derive(clap::Args)]
#[command(after_help = "\
Oathkeeper and okgate read the result, for example as `mutators.id_token.config.jwks_url`.

Examples:
  okctl credentials generate --alg RS256 > jwks.json
  okctl credentials generate --alg ES256 --kid 2026-01 --out /etc/okgate/jwks.json
  okctl credentials generate --alg EdDSA --out private.json --public > public.json")]
pub struct Args {
    #[arg(long, help = ALG_HELP)]
    alg: String,

    /// Name of the key; a random UUID where none is given
    #[arg(long)]
    kid: Option<String>,

    /// Length of the key; 0 for what suits the algorithm
    #[arg(long, default_value_t = 0)]
    bits: u32,

    /// Print the public half, for those who verify; the private key is kept only with `--out`
    #[arg(long)]
    public: bool,

    /// Write the private key to a new file that only its owner can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Replace the file of `--out` if it exists
    #[arg(long, requires = "out")]
    force: bool,
}

const ALG_HELP: &str = "Signature algorithm: HS256, HS384, HS512, ES256, ES384, ES512, EdDSA, RS256, RS384, \
    RS512, PS256, PS384 or PS512";

/// Makes the key and writes it where it is wanted.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    // Before the work: a long key takes minutes.
    if let Some(path) = args.out.as_deref().filter(|path| !args.force && fs::symlink_metadata(path).is_ok()) {
        bail!("`{}` exists; `--force` replaces it", path.display());
    }
    let key = generate(args).context("unable to generate key")?;
    let public = args.public.then(|| key.public_set());
    if matches!(public, Some(None)) {
        bail!("a key for {} is a shared secret and has no public half", args.alg);
    }
    let public = public.flatten();
    match &args.out {
        Some(path) => {
            write_private(path, &key.private_set(), args.force)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
            output::note(&format!("key `{}` written to `{}`", key.kid(), path.display()));
        }
        None if public.is_none() => output::print_json(&key.private_set())?,
        None => output::note("the private key was not kept; `--out FILE` keeps it"),
    }
    if let Some(public) = public {
        output::print_json(&public)?;
    }
    Ok(Exit::Yes)
}

/// Makes the key; on a terminal, shows that work is going on as soon as it takes a while.
fn generate(args: &Args) -> anyhow::Result<NewKey> {
    let mut spinner: Option<ProgressBar> = None;
    let mut progress = |_: Duration| {
        spinner
            .get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{spinner} making a key for {msg} ({elapsed})");
                // Draws on stderr, and only where that is a terminal.
                let spinner = ProgressBar::new_spinner().with_message(args.alg.clone());
                spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                spinner
            })
            .tick();
    };
    let key = NewKey::generate(&args.alg, args.kid.as_deref(), args.bits, &mut progress);
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    Ok(key?)
}

/// Writes a file that nobody else can read. One that is replaced is replaced whole or not at all.
fn write_private(path: &Path, set: &Value, replace: bool) -> io::Result<()> {
    let text = output::indented(set, b"  ");
    if !replace {
        return write_new(path, &text);
    }
    let mut beside = path.to_owned();
    beside.as_mut_os_string().push(format!(".{}.new", std::process::id()));
    write_new(&beside, &text)?;
    fs::rename(&beside, path).inspect_err(|_| remove(&beside))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).inspect_err(|_| remove(path))
}

/// Takes half a key away again. What is told is why it is half.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn args(out: Option<&Path>, force: bool) -> Args {
        Args {
            alg: "ES256".to_owned(),
            kid: Some("k".to_owned()),
            bits: 0,
            public: false,
            out: out.map(Path::to_owned),
            force,
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_file_is_for_its_owner_alone_and_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        assert_eq!(run(&args(Some(&path), false)).unwrap(), Exit::Yes);
        assert_eq!(mode(&path), 0o600);
        let before = fs::read(&path).unwrap();
        let error = run(&args(Some(&path), false)).unwrap_err().to_string();
        assert!(error.ends_with("exists; `--force` replaces it"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn force_replaces_a_key_file_and_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(run(&args(Some(&path), true)).unwrap(), Exit::Yes);
        assert_eq!(mode(&path), 0o600);
        assert!(fs::read_to_string(&path).unwrap().contains("\"kid\": \"k\""));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_made_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no/such/folder.json");
        let error = format!("{:#}", run(&args(Some(&path), false)).unwrap_err());
        assert!(error.contains("cannot write `") && error.contains("No such file"), "{error}");
    }
}
