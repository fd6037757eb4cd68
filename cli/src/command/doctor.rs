//! `okctl doctor`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use okgate::gateway::envoy_grpc::EnvoyGrpc;
use okgate::gateway::{Dialect, Endpoint, dialect};

use crate::api::Api;
use crate::doctor::cases::{Cases, Given};
use crate::doctor::wire::Request;
use crate::doctor::{Check, Doctor, Echo, Oracle, Outcome, Settings, Wire, print, server};
use crate::exit::Exit;
use crate::gateway::Gateway;
use crate::input::{Input, Loaded};
use crate::output::{self, Color, Format};
use crate::request::split_header;

/// Send probes through a running gateway, and say what is wrong between it and okgate
///
/// With `-c`, okctl works out from the rules what okgate decides about each probe, and compares. With `--listen`, it also
/// sees what reaches the upstream: point the gateway's upstream there for that time. What cannot be seen is told as not
/// checked. Probes are GET, HEAD, OPTIONS and PROPFIND requests without a body; nothing is stopped or changed, so that
/// whether the gateway closes when okgate is down is not tried.
#[derive(clap::Args)]
#[command(after_help = "\
Exits with 0 when nothing wrong was found, with 1 when something was, and with 2 when the gateway could not be checked.

Examples:
  okctl doctor --url http://127.0.0.1:8000 -c config.yaml --listen 127.0.0.1:8080
  okctl doctor --url https://app.example.com -c config.yaml -H \"Authorization: Bearer $TOKEN\"
  okctl doctor --url https://app.example.com --connect-to 10.0.0.9:8443 --insecure -c config.yaml --format json")]
pub struct Args {
    /// The gateway as clients name it: scheme, host and port, without a path
    #[arg(long, short)]
    url: String,

    /// Configuration of the server: makes the rules known, and with them what should become of a probe; given several
    /// times, later files win, and environment variables win over files, as for the server
    #[arg(short, long, value_name = "FILE", value_delimiter = ',')]
    config: Vec<PathBuf>,

    /// Listen here as the upstream, and see what reaches it: makes the checks of headers and paths possible
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// Header that lets a probe pass, such as credentials; never shown
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,

    /// Path that okgate lets through with these headers; without it one is found in the rules
    #[arg(long)]
    path: Option<String>,

    /// okgate's own address, `http://HOST:4456`: says whether it is ready, and runs with these rules
    #[arg(long, value_name = "URL")]
    api: Option<String>,

    /// Which gateway it is, for the help with a finding; without it, its answers may tell
    #[arg(long, value_enum)]
    gateway: Option<Gateway>,

    /// Where the gateway asks: a path of `serve.api.endpoints` or `/decisions`; without it the dialect tells
    #[arg(long, value_name = "PATH", requires = "config")]
    endpoint: Option<String>,

    /// Where the gateway is, if not at the host of its URL
    #[arg(long, value_name = "HOST:PORT")]
    connect_to: Option<String>,

    /// Certificates to trust beside the machine's, as PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// Trust any certificate
    #[arg(long)]
    insecure: bool,

    /// Seconds to wait for the answer to a probe
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,

    /// Exit with 2 where a check could not be made
    #[arg(long)]
    require_all: bool,

    /// Text for people, or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Colour; `auto` means on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
}

/// Sends the probes and tells what came of them.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let timeout = Duration::from_secs(args.timeout);
    let credentials = credentials(&args.header)?;
    if args.path.as_ref().is_some_and(|path| !is_path(path)) {
        bail!("`--path` is the path of a URL, such as `/public/page`");
    }
    let loaded = load(&args.config)?;
    let api = args.api.as_ref().map(|url| Api::new(url, timeout)).transpose()?;
    let wire = Wire::new(&Settings {
        url: &args.url,
        connect_to: args.connect_to.as_deref(),
        ca: args.ca.as_deref(),
        insecure: args.insecure,
        timeout,
    })?;
    let nonce = nonce();
    let echo = args.listen.as_ref().map(|address| {
        Echo::start(address, &nonce).with_context(|| format!("cannot listen at `{}`", address.escape_debug()))
    });
    let mut doctor = Doctor::new(wire, echo.transpose()?, nonce);
    let first = Request::new("GET", &format!("/okctl-doctor-{}", doctor.nonce));
    let (answer, client) = doctor
        .wire
        .send(&first)
        .with_context(|| format!("no answer from the gateway at {}", args.url.escape_debug()))?;
    doctor.gateway = args.gateway.or_else(|| answer.header("server").and_then(Gateway::of_server));

    let mut head = vec![("gateway", args.url.trim_end_matches('/').to_owned())];
    if let (Some(gateway), Some((_, shown))) = (doctor.gateway, head.first_mut()) {
        shown.push_str(if args.gateway.is_some() { ", " } else { ", probably " });
        shown.push_str(&gateway.name());
    }
    if let Some(loaded) = loaded {
        let (endpoints, strict) = endpoints(&loaded, doctor.gateway, args.endpoint.as_deref())?;
        let asked: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.path.as_str()).collect();
        head.push(("configuration", format!("{} rules, asked at {}", loaded.rules, asked.join(" or "))));
        let origin = (doctor.wire.scheme, doctor.wire.authority.as_str());
        doctor.oracle = Some(Oracle::new(loaded, endpoints, strict, origin, client));
    }
    if let Some(echo) = &doctor.echo {
        head.push(("upstream", echo.address.to_string()));
    }
    let given = Given { path: args.path.as_deref(), credentials: &credentials, nonce: &doctor.nonce };
    let cases = match &doctor.oracle {
        Some(oracle) => Cases::of_rules(oracle, &given)?,
        None => Cases::assumed(&given),
    };
    let mut checks: Vec<Check> = api.iter().map(|api| server::check(&doctor, api)).collect();
    checks.extend(doctor.run(&cases));
    match args.format {
        Format::Human => output::print(&print::to_human(&head, &checks, &cases.notes, args.color.on()))?,
        Format::Json => output::print_json(&print::to_json(&head, &checks, &cases.notes))?,
    }
    Ok(conclude(&checks, args.require_all))
}

