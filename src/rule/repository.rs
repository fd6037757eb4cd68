//! The repository: the last good documents of every source, and the engine made of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::compile;
use super::load::{self, Document};
use super::source::{Place, entry_source};
use super::substitute::Substitution;
use crate::config::Config;
use crate::diagnostic::{Finding, Report};
use crate::pipeline::{Engine, Shared};

/// All rule documents, as last read without error.
pub struct Repository {
    config: Arc<Config>,
    shared: Shared,
    sources: Vec<Kept>,
}

/// One configured source with what is known of it.
struct Kept {
    entry: String,
    documents: Vec<(String, Document)>,
}

/// What a (re)load came to.
pub struct Loaded {
    /// The engine to decide with from now on.
    pub engine: Engine,
    /// All findings, of documents that were refused too.
    pub report: Report,
    /// Whether a source that can only be right or wrong at start is wrong.
    pub fatal: bool,
}

impl Repository {
    /// An empty repository for a configuration; [`reload`](Self::reload) fills it.
    pub fn new(config: Arc<Config>, shared: Shared) -> Self {
        Self { config, shared, sources: Vec::new() }
    }

    /// Takes over a changed configuration. Documents of sources that stay are kept as a fallback.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.config = config;
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
        let mut entries: Vec<&String> = Vec::new();
        for entry in &self.config.access_rules.repositories {
            if entries.contains(&entry) {
                continue;
            }
            entries.push(entry);
            let place = match Place::parse(entry) {
                Ok(place) => place,
                Err(finding) => {
                    report.push(&entry_source(entry), None, finding);
                    fatal = true;
                    continue;
                }
            };
            let old = before.iter().position(|k| k.entry == **entry).map(|at| before.swap_remove(at));
            let (documents, failed) =
                read_place(&place, old, &self.config.access_rules.substitution, &mut report);
            fatal |= failed && place.must_work_at_start();
            self.sources.push(Kept { entry: entry.clone(), documents });
        }
        let documents = self.sources.iter().flat_map(|kept| kept.documents.iter().map(|(_, d)| d));
        let (engine, found) = compile::engine(&self.config, documents, &self.shared);
        report.extend(found);
        Loaded { engine, report, fatal }
    }

    /// Every folder in which a change may concern the rules.
    pub fn watched_folders(&self) -> Vec<PathBuf> {
        self.places().flat_map(|place| place.watched_folders()).collect()
    }

    /// Every file that holds rules at the moment.
    pub fn files(&self) -> Vec<PathBuf> {
        self.places().flat_map(|place| place.files()).collect()
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.config.access_rules.repositories.iter().filter_map(|entry| Place::parse(entry).ok())
    }
}

/// Reads a place. Of what fails, the old documents stay.
fn read_place(
    place: &Place,
    old: Option<Kept>,
    substitution: &Substitution,
    report: &mut Report,
) -> (Vec<(String, Document)>, bool) {
    let mut old = old.map(|kept| kept.documents).unwrap_or_default();
    let mut documents = Vec::new();
    let mut failed = false;
    for read in place.read() {
        let name = read.source.name.clone();
        let last_good = old.iter().position(|(n, _)| *n == name).map(|at| old.swap_remove(at));
        let decoded = match read.failure {
            Some(finding) => {
                let mut why = Report::default();
                why.push(&read.source, None, finding);
                Err(why)
            }
            None => load::decode(read.source, substitution),
        };
        match decoded {
            Ok(document) => documents.push((name, document)),
            Err(why) => {
                failed = true;
                let source = why.diagnostics.first().map(|d| Arc::clone(&d.source));
                report.extend(why);
                if let (Some(good), Some(source)) = (last_good, source) {
                    let rules = good.1.rules.len();
                    report.push(
                        &source,
                        None,
                        Finding::warning(
                            "last-good-rules-stay",
                            "",
                            format!("the {rules} rules last read from it without error stay in force"),
                        ),
                    );
                    documents.push(good);
                }
            }
        }
    }
    (documents, failed)
}
