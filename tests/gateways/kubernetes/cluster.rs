//! What gateways of a cluster have behind them: okgate as `okgate.yaml` says, the app, a certificate.

use super::{HOST, PATIENCE};
use crate::example::find;
use okgate_testkit::gate::{Gate, Start};
use okgate_testkit::process::Process;
use okgate_testkit::{ports, wait};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// okgate, the app, and a folder for what a gateway needs.
pub struct Cluster {
    okgate: Mutex<Option<Gate>>,
    okgate_port: u16,
    app_port: u16,
    _app: Process,
    dir: TempDir,
}

impl Cluster {
    /// Starts what a gateway needs.
    pub fn start() -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("okgate-kubernetes-").tempdir()?;
        let (cert, key) = certificate()?;
        fs::write(dir.path().join("tls.crt"), cert)?;
        fs::write(dir.path().join("tls.key"), key)?;
        let [app_port] = ports::free()?;
        let python = find("python3").ok_or_else(|| io::Error::other("python3 is not installed"))?;
        let mut command = Command::new(python);
        command.arg(in_repository("examples/upstream/echo.py")).arg(app_port.to_string());
        let app = run(&mut command, dir.path(), "app")?;
        wait::until(PATIENCE, || TcpStream::connect(("127.0.0.1", app_port)).ok())
            .ok_or_else(|| io::Error::other("the app does not listen"))?;
        let okgate = okgate()?;
        Ok(Self { okgate_port: okgate.port(), okgate: Some(okgate).into(), app_port, _app: app, dir })
    }

    /// Where okgate's service is.
    pub fn okgate_port(&self) -> u16 {
        self.okgate_port
    }

    /// Where the app's service is.
    pub fn app_port(&self) -> u16 {
        self.app_port
    }

    /// The folder; `tls.crt` and `tls.key` are in it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts a program of the gateway's there. What it says goes to `NAME.log`.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<Process, String> {
        let path = find(program).ok_or_else(|| format!("{program} is not installed"))?;
        run(Command::new(path).args(args), self.dir(), program).map_err(|e| format!("{program}: {e}"))
    }

    /// The manifest that `okctl gateway NAME` writes for this okgate.
    pub fn okctl_writes(&self, name: &str) -> Result<Value, String> {
        let okgate = self.okgate.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = okgate.as_ref().ok_or("no okgate")?.dir();
        let mut command = Command::new(crate::written::okctl().map_err(|e| e.to_string())?);
        command.args(["gateway", name, "-c", "config.yaml", "--okgate"]);
        command.args(["http://okgate.default.svc.cluster.local:4456", "--upstream", "http://app:80"]);
        let out = command.current_dir(folder).output().map_err(|e| e.to_string())?;
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).into_owned());
        }
        serde_yaml::from_slice(&out.stdout).map_err(|e| e.to_string())
    }

    /// Ends okgate while everything else goes on.
    pub fn end_okgate(&self) {
        self.okgate.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The end of what each program has said.
    pub fn logs(&self) -> String {
        let mut logs = Vec::new();
        for entry in fs::read_dir(self.dir()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                let log = fs::read(entry.path()).unwrap_or_default();
                logs.push((
                    entry.file_name().display().to_string(),
                    String::from_utf8_lossy(&log).into_owned(),
                ));
            }
        }
        if let Some(okgate) = &*self.okgate.lock().unwrap_or_else(PoisonError::into_inner) {
            logs.push(("okgate".to_owned(), okgate.stderr()));
        }
        logs.iter().fold(String::new(), |mut text, (name, log)| {
            let _ = writeln!(text, "--- {name}");
            let last = log.lines().count().saturating_sub(15);
            log.lines().skip(last).for_each(|line| text.extend([line, "\n"]));
            text
        })
    }
}

/// A file of the repository.
pub fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The documents of a manifest in `examples/kubernetes/`.
pub fn manifest(name: &str) -> io::Result<Vec<Value>> {
    let text = fs::read_to_string(in_repository("examples/kubernetes").join(name))?;
    let documents = text.split("\n---\n").map(serde_yaml::from_str);
    documents.collect::<Result<_, _>>().map_err(|e| io::Error::other(format!("{name}: {e}")))
}

/// The token of the demo keys.
pub fn token() -> String {
    let text = fs::read_to_string(in_repository("examples/demo-keys/token.txt")).unwrap_or_default();
    text.trim().to_owned()
}

/// okgate with the configuration and the rules of the ConfigMap. What differs: where it listens, whom it believes,
/// where its rules are, and the identity provider, which is that of the demo keys.
fn okgate() -> io::Result<Gate> {
    let documents = manifest("okgate.yaml")?;
    let config_map = documents.iter().find(|document| document.get("kind") == Some(&json!("ConfigMap")));
    let text = |key: &str| {
        let text = config_map.and_then(|map| map.pointer(&format!("/data/{key}")));
        text.and_then(Value::as_str).ok_or_else(|| io::Error::other(format!("no `{key}` in the ConfigMap")))
    };
    let mut config: Value = serde_yaml::from_str(text("config.yaml")?).map_err(io::Error::other)?;
    let (api, jwt) = ("/serve/api", "/authenticators/jwt/config");
    for (parent, key, value) in [
        (api, "host", json!("127.0.0.1")),
        (api, "port", json!(0)),
        (api, "trusted_proxies", json!(["127.0.0.1"])),
        ("/access_rules", "repositories", json!(["file://rules.yaml"])),
        (jwt, "jwks_urls", json!(["file://jwks.json"])),
        (jwt, "trusted_issuers", json!(["https://demo.okgate.invalid/"])),
        (jwt, "target_audience", json!(["okgate-demo"])),
    ] {
        let parent = config.pointer_mut(parent).and_then(Value::as_object_mut);
        parent
            .ok_or_else(|| io::Error::other(format!("no place for `{key}`")))?
            .insert(key.to_owned(), value);
    }
    let start = Start::new(env!("CARGO_BIN_EXE_okgate"), config.to_string())
        .file("rules.yaml", text("rules.yaml")?)
        .file("jwks.json", fs::read(in_repository("examples/demo-keys/jwks.json"))?);
    start.try_run().map_err(|ended| io::Error::other(format!("okgate did not start: {ended}")))
}

fn run(command: &mut Command, dir: &Path, name: &str) -> io::Result<Process> {
    let log = File::create(dir.join(format!("{name}.log")))?;
    Process::start(command.current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log))
}

/// A certificate for the host, and its key, in PEM form.
fn certificate() -> io::Result<(Vec<u8>, Vec<u8>)> {
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(openssl::ec::EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", HOST)?;
    let name = name.build();
    let mut made = X509::builder()?;
    made.set_version(2)?;
    made.set_subject_name(&name)?;
    made.set_issuer_name(&name)?;
    made.set_pubkey(&key)?;
    made.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    made.set_not_after(Asn1Time::days_from_now(1)?.as_ref())?;
    let names = SubjectAlternativeName::new().dns(HOST).build(&made.x509v3_context(None, None))?;
    made.append_extension(names)?;
    made.sign(&key, MessageDigest::sha256())?;
    Ok((made.build().to_pem()?, key.private_key_to_pem_pkcs8()?))
}