/// Says how it went in a line, and as an exit code.
fn conclude(checks: &[Check], require_all: bool) -> Exit {
    let (errors, warnings) = print::counts(checks);
    let open =
        checks.iter().filter(|c| matches!(c.outcome, Outcome::NotChecked(_) | Outcome::Failed(_))).count();
    let failed = checks.iter().any(|check| matches!(check.outcome, Outcome::Failed(_)));
    // That the gateway asks at all is the least there is to know.
    let asks =
        checks.iter().any(|check| check.id == "asks-okgate" && matches!(check.outcome, Outcome::Good(_)));
    let plural = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let found = match (errors, warnings) {
        (0, 0) => "nothing wrong found".to_owned(),
        _ => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    output::note(&format!("{found} in {}, {open} not checked", plural(checks.len() - open, "check")));
    if errors + warnings > 0 {
        Exit::No
    } else if failed || !asks || (require_all && open > 0) {
        Exit::CouldNot
    } else {
        Exit::Yes
    }
}

fn load(config: &[PathBuf]) -> anyhow::Result<Option<Loaded>> {
    if config.is_empty() {
        return Ok(None);
    }
    match Input::configured(config.to_vec()).load()? {
        Ok(loaded) if loaded.report.errors() == 0 && !loaded.incomplete => Ok(Some(loaded)),
        Ok(_) | Err(_) => {
            bail!("the configuration or its rules have errors; `okctl rules validate` shows them")
        }
    }
}

/// Where the gateway may ask, and whether contradictions are refused at any of these.
fn endpoints(
    loaded: &Loaded,
    gateway: Option<Gateway>,
    path: Option<&str>,
) -> anyhow::Result<(Vec<Endpoint>, bool)> {
    let serve = &loaded.serve;
    let decisions = ("/decisions", "oathkeeper", &serve.decisions);
    let configured = serve.endpoints.iter().map(|e| (e.path.as_str(), e.dialect.as_str(), &e.answering));
    let grpc = serve.grpc.iter().map(|grpc| (GRPC, EnvoyGrpc.id(), &grpc.answering));
    let all = configured.chain(grpc).chain([decisions]).filter(|(_, dialect, _)| *dialect != "aws_lambda");
    let envoys = |dialect: &str| dialect.starts_with("envoy_");
    let fits = |(at, dialect, _): &(&str, &str, _)| match (path, gateway) {
        (Some(path), _) => *at == path,
        (None, Some(gateway)) => {
            *dialect == gateway.dialect()
                || (gateway.takes_decisions() && *dialect == "oathkeeper")
                // By its name, an Envoy may ask in either way.
                || (envoys(dialect) && envoys(gateway.dialect()))
        }
        (None, None) => true,
    };
    let mut chosen: Vec<_> = all.filter(fits).collect();
    if let (true, Some(path)) = (chosen.is_empty(), path) {
        bail!("the configuration has no endpoint `{}`", path.escape_debug());
    }
    if chosen.is_empty() {
        chosen.push(decisions);
    }
    let strict = chosen.iter().any(|(_, _, answering)| answering.strict);
    let made = chosen.into_iter().filter_map(|(path, id, answering)| {
        let dialect = if path == GRPC { Some(&EnvoyGrpc as &dyn Dialect) } else { dialect(id) };
        dialect.map(|dialect| Endpoint::new(path, dialect, answering, &[]))
    });
    Ok((made.collect(), strict))
}

/// Over gRPC there is no path.
const GRPC: &str = "gRPC";

fn credentials(headers: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let mut read = Vec::new();
    for header in headers {
        let (name, value) = split_header(header)?;
        if value.contains(|c: char| c.is_control()) {
            bail!("the value of `{name}` holds what no header may");
        }
        if name.eq_ignore_ascii_case("host") {
            bail!("the host is that of `--url`; `--connect-to` says where the gateway is");
        }
        read.push((name.to_owned(), value.to_owned()));
    }
    Ok(read)
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Sixteen hexadecimal digits that nobody knows before.
fn nonce() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    format!("{:016x}", std::hash::RandomState::new().build_hasher().finish())
}
