//! Sources: where rule documents are kept, and how they are read.
//!
//! To add one: a file here with a type that is a [`RuleSource`], and a line in [`REGISTRY`]. Every source
//! answers with whole documents; what could not be read is a finding, never half a document. What is read
//! over a network is polled by [`super::remote`].

mod file;
mod http;
mod inline;
mod object;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;

pub use self::file::{Place, parent};
use crate::diagnostic::suggest::did_you_mean;
use crate::diagnostic::text::{one_of, quote};
use crate::diagnostic::{Finding, Source};
use crate::upstream::tls::Outbound;
use crate::upstream::{Fetch, shown_url};

/// A longer document is not read.
pub const LONGEST: usize = 64 << 20;

/// An entry of `access_rules.repositories`, understood.
pub trait RuleSource: Send + Sync {
    /// Its documents, where they can be had without waiting for a network; `None` where [`fetch`] gets them.
    ///
    /// [`fetch`]: Self::fetch
    fn read(&self) -> Option<Vec<Read>> {
        None
    }

    /// Asks for its document over the network, unless it still has the version that is known. The error
    /// says in users' words why there is none.
    fn fetch<'a>(
        &'a self,
        known: Option<&'a Version>,
        fetch: &'a Rc<dyn Fetch>,
    ) -> LocalBoxFuture<'a, Result<Fetched, Failure>> {
        let _ = (known, fetch);
        Box::pin(std::future::ready(Err(Failure::new("it is not read over a network"))))
    }

    /// The files it names at the moment, in order.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The folders in which a change may concern it.
    fn watched_folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether a failure at start is fatal: what is written inline cannot get better.
    fn must_work_at_start(&self) -> bool {
        false
    }

    /// Whether [`fetch`](Self::fetch) reads it.
    fn is_remote(&self) -> bool {
        false
    }
}

/// One document that a source holds at the moment.
#[derive(Debug, Clone)]
pub struct Read {
    /// Its name, and its text where it could be read.
    pub source: Arc<Source>,
    /// Why it could not be read.
    pub failure: Option<Finding>,
}

/// What tells one version of a remote document from the next (RFC 9110 section 8.8).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
}

/// What asking a remote source came to.
#[derive(Debug, Clone)]
pub enum Fetched {
    /// It still has the version that is known.
    Unchanged,
    /// The document, and its version where it has one.
    Document(Arc<str>, Option<Version>),
}

/// Why a remote source gave no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In users' words, without credentials.
    pub reason: String,
    /// How many seconds it asks to be left alone, where it does.
    pub retry_after: Option<u64>,
}

impl Failure {
    /// A failure for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after: None }
    }
}

/// Makes a source of an entry, whose scheme (in lower case) and rest are given.
type Open = fn(entry: &str, scheme: &str, rest: &str) -> Result<Box<dyn RuleSource>, Finding>;

/// Every scheme that an entry may have. No scheme is a path.
pub const REGISTRY: &[(&str, Open)] = &[
    ("file", file::open),
    ("inline", inline::open),
    ("http", http::open),
    ("https", http::open),
    ("s3", object::open),
    ("gs", object::open),
    ("azblob", object::open),
];

/// Understands an entry of `access_rules.repositories`: a path, or a URL of a known scheme.
pub fn open(entry: &str) -> Result<Box<dyn RuleSource>, Finding> {
    let (scheme, rest) = match entry.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => ("file".to_owned(), entry),
    };
    match REGISTRY.iter().find(|(known, _)| *known == scheme) {
        Some((_, open)) if !rest.is_empty() => open(entry, &scheme, rest),
        Some(_) => Err(Finding::error("unknown-source", "", format!("{} names nothing", quote(entry)))
            .help("write a path, `file:///path/rules.yaml` or `inline://` with the rules in base64")),
        None => {
            let schemes = || REGISTRY.iter().map(|(scheme, _)| *scheme);
            let message = format!("{} is no source of rules", quote(&name(entry)));
            Err(Finding::error("unknown-source", "", message).help(
                did_you_mean(&scheme, schemes())
                    .unwrap_or_else(|| format!("a path, or a URL that begins with {}", one_of(schemes()))),
            ))
        }
    }
}

