//! Reloading: rules and configuration that changed, compiled aside and swapped in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tracing::{error, info, warn};
use tracing_appender::non_blocking::ErrorCounter;

use super::live::{Live, Snapshot};
use super::log::Levels;
use super::status::Status;
use crate::config::{self, Config, Listener, Sources};
use crate::diagnostic::{Report, Severity};
use crate::rule::Repository;
use crate::rule::pace;
use crate::rule::remote::Remote;
use crate::rule::repository::Loaded;
use crate::rule::source::{self, parent};
use crate::rule::watch::{State, Wake, Watcher, state_of};

/// How much less important compiling is than deciding: as much as can be (`nice(2)`).
const NICE: i32 = 19;

/// What the reload thread works with.
pub struct Reloader {
    pub live: Arc<Live>,
    pub repository: Repository,
    pub sources: Sources,
    pub watcher: Watcher,
    pub remote: Remote,
    /// The files as they were before they were read last.
    pub known: State,
    pub dropped: ErrorCounter,
    pub levels: Levels,
    /// Snapshots that requests may still be served with. They are dropped here: it may take a while.
    pub retired: Vec<Arc<Snapshot>>,
}

impl Reloader {
    /// Reloads whenever something changes or somebody asks, until told to stop.
    pub fn run(mut self) {
        // Of this thread alone: where there is not enough of the processor for all, decisions come first.
        let _ = rustix::process::setpriority_process(None, NICE);
        let mut dropped = 0;
        loop {
            let debounce = self.repository.config().access_rules.reload.debounce;
            self.watcher.watch(self.folders(), std::mem::take(&mut self.known), debounce);
            let wake = loop {
                let wake = self.wait();
                warn_of_dropped_lines(self.dropped.dropped_lines(), &mut dropped);
                self.drop_retired();
                if wake != Wake::Idle {
                    break wake;
                }
            };
            match wake {
                Wake::Stop => return,
                Wake::Asked => {
                    info!("reload asked for");
                    self.remote.ask();
                }
                Wake::Changed | Wake::Idle => {}
            }
            self.known = state_of(&self.files());
            let begun = Instant::now();
            pace::gently(|| self.reload());
            self.live.reloads.ended(self.live.status().is_good(), begun.elapsed());
        }
    }

    /// Drops the snapshots that nobody is served with any more.
    fn drop_retired(&mut self) {
        let served = std::mem::take(&mut self.retired).into_iter().filter_map(|snapshot| {
            if Arc::strong_count(&snapshot) > 1 {
                return Some(snapshot);
            }
            let snapshot = Arc::into_inner(snapshot)?;
            pace::gently(|| snapshot.engine.dismantle());
            None
        });
        self.retired = served.collect();
    }

    fn wait(&mut self) -> Wake {
        let (repository, sources, live) = (&self.repository, &self.sources, &self.live);
        self.watcher.wait(|| files(repository, sources, live))
    }

    fn folders(&self) -> Vec<PathBuf> {
        let configs = self.sources.files.iter().flat_map(|file| folders_of(file));
        let of_handlers = self.live.shared.files.paths();
        let of_handlers = of_handlers.iter().flat_map(|file| folders_of(file));
        self.repository.watched_folders().into_iter().chain(configs).chain(of_handlers).collect()
    }

    /// Every file whose change is a reason to reload. That one was not named before is one as well: it may have
    /// changed since it was read.
    pub fn files(&self) -> Vec<PathBuf> {
        files(&self.repository, &self.sources, &self.live)
    }

    /// One reload: configuration first, then the rules under it. What is broken leaves what was in force.
    fn reload(&mut self) {
        let mut about = Report::default();
        let mut refused = None;
        let written = match config::load(&self.sources) {
            Ok(loaded) => {
                log_report(&loaded.report);
                about = loaded.report;
                // At once: its new sources may be behind a certificate that only it trusts.
                self.live.shared.outbound.set(&loaded.config.http_client.tls);
                Some(Arc::new(loaded.config))
            }
            Err(report) => {
                log_report(&report);
                error!("the changed configuration is broken; the last good one stays in force");
                about.extend(report);
                refused = Some("it is broken".to_owned());
                None
            }
        };
        self.poll(written.as_deref());
        if let Some(config) = written {
            match self.take_over(&config) {
                Ok(loaded) => return self.swap(&about, loaded, None),
                Err((why, report)) => {
                    refused = Some(why);
                    about.extend(report);
                }
            }
        }
        let loaded = self.repository.reload();
        log_report(&loaded.report);
        self.swap(&about, loaded, refused);
    }

    /// Polls the sources in force, and those of the configuration that is written.
    fn poll(&mut self, written: Option<&Config>) {
        let in_force = &self.repository.config().access_rules;
        let of_written = written.map(|config| &config.access_rules);
        let entries = in_force.repositories.iter();
        let entries = entries.chain(of_written.into_iter().flat_map(|rules| &rules.repositories)).cloned();
        let every = of_written.unwrap_or(in_force).reload.poll;
        if let Err(error) = self.remote.follow(entries, every) {
            error!("remote rule sources cannot be polled: {error}");
        }
    }

