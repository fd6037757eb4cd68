//! From a configuration to a running server, and to its end.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_server::{Server, ServerHandle};
use actix_web::rt;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::listen::{Address, Fault};
use super::live::{Live, Snapshot};
use super::metrics::Page;
use super::reload::{Reloader, log_report};
use super::status::Status;
use super::worker::{Front, MakeWorker, Worker};
use super::{grpc, listen, log};
use crate::config::{self, Loaded, Sources};
use crate::diagnostic::Report;
use crate::gateway::Trust;
use crate::metrics::Metrics;
use crate::pipeline::{Context, Shared};
use crate::rule::Repository;
use crate::rule::remote::Remote;
use crate::rule::watch::{Waker, Watcher, state_of};
use crate::upstream::awc::Client;
use crate::upstream::pool::Pool;
use crate::upstream::tls::Outbound;

/// How long requests under way may take once the server is told to end.
const DRAIN_SECONDS: u64 = 5;
/// How long a start waits for remote rule sources. They go on being asked after that, but it is not ready.
const FIRST_ANSWERS: Duration = Duration::from_secs(5);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What is written is wrong; the report says where.
    #[error("the configuration cannot be used")]
    Findings(Box<Report>),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for `serve.{name}`: {reason}")]
    Listen {
        /// Which listener.
        name: &'static str,
        /// Host and port.
        address: String,
        /// What the operating system says, and what to do.
        reason: String,
    },
    /// Certificate and key do not make a TLS listener.
    #[error("the certificate and key of `serve.{name}.tls` cannot be used: {reason}")]
    Tls {
        /// Which listener.
        name: &'static str,
        /// What OpenSSL says.
        reason: String,
    },
    /// The server failed while it ran.
    #[error("the server ended: {0}")]
    Io(#[from] io::Error),
}

/// Loads, binds, serves, and returns after a clean end. Findings that do not stop the server are logged.
pub fn run(sources: Sources) -> Result<(), StartError> {
    let Loaded { config, report, .. } =
        config::load(&sources).map_err(|r| StartError::Findings(Box::new(r)))?;
    let log = log::start(&config.log);
    log_report(&report);
    warn_of_openness(&config);
    let config = Arc::new(config);
    let shared = Shared::new(config.cache_max_bytes);
    let outbound = Arc::clone(&shared.outbound);
    outbound.set(&config.http_client.tls);
    let (watcher, waker) = Watcher::new();
    let mut remote = Remote::new(Arc::clone(&outbound), waker.clone());
    let rules = &config.access_rules;
    let entries = remote.follow(rules.repositories.iter().cloned(), rules.reload.poll)?;
    remote.known.wait_until_asked(&entries, FIRST_ANSWERS);
    let known = Arc::clone(&remote.known);
    let mut repository = Repository::new(Arc::clone(&config), shared.clone()).with_remote(Arc::clone(&known));
    let state = state_of(&[repository.files(), sources.files.clone()].concat());
    let loaded = repository.reload();
    if loaded.fatal {
        return Err(StartError::Findings(Box::new(loaded.report)));
    }
    log_report(&loaded.report);
    let rules = loaded.engine.rules();
    info!(rules.loaded = rules.all().len(), rules.valid = rules.valid().count(), "access rules loaded");
    let status = Status::new(&report, &loaded, &known);
    let snapshot = Snapshot::new(loaded.engine, Arc::clone(&config));
    let live = Arc::new(Live::new(snapshot, status, known, shared));
    let reloader = Reloader {
        live: Arc::clone(&live),
        repository,
        sources,
        watcher,
        remote,
        known: state,
        dropped: log.dropped.clone(),
        levels: log.levels.clone(),
        retired: Vec::new(),
    };
    let watching = std::thread::Builder::new().name("reload".to_owned()).spawn(move || reloader.run())?;
    let page = Page::new(&config, &live, log.dropped.clone());
    let served = rt::System::new().block_on(serve(&config, live, page, outbound, waker.clone()));
    waker.stop();
    // The reload thread ends at once, or after the reload it is in.
    let _ = watching.join();
    served
}

/// As Oathkeeper does it, and easily a hole.
fn warn_of_openness(config: &config::Config) {
    let serve = &config.serve;
    let open = serve.decisions.trust == Trust::Everybody
        || serve.endpoints.iter().any(|endpoint| endpoint.answering.trust == Trust::Everybody);
    if open {
        warn!(
            "`serve.api.trusted_proxies` is not set: everybody who reaches the API is believed which request \
             they ask about; list the addresses of your gateways"
        );
    }
    if serve.proxy.as_ref().is_some_and(|proxy| proxy.answering.trust == Trust::Everybody) {
        warn!(
            "`serve.proxy.trust_forwarded_headers` is on and `serve.proxy.trusted_proxies` is not set: every client \
             is believed what it says in X-Forwarded headers; list the addresses of the proxies before this one"
        );
    }
    if serve.grpc.as_ref().is_some_and(|grpc| grpc.answering.trust == Trust::Everybody) {
        warn!(
            "`serve.grpc.trusted_proxies` is not set: everybody who reaches the gRPC listener is believed which \
             request they ask about; list the addresses of your gateways"
        );
    }
}

