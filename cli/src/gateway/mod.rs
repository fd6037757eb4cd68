//! Gateways that `okctl gateway` writes configuration for: a template each, and what may stand in it.
//!
//! Templates escape nothing. What comes into them is of letters that mean nothing in any of these languages:
//! names and addresses with others are refused here.

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde::Serialize;

/// A gateway with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gateway {
    Nginx,
    Openresty,
    Traefik,
    Caddy,
    Envoy,
    EnvoyGrpc,
    Haproxy,
    IngressNginx,
}

/// What a template says.
#[derive(Serialize)]
pub struct Said {
    /// Where okgate answers.
    pub okgate: Address,
    /// Where requests go on to.
    pub upstream: Address,
    /// Path at which the gateway asks.
    pub endpoint: String,
    /// What okgate may tell the upstream.
    pub headers: Vec<Header>,
}

impl Gateway {
    /// The dialect that it understands best.
    pub fn dialect(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Openresty | Self::Traefik | Self::Caddy | Self::Haproxy => "forwarded",
            Self::Envoy => "envoy_http",
            Self::EnvoyGrpc => "envoy_grpc",
            Self::IngressNginx => "ingress_nginx",
        }
    }

    /// Whether `/decisions` will do: the gateway says everything in `X-Forwarded-*`, takes every status, and
    /// removes the client's own headers itself.
    pub fn takes_decisions(self) -> bool {
        self.dialect() == "forwarded"
    }

    /// The name as it is written on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The gateway that names itself so in the header `Server`.
    pub fn of_server(server: &str) -> Option<Self> {
        let name = server.split(['/', ' ']).next().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "nginx" => Some(Self::Nginx),
            "openresty" => Some(Self::Openresty),
            "caddy" => Some(Self::Caddy),
            "envoy" | "istio-envoy" => Some(Self::Envoy),
            _ => None,
        }
    }

    /// The configuration.
    pub fn write(self, said: &Said) -> anyhow::Result<String> {
        let template = match self {
            Self::Nginx => include_str!("nginx.tera"),
            Self::Openresty => include_str!("openresty.tera"),
            Self::Traefik => include_str!("traefik.tera"),
            Self::Caddy => include_str!("caddy.tera"),
            Self::Envoy => include_str!("envoy.tera"),
            Self::EnvoyGrpc => include_str!("envoy-grpc.tera"),
            Self::Haproxy => include_str!("haproxy.tera"),
            Self::IngressNginx => include_str!("ingress-nginx.tera"),
        };
        let context = tera::Context::from_serialize(said)?;
        tera::Tera::one_off(template, &context, false).context("the template cannot be rendered")
    }
}

/// A header's name, in the ways that templates write it.
#[derive(Debug, Serialize)]
pub struct Header {
    /// `X-User`
    pub name: String,
    /// `x-user`
    pub lower: String,
    /// `x_user`
    pub variable: String,
}

impl Header {
    /// An error where the name has anything but letters, digits and hyphens.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !plain || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            bail!(
                "the header `{}` cannot be written into a gateway's configuration; a name needs to be of letters, digits and `-`",
                name.escape_debug()
            );
        }
        let lower = name.to_ascii_lowercase();
        let words = lower.split('-').map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_ascii_uppercase() + rest
        });
        Ok(Self { name: words.collect::<Vec<_>>().join("-"), variable: lower.replace('-', "_"), lower })
    }

    /// Whether gateways write it themselves, or it belongs to a connection: it is no identity header then.
    pub fn is_of_the_gateway(&self) -> bool {
        const THEIRS: [&str; 15] = [
            "connection",
            "content-length",
            "expect",
            "forwarded",
            "host",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-method",
            "x-forwarded-proto",
            "x-forwarded-uri",
        ];
        THEIRS.contains(&self.lower.as_str())
    }
}

/// Where a server is.
#[derive(Debug, Serialize)]
pub struct Address {
    /// `127.0.0.1:4456`, `[::1]:4456`
    pub authority: String,
    /// `127.0.0.1`, `::1`, `app.example`
    pub host: String,
    /// `4456`
    pub port: u16,
}

impl Address {
    /// Reads `http://HOST[:PORT]`.
    pub fn of_url(url: &str) -> anyhow::Result<Self> {
        let wanted = || format!("`{}` is no URL such as `http://10.0.0.7:4456`", url.escape_debug());
        let rest = url.strip_prefix("http://").with_context(wanted)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().with_context(wanted)?),
            _ => (rest, 80),
        };
        Self::new(host, port).with_context(wanted)
    }

    /// An error where the host is neither a name nor an address, in brackets if it is one of IPv6.
    pub fn new(host: &str, port: u16) -> anyhow::Result<Self> {
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let bare = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>()?.to_string(),
            None if host.chars().all(name) && host.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
                host.to_owned()
            }
            None => bail!("`{}` is no host", host.escape_debug()),
        };
        if port == 0 {
            bail!("0 is no port");
        }
        let shown = if bare.contains(':') { format!("[{bare}]") } else { bare.clone() };
        Ok(Self { authority: format!("{shown}:{port}"), host: bare, port })
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Header};

    #[test]
    fn nothing_breaks_out_of_the_configuration() {
        for name in
            ["x-user;", "x'user", "x`user", "x|user", "x$user", "x user", "x_user", "-x", "", "x\n", "x*"]
        {
            assert!(Header::new(name).is_err(), "{name:?}");
        }
        for url in [
            "https://a",
            "http://",
            "http://a b",
            "http://a;b",
            "http://a/b",
            "http://a\n",
            "http://a:0",
            "http://a:x",
            "http://u@a",
            "http://[::1",
            "http://[a]",
            "http://\"a",
            "http://a:99999",
            "http://{a}",
            "unix:/a",
        ] {
            assert!(Address::of_url(url).is_err(), "{url:?}");
        }
    }

    #[test]
    fn addresses_and_names_are_read() {
        for (url, authority, host) in [
            ("http://a.example/", "a.example:80", "a.example"),
            ("http://127.0.0.1:4456", "127.0.0.1:4456", "127.0.0.1"),
            ("http://[::1]:81", "[::1]:81", "::1"),
            ("http://[::1]", "[::1]:80", "::1"),
        ] {
            let read = Address::of_url(url).unwrap();
            assert_eq!((read.authority.as_str(), read.host.as_str()), (authority, host));
        }
        let header = Header::new("x-api-path").unwrap();
        assert_eq!((header.name.as_str(), header.variable.as_str()), ("X-Api-Path", "x_api_path"));
    }
}
