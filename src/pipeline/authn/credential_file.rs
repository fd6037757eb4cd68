//! Credential files: what `basic` and `api_key` let in, read again when the file changes.
//!
//! A file is looked at once a second at most, when somebody asks; whoever finds it changed waits until it is
//! read. A file that cannot be read, or is broken as a whole, changes nothing: the last good content stays.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};

/// A larger file is refused.
const LARGEST: u64 = 16 << 20;
/// Milliseconds between two looks at the file.
const PAUSE: u64 = 1000;

/// What a file holds, and what of it had to be left out. The notes name lines, never what is in them.
pub(super) struct Read<T> {
    pub(super) content: T,
    pub(super) notes: Vec<String>,
}

/// Reads the text of a file; the error says what is wrong without repeating it.
pub(super) type Reader<T> = fn(&str) -> Result<Read<T>, String>;

/// A file and what it held when it was last good.
pub(super) struct CredentialFile<T> {
    path: PathBuf,
    read: Reader<T>,
    content: ArcSwapOption<T>,
    /// What the file looked like when it was last read.
    stamp: ArcSwap<Option<Stamp>>,
    start: Instant,
    /// When the file was last looked at.
    looked: AtomicU64,
}

/// Tells a file from its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { modified: metadata.modified().ok(), length: metadata.len(), inode: metadata.ino() }
    }

    fn of_file(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::of)
    }
}

/// What the file holds, as far as is known without reading.
pub(super) enum Known<T> {
    /// This; or nothing, as it was never good.
    Current(Option<Arc<T>>),
    /// It has changed: [`CredentialFile::reload`] says.
    Changed,
}

impl<T: Send + Sync + 'static> CredentialFile<T> {
    /// Reads a file now. `file://` in front of the path may be left out.
    pub(super) fn open(path: &str, read: Reader<T>) -> Arc<Self> {
        let path = path.strip_prefix("file://").unwrap_or(path);
        let file = Self {
            path: PathBuf::from(path),
            read,
            content: ArcSwapOption::empty(),
            stamp: ArcSwap::from_pointee(None),
            start: Instant::now(),
            looked: AtomicU64::new(0),
        };
        file.load();
        Arc::new(file)
    }

    /// What it holds. Looks at the file when it was not looked at for a while.
    pub(super) fn known(&self) -> Known<T> {
        self.known_at(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The same at a time, in milliseconds since the file was opened.
    fn known_at(&self, now: u64) -> Known<T> {
        let looked = self.looked.load(Ordering::Relaxed);
        let due = now.saturating_sub(looked) >= PAUSE;
        // Of many who could look, one does.
        if due && self.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let stamp = Stamp::of_file(&self.path);
            if stamp != **self.stamp.load() {
                return Known::Changed;
            }
        }
        Known::Current(self.content.load_full())
    }

    /// Reads the file on a thread that may wait, and says what it holds.
    pub(super) async fn reload(self: &Arc<Self>) -> Option<Arc<T>> {
        let file = Arc::clone(self);
        // Fails only when the server ends.
        let _ = tokio::task::spawn_blocking(move || file.load()).await;
        self.content.load_full()
    }

    fn load(&self) {
        let stamp = Stamp::of_file(&self.path);
        self.stamp.store(Arc::new(stamp));
        let path = self.path.display();
        match self.text().map_err(|error| error.to_string()).and_then(|text| (self.read)(&text)) {
            Ok(Read { content, notes }) => {
                for note in notes {
                    tracing::warn!(file = %path, problem = %note, "entry left out of a credential file");
                }
                self.content.store(Some(Arc::new(content)));
            }
            Err(problem) => {
                let kept = self.content.load().is_some();
                tracing::warn!(file = %path, problem = %problem, kept, "credential file could not be read");
            }
        }
    }

    fn text(&self) -> io::Result<String> {
        if std::fs::metadata(&self.path)?.len() > LARGEST {
            return Err(io::Error::other(format!("larger than {LARGEST} bytes")));
        }
        std::fs::read_to_string(&self.path)
    }
}

impl<T> fmt::Debug for CredentialFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A number a line; a line that is no number is left out, `broken` breaks it all.
    fn numbers(text: &str) -> Result<Read<Vec<u32>>, String> {
        if text.contains("broken") {
            return Err("broken".to_owned());
        }
        let notes = text.lines().filter(|line| line.parse::<u32>().is_err()).map(|_| "no number".to_owned());
        Ok(Read {
            notes: notes.collect(),
            content: text.lines().filter_map(|line| line.parse().ok()).collect(),
        })
    }

    fn at(file: &Arc<CredentialFile<Vec<u32>>>, now: u64) -> Option<Vec<u32>> {
        let content = match file.known_at(now) {
            Known::Current(content) => content,
            Known::Changed => {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(file.reload())
            }
        };
        content.map(|numbers| numbers.to_vec())
    }

    #[test]
    fn a_changed_file_counts_within_a_second_and_a_broken_one_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let file = CredentialFile::open(&format!("file://{}", path.display()), numbers);
        assert_eq!(at(&file, 1000), None, "there is no file yet");
        fs::write(&path, "1\n").unwrap();
        assert_eq!(at(&file, 1500), None, "not looked at again yet");
        assert_eq!(at(&file, 2000), Some(vec![1]));
        fs::write(&path, "1\nx\n22\n").unwrap();
        assert_eq!(at(&file, 3000), Some(vec![1, 22]));
        fs::write(&path, "broken").unwrap();
        assert_eq!(at(&file, 4000), Some(vec![1, 22]), "the last good one stays");
        fs::remove_file(&path).unwrap();
        assert_eq!(at(&file, 5000), Some(vec![1, 22]));
        fs::write(&path, "").unwrap();
        assert_eq!(at(&file, 6000), Some(vec![]), "an empty file is good");
        let next = folder.path().join("next");
        fs::write(&next, "7").unwrap();
        fs::rename(&next, &path).unwrap();
        assert_eq!(at(&file, 7000), Some(vec![7]), "replaced by renaming");
    }
}
