//! Loading: files and environment merged, checked as a whole, every finding at once.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::document::{Format, parse_as};
use super::layers::{Documents, Layer};
use super::{Config, Sources, check, decode, env, tls};
use crate::diagnostic::text::{one_line, quote};
use crate::diagnostic::{Finding, Report, Source};
use crate::schema;

/// A configuration that can be run.
#[derive(Debug)]
pub struct Loaded {
    /// What the server runs with.
    pub config: Config,
    /// Warnings; no errors.
    pub report: Report,
    /// What each source said, for findings about settings that rules build on.
    pub documents: Documents,
}

/// Reads and checks the configuration. Either it can be run, or the report says everything that is wrong
/// with it.
pub fn load(sources: &Sources) -> Result<Loaded, Report> {
    let mut report = Report::default();
    let mut documents = Documents::default();
    for path in &sources.files {
        documents.layers.extend(read(path, &mut report));
    }
    let some_unread = report.errors() > 0;
    documents.layers.extend(env::layers(&sources.environment, &mut report));
    let merged = documents.merged();
    for finding in schema::config().check(&merged) {
        // What is missing may stand in the file that could not be read.
        if !(some_unread && finding.code == "missing-key") {
            report.push(&documents.source_of(&finding.pointer), None, finding);
        }
    }
    documents.effective = merged;
    schema::config().fill_defaults(&mut documents.effective);
    check::check(&documents, &mut report);
    let api = tls::read(&documents, "/serve/api", &mut report);
    let proxy = tls::read(&documents, "/serve/proxy", &mut report);
    let grpc = tls::read(&documents, "/serve/grpc", &mut report);
    let prometheus = tls::read(&documents, "/serve/prometheus", &mut report);
    let client = tls::read_client(&documents, &mut report);
    if report.errors() > 0 {
        return Err(report);
    }
    match decode::config(&documents.effective, [api, proxy, grpc, prometheus], client, &sources.environment) {
        Ok(mut config) => {
            config.serve.proxy = config.serve.proxy.filter(|_| documents.is_set("/serve/proxy"));
            config.serve.grpc = config.serve.grpc.filter(|_| documents.is_set("/serve/grpc"));
            config.serve.prometheus =
                config.serve.prometheus.filter(|_| documents.is_set("/serve/prometheus"));
            Ok(Loaded { config, report, documents })
        }
        Err(part) => {
            let pointer = format!("/{}", part.replace('.', "/"));
            let finding = Finding::error("invalid", pointer.clone(), format!("{} is not valid", quote(part)));
            report.push(&documents.source_of(&pointer), None, finding);
            Err(report)
        }
    }
}

fn read(path: &Path, report: &mut Report) -> Option<Layer> {
    let name = path.display().to_string();
    let source = |text: Option<&str>| {
        Arc::new(Source { name: name.clone(), path: Some(path.to_owned()), text: text.map(Arc::from) })
    };
    let Some(format) = Format::of(path) else {
        let ending =
            path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
        let message = format!("unknown config file extension: {}", quote(&ending));
        let finding =
            Finding::error("unknown-extension", "", message).help("use `.yaml`, `.yml`, `.json` or `.toml`");
        report.push(&source(None), None, finding);
        return None;
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("the config file cannot be read: {}", one_line(&error.to_string()));
            report.push(&source(None), None, Finding::error("unreadable-file", "", message));
            return None;
        }
    };
    let source = source(Some(&text));
    match parse_as(&text, format) {
        Ok(document) if document.value.is_object() => {
            for warning in document.warnings {
                report.push(&source, None, warning);
            }
            Some(Layer { source, value: document.value })
        }
        Ok(document) => {
            let (code, what) = match document.value {
                Value::Null => ("empty-file", "is empty"),
                Value::Array(_) => ("not-an-object", "is a list, not an object"),
                _ => ("not-an-object", "is a single value, not an object"),
            };
            let mut finding = Finding::error(code, "", format!("the config file {what}"));
            if document.value.is_array() {
                finding.help = Some(
                    "access rules are no configuration: name their file in `access_rules.repositories`"
                        .to_owned(),
                );
            }
            report.push(&source, None, finding);
            None
        }
        Err(finding) => {
            report.push(&source, None, finding);
            None
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod bad;
