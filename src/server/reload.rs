//! Reloading: rules and configuration that changed, compiled aside and swapped in.

use std::path::PathBuf;
use std::sync::Arc;

use tracing::{error, info, warn};
use tracing_appender::non_blocking::ErrorCounter;

use super::live::{Live, Snapshot};
use crate::config::{self, Config, Sources};
use crate::diagnostic::{Report, Severity};
use crate::rule::Repository;
use crate::rule::source::parent;
use crate::rule::watch::{State, Wake, Watcher, state_of};

/// What the reload thread works with.
pub struct Reloader {
    pub live: Arc<Live>,
    pub repository: Repository,
    pub sources: Sources,
    pub watcher: Watcher,
    /// The files as they were before they were read last.
    pub known: State,
    pub dropped: ErrorCounter,
}

impl Reloader {
    /// Reloads whenever something changes or somebody asks, until told to stop.
    pub fn run(mut self) {
        let mut dropped = 0;
        loop {
            self.watcher.watch(self.folders(), std::mem::take(&mut self.known));
            let wake = loop {
                let wake = self.watcher.wait(|| self.files());
                warn_of_dropped_lines(self.dropped.dropped_lines(), &mut dropped);
                if wake != Wake::Idle {
                    break wake;
                }
            };
            match wake {
                Wake::Stop => return,
                Wake::Asked => info!("reload asked for"),
                Wake::Changed | Wake::Idle => {}
            }
            self.known = state_of(&self.files());
            self.reload();
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        let configs = self.sources.files.iter().map(|f| parent(f));
        let of_handlers = self.live.shared.files.paths().into_iter().map(|f| parent(&f));
        self.repository.watched_folders().into_iter().chain(configs).chain(of_handlers).collect()
    }

    /// Every file whose change is a reason to reload. That one was not named before is one as well: it may have
    /// changed since it was read.
    pub fn files(&self) -> Vec<PathBuf> {
        let of_handlers = self.live.shared.files.paths();
        let configs = self.sources.files.iter().cloned();
        self.repository.files().into_iter().chain(configs).chain(of_handlers).collect()
    }

    /// One reload: configuration first, then the rules under it. What is broken leaves what was in force.
    fn reload(&mut self) {
        match config::load(&self.sources) {
            Ok(loaded) => {
                log_report(&loaded.report);
                warn_of_restart(self.repository.config(), &loaded.config);
                self.live.shared.outbound.set(&loaded.config.http_client.tls);
                self.repository.set_config(Arc::new(loaded.config));
            }
            Err(report) => {
                log_report(&report);
                error!("the changed configuration is broken; the last good one stays in force");
            }
        }
        let loaded = self.repository.reload();
        log_report(&loaded.report);
        if loaded.fatal {
            error!("a rule source of the configuration cannot be used; the last good rules stay in force");
            return;
        }
        let rules = loaded.engine.rules();
        info!(
            rules.loaded = rules.all().len(),
            rules.valid = rules.valid().count(),
            report.errors = loaded.report.errors(),
            "access rules reloaded"
        );
        self.live.store(Snapshot::new(loaded.engine, Arc::clone(self.repository.config())));
    }
}

fn warn_of_dropped_lines(now: usize, before: &mut usize) {
    if now > *before {
        warn!(log.dropped_lines = now, "log lines were dropped because nobody read them");
        *before = now;
    }
}

/// Listeners, log output and the cache are set up once.
fn warn_of_restart(before: &Config, after: &Config) {
    let (old, new) = (&before.serve.api, &after.serve.api);
    let listener = old.host != new.host
        || old.port != new.port
        || old.read_timeout != new.read_timeout
        || old.idle_timeout != new.idle_timeout
        || old.tls.as_ref().map(|t| &t.cert) != new.tls.as_ref().map(|t| &t.cert);
    let log = before.log.level != after.log.level || before.log.format != after.log.format;
    let cache = before.cache_max_bytes != after.cache_max_bytes;
    for (changed, key) in [(listener, "serve.api"), (log, "log"), (cache, "cache")] {
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
