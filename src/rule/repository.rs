//! The repository: the last good documents of every source, and the engine made of them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use openssl::sha::sha256;

use super::compile;
use super::load::{self, Document};
use super::remote::Known;
use super::source::{self, Read, RuleSource, UNREADABLE_SOURCE, entry_source, unreachable_source};
use crate::config::{AccessRules, Config};
use crate::diagnostic::{Finding, Report, Severity, Source};
use crate::pipeline::{Engine, Shared};
use crate::upstream::tls::Outbound;

/// All rule documents, as last read without error.
#[derive(Clone)]
pub struct Repository {
    config: Arc<Config>,
    shared: Shared,
    remote: Arc<Known>,
    sources: Vec<Kept>,
}

/// One configured source with what is known of it.
#[derive(Clone)]
struct Kept {
    entry: String,
    documents: Vec<Held>,
}

/// A document in force.
#[derive(Clone)]
struct Held {
    document: Arc<Document>,
    revision: String,
    since: SystemTime,
}

/// What a (re)load came to.
pub struct Loaded {
    /// The engine to decide with from now on.
    pub engine: Engine,
    /// All findings, of documents that were refused too.
    pub report: Report,
    /// Whether a source that can only be right or wrong at start is wrong.
    pub fatal: bool,
    /// What became of each source.
    pub sources: Vec<SourceStatus>,
}

/// What became of one source. Not to be printed as it is: its entry may hold credentials.
#[derive(Clone)]
pub struct SourceStatus {
    /// As it is configured; may hold credentials.
    pub entry: String,
    /// As people may see it.
    pub name: String,
    /// Whether it is read over a network.
    pub remote: bool,
    /// Why something of what was read could not be taken over.
    pub failure: Option<String>,
    /// Its documents in force.
    pub documents: Vec<DocumentStatus>,
}

/// A document in force.
#[derive(Debug, Clone)]
pub struct DocumentStatus {
    /// As people may see it.
    pub name: String,
    /// SHA-256 of its text, in hexadecimal digits.
    pub revision: String,
    /// How many rules it holds.
    pub rules: usize,
    /// Since when this revision is in force.
    pub since: SystemTime,
    /// Whether the source has another one by now, which cannot be used.
    pub last_good: bool,
}

impl Repository {
    /// An empty repository for a configuration; [`reload`](Self::reload) fills it.
    pub fn new(config: Arc<Config>, shared: Shared) -> Self {
        Self { config, shared, remote: Arc::default(), sources: Vec::new() }
    }

    /// The same with what is known of remote sources, which are empty otherwise.
    #[must_use]
    pub fn with_remote(mut self, remote: Arc<Known>) -> Self {
        self.remote = remote;
        self
    }

    /// The same for a changed configuration. Documents of sources that stay are kept as a fallback.
    #[must_use]
    pub fn with_config(&self, config: Arc<Config>) -> Self {
        Self { config, ..self.clone() }
    }

    /// The configuration the rules are compiled with.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Reads every source anew. A document that cannot be read or decoded leaves the last good one in
    /// its place; everything else is replaced at once.
    pub fn reload(&mut self) -> Loaded {
        let mut report = Report::default();
        let mut fatal = false;
        let mut before = std::mem::take(&mut self.sources);
        let mut seen = Seen::new(&self.config.access_rules.repositories);
        let mut statuses = Vec::new();
        for entry in &self.config.access_rules.repositories {
            if self.sources.iter().any(|kept| kept.entry == *entry) {
                continue;
            }
            let source = match source::open(entry) {
                Ok(source) => source,
                Err(finding) => {
                    report.push(&entry_source(entry), None, finding);
                    fatal = true;
                    continue;
                }
            };
            let old = before.iter().position(|k| k.entry == *entry).map(|at| before.swap_remove(at));
            let mut about = Report::default();
            let reads = self.reads(entry, &*source, &mut about);
            let nothing = reads.as_ref().is_some_and(Vec::is_empty);
            let reads =
                reads.map(|reads| reads.into_iter().filter(|read| seen.is_new(read, entry)).collect());
            let mut reading = Reading {
                entry,
                remote: source.is_remote(),
                rules: &self.config.access_rules,
                old: old.map(|kept| kept.documents).unwrap_or_default(),
                held: Vec::new(),
                last_good: HashSet::new(),
                report: about,
            };
            if nothing && !reading.rules.allow_empty {
                reading.miss();
            } else {
                reading.take_in(reads);
            }
            fatal |= reading.report.errors() > 0 && source.must_work_at_start();
            statuses.push(reading.status());
            report.extend(reading.report);
            self.sources.push(Kept { entry: entry.clone(), documents: reading.held });
        }
        let documents =
            self.sources.iter().flat_map(|kept| kept.documents.iter().map(|held| &*held.document));
        let (engine, found) = compile::engine(&self.config, documents, &self.shared);
        report.extend(found);
        Loaded { engine, report, fatal, sources: statuses }
    }

