//! Watching: tells when files may have changed.
//!
//! File system notifications make a change known at once; a look at the files' state every other second
//! catches what they miss (network file systems, folders that appear late, lost events). Either way the
//! files' state decides: nothing is reloaded for an event without a change.

use std::collections::BTreeSet;
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
    /// Files changed.
    Changed,
    /// A while has passed and nothing changed.
    Idle,
    /// Somebody asked for a reload.
    Asked,
    /// The server ends.
    Stop,
}

/// What wakes the watcher.
enum Event {
    Notified,
    Asked,
    Stop,
}

/// State of files as far as a change would show: path behind symbolic links, length, time, inode.
pub type State = Vec<(PathBuf, Option<(PathBuf, u64, Option<SystemTime>, u64)>)>;

/// Watches folders and remembers the state of files.
pub struct Watcher {
    notifier: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    events: Receiver<Event>,
    state: State,
}

/// Wakes the watcher from elsewhere.
#[derive(Clone)]
pub struct Waker(Sender<Event>);

impl Waker {
    /// Asks for a reload, whether or not anything changed.
    pub fn reload(&self) {
        // The watcher is gone only when the server ends.
        let _ = self.0.send(Event::Asked);
    }

    /// Ends the watcher.
    pub fn stop(&self) {
        let _ = self.0.send(Event::Stop);
    }
}

impl Watcher {
    /// A watcher of nothing yet.
    pub fn new() -> (Self, Waker) {
        let (sender, events) = mpsc::channel();
        let waker = Waker(sender.clone());
        let notifier = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|e| !e.kind.is_access()) {
                let _ = sender.send(Event::Notified);
            }
        })
        .ok();
        (Self { notifier, folders: BTreeSet::new(), events, state: State::new() }, waker)
    }

    /// Sets what is watched, and the state in which the files are known. It has to be taken before they are
    /// read: what changes while they are read is a change.
    pub fn watch(&mut self, folders: impl IntoIterator<Item = PathBuf>, known: State) {
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
        self.state = known;
    }

    /// Waits until something changed, somebody asks, a while has passed, or the server ends. `files` names
    /// the files anew at every look, since patterns may name others by then.
    pub fn wait(&self, files: impl Fn() -> Vec<PathBuf>) -> Wake {
        loop {
            let event = self.events.recv_timeout(LOOK);
            match event {
                Ok(Event::Notified) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Asked) => return Wake::Asked,
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return Wake::Stop,
            }
            if state_of(&files()) != self.state {
                return self.settle(&files);
            }
            if event.is_err() {
                return Wake::Idle;
            }
        }
    }

    /// Waits until the files are left alone for a moment.
    fn settle(&self, files: &impl Fn() -> Vec<PathBuf>) -> Wake {
        let mut before = state_of(&files());
        // Bounded: a file that never rests is read anyway.
        for _ in 0..50 {
            match self.events.recv_timeout(SETTLE) {
                Ok(Event::Stop) => return Wake::Stop,
                Ok(_) => {}
                Err(_) => {
                    let now = state_of(&files());
                    if now == before {
                        break;
                    }
                    before = now;
                }
            }
        }
        Wake::Changed
    }
}

/// The state of files at the moment.
pub fn state_of(files: &[PathBuf]) -> State {
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
    fn a_change_after_the_state_was_taken_is_seen_even_if_nothing_was_watched_yet() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["old.yaml", "new.yaml"].map(|name| folder.path().join(name));
        fs::write(&old, "[]").unwrap();
        let files = || vec![old.clone(), new.clone()];
        for change in [&new, &old] {
            let (mut watcher, _waker) = Watcher::new();
            let known = state_of(&files());
            fs::write(change, "[1, 2]").unwrap();
            watcher.watch([folder.path().to_owned()], known);
            assert_eq!(watcher.wait(files), Wake::Changed);
        }
    }
}