    /// Takes over a configuration as a whole: with its rules, once all its new sources can be read. The error
    /// says why not.
    fn take_over(&mut self, config: &Arc<Config>) -> Result<Loaded, (String, Report)> {
        let in_force = &self.repository.config().access_rules.repositories;
        let mut new = config.access_rules.repositories.iter().filter(|entry| !in_force.contains(entry));
        let unread = new.find(|entry| {
            source::open(entry).is_ok_and(|source| source.is_remote())
                && self.remote.known.latest(entry).document.is_none()
        });
        if let Some(entry) = unread {
            let name = source::name(entry);
            warn!(
                source = name,
                "the changed configuration waits for a rule source; the last good one stays in force"
            );
            return Err((format!("it waits for the rules of {name}"), Report::default()));
        }
        let mut repository = self.repository.with_config(Arc::clone(config));
        let loaded = repository.reload();
        log_report(&loaded.report);
        if loaded.fatal {
            error!(
                "a rule source of the changed configuration cannot be used; the last good one stays in force"
            );
            return Err(("a rule source cannot be used".to_owned(), loaded.report));
        }
        let before = self.repository.config();
        warn_of_restart(before, config);
        if before.log.level != config.log.level {
            self.levels.set(config.log.level);
        }
        self.repository = repository;
        Ok(loaded)
    }

    /// Serves from now on with what was loaded.
    fn swap(&mut self, about: &Report, loaded: Loaded, refused: Option<String>) {
        let rules = loaded.engine.rules();
        info!(
            rules.loaded = rules.all().len(),
            rules.valid = rules.valid().count(),
            report.errors = loaded.report.errors(),
            "access rules reloaded"
        );
        let status = Status::new(about, &loaded, &self.remote.known).with_refused(refused);
        let snapshot = Snapshot::new(loaded.engine, Arc::clone(self.repository.config()));
        self.retired.push(self.live.store(snapshot));
        self.live.tell(status);
    }
}

fn files(repository: &Repository, sources: &Sources, live: &Live) -> Vec<PathBuf> {
    let of_handlers = live.shared.files.paths();
    let configs = sources.files.iter().cloned();
    repository.files().into_iter().chain(configs).chain(of_handlers).collect()
}

/// The folder of a file, and of what it is a symbolic link to.
fn folders_of(file: &std::path::Path) -> impl Iterator<Item = PathBuf> {
    let real = file.canonicalize().ok().map(|real| parent(&real));
    std::iter::once(parent(file)).chain(real)
}

fn warn_of_dropped_lines(now: usize, before: &mut usize) {
    if now > *before {
        warn!(log.dropped_lines = now, "log lines were dropped because nobody read them");
        *before = now;
    }
}

/// Listeners, log output and the cache are set up once.
fn warn_of_restart(before: &Config, after: &Config) {
    let differ = |old: &Listener, new: &Listener| {
        old.host != new.host
            || old.port != new.port
            || old.read_timeout != new.read_timeout
            || old.idle_timeout != new.idle_timeout
            || old.tls.as_ref().map(|t| &t.cert) != new.tls.as_ref().map(|t| &t.cert)
    };
    let listener = differ(&before.serve.api, &after.serve.api);
    let differ_if_any = |old: Option<&Listener>, new: Option<&Listener>| match (old, new) {
        (Some(old), Some(new)) => differ(old, new),
        (old, new) => old.is_some() != new.is_some(),
    };
    let (old, new) = (&before.serve, &after.serve);
    let proxy =
        differ_if_any(old.proxy.as_ref().map(|p| &p.listener), new.proxy.as_ref().map(|p| &p.listener));
    let grpc = differ_if_any(old.grpc.as_ref().map(|g| &g.listener), new.grpc.as_ref().map(|g| &g.listener));
    let metrics =
        differ_if_any(
            old.prometheus.as_ref().map(|p| &p.listener),
            new.prometheus.as_ref().map(|p| &p.listener),
        ) || old.prometheus.as_ref().zip(new.prometheus.as_ref()).is_some_and(|(old, new)| {
            (&old.path, &old.prefix, old.paths) != (&new.path, &new.prefix, new.paths)
        });
    let log = before.log.format != after.log.format;
    let cache = before.cache_max_bytes != after.cache_max_bytes;
    for (changed, key) in [
        (listener, "serve.api"),
        (proxy, "serve.proxy"),
        (grpc, "serve.grpc"),
        (metrics, "serve.prometheus"),
        (log, "log.format"),
        (cache, "cache"),
    ] {
        if changed {
            warn!(config.key = key, "a change of this section takes effect after a restart");
        }
    }
}

/// Every finding as a line of the log.
pub fn log_report(report: &Report) {
    for (severity, line) in report.to_log() {
        match severity {
            Severity::Error => error!("{line}"),
            Severity::Warning => warn!("{line}"),
        }
    }
}
