//! The manifests of `examples/kubernetes/` behind real gateways, as far as these run without a cluster.
//!
//! okgate runs with the configuration in `okgate.yaml`; what reads the other manifests is said in the module of each.

mod api;
mod cluster;
mod envoy_gateway;
mod ingress_nginx;
mod rows;
mod schemas;
mod traefik;

use crate::example::find;
use crate::left_out;
use cluster::Cluster;
use libtest_mimic::{Completion, Failed, Trial};
use okgate_testkit::http::{Connection, Reply, Request};
use okgate_testkit::process::Process;
use okgate_testkit::wait;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// The host in the manifests.
const HOST: &str = "app.example.com";

/// Manifests, and who runs them.
pub struct Manifests {
    pub name: &'static str,
    /// What has to be installed.
    pub programs: &'static [&'static str],
    /// Starts it in front of a cluster, on this port.
    pub start: fn(&Cluster, u16) -> Result<Process, String>,
    /// Where a 401 leads to, before the way back; else it stays one.
    pub login: Option<&'static str>,
    /// What becomes of okgate's 404.
    pub unmatched: u16,
}

const MANIFESTS: &[&Manifests] = &[
    &ingress_nginx::AS_WRITTEN,
    &ingress_nginx::WITHOUT_SIGNIN,
    &ingress_nginx::AS_OKCTL_WRITES_IT,
    &envoy_gateway::MANIFESTS,
    &traefik::INGRESS_NGINX,
    &traefik::GATEWAY_API,
];

/// A row of its own: its name, what has to be installed, and the row.
type Single = (&'static str, &'static str, fn() -> Result<(), Failed>);

const MORE: &[Single] = &[
    ("traefik::at the path of ingress-nginx nobody is believed", "traefik", traefik::is_not_ingress_nginx),
    ("gateway-api::the schema of Gateway API has it so", "egctl", envoy_gateway::external_auth_is_valid),
    ("kubernetes::the schemas of Kubernetes have it so", "kubernetes-validate", schemas::hold),
];

/// A row for each request and gateway.
pub fn trials(required: bool) -> Vec<Trial> {
    let mut trials = Vec::new();
    for manifests in MANIFESTS.iter().copied() {
        let missing = manifests.programs.iter().copied().find(|program| find(program).is_none());
        let shared = Arc::new(OnceLock::new());
        for row in rows::ROWS {
            let shared: Arc<OnceLock<Result<Setup, String>>> = Arc::clone(&shared);
            trials.push(Trial::ignorable_test(format!("{}::{}", manifests.name, row.name), move || {
                if let Some(program) = missing {
                    return left_out(program, required);
                }
                let setup = shared.get_or_init(|| Setup::start(manifests)).as_ref().map_err(Failed::from)?;
                row.check(setup).map(|()| Completion::Completed)
            }));
        }
        let name = format!("{}::without okgate nothing passes", manifests.name);
        trials.push(Trial::ignorable_test(name, move || match missing {
            Some(program) => left_out(program, required),
            None => rows::nothing_passes_without_okgate(manifests).map(|()| Completion::Completed),
        }));
    }
    for (name, program, check) in MORE.iter().copied() {
        trials.push(Trial::ignorable_test(name, move || match find(program) {
            None => left_out(program, required),
            Some(_) => check().map(|()| Completion::Completed),
        }));
    }
    trials
}

/// A gateway that runs, and what is behind it.
pub struct Setup {
    pub manifests: &'static Manifests,
    pub cluster: Cluster,
    port: u16,
    gateway: Process,
}

impl Setup {
    /// Starts it and waits until the public page comes.
    pub fn start(manifests: &'static Manifests) -> Result<Self, String> {
        Self::start_until(manifests, 200)
    }

    /// Starts it and waits until the public page is answered so.
    pub fn start_until(manifests: &'static Manifests, status: u16) -> Result<Self, String> {
        let failed = |why: String| format!("{} cannot be set up: {why}", manifests.name);
        let cluster = Cluster::start().map_err(|e| failed(e.to_string()))?;
        let [port] = okgate_testkit::ports::free().map_err(|e| failed(e.to_string()))?;
        let gateway = (manifests.start)(&cluster, port).map_err(failed)?;
        let mut setup = Self { manifests, cluster, port, gateway };
        let public = Request::get("/public/ready");
        let mut last = String::new();
        let there = wait::until(PATIENCE, || {
            if let Some(how) = setup.gateway.ended() {
                return Some(Err(format!("it ended: {how}")));
            }
            match setup.send(&public) {
                Ok(reply) if reply.status == status => Some(Ok(())),
                Ok(reply) => {
                    last = reply.summary();
                    None
                }
                Err(error) => {
                    last = error.to_string();
                    None
                }
            }
        });
        match there {
            Some(Ok(())) => Ok(setup),
            Some(Err(why)) => Err(failed(format!("{why}\n{}", setup.cluster.logs()))),
            None => {
                Err(failed(format!("not {status} for the public page, but {last}\n{}", setup.cluster.logs())))
            }
        }
    }

    /// Sends a request to the gateway, over TLS and to the host in the manifests unless it names another.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(&self, request: &Request) -> io::Result<Reply> {
        let mut request = request.clone();
        if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
            request = request.header("Host", HOST);
        }
        let mut connection = Connection::open_tls_to(self.port, HOST)?;
        let sent = connection.send(&request.to_bytes());
        connection.reply(request.method == "HEAD").map_err(|e| sent.err().unwrap_or(e))
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.gateway.end(Duration::from_secs(5));
    }
}
