//! `okctl gateway`

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use okgate::config::{Answering, Serve};

use crate::exit::Exit;
use crate::gateway::{Address, Gateway, Header, Said};
use crate::input::Input;
use crate::output;

const DECISIONS: &str = "/decisions";

/// Write the configuration of a gateway that asks okgate
///
/// It goes with a configuration of okgate: the gateway asks at the endpoint with its dialect, and hands on every header
/// that a rule may set or that `strip_request_headers` names. The gateway listens on port 8000; change what you need.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  okctl gateway nginx -c config.yaml > okgate.conf
  okctl gateway traefik -c config.yaml --okgate http://10.0.0.7:4456 --upstream http://10.0.0.8:8080")]
pub struct Args {
    /// The gateway
    #[arg(value_enum)]
    name: Gateway,

    /// Configuration of the server; given several times, later files win, and environment variables win
    /// over files, as for the server
    #[arg(short, long, value_name = "FILE", value_delimiter = ',', required = true)]
    config: Vec<PathBuf>,

    /// Where the gateway asks: the path of an endpoint in the gateway's dialect; without it the first one
    #[arg(long, value_name = "PATH")]
    endpoint: Option<String>,

    /// Where the gateway reaches okgate, `http://HOST:PORT`; without it as the configuration says
    #[arg(long, value_name = "URL")]
    okgate: Option<String>,

    /// Where requests go on to, `http://HOST:PORT`; for ingress-nginx the service and its port
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        default_value_if("name", "ingress-nginx", "http://app:80")
    )]
    upstream: String,
}

/// Writes it to standard output.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let loaded = match Input::configured(args.config.clone()).load()? {
        Ok(loaded) if loaded.report.errors() == 0 && !loaded.incomplete => loaded,
        Ok(_) | Err(_) => {
            bail!("the configuration or its rules have errors; `okctl rules validate` shows them")
        }
    };
    let (endpoint, answering) = endpoint(args, &loaded.serve)?;
    let rules = loaded.engine.rules().all().iter();
    let of_rules = rules.flat_map(|rule| &rule.identity_headers).map(|name| name.as_str().to_owned());
    let stripped = answering.strip_request_headers.iter().map(|name| name.to_ascii_lowercase());
    let names: BTreeSet<String> = of_rules.chain(stripped).collect();
    let headers = names.iter().map(|name| Header::new(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let (left, headers): (Vec<_>, Vec<_>) = headers.into_iter().partition(Header::is_of_the_gateway);
    let okgate = match &args.okgate {
        Some(url) => Address::of_url(url).context("`--okgate`")?,
        None => listening(args.name, &loaded.serve)?,
    };
    let upstream = Address::of_url(&args.upstream).context("`--upstream`")?;
    let text = args.name.write(&Said { okgate, upstream, endpoint, headers })?;
    for header in left {
        output::note(&format!("okctl: `{}` is left out: the gateway writes it itself", header.name));
    }
    output::print(&text)?;
    Ok(Exit::Yes)
}

/// Where the gateway asks, and how it is answered there.
fn endpoint<'s>(args: &Args, serve: &'s Serve) -> anyhow::Result<(String, &'s Answering)> {
    if args.name == Gateway::EnvoyGrpc {
        if args.endpoint.is_some() {
            bail!("over gRPC a gateway asks at no path");
        }
        let grpc = serve.grpc.as_ref().context(
            "the configuration has no `serve.grpc`, which this gateway needs; add\nserve:\n  grpc:\n    port: 4457",
        )?;
        return Ok((String::new(), &grpc.answering));
    }
    let dialect = args.name.dialect();
    let takes = |d: &str| d == dialect || (args.name.takes_decisions() && d == "oathkeeper");
    let lines = || {
        format!(
            "serve:\n  api:\n    endpoints:\n      - path: /{}\n        dialect: {dialect}",
            dialect.replace('_', "-")
        )
    };
    let Some(path) = &args.endpoint else {
        if let Some(found) = serve.endpoints.iter().find(|e| e.dialect == dialect) {
            return Ok((found.path.clone(), &found.answering));
        }
        if !args.name.takes_decisions() {
            bail!(
                "the configuration has no endpoint with the dialect `{dialect}`, which this gateway needs; add\n{}",
                lines()
            );
        }
        output::note(&format!(
            "okctl: the configuration has no endpoint with the dialect `{dialect}`: the gateway asks at `{DECISIONS}`; better add\n{}",
            lines()
        ));
        return Ok((DECISIONS.to_owned(), &serve.decisions));
    };
    match serve.endpoints.iter().find(|e| e.path == *path) {
        Some(found) if takes(&found.dialect) => Ok((found.path.clone(), &found.answering)),
        Some(found) => {
            bail!("`{path}` has the dialect `{}`, and this gateway needs `{dialect}`", found.dialect)
        }
        None if path == DECISIONS && takes("oathkeeper") => Ok((DECISIONS.to_owned(), &serve.decisions)),
        None if path == DECISIONS => bail!("this gateway cannot ask at `{DECISIONS}`; add\n{}", lines()),
        None => bail!("the configuration has no endpoint `{}`", path.escape_debug()),
    }
}

/// okgate's address as its configuration has it.
fn listening(gateway: Gateway, serve: &Serve) -> anyhow::Result<Address> {
    let api = match &serve.grpc {
        Some(grpc) if gateway == Gateway::EnvoyGrpc => &grpc.listener,
        _ => &serve.api,
    };
    if api.socket().is_some() || api.tls.is_some() || api.port == 0 {
        bail!(
            "the configuration does not say where the gateway reaches okgate without TLS; say it with `--okgate`"
        );
    }
    if gateway == Gateway::IngressNginx {
        return Address::new("okgate.default.svc.cluster.local", api.port);
    }
    match api.host.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Address::new("127.0.0.1", api.port),
        Ok(IpAddr::V6(ip)) => Address::new(&format!("[{ip}]"), api.port),
        _ if api.host.is_empty() => Address::new("127.0.0.1", api.port),
        _ => Address::new(&api.host, api.port),
    }
}