    /// The documents of a source; `None` where a remote one has none yet.
    fn reads(&self, entry: &str, source: &dyn RuleSource, report: &mut Report) -> Option<Vec<Read>> {
        if let Some(reads) = source.read() {
            return Some(reads);
        }
        let latest = self.remote.latest(entry);
        match (&latest.document, &latest.failure) {
            (Some(_), Some(reason)) => {
                let finding = unreachable_source(entry, reason);
                report.push(&entry_source(entry), None, finding);
            }
            (None, reason) => {
                let reason = reason.as_deref().unwrap_or("they have not come yet");
                report.push(&entry_source(entry), None, unreachable_source(entry, reason));
            }
            (Some(_), None) => {}
        }
        latest.document.map(|source| vec![Read { source, failure: None }])
    }

    /// Every folder in which a change may concern the rules.
    pub fn watched_folders(&self) -> Vec<PathBuf> {
        self.open().flat_map(|source| source.watched_folders()).collect()
    }

    /// Every file that holds rules at the moment.
    pub fn files(&self) -> Vec<PathBuf> {
        self.open().flat_map(|source| source.files()).collect()
    }

    fn open(&self) -> impl Iterator<Item = Box<dyn RuleSource>> {
        self.config.access_rules.repositories.iter().filter_map(|entry| source::open(entry).ok())
    }
}

/// Reads what a server with this configuration would load at its start, without keeping anything: every document
/// once, and a finding in place of each that cannot be read.
pub fn read_all(rules: &AccessRules, outbound: &Arc<Outbound>) -> Vec<Read> {
    let mut seen = Seen::new(&rules.repositories);
    let mut entries: Vec<&String> = Vec::new();
    let mut all = Vec::new();
    for entry in &rules.repositories {
        if entries.contains(&entry) {
            continue;
        }
        entries.push(entry);
        let reads = source::read_entry(entry, outbound);
        if reads.is_empty() && !rules.allow_empty {
            let source = entry_source(entry);
            let failure = Some(no_documents(&source));
            all.push(Read { source, failure });
        }
        all.extend(reads.into_iter().filter(|read| seen.is_new(read, entry)));
    }
    all
}

/// Where there is nothing at all, more likely something is not mounted than all rules are meant to go.
fn no_documents(source: &Source) -> Finding {
    let message = format!("there are no documents with rules in `{}`", source.name);
    Finding::error("no-documents", "", message)
        .help("set `access_rules.allow_empty` to `true` if that is right")
}

/// Files by their real path: one that several entries name is loaded once, by the entry that names it itself.
struct Seen {
    /// The entry that a file is kept for, until it is read.
    files: HashMap<PathBuf, Option<String>>,
}

impl Seen {
    fn new(entries: &[String]) -> Self {
        let mut seen = Self { files: HashMap::new() };
        for entry in entries {
            let Ok(source) = source::open(entry) else { continue };
            if let [file] = source.files().as_slice()
                && source::name(entry) == file.to_string_lossy()
            {
                seen.files.entry(real(file)).or_insert_with(|| Some(entry.clone()));
            }
        }
        seen
    }

