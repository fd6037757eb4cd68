//! The request to match, put together from the command line as a gateway would ask about it.

use std::net::IpAddr;

use anyhow::{Context as _, bail};
use clap::builder::PossibleValuesParser;
use okgate::gateway::{self, Asked, Source};
use okgate::request::headers::HeaderFields;
use okgate::request::{Headers as _, Origin, Part, Parts};

use crate::output;

/// The request of a client.
#[derive(clap::Args)]
pub struct RequestArgs {
    /// Method of the request
    #[arg(long, short = 'X', default_value = "GET")]
    method: String,

    /// URL that the client asks for, with scheme and host
    #[arg(long, short)]
    url: String,

    /// Header of the request; `X-Forwarded-*` win over `--method` and `--url`, as for the server
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,

    /// Address of the client, for rules with `match.remote_ip`
    #[arg(long, value_name = "ADDRESS")]
    remote_ip: Option<IpAddr>,

    /// Which gateway's headers are read
    #[arg(long, default_value = "oathkeeper", value_parser = dialects())]
    dialect: String,
}

fn dialects() -> PossibleValuesParser {
    // A question in a body is not put together from a method, a URL and headers.
    let of_headers = gateway::DIALECTS.iter().filter(|dialect| dialect.question_bytes() == 0);
    PossibleValuesParser::new(of_headers.map(|dialect| dialect.id()))
}

/// A request, owned.
pub struct Request {
    method: String,
    url: Url,
    headers: HeaderFields,
    remote_ip: Option<IpAddr>,
    dialect: &'static dyn gateway::Dialect,
}

/// A URL, taken apart and nothing decoded: what is odd about it is what is asked about.
#[derive(Debug, PartialEq, Eq)]
struct Url {
    scheme: String,
    host: String,
    path: String,
    query: Option<String>,
}

impl RequestArgs {
    /// Reads the arguments.
    pub fn read(&self) -> anyhow::Result<Request> {
        let mut headers = HeaderFields::default();
        for header in &self.header {
            let (name, value) = split_header(header)?;
            headers.push(name, value);
        }
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if self.method.is_empty() || !self.method.bytes().all(is_token) {
            bail!("`{}` is no method", self.method);
        }
        let dialect = gateway::dialect(&self.dialect).context("there is no such dialect")?;
        let url = Url::split(&self.url)?;
        Ok(Request { method: self.method.clone(), url, headers, remote_ip: self.remote_ip, dialect })
    }
}

impl Request {
    /// What the gateway says about the request; where its header fields are not there, the request as it was
    /// given.
    pub fn parts(&self) -> Parts<'_> {
        let asked = self.asked();
        let said = self.dialect.read(&asked).ok().map(|understood| understood.parts);
        let mut parts = said.unwrap_or_else(|| Parts {
            method: Part { value: asked.method.into(), origin: Origin::RequestLine },
            scheme: Part { value: "".into(), origin: Origin::Connection },
            path: Part { value: asked.path.as_bytes().into(), origin: Origin::RequestLine },
            query: Part { value: asked.query.map(Into::into), origin: Origin::RequestLine },
            ..Parts::unknown(asked.host, asked.peer)
        });
        if parts.scheme.origin == Origin::Connection {
            parts.scheme.value = self.url.scheme.as_str().into();
        }
        parts
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            path: &self.url.path,
            query: self.url.query.as_deref(),
            host: &self.url.host,
            tls: self.url.scheme.eq_ignore_ascii_case("https"),
            headers: &self.headers,
            body: &[],
            peer: self.remote_ip,
            source: Source::Unsaid,
            believed: true,
            id: None,
        }
    }

    /// Its header fields.
    pub fn headers(&self) -> &HeaderFields {
        &self.headers
    }

    /// Whether a gateway's header fields say what the request was.
    pub fn is_forwarded(&self) -> bool {
        self.headers.first("x-forwarded-uri").is_some()
    }
}

/// Name and value of `Name: value`.
pub fn split_header(header: &str) -> anyhow::Result<(&str, &str)> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    match header.split_once(':') {
        Some((name, value)) if !name.is_empty() && name.bytes().all(is_token) => Ok((name, value.trim())),
        // Not repeated: it may hold a credential.
        _ => bail!("a header is written `Name: value`"),
    }
}

