//! Watching: tells when files may have changed.
//!
//! File system notifications make a change known at once; a look at the files' state every other second
//! catches what they miss (network file systems, folders that appear late or are mounted over, lost events).
//! Either way the files' state decides: nothing is reloaded for an event without a change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// How often files are looked at without a notification.
const LOOK: Duration = Duration::from_secs(2);
/// Files that never rest are read after so many times the debounce.
const RESTLESS: u32 = 20;
/// Clocks of file systems are coarse: two writes within this time may leave the same time behind.
const COARSE: Duration = Duration::from_millis(20);

/// Why the watcher woke up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Files changed, or a remote source did.
    Changed,
    /// A while has passed and nothing changed.
    Idle,
    /// Somebody asked for a reload.
    Asked,
    /// The server ends.
    Stop,
}

/// What wakes the watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Notified,
    Fetched,
    Asked,
    Stop,
}

/// State of files as far as a change would show.
pub type State = Vec<(PathBuf, Option<FileState>)>;

/// What is seen of a file without reading it: path behind symbolic links, length, time, inode. The time is
/// missing where it is too near to now to tell one write from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    real: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

/// A folder as a place on a disk: device and inode. Another one under the same path is a new folder.
type Identity = (u64, u64);

/// Watches folders and remembers the state of files.
pub struct Watcher {
    notifier: Option<RecommendedWatcher>,
    wanted: BTreeSet<PathBuf>,
    watched: BTreeMap<Identity, PathBuf>,
    events: Receiver<Event>,
    state: State,
    debounce: Duration,
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

    /// Says that a remote source has something new.
    pub fn fetched(&self) {
        let _ = self.0.send(Event::Fetched);
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
        let watcher = Self {
            notifier,
            wanted: BTreeSet::new(),
            watched: BTreeMap::new(),
            events,
            state: State::new(),
            debounce: Duration::from_millis(100),
        };
        (watcher, waker)
    }

    /// Sets what is watched, and the state in which the files are known. It has to be taken before they are
    /// read: what changes while they are read is a change. Files have to be left alone for `debounce`
    /// before they are read: writers write in pieces.
    pub fn watch(&mut self, folders: impl IntoIterator<Item = PathBuf>, known: State, debounce: Duration) {
        self.wanted = folders.into_iter().collect();
        self.state = known;
        self.debounce = debounce;
        self.follow();
    }

    /// Watches what is wanted and there: folders that came late or were replaced as well. Each folder once,
    /// however many ways lead to it: the kernel has one watch for all of them, which ends for all of them.
    fn follow(&mut self) {
        let Some(notifier) = &mut self.notifier else { return };
        let there: BTreeMap<Identity, PathBuf> =
            self.wanted.iter().filter_map(|folder| identity_of(folder)).collect();
        self.watched.retain(|identity, path| {
            let stays = there.contains_key(identity);
            if !stays {
                let _ = notifier.unwatch(path);
            }
            stays
        });
        for (identity, path) in there {
            if !self.watched.contains_key(&identity)
                && notifier.watch(&path, RecursiveMode::NonRecursive).is_ok()
            {
                self.watched.insert(identity, path);
            }
        }
    }

    /// Waits until something changed, somebody asks, a while has passed, or the server ends. `files` names
    /// the files anew at every look, since patterns may name others by then.
    pub fn wait(&mut self, files: impl Fn() -> Vec<PathBuf>) -> Wake {
        loop {
            let first = self.events.recv_timeout(LOOK);
            let idle = first.is_err();
            if first == Err(RecvTimeoutError::Disconnected) {
                return Wake::Stop;
            }
            let mut fetched = false;
            // A burst of events is one.
            for event in first.into_iter().chain(self.events.try_iter()) {
                match event {
                    Event::Notified => {}
                    Event::Fetched => fetched = true,
                    Event::Asked => return Wake::Asked,
                    Event::Stop => return Wake::Stop,
                }
            }
            if state_of(&files()) != self.state {
                return self.settle(&files);
            }
            if fetched {
                return Wake::Changed;
            }
            if idle {
                self.follow();
                return Wake::Idle;
            }
        }
    }

    /// Waits until the files are left alone for a moment. Only a change of their state counts: what else
    /// happens in their folders does not matter.
    fn settle(&self, files: &impl Fn() -> Vec<PathBuf>) -> Wake {
        let end = Instant::now() + self.debounce * RESTLESS;
        let mut before = state_of(&files());
        let mut rests_at = Instant::now() + self.debounce;
        loop {
            let now = Instant::now();
            if now >= rests_at || now >= end {
                return Wake::Changed;
            }
            match self.events.recv_timeout(rests_at.min(end) - now) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return Wake::Stop,
                Ok(Event::Asked) => return Wake::Asked,
                Ok(Event::Notified | Event::Fetched) | Err(RecvTimeoutError::Timeout) => {}
            }
            let after = state_of(&files());
            if after != before {
                before = after;
                rests_at = Instant::now() + self.debounce;
            }
        }
    }
}

/// The state of files at the moment.
pub fn state_of(files: &[PathBuf]) -> State {
    files.iter().map(|path| (path.clone(), file_state(path))).collect()
}

fn file_state(path: &Path) -> Option<FileState> {
    use std::os::unix::fs::MetadataExt as _;
    let real = path.canonicalize().ok()?;
    let about = std::fs::metadata(&real).ok()?;
    let modified = about.modified().ok().filter(|at| !is_just_now(*at));
    Some(FileState { real, length: about.len(), modified, inode: about.ino() })
}

fn is_just_now(time: SystemTime) -> bool {
    let now = SystemTime::now();
    let apart = now.duration_since(time).unwrap_or_else(|ahead| ahead.duration());
    apart < COARSE
}