/// What people are told an entry is called: without credentials, and without the document of `inline://`.
pub fn name(entry: &str) -> String {
    let scheme = entry.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        None => entry.to_owned(),
        Some("file") => entry.get("file://".len()..).unwrap_or_default().to_owned(),
        Some("inline") => "inline://…".to_owned(),
        Some(_) => shown_url(entry),
    }
}

/// An entry as a source of findings.
pub fn entry_source(entry: &str) -> Arc<Source> {
    Arc::new(Source { name: name(entry), path: None, text: None })
}

/// Reads every document of an entry of `access_rules.repositories`, over the network where it has to be.
pub fn read_entry(entry: &str, outbound: &Arc<Outbound>) -> Vec<Read> {
    let failed = |finding| vec![Read { source: entry_source(entry), failure: Some(finding) }];
    let source = match open(entry) {
        Ok(source) => source,
        Err(finding) => return failed(finding),
    };
    if let Some(documents) = source.read() {
        return documents;
    }
    match super::remote::fetch_once(&*source, outbound) {
        Ok(text) => {
            let source = Source { name: name(entry), path: None, text: Some(text) };
            vec![Read { source: Arc::new(source), failure: None }]
        }
        Err(failure) => failed(unreachable_source(entry, &failure.reason)),
    }
}

/// The code of a finding that says that a remote source gave no document.
pub const UNREADABLE_SOURCE: &str = "unreadable-source";

/// What is said about a remote source that gave no document.
pub fn unreachable_source(entry: &str, reason: &str) -> Finding {
    let name = name(entry);
    // Most reasons name the URL already.
    let message = if reason.contains(&name) {
        format!("the rules cannot be read: {reason}")
    } else {
        format!("the rules of {} cannot be read: {reason}", quote(&name))
    };
    Finding::error(UNREADABLE_SOURCE, "", message)
}

/// Text of a document; the error says why it is none, and what to do.
fn text_of(bytes: Vec<u8>) -> Result<Arc<str>, String> {
    String::from_utf8(bytes).map(Arc::from).map_err(|error| {
        let bytes = error.as_bytes();
        match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16 text, save it as UTF-8".to_owned(),
            [0x1f, 0x8b, ..] => "it is compressed with gzip, keep it as plain text".to_owned(),
            _ => {
                let at = error.utf8_error().valid_up_to();
                let before = bytes.get(..at).unwrap_or_default();
                let line = before.split(|byte| *byte == b'\n').count();
                format!("it is not UTF-8 text from line {line} on, save it as UTF-8")
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_what_an_entry_is_whatever_its_case() {
        for (entry, remote) in [
            ("rules.yaml", Some(false)),
            ("file:///etc/rules/*.yaml", Some(false)),
            ("FILE://./rules.json", Some(false)),
            ("inline://W10=", Some(false)),
            ("https://rules.test/all.yaml?token=x", Some(true)),
            ("HTTP://rules.test/all.yaml", Some(true)),
            ("ftp://x/y", None),
            ("htps://x/y", None),
            ("http://", None),
            ("file://", None),
            ("", None),
        ] {
            assert_eq!(open(entry).ok().map(|source| source.is_remote()), remote, "{entry}");
        }
    }

    #[test]
    fn what_is_no_text_is_told_with_the_way_out() {
        for (bytes, why) in [
            (
                &b"- id: a\n  description: caf\xe9"[..],
                "it is not UTF-8 text from line 2 on, save it as UTF-8",
            ),
            (b"\xff\xfe-\0", "it is UTF-16 text, save it as UTF-8"),
            (b"\x1f\x8b\x08\0", "it is compressed with gzip, keep it as plain text"),
        ] {
            assert_eq!(text_of(bytes.to_vec()).unwrap_err(), why);
        }
        assert!(text_of("- id: café".into()).is_ok());
    }

    #[test]
    fn names_hold_no_credentials() {
        for (entry, shown) in [
            ("https://user:word@rules.test/all.yaml?token=x#y", "https://rules.test/all.yaml"),
            ("s3://bucket/all.yaml?access_key=x", "s3://bucket/all.yaml"),
            ("inline://W10=", "inline://…"),
            ("file://rules.yaml", "rules.yaml"),
            ("rules.yaml", "rules.yaml"),
        ] {
            assert_eq!(name(entry), shown);
        }
        let finding = open("ftp://user:word@host/x?token=1").err().unwrap();
        assert_eq!(finding.message, "`ftp://host/x` is no source of rules");
    }
}
