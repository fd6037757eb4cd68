//! Input: access rules and configuration as the server would load them.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use okgate::config::{self, Config, Serve, Sources, Strategy};
use okgate::diagnostic::{Report, Severity, Source};
use okgate::pipeline::{Engine, Shared};
use okgate::rule::repository::read_all;
use okgate::rule::source::{Place, Read};
use okgate::rule::{compile, load};
use okgate::upstream::tls::Outbound;

/// Nothing is kept from one request to the next here.
const CACHE_BYTES: usize = 1 << 20;

/// Where access rules and the configuration they are read with come from.
#[derive(Args)]
pub struct Input {
    /// Files, directories or globs with access rules, `-` for standard input; without them the
    /// repositories of the configuration
    #[arg(value_name = "PATHS")]
    paths: Vec<PathBuf>,

    /// Configuration of the server; given several times, later files win, and environment variables win
    /// over files, as for the server
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    config: Vec<PathBuf>,

    /// How patterns are written, where no configuration says so: what stands between `<` and `>`
    #[arg(long, value_enum, conflicts_with = "config")]
    strategy: Option<WrittenAs>,
}

/// `access_rules.matching_strategy`
#[derive(Debug, Clone, Copy, ValueEnum)]
enum WrittenAs {
    Regexp,
    Glob,
}

/// Rules, compiled, with everything that was noticed about them.
pub struct Loaded {
    /// Decides by the rules.
    pub engine: Engine,
    /// Whom its calls out trust.
    pub outbound: Arc<Outbound>,
    /// How the server listens and answers.
    pub serve: Serve,
    /// All findings, about the configuration as well.
    pub report: Report,
    /// How many documents were read.
    pub documents: usize,
    /// How many rules there are, those that could not be read as well.
    pub rules: usize,
    /// Whether a document or a rule could not be read, so that rules are missing.
    pub incomplete: bool,
}

impl Input {
    /// What a server with this configuration loads.
    pub fn configured(config: Vec<PathBuf>) -> Self {
        Self { paths: Vec::new(), config, strategy: None }
    }

    /// Loads the rules. An error when there is nothing to load; what is wrong with what there is, is in the
    /// report. A configuration that cannot be used leaves only a report.
    pub fn load(&self) -> anyhow::Result<Result<Loaded, Report>> {
        let (config, mut report) = match self.configuration()? {
            Ok(loaded) => loaded,
            Err(report) => return Ok(Err(report)),
        };
        let reads = self.reads(&config)?;
        let mut documents = Vec::new();
        let mut unread = HashSet::new();
        let mut incomplete = false;
        let read = reads.len();
        for Read { source, failure } in reads {
            if let Some(finding) = failure {
                incomplete = true;
                report.push(&source, None, finding);
            } else {
                let rules = &config.access_rules;
                let document = load::decode_in_part(source, rules.allow_empty, &rules.substitution);
                incomplete |= document.warnings.errors() > 0;
                let errors = document.warnings.diagnostics.iter();
                let errors = errors.filter(|d| d.finding.severity == Severity::Error);
                let indexes = errors.filter_map(|d| d.finding.pointer.split('/').nth(1));
                unread.extend(indexes.map(|index| (documents.len(), index.to_owned())));
                documents.push(document);
            }
        }
        let shared = Shared::new(CACHE_BYTES);
        shared.outbound.set(&config.http_client.tls);
        let (engine, found) = compile::engine(&config, &documents, &shared);
        report.extend(found);
        let rules = engine.rules().all().len() + unread.len();
        let (serve, outbound) = (config.serve, shared.outbound);
        Ok(Ok(Loaded { engine, outbound, serve, report, documents: read, rules, incomplete }))
    }

    /// The documents that are named, or those that the server would load.
    fn reads(&self, config: &Config) -> anyhow::Result<Vec<Read>> {
        if !self.paths.is_empty() {
            let mut reads = Vec::new();
            for path in &self.paths {
                for read in read(path)? {
                    // Globs and directories may name a file that is named already.
                    let known = |r: &Read| read.source.path.is_some() && r.source.path == read.source.path;
                    if !reads.iter().any(known) {
                        reads.push(read);
                    }
                }
            }
            return Ok(reads);
        }
        if config.access_rules.repositories.is_empty() {
            bail!("the configuration names no `access_rules.repositories`; give the rules as arguments");
        }
        let outbound = Arc::new(Outbound::default());
        outbound.set(&config.http_client.tls);
        Ok(read_all(&config.access_rules, &outbound))
    }

    fn configuration(&self) -> anyhow::Result<Result<(Config, Report), Report>> {
        if !self.config.is_empty() {
            if let Some(missing) = self.config.iter().find(|path| !path.exists()) {
                bail!("there is no file `{}`", missing.display());
            }
            let sources = Sources { files: self.config.clone(), environment: environment() };
            return Ok(config::load(&sources).map(|loaded| (loaded.config, loaded.report)));
        }
        if self.paths.is_empty() {
            bail!(
                "no rules are named; give files, directories, `-`, or the server's configuration with `-c`"
            );
        }
        let strategy = match self.strategy {
            None | Some(WrittenAs::Regexp) => Strategy::Regexp,
            Some(WrittenAs::Glob) => Strategy::Glob,
        };
        Ok(Config::for_validation(strategy).map(|config| (config, Report::default())))
    }
}

/// What the server would see of the environment.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads what one argument names. A name that leads nowhere is a slip of the pen, not a finding.
fn read(path: &Path) -> anyhow::Result<Vec<Read>> {
    if path == Path::new("-") {
        return Ok(vec![read_stdin()?]);
    }
    let shown = path.display();
    let (place, none) = if path.is_dir() {
        (Place::Files(path.to_owned()), "holds no file that ends in .yaml, .yml or .json")
    } else if path.exists() {
        (Place::File(path.to_owned()), "is gone")
    } else if path.to_string_lossy().contains(['*', '?', '[']) {
        (Place::Files(path.to_owned()), "matches no file")
    } else {
        bail!("there is no file `{shown}`");
    };
    let reads = place.documents();
    if reads.is_empty() {
        bail!("`{shown}` {none}");
    }
    Ok(reads)
}

fn read_stdin() -> anyhow::Result<Read> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).context("cannot read standard input")?;
    let source = Source { name: "<stdin>".to_owned(), path: None, text: Some(Arc::from(text)) };
    Ok(Read { source: Arc::new(source), failure: None })
}