/// A folder that is there, and the path behind symbolic links.
fn identity_of(folder: &Path) -> Option<(Identity, PathBuf)> {
    use std::os::unix::fs::MetadataExt as _;
    let real = folder.canonicalize().ok()?;
    let about = std::fs::metadata(&real).ok().filter(std::fs::Metadata::is_dir)?;
    Some(((about.dev(), about.ino()), real))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    const DEBOUNCE: Duration = Duration::from_millis(100);

    /// The state of files as it is once nobody has touched them for a while.
    fn at_rest(files: &[PathBuf]) -> State {
        loop {
            let state = state_of(files);
            if state.iter().all(|(_, known)| known.as_ref().is_none_or(|known| known.modified.is_some())) {
                return state;
            }
            thread::yield_now();
        }
    }

    /// Wakes until something other than a while's passing happens.
    fn woken(watcher: &mut Watcher, files: impl Fn() -> Vec<PathBuf>) -> Wake {
        loop {
            match watcher.wait(&files) {
                Wake::Idle => {}
                wake => return wake,
            }
        }
    }

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
            watcher.watch([folder.path().to_owned()], known, DEBOUNCE);
            assert_eq!(woken(&mut watcher, files), Wake::Changed);
        }
    }

    #[test]
    fn a_second_write_of_the_same_length_in_the_same_instant_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        fs::write(&file, "[1]").unwrap();
        let known = state_of(std::slice::from_ref(&file));
        fs::write(&file, "[2]").unwrap();
        let (mut watcher, _waker) = Watcher::new();
        watcher.watch([folder.path().to_owned()], known, DEBOUNCE);
        assert_eq!(woken(&mut watcher, || vec![file.clone()]), Wake::Changed);
    }

    #[test]
    fn a_busy_neighbour_neither_wakes_nor_holds_up_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let [file, noise] = ["rules.yaml", "access.log"].map(|name| folder.path().join(name));
        fs::write(&file, "[]").unwrap();
        let (mut watcher, waker) = Watcher::new();
        watcher.watch([folder.path().to_owned()], at_rest(std::slice::from_ref(&file)), DEBOUNCE);
        let (done, changed) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut n = 0_u32;
                while !done.load(Ordering::SeqCst) {
                    fs::write(&noise, n.to_string()).unwrap();
                    n += 1;
                    if n == 500 {
                        fs::write(&file, "[1, 2]").unwrap();
                        changed.store(true, Ordering::SeqCst);
                    }
                }
            });
            assert_eq!(woken(&mut watcher, || vec![file.clone()]), Wake::Changed);
            assert!(changed.load(Ordering::SeqCst), "woken by the neighbour");
            done.store(true, Ordering::SeqCst);
        });
        drop(waker);
    }

    #[test]
    fn a_file_that_is_written_in_many_pieces_is_read_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        fs::write(&file, "").unwrap();
        let (mut watcher, _waker) = Watcher::new();
        let patient = DEBOUNCE * 6;
        watcher.watch([folder.path().to_owned()], at_rest(std::slice::from_ref(&file)), patient);
        // Far more events than any count of them would wait for, in much less than the restless limit.
        let pieces = 300;
        thread::scope(|scope| {
            scope.spawn(|| {
                use std::io::Write as _;
                let mut writer = fs::OpenOptions::new().append(true).open(&file).unwrap();
                for _ in 0..pieces {
                    writer.write_all(b"#\n").unwrap();
                    writer.flush().unwrap();
                    thread::sleep(Duration::from_millis(1));
                }
            });
            assert_eq!(woken(&mut watcher, || vec![file.clone()]), Wake::Changed);
        });
        assert_eq!(fs::metadata(&file).unwrap().len(), 2 * pieces);
    }

    #[test]
    fn a_folder_that_comes_late_and_one_that_is_replaced_are_watched() {
        let folder = tempfile::tempdir().unwrap();
        let mount = folder.path().join("mount");
        let file = mount.join("rules.yaml");
        let (mut watcher, _waker) = Watcher::new();
        watcher.watch([mount.clone()], State::new(), DEBOUNCE);
        assert!(watcher.watched.is_empty());
        for _ in 0..2 {
            let before = identity_of(&mount).map(|(identity, _)| identity);
            fs::create_dir(folder.path().join("new")).unwrap();
            let _ = fs::remove_dir_all(&mount);
            fs::rename(folder.path().join("new"), &mount).unwrap();
            fs::write(&file, "[]").unwrap();
            let (identity, real) = identity_of(&mount).unwrap();
            assert_ne!(Some(identity), before);
            watcher.follow();
            assert_eq!(watcher.watched.get(&identity), Some(&real));
        }
    }

    #[test]
    fn a_folder_that_two_ways_lead_to_is_watched_as_long_as_one_of_them_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        let file = folder.path().join("rules.yaml");
        let (mut watcher, _waker) = Watcher::new();
        let files = || vec![file.clone()];
        watcher.watch([folder.path().to_owned(), link], state_of(&files()), DEBOUNCE);
        watcher.watch([folder.path().to_owned()], state_of(&files()), DEBOUNCE);
        assert_eq!(watcher.watched.len(), 1);
        let _ = watcher.events.try_iter().count();
        fs::write(&file, "[]").unwrap();
        assert_eq!(watcher.events.recv_timeout(Duration::from_secs(10)), Ok(Event::Notified));
    }

    #[test]
    fn whoever_asks_and_a_remote_source_wake_it() {
        let (mut watcher, waker) = Watcher::new();
        waker.fetched();
        assert_eq!(watcher.wait(Vec::new), Wake::Changed);
        waker.reload();
        assert_eq!(watcher.wait(Vec::new), Wake::Asked);
        waker.stop();
        assert_eq!(watcher.wait(Vec::new), Wake::Stop);
    }
}
