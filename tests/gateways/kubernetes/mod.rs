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
use okgate_testkit::{ports, wait};
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
    &ingress_nginx::WITH_KEEPALIVE,
    &ingress_nginx::AS_OKCTL_WRITES_IT,
    &envoy_gateway::MANIFESTS,
    &traefik::INGRESS_NGINX,
    &traefik::GATEWAY_API,
];

/// A row of its own: its name, what has to be installed, and the row.
type Single = (&'static str, &'static [&'static str], fn() -> Result<(), Failed>);

const MORE: &[Single] = &[
    (
        "traefik::at the path of ingress-nginx nobody is believed",
        &["traefik", "python3"],
        traefik::is_not_ingress_nginx,
    ),
    (
        "gateway-api::the schema of Gateway API has it so",
        &["egctl", "python3"],
        envoy_gateway::external_auth_is_valid,
    ),
    ("kubernetes::the schemas of Kubernetes have it so", &["kubernetes-validate"], schemas::hold),
];

/// A row for each request and gateway.
pub fn trials(required: bool) -> Vec<Trial> {
    let mut trials = Vec::new();
    for manifests in MANIFESTS.iter().copied() {
        let missing = missing(manifests.programs);
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
    for (name, programs, check) in MORE.iter().copied() {
        trials.push(Trial::ignorable_test(name, move || match missing(programs) {
            Some(program) => left_out(program, required),
            None => check().map(|()| Completion::Completed),
        }));
    }
    trials
}

/// The first of them that is not installed.
fn missing(programs: &[&'static str]) -> Option<&'static str> {
    programs.iter().copied().find(|program| find(program).is_none())
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
        let mut why = String::new();
        // Somebody else may take the port before the gateway does, which ends then.
        for _ in 0..3 {
            let cluster = Cluster::start().map_err(|e| failed(e.to_string()))?;
            let [port] = ports::free().map_err(|e| failed(e.to_string()))?;
            let gateway = (manifests.start)(&cluster, port).map_err(failed)?;
            let mut setup = Self { manifests, cluster, port, gateway };
            match setup.wait_for(status) {
                Ok(()) => return Ok(setup),
                Err(error) => why = format!("{error}\n{}", setup.cluster.logs()),
            }
            if setup.gateway.ended().is_none() {
                break;
            }
        }
        Err(failed(why))
    }

    fn wait_for(&mut self, status: u16) -> Result<(), String> {
        let public = Request::get("/public/ready");
        let mut last = String::new();
        let waited = wait::until(PATIENCE, || {
            if let Some(how) = self.gateway.ended() {
                return Some(Err(format!("it ended: {how}")));
            }
            match self.send(&public) {
                Ok(reply) if reply.status == status => return Some(Ok(())),
                Ok(reply) => last = reply.summary(),
                Err(error) => last = error.to_string(),
            }
            None
        });
        waited.unwrap_or_else(|| Err(format!("not {status} for the public page, but {last}")))
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