impl Url {
    fn split(text: &str) -> anyhow::Result<Self> {
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            bail!("`--url` needs a scheme and a host: `https://app.example.com/path`");
        };
        let rest = match rest.split_once('#') {
            Some((rest, _)) => {
                output::note("note: what follows `#` is never sent by clients and was left out");
                rest
            }
            None => rest,
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let host = match authority.rsplit_once('@') {
            Some((_, host)) => {
                output::note("note: name and password are never part of what is matched and were left out");
                host
            }
            None => authority,
        };
        if host.is_empty() {
            bail!("`--url` needs a host: `https://app.example.com/path`");
        }
        Ok(Self { scheme: scheme.to_owned(), host: host.to_owned(), path: path.to_owned(), query })
    }
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use okgate::request::AccessRequest;

    use super::*;

    fn understood(method: &str, url: &str, headers: &[&str]) -> String {
        let args = RequestArgs {
            method: method.to_owned(),
            url: url.to_owned(),
            header: headers.iter().map(|h| (*h).to_owned()).collect(),
            remote_ip: None,
            dialect: "oathkeeper".to_owned(),
        };
        let request = match args.read() {
            Ok(request) => request,
            Err(error) => return error.to_string(),
        };
        let access = AccessRequest::new(request.parts(), request.headers()).unwrap();
        format!("{} {}", access.method(), access.url())
    }

    #[test]
    fn a_url_is_what_the_client_asks_for() {
        for (url, want) in [
            ("https://app.test/a/b?x=1", "GET https://app.test/a/b?x=1"),
            ("HTTPS://App.Test:443/a", "GET https://app.test/a"),
            ("wss://app.test/a", "GET https://app.test/a"),
            ("http://app.test:8080", "GET http://app.test:8080/"),
            ("http://app.test?x", "GET http://app.test/?x"),
            ("http://app.test/..%2f", "GET http://app.test/..%2f"),
            ("http://user:pw@app.test/a#b", "GET http://app.test/a"),
            ("rpc://app.test/a", "GET rpc://app.test/a"),
            ("/a", "`--url` needs a scheme and a host: `https://app.example.com/path`"),
            ("app.test/a", "`--url` needs a scheme and a host: `https://app.example.com/path`"),
            ("http:///a", "`--url` needs a host: `https://app.example.com/path`"),
        ] {
            assert_eq!(understood("GET", url, &[]), want, "{url}");
        }
    }

    #[test]
    fn headers_of_a_gateway_win() {
        let gateway = [
            "X-Forwarded-Method: POST",
            "x-forwarded-proto: https",
            "X-Forwarded-Host: app.test",
            "X-Forwarded-Uri: /a?b=c",
        ];
        assert_eq!(
            understood("GET", "http://okgate:4456/decisions", &gateway),
            "POST https://app.test/a?b=c"
        );
    }

    #[test]
    fn each_dialect_reads_its_own_headers_and_without_them_the_url_counts() {
        for (dialect, header, want) in [
            ("nginx", "X-Forwarded-Uri: /b", "GET http://own.test/b"),
            ("nginx", "X-Original-URL: http://app.test/b", "GET http://own.test/a?q"),
            ("ingress_nginx", "X-Original-URL: http://app.test/b", "GET http://app.test/b"),
            ("ingress_nginx", "X-Forwarded-Uri: /b", "GET http://own.test/a?q"),
            ("envoy_http", "X-Forwarded-Uri: /b", "GET http://own.test/a?q"),
        ] {
            let headers = [header, "X-Original-Method: GET"].map(str::to_owned);
            let args = RequestArgs {
                method: "GET".to_owned(),
                url: "http://own.test/a?q".to_owned(),
                header: headers.to_vec(),
                dialect: dialect.to_owned(),
                remote_ip: None,
            };
            let request = args.read().unwrap();
            let access = AccessRequest::new(request.parts(), request.headers()).unwrap();
            assert_eq!(format!("{} {}", access.method(), access.url()), want, "{dialect} {header}");
        }
    }

    #[test]
    fn what_is_no_header_or_method_is_refused_without_being_repeated() {
        assert_eq!(understood("GET", "http://h/", &["secret"]), "a header is written `Name: value`");
        assert_eq!(understood("GET", "http://h/", &["a b: secret"]), "a header is written `Name: value`");
        assert_eq!(understood("G T", "http://h/", &[]), "`G T` is no method");
    }
}
