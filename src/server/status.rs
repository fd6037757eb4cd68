//! Status: where the rules come from, which revision of them is in force, and what is wrong with them.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::live::Snapshot;
use crate::diagnostic::Report;
use crate::rule::remote::Known;
use crate::rule::repository::{Loaded, SourceStatus};
use crate::template::rfc3339;

/// More findings are counted, but not listed.
const FINDINGS: usize = 100;

/// What the last load came to.
pub struct Status {
    sources: Vec<SourceStatus>,
    /// Names of the sources from which nothing was ever read over the network.
    unread: Vec<String>,
    findings: Vec<Value>,
    errors: usize,
    warnings: usize,
    loaded_at: SystemTime,
    /// Why the configuration that is written is not the one in force.
    configuration: Option<String>,
}

impl Status {
    /// The status after a load, with what was found about the configuration.
    pub fn new(configuration: &Report, loaded: &Loaded, remote: &Known) -> Self {
        let unread = loaded.sources.iter().filter(|source| source.remote);
        let unread = unread.filter(|source| remote.latest(&source.entry).document.is_none());
        let mut report = configuration.clone();
        report.extend(loaded.report.clone());
        let mut findings = match report.to_json() {
            Value::Array(findings) => findings,
            _ => Vec::new(),
        };
        findings.truncate(FINDINGS);
        Self {
            unread: unread.map(|source| source.name.clone()).collect(),
            sources: loaded.sources.clone(),
            findings,
            errors: report.errors(),
            warnings: report.warnings(),
            loaded_at: SystemTime::now(),
            configuration: None,
        }
    }

    /// Says why the configuration that is written is not the one in force.
    pub fn with_refused(mut self, configuration: Option<String>) -> Self {
        self.configuration = configuration;
        self
    }

    /// Whether there are sources from which nothing was ever read. A configuration that changes waits for
    /// its new sources, so these were there at start.
    pub fn waits(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Whether everything that is written is in force.
    pub fn is_good(&self) -> bool {
        self.errors == 0
            && self.configuration.is_none()
            && self.sources.iter().all(|source| source.failure.is_none())
    }

    /// How many sources there are.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// How many findings there are: errors and warnings.
    pub fn findings(&self) -> (usize, usize) {
        (self.errors, self.warnings)
    }

    /// Sources that fail at the moment, by name, with the reason.
    pub fn failing(&self, remote: &Known) -> Map<String, Value> {
        let failing = self
            .sources
            .iter()
            .filter_map(|source| Some((source.name.clone(), json!(failure(source, remote)?))));
        failing.collect()
    }

    /// What `/status` answers.
    pub fn to_json(&self, snapshot: &Snapshot, remote: &Known) -> Value {
        let rules = snapshot.engine.rules();
        json!({
            "loaded_at": rfc3339(self.loaded_at),
            "rules": {"loaded": rules.all().len(), "valid": rules.valid().count()},
            "configuration": match &self.configuration {
                None => json!({"state": "in force"}),
                Some(why) => json!({"state": "refused", "reason": why}),
            },
            "sources": self.sources.iter().map(|source| source_json(source, remote)).collect::<Vec<_>>(),
            "errors": self.errors,
            "warnings": self.warnings,
            "findings": self.findings,
        })
    }
}

fn failure(source: &SourceStatus, remote: &Known) -> Option<String> {
    let unreachable = || {
        let latest = source.remote.then(|| remote.latest(&source.entry))?;
        let unasked = latest.document.is_none().then(|| "nothing has come from it yet".to_owned());
        latest.failure.or(unasked)
    };
    unreachable().or_else(|| source.failure.clone())
}

fn source_json(source: &SourceStatus, remote: &Known) -> Value {
    let failure = failure(source, remote);
    let asked = source.remote.then(|| remote.latest(&source.entry).asked_at).flatten();
    let documents = source.documents.iter().map(|document| {
        json!({
            "name": document.name,
            "revision": document.revision,
            "rules": document.rules,
            "loaded_at": rfc3339(document.since),
            "last_good": document.last_good,
        })
    });
    json!({
        "name": source.name,
        "state": if failure.is_some() { "failing" } else { "ok" },
        "failure": failure,
        "asked_at": asked.map(rfc3339),
        "documents": documents.collect::<Vec<_>>(),
    })
}
