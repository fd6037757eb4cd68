//! Sources: where rule documents are kept.
//!
//! To add one: a variant of [`Place`] and how it is read. Every source answers with whole documents; what
//! could not be read is a finding, never half a document.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::diagnostic::{Finding, Source};

/// A configured repository, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One file.
    File(PathBuf),
    /// All files that a pattern such as `/etc/okgate/rules/*.yaml` names, or all documents of a folder.
    Files(PathBuf),
    /// The document itself, in base64.
    Inline(String),
}

/// One document that a place holds at the moment.
#[derive(Debug, Clone)]
pub struct Read {
    /// Its name, and its text where it could be read.
    pub source: Arc<Source>,
    /// Why it could not be read.
    pub failure: Option<Finding>,
}

/// Reads every document of an entry of `access_rules.repositories`.
pub fn read_entry(entry: &str) -> Vec<Read> {
    match Place::parse(entry) {
        Ok(place) => place.read(),
        Err(finding) => vec![Read { source: entry_source(entry), failure: Some(finding) }],
    }
}

/// Names a source by its entry: URLs without what might be a secret in them.
pub fn entry_source(entry: &str) -> Arc<Source> {
    let name = entry.split(['?', '#']).next().unwrap_or_default().to_owned();
    Arc::new(Source { name, path: None, text: None })
}

/// File name endings that a folder's documents have.
const ENDINGS: &[&str] = &["yaml", "yml", "json"];

impl Place {
    /// Understands an entry of `access_rules.repositories`: a path, `file://…` or `inline://…`.
    pub fn parse(entry: &str) -> Result<Self, Finding> {
        let (scheme, rest) = match entry.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => (String::new(), entry),
        };
        match scheme.as_str() {
            "" | "file" if !rest.is_empty() => Ok(Self::path(rest)),
            "inline" => Ok(Self::Inline(rest.to_owned())),
            "http" | "https" | "s3" | "gs" | "azblob" => Err(Finding::error(
                "source-not-there-yet",
                "",
                format!("rules from `{scheme}://` are not there yet in this version"),
            )
            .help("keep the rules in a file that is brought here by other means")),
            _ => Err(Finding::error("unknown-source", "", format!("`{entry}` is no source of rules"))
                .help("write a path, `file:///path/rules.yaml` or `inline://` with the rules in base64")),
        }
    }

    fn path(text: &str) -> Self {
        if text.contains(['*', '?', '[']) || text.ends_with('/') || Path::new(text).is_dir() {
            Self::Files(PathBuf::from(text))
        } else {
            Self::File(PathBuf::from(text))
        }
    }

    /// Whether a failure at start is fatal. A file may come later; what is written inline cannot get better.
    pub fn must_work_at_start(&self) -> bool {
        matches!(self, Self::Inline(_))
    }

    /// The folders in which a change may concern this place.
    pub fn watched_folders(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path) => vec![parent(path)],
            Self::Files(pattern) if pattern.is_dir() => vec![pattern.clone()],
            Self::Files(pattern) => vec![fixed_part(pattern)],
            Self::Inline(_) => Vec::new(),
        }
    }

    /// The files it names at the moment, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path) => vec![path.clone()],
            Self::Files(folder) if folder.is_dir() => {
                let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
                    .map(|entries| entries.flatten().map(|e| e.path()).filter(|p| is_document(p)).collect())
                    .unwrap_or_default();
                files.sort();
                files
            }
            Self::Files(pattern) => glob::glob(&pattern.to_string_lossy())
                .map(|paths| paths.flatten().collect())
                .unwrap_or_default(),
            Self::Inline(_) => Vec::new(),
        }
    }

    /// Reads every document it holds.
    pub fn read(&self) -> Vec<Read> {
        match self {
            Self::Inline(text) => vec![read_inline(text)],
            Self::File(_) | Self::Files(_) => self.files().iter().map(|path| read_file(path)).collect(),
        }
    }
}

/// The parent folder; the working folder for a bare name.
pub fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The folders of a pattern in front of its first wildcard.
fn fixed_part(pattern: &Path) -> PathBuf {
    let fixed: PathBuf =
        pattern.iter().take_while(|part| !part.to_string_lossy().contains(['*', '?', '['])).collect();
    if fixed == Path::new("") { PathBuf::from(".") } else { fixed }
}

fn is_document(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    !hidden && ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

/// Reads one file into a source.
pub fn read_file(path: &Path) -> Read {
    let name = path.display().to_string();
    let (text, failure) = match std::fs::read_to_string(path) {
        Ok(text) => (Some(Arc::from(text)), None),
        Err(error) => {
            let finding = Finding::error(
                "unreadable-file",
                "",
                format!("`{name}` cannot be read: {}", io_reason(&error)),
            );
            (None, Some(finding))
        }
    };
    Read { source: Arc::new(Source { name, path: Some(path.to_owned()), text }), failure }
}

fn io_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

fn read_inline(encoded: &str) -> Read {
    let name = "inline://…".to_owned();
    let text = STANDARD
        .decode(encoded)
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()));
    match text {
        Ok(text) => {
            Read { source: Arc::new(Source { name, path: None, text: Some(Arc::from(text)) }), failure: None }
        }
        Err(why) => Read {
            source: Arc::new(Source { name, path: None, text: None }),
            failure: Some(
                Finding::error("bad-inline", "", format!("the inline document cannot be decoded: {why}"))
                    .help("encode it with `base64 -w0`"),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_paths_file_urls_or_inline() {
        for (entry, want) in [
            ("rules.yaml", Some(Place::File("rules.yaml".into()))),
            ("/etc/rules.yaml", Some(Place::File("/etc/rules.yaml".into()))),
            ("file:///etc/rules.json", Some(Place::File("/etc/rules.json".into()))),
            ("FILE://./rules.json", Some(Place::File("./rules.json".into()))),
            ("file://rel/x.yaml", Some(Place::File("rel/x.yaml".into()))),
            ("file:///etc/rules/*.yaml", Some(Place::Files("/etc/rules/*.yaml".into()))),
            ("inline://W10=", Some(Place::Inline("W10=".into()))),
            ("ftp://x/y", None),
            ("", None),
        ] {
            assert_eq!(Place::parse(entry).ok(), want, "{entry}");
        }
    }

    #[test]
    fn a_folder_holds_its_documents_in_order_without_hidden_and_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.json", ".c.yaml.swp", ".d.yaml", "e.yaml~", "notes.txt"] {
            std::fs::write(folder.path().join(name), "[]").unwrap();
        }
        let names: Vec<String> = Place::Files(folder.path().to_owned())
            .files()
            .iter()
            .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a.json", "b.yaml"]);
    }
}
