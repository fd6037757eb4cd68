//! Broken configurations, rules, templates, keys and requests, each with the exact diagnostic or status it gets.
//!
//! A table is a list of inputs; the snapshot beside it shows each input with what is said about it, so that a change of
//! wording is read in a review. Configurations and rules go through the loader that the server, a reload and
//! `okctl rules validate` share.

mod configurations;
mod keys;
mod requests;
mod rules;
mod templates;

use okgate::config::{self, Sources};
use okgate::diagnostic::Report;
use okgate::pipeline::Shared;
use okgate::rule::Repository;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// What is wrong, and the text that is.
type Row = (&'static str, &'static str);

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

/// What loading a configuration, and then its rules, comes to. `{DIR}` in `config` is the folder.
fn load(dir: &Path, config: &[&str], environment: &[(&str, &str)]) -> String {
    let files = config.iter().map(|name| dir.join(name)).collect();
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    match config::load(&Sources { files, environment }) {
        Err(report) => said("not started", &report, dir),
        Ok(loaded) => {
            let shared = Shared::new(loaded.config.cache_max_bytes);
            let mut repository = Repository::new(Arc::new(loaded.config), shared);
            let rules = repository.reload();
            let mut report = loaded.report;
            report.extend(rules.report);
            let valid = rules.engine.rules().valid().count();
            let all = rules.engine.rules().all().len();
            let verdict =
                if rules.fatal { "not started".to_owned() } else { format!("serves {valid} of {all} rules") };
            said(&verdict, &report, dir)
        }
    }
}

fn said(verdict: &str, report: &Report, dir: &Path) -> String {
    let text = report.to_human(false).replace(&format!("{}/", dir.display()), "");
    format!("{text}=> {verdict}\n").replace(&*dir.to_string_lossy(), "DIR")
}

/// One row of a snapshot.
fn block(out: &mut String, what: &str, input: &str, found: &str) {
    let _ = write!(out, "━━━ {what}\n{}\n───\n{}\n\n", input.trim_end(), found.trim_end());
}

/// Every row loaded by `load`, as one text. A row about which nothing is said is no row of these tables.
fn table(rows: &[Row], load: impl Fn(&str) -> String) -> String {
    let (mut out, mut silent) = (String::new(), Vec::new());
    for (what, input) in rows {
        let found = load(input);
        if found.lines().count() < 2 {
            silent.push(*what);
        }
        block(&mut out, what, input, &found);
    }
    assert_eq!(silent, [""; 0], "nothing is said about these");
    out
}