    /// Whether a document is no file, or a file that is this entry's and was not read before.
    fn is_new(&mut self, read: &Read, entry: &str) -> bool {
        let Some(path) = &read.source.path else { return true };
        match self.files.entry(real(path)) {
            Entry::Vacant(place) => {
                place.insert(None);
                true
            }
            Entry::Occupied(mut owner) => {
                let mine = owner.get().as_deref() == Some(entry);
                if mine {
                    owner.insert(None);
                }
                mine
            }
        }
    }
}

/// The path behind symbolic links, where there is one.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Takes in what one source holds.
struct Reading<'r> {
    entry: &'r str,
    remote: bool,
    rules: &'r AccessRules,
    old: Vec<Held>,
    held: Vec<Held>,
    last_good: HashSet<String>,
    report: Report,
}

impl Reading<'_> {
    fn miss(&mut self) {
        let source = entry_source(self.entry);
        self.report.push(&source, None, no_documents(&source));
        self.keep_all(&source);
    }

    /// Of what fails, the old documents stay.
    fn take_in(&mut self, reads: Option<Vec<Read>>) {
        let Some(reads) = reads else {
            self.held = std::mem::take(&mut self.old);
            return;
        };
        for read in reads {
            let decoded = if let Some(finding) = read.failure {
                let mut why = Report::default();
                why.push(&read.source, None, finding);
                Err(why)
            } else {
                let source = Arc::clone(&read.source);
                load::decode(source, self.rules.allow_empty, &self.rules.substitution)
            };
            match decoded {
                Ok(document) => self.replace(document),
                Err(why) => {
                    self.report.extend(why);
                    // A folder that cannot be read is no document: all that came from it stays.
                    if read.source.path.is_none() && read.source.text.is_none() {
                        self.keep_all(&read.source);
                    } else {
                        self.keep(&read.source);
                    }
                }
            }
        }
    }

    fn replace(&mut self, document: Document) {
        let text = document.source.text.as_deref().unwrap_or_default();
        let revision = hex(&sha256(text.as_bytes()));
        let name = &document.source.name;
        let same =
            self.old.iter().find(|held| held.document.source.name == *name && held.revision == revision);
        let since = same.map_or_else(SystemTime::now, |held| held.since);
        self.held.push(Held { document: Arc::new(document), revision, since });
    }

    fn keep(&mut self, source: &Arc<Source>) {
        let Some(at) = self.old.iter().position(|held| held.document.source.name == source.name) else {
            return;
        };
        let held = self.old.swap_remove(at);
        self.say_kept(source, held.document.rules.len());
        self.last_good.insert(source.name.clone());
        self.held.push(held);
    }

    fn keep_all(&mut self, source: &Arc<Source>) {
        if self.old.is_empty() {
            return;
        }
        self.held = std::mem::take(&mut self.old);
        self.last_good.extend(self.held.iter().map(|held| held.document.source.name.clone()));
        self.say_kept(source, self.held.iter().map(|held| held.document.rules.len()).sum());
    }

    fn say_kept(&mut self, source: &Arc<Source>, rules: usize) {
        let message = format!("the {rules} rules last read from it without error stay in force");
        self.report.push(source, None, Finding::warning("last-good-rules-stay", "", message));
    }

    fn status(&self) -> SourceStatus {
        // Whether a remote source can be reached is known at any time, not only since the last reload.
        let mut wrong = Report::default();
        wrong.diagnostics.extend(
            self.report
                .diagnostics
                .iter()
                .find(|d| d.finding.severity == Severity::Error && d.finding.code != UNREADABLE_SOURCE)
                .cloned(),
        );
        let failure = wrong.to_lines().into_iter().next();
        let documents = self.held.iter().map(|held| DocumentStatus {
            name: held.document.source.name.clone(),
            revision: held.revision.clone(),
            rules: held.document.rules.len(),
            since: held.since,
            last_good: self.last_good.contains(&held.document.source.name),
        });
        SourceStatus {
            entry: self.entry.to_owned(),
            name: source::name(self.entry),
            failure,
            remote: self.remote,
            documents: documents.collect(),
        }
    }
}

/// Hexadecimal digits.
pub(super) fn hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::with_capacity(digest.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