/// What workers are made of.
struct Making {
    live: Arc<Live>,
    outbound: Arc<Outbound>,
    metrics: Option<Arc<Metrics>>,
}

impl Making {
    fn worker(&self, front: impl Fn(&Arc<Outbound>) -> Front + Send + Sync + 'static) -> MakeWorker {
        let (live, outbound, metrics) =
            (Arc::clone(&self.live), Arc::clone(&self.outbound), self.metrics.clone());
        Arc::new(move || {
            let front = front(&outbound);
            let mut context = Context::new(Rc::new(Client::with(Arc::clone(&outbound))));
            // That of who asks for them would count nothing.
            let metrics = metrics.as_ref().filter(|_| !matches!(front, Front::Metrics(_)));
            context.tally = metrics.map(Metrics::tally);
            Rc::new(Worker { live: Arc::clone(&live), context, front })
        })
    }
}

async fn serve(
    config: &config::Config,
    live: Arc<Live>,
    page: Option<Arc<Page>>,
    outbound: Arc<Outbound>,
    waker: Waker,
) -> Result<(), StartError> {
    let making = Making { live, outbound, metrics: page.as_ref().map(|page| Arc::clone(&page.metrics)) };
    let make = making.worker(|_| Front::Api);
    let mut server = Server::build().disable_signals().shutdown_timeout(DRAIN_SECONDS);
    let (mut sockets, mut announced) = (Vec::new(), Vec::new());
    let proxy = config.serve.proxy.as_ref().map(|proxy| {
        ("proxy", &proxy.listener, making.worker(|outbound| Front::Proxy(Pool::new(Arc::clone(outbound)))))
    });
    let metrics = config.serve.prometheus.as_ref().zip(page).map(|(prometheus, page)| {
        ("prometheus", &prometheus.listener, making.worker(move |_| Front::Metrics(Arc::clone(&page))))
    });
    for (name, listener, make) in
        [("api", &config.serve.api, MakeWorker::clone(&make))].into_iter().chain(proxy).chain(metrics)
    {
        let address = Address::of(listener);
        let (with, addresses) = listen::add(server, name, listener, &address, &make)
            .map_err(|fault| not_listening(name, &address, fault))?;
        announced.push((name, addresses));
        sockets.push(address);
        server = with;
    }
    if let Some(grpc) = &config.serve.grpc {
        let address = Address::of(&grpc.listener);
        let (with_grpc, addresses) = grpc::add(server, &grpc.listener, &address, &make)
            .map_err(|fault| not_listening("grpc", &address, fault))?;
        announced.push(("grpc", addresses));
        sockets.push(address);
        server = with_grpc;
    }
    // Not before: where one of them cannot listen, none does.
    for (name, addresses) in &announced {
        listen::announce(name, addresses);
    }
    let server = server.run();
    rt::spawn(follow_signals(server.handle(), waker)?);
    let outcome = server.await;
    for address in &sockets {
        if let Address::Socket(path) = address {
            // Another server may have taken its place already, or nobody may remove it.
            let _ = std::fs::remove_file(path);
        }
    }
    outcome?;
    info!("ended");
    Ok(())
}

fn not_listening(name: &'static str, address: &Address, fault: Fault) -> StartError {
    let error = match fault {
        Fault::Address(error) => error,
        Fault::Tls(error) => return StartError::Tls { name, reason: error.to_string() },
    };
    let taken = match address {
        Address::Tcp(..) => &*format!(
            "address already in use; stop the program that has it or set another `serve.{name}.port`"
        ),
        Address::Socket(_) => "address already in use; another program listens there",
    };
    let reason = match (error.kind(), address) {
        (io::ErrorKind::AddrInUse, _) => taken.to_owned(),
        (io::ErrorKind::PermissionDenied, Address::Tcp(..)) => {
            "permission denied; ports below 1024 need a privilege".to_owned()
        }
        _ => error.to_string(),
    };
    StartError::Listen { name, address: address.to_string(), reason }
}

/// SIGTERM and SIGINT end the server after the requests under way, SIGHUP reloads.
fn follow_signals(server: ServerHandle, waker: Waker) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => waker.reload(),
            }
        }
        info!("ending: no new connections, {DRAIN_SECONDS} seconds for requests under way");
        server.stop(true).await;
    })
}
