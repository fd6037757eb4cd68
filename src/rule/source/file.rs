//! `file://` and paths: one file, the documents of a folder, or all files that a pattern names.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{LONGEST, Read, RuleSource, text_of};
use crate::diagnostic::{Finding, Source};

/// Where documents are on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One file.
    File(PathBuf),
    /// All files that a pattern such as `/etc/okgate/rules/*.yaml` names, or all documents of a folder.
    Files(PathBuf),
}

/// File name endings that a folder's documents have.
const ENDINGS: &[&str] = &["yaml", "yml", "json"];

pub(super) fn open(_: &str, _: &str, rest: &str) -> Result<Box<dyn RuleSource>, Finding> {
    let place = Place::parse(rest);
    if let Place::Files(path) = &place
        && let Err(error) = glob::Pattern::new(&path.to_string_lossy())
    {
        let message = format!("`{rest}` is no pattern of files: {}", error.msg);
        return Err(Finding::error("bad-pattern", "", message));
    }
    Ok(Box::new(place))
}

impl Place {
    /// What stands after `file://`.
    fn parse(text: &str) -> Self {
        if text.contains(['*', '?', '[']) || text.ends_with('/') || Path::new(text).is_dir() {
            Self::Files(PathBuf::from(text))
        } else {
            Self::File(PathBuf::from(text))
        }
    }

    /// The files it names at the moment, in order; the error says why nobody can tell.
    pub fn list(&self) -> Result<Vec<PathBuf>, Finding> {
        match self {
            Self::File(path) => Ok(vec![path.clone()]),
            Self::Files(pattern) if is_pattern(pattern) && !pattern.is_dir() => {
                // One that is none was refused.
                let paths = glob::glob(&pattern.to_string_lossy()).ok().into_iter().flatten();
                Ok(paths.flatten().filter(|path| !path.is_dir()).collect())
            }
            Self::Files(folder) => {
                let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                let entries = entries.map_err(|error| {
                    let why = reason(&error, "folder");
                    Finding::error(
                        "unreadable-folder",
                        "",
                        format!("`{}` cannot be read: {why}", folder.display()),
                    )
                })?;
                let mut files: Vec<PathBuf> =
                    entries.iter().map(std::fs::DirEntry::path).filter(|path| is_document(path)).collect();
                files.sort();
                Ok(files)
            }
        }
    }

    /// Reads every document it holds.
    pub fn documents(&self) -> Vec<Read> {
        match self.list() {
            Ok(files) => files.iter().map(|path| read_file(path)).collect(),
            Err(finding) => vec![Read { source: self.as_source(), failure: Some(finding) }],
        }
    }

    /// The place as a source of findings.
    pub fn as_source(&self) -> Arc<Source> {
        let (Self::File(path) | Self::Files(path)) = self;
        Arc::new(Source { name: path.display().to_string(), path: None, text: None })
    }
}

impl RuleSource for Place {
    fn read(&self) -> Option<Vec<Read>> {
        Some(self.documents())
    }

    fn files(&self) -> Vec<PathBuf> {
        self.list().unwrap_or_default()
    }

    /// The folder, and the folder behind it where the way there is a symbolic link.
    fn watched_folders(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path) => {
                let real = path.canonicalize().ok().map(|real| parent(&real));
                std::iter::once(parent(path)).chain(real).collect()
            }
            Self::Files(pattern) => {
                let folder = fixed_part(pattern);
                let of_link = folder.is_symlink().then(|| parent(&folder));
                std::iter::once(folder).chain(of_link).collect()
            }
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

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// The folders of a pattern in front of its first wildcard; a folder itself.
fn fixed_part(pattern: &Path) -> PathBuf {
    if pattern.is_dir() {
        return pattern.to_owned();
    }
    let fixed: PathBuf =
        pattern.iter().take_while(|part| !part.to_string_lossy().contains(['*', '?', '['])).collect();
    if fixed == Path::new("") { PathBuf::from(".") } else { fixed }
}

/// Whether a file of a folder is a document, and no editor's: those hide theirs, or end them otherwise.
fn is_document(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    !hidden && ending.is_some_and(|e| ENDINGS.contains(&e.as_str())) && !path.is_dir()
}

/// Reads one file into a source.
fn read_file(path: &Path) -> Read {
    let name = path.display().to_string();
    let (text, failure) = match text(path) {
        Ok(text) => (Some(text), None),
        Err(why) => {
            let message = format!("`{name}` cannot be read: {why}");
            (None, Some(Finding::error("unreadable-file", "", message)))
        }
    };
    Read { source: Arc::new(Source { name, path: Some(path.to_owned()), text }), failure }
}

fn text(path: &Path) -> Result<Arc<str>, String> {
    let why = |error: std::io::Error| match std::fs::read_link(path) {
        Ok(target) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("it is a symbolic link to `{}`, and there is no such file", target.display())
        }
        _ => reason(&error, "file"),
    };
    // Looked at before it is opened: opening a pipe may wait for ever.
    if !std::fs::metadata(path).map_err(why)?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(why)?;
    file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(why)?;
    if bytes.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    text_of(bytes)
}

fn reason(error: &std::io::Error, what: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no such {what}"),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_scheme_is_a_file_a_folder_or_a_pattern() {
        for (rest, want) in [
            ("rules.yaml", Place::File("rules.yaml".into())),
            ("/etc/rules.yaml", Place::File("/etc/rules.yaml".into())),
            ("./rules.json", Place::File("./rules.json".into())),
            ("/etc/rules/", Place::Files("/etc/rules/".into())),
            ("/etc", Place::Files("/etc".into())),
            ("/etc/rules/*.yaml", Place::Files("/etc/rules/*.yaml".into())),
        ] {
            assert_eq!(Place::parse(rest), want, "{rest}");
        }
    }

    #[test]
    fn a_folder_holds_its_documents_in_order_without_hidden_and_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.json", ".c.yaml.swp", ".d.yaml", "e.yaml~", "notes.txt", "#f.yaml#"] {
            std::fs::write(folder.path().join(name), "[]").unwrap();
        }
        std::fs::create_dir(folder.path().join("g.yaml")).unwrap();
        let place = Place::Files(folder.path().to_owned());
        let names: Vec<_> = place.list().unwrap();
        let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_string_lossy()).collect();
        assert_eq!(names, ["a.json", "b.yaml"]);
    }

    #[test]
    fn what_is_no_readable_text_file_is_a_finding_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("binary"), b"\xff\xfe").unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        std::os::unix::fs::symlink("gone", path("nowhere")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(path("pipe")).status();
        assert!(pipe.is_ok_and(|status| status.success()));
        for (name, why) in [
            ("none", "there is no such file"),
            ("binary", "it is UTF-16 text, save it as UTF-8"),
            ("nowhere", "it is a symbolic link to `gone`, and there is no such file"),
            ("folder", "it is not a file"),
            ("pipe", "it is not a file"),
        ] {
            let [read] = Place::File(path(name)).documents().try_into().unwrap();
            let said = read.failure.unwrap().message;
            assert!(said.ends_with(&format!("cannot be read: {why}")), "{said}");
        }
        let [gone] = Place::Files(path("gone/")).documents().try_into().unwrap();
        assert!(gone.failure.unwrap().message.ends_with("there is no such folder"));
    }
}
