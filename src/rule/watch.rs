//! Watching: tells when files may have changed.
//!
//! File system notifications make a change known at once; a look at the files' state every other second
//! catches what they miss (network file systems, folders that appear late, lost events). Either way the
//! files' state decides: nothing is reloaded for an event without a change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// How often files are looked at without a notification.
const LOOK: Duration = Duration::from_secs(2);
/// How long a file has to be left alone before it is read: writers write in pieces.
const SETTLE: Duration = Duration::from_millis(60);

/// Why the watcher woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Something may have changed in a watched folder, or it is time for a look.
    Look,
    /// Somebody asked for a reload.
    Asked,
    /// The server ends.
    Stop,
}

/// State of a file as far as a change would show: path behind symbolic links, length, time, inode.
type FileState = Option<(PathBuf, u64, Option<SystemTime>, u64)>;
type State = BTreeMap<PathBuf, FileState>;

/// Watches folders and remembers the state of files.
pub struct Watcher {
    notifier: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    events: Receiver<Wake>,
    state: State,
}

/// Wakes the watcher from elsewhere.
#[derive(Clone)]
pub struct Waker(Sender<Wake>);

impl Waker {
    /// Asks for a reload, whether or not anything changed.
    pub fn reload(&self) {
        // The watcher is gone only when the server ends.
        let _ = self.0.send(Wake::Asked);
    }

    /// Ends the watcher.
    pub fn stop(&self) {
        let _ = self.0.send(Wake::Stop);
    }
}

impl Watcher {
    /// A watcher of nothing yet.
    pub fn new() -> (Self, Waker) {
        let (sender, events) = mpsc::channel();
        let waker = Waker(sender.clone());
        let notifier = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|e| !e.kind.is_access()) {
                let _ = sender.send(Wake::Look);
            }
        })
        .ok();
        (Self { notifier, folders: BTreeSet::new(), events, state: State::new() }, waker)
    }

    /// Takes the state of files that are about to be read as known. It has to come before the reading: a
    /// change in between is then read again instead of never.
    pub fn note(&mut self, files: &[PathBuf]) {
        let mut known = std::mem::take(&mut self.state);
        let mut state = |path: &PathBuf| known.remove(path).unwrap_or_else(|| file_state(path));
        self.state = files.iter().map(|path| (path.clone(), state(path))).collect();
    }

    /// Sets what is watched.
    pub fn watch(&mut self, folders: impl IntoIterator<Item = PathBuf>) {
        let wanted: BTreeSet<PathBuf> = folders.into_iter().collect();
        if let Some(notifier) = &mut self.notifier {
            for gone in self.folders.difference(&wanted) {
                let _ = notifier.unwatch(gone);
            }
        }
        // Folders that are not there yet are tried again at every look.
        self.folders.retain(|folder| wanted.contains(folder));
        for folder in wanted {
            let new = !self.folders.contains(&folder);
            if let Some(notifier) = &mut self.notifier
                && new
                && notifier.watch(&folder, RecursiveMode::NonRecursive).is_ok()
            {
                self.folders.insert(folder);
            }
        }
    }

    /// Waits until something changed, somebody asks, or the server ends; the state at the return is taken
    /// as known. `files` names the files anew at every look, since patterns may name others by then.
    pub fn wait(&mut self, files: impl Fn() -> Vec<PathBuf>) -> Wake {
        let wake = loop {
            if state_of(&files()) != self.state {
                break self.settle(&files).unwrap_or(Wake::Look);
            }
            match self.events.recv_timeout(LOOK) {
                Ok(Wake::Look) | Err(RecvTimeoutError::Timeout) => {}
                Ok(wake) => break wake,
                Err(RecvTimeoutError::Disconnected) => return Wake::Stop,
            }
        };
        self.state = state_of(&files());
        wake
    }

    /// Waits until the files are left alone for a moment.
    fn settle(&self, files: &impl Fn() -> Vec<PathBuf>) -> Option<Wake> {
        let mut before = state_of(&files());
        // Bounded: a file that never rests is read anyway.
        for _ in 0..50 {
            match self.events.recv_timeout(SETTLE) {
                Ok(Wake::Stop) => return Some(Wake::Stop),
                Ok(_) => {}
                Err(_) => {
                    let now = state_of(&files());
                    if now == before {
                        return None;
                    }
                    before = now;
                }
            }
        }
        None
    }
}

fn state_of(files: &[PathBuf]) -> State {
    files.iter().map(|path| (path.clone(), file_state(path))).collect()
}

fn file_state(path: &Path) -> Option<(PathBuf, u64, Option<SystemTime>, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let real = path.canonicalize().ok()?;
    let metadata = std::fs::metadata(&real).ok()?;
    Some((real, metadata.len(), metadata.modified().ok(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_change_after_the_state_was_noted_is_seen_even_if_nothing_was_watched_yet() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["old.yaml", "new.yaml"].map(|name| folder.path().join(name));
        fs::write(&old, "[]").unwrap();
        let files = || vec![old.clone(), new.clone()];
        for change in [&new, &old] {
            let (mut watcher, _waker) = Watcher::new();
            watcher.note(&files());
            fs::write(change, "[1, 2]").unwrap();
            watcher.watch([folder.path().to_owned()]);
            assert_eq!(watcher.wait(files), Wake::Look);
        }
    }

    #[test]
    fn what_was_noted_stays_known_when_more_files_are() {
        let folder = tempfile::tempdir().unwrap();
        let [config, rules] = ["config.yaml", "rules.yaml"].map(|name| folder.path().join(name));
        let (mut watcher, waker) = Watcher::new();
        watcher.note(std::slice::from_ref(&config));
        fs::write(&config, "{}").unwrap();
        let files = || vec![config.clone(), rules.clone()];
        watcher.note(&files());
        assert_eq!(watcher.wait(files), Wake::Look);
        waker.reload();
        assert_eq!(watcher.wait(files), Wake::Asked);
    }
}
