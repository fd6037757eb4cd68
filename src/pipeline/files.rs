//! Files that handlers read, such as lists of people: read when rules load, watched, and read again when they
//! change. What cannot be read leaves what was last read without error.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A longer file is not read.
const LONGEST: u64 = 16 << 20;

/// Files by their path and what is read out of them.
#[derive(Default)]
pub struct Files {
    known: Mutex<BTreeMap<PathBuf, Known>>,
}

/// What is known of a file.
#[derive(Default)]
struct Known {
    /// What was last read without error, by each who reads it. Rules in force keep it.
    contents: Vec<Weak<dyn Any + Send + Sync>>,
    /// Whether the rules that were loaded last name it.
    named: bool,
}

impl Files {
    /// Reads a file, or gives what was last read from it without error, as long as rules in force still use
    /// that. `read` makes of the text what the handler needs; its error says in users' words what is wrong.
    pub fn read<T: Send + Sync + 'static>(
        &self,
        path: &Path,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Arc<T>, String> {
        let fresh = text(path).and_then(|text| read(&text));
        let mut files = lock(&self.known);
        let known = files.entry(path.to_owned()).or_default();
        known.named = true;
        match fresh {
            Ok(content) => {
                let content = Arc::new(content);
                known.contents.retain(|old| old.upgrade().is_some_and(|old| !old.is::<T>()));
                let any: Arc<dyn Any + Send + Sync> = content.clone();
                known.contents.push(Arc::downgrade(&any));
                Ok(content)
            }
            Err(why) => {
                let last = known.contents.iter().find_map(|old| old.upgrade()?.downcast::<T>().ok());
                if last.is_some() {
                    tracing::error!(file = %path.display(), "{why}; what it last said stays in force");
                }
                last.ok_or(why)
            }
        }
    }

    /// Every file that the rules name, whether or not it could be read.
    pub fn paths(&self) -> Vec<PathBuf> {
        lock(&self.known).iter().filter(|(_, known)| known.named).map(|(path, _)| path.clone()).collect()
    }

    /// Begins a load of rules: until one is read, none is named.
    pub(crate) fn begin(&self) {
        let mut files = lock(&self.known);
        files.retain(|_, known| known.contents.iter().any(|content| content.strong_count() > 0));
        files.values_mut().for_each(|known| known.named = false);
    }
}

/// The path that a setting names: a path, or a `file://` URL.
pub fn path_of(written: &str) -> PathBuf {
    PathBuf::from(written.strip_prefix("file://").unwrap_or(written))
}

fn text(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("`{shown}` cannot be read: {error}");
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(format!("`{shown}` is not a file"));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LONGEST {
        return Err(format!("`{shown}` is longer than {LONGEST} bytes"));
    }
    Ok(text)
}

/// What the lock guards is whole after every statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u32, String> {
        text.trim().parse().map_err(|_| "not a number".to_owned())
    }

    #[test]
    fn a_broken_file_leaves_what_it_last_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let files = Files::default();
        assert!(files.read(&path, number).unwrap_err().contains("cannot be read"));
        assert_eq!(files.paths(), [path.clone()], "it is watched, as it may come");
        let mut in_force = None;
        for (text, want) in [(Some("1"), 1), (Some("x"), 1), (None, 1), (Some("2"), 2), (Some(""), 2)] {
            files.begin();
            match text {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let read = files.read(&path, number).unwrap();
            assert_eq!(*read, want, "{text:?}");
            in_force = Some(read);
        }
        assert!(files.read(&path, |_| Err::<String, _>("other".to_owned())).is_err(), "of another kind");
        drop(in_force);
        assert!(files.read(&path, number).is_err(), "nobody uses it any more");
        files.begin();
        assert!(files.paths().is_empty(), "forgotten");
    }

    #[test]
    fn a_file_may_be_named_as_a_url() {
        for (written, path) in [("/etc/x", "/etc/x"), ("file:///etc/x", "/etc/x"), ("x.yaml", "x.yaml")] {
            assert_eq!(path_of(written), Path::new(path));
        }
    }
}
