//! `when`: the conditions under which an error handler answers.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use super::accept::{self, UNKNOWN};
use crate::diagnostic::Finding;
use crate::pipeline::denial::Denial;
use crate::request::{AccessRequest, Client};

/// Conditions, any of which is enough; none at all is always true.
#[derive(Debug, Default)]
pub struct When(Vec<Condition>);

/// All parts that are given must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    error: Vec<String>,
    request: Option<RequestCondition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestCondition {
    header: HeaderCondition,
    cidr: Vec<IpNet>,
    remote_ip: RemoteIp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HeaderCondition {
    accept: Vec<String>,
    content_type: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RemoteIp {
    #[serde(rename = "match")]
    networks: Vec<IpNet>,
    respect_forwarded_for_header: bool,
}

impl When {
    /// Reads the `when` of a handler's merged configuration.
    pub fn build(config: &Value) -> Result<Self, Vec<Finding>> {
        let Some(list) = config.get("when").filter(|w| !w.is_null()) else { return Ok(Self::default()) };
        let mut conditions = Vec::new();
        let mut findings = Vec::new();
        for (index, item) in list.as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
            match Condition::deserialize(item) {
                Ok(condition) => conditions.push(condition),
                Err(error) => findings.push(
                    Finding::error("bad-condition", format!("/when/{index}"), error.to_string())
                        .help("networks are written as `10.0.0.0/8` or `2001:db8::/32`"),
                ),
            }
        }
        if findings.is_empty() { Ok(Self(conditions)) } else { Err(findings) }
    }

    /// Whether the handler answers this denial of this request.
    pub fn holds(&self, denial: &Denial, request: &AccessRequest<'_>) -> bool {
        self.0.is_empty() || self.0.iter().any(|c| c.holds(denial, request))
    }
}

impl Condition {
    fn holds(&self, denial: &Denial, request: &AccessRequest<'_>) -> bool {
        let error = self.error.is_empty() || self.error.iter().any(|name| name == error_name(denial));
        error && self.request.as_ref().is_none_or(|c| c.holds(request))
    }
}

/// The denial under the name that `when.error` uses: the status in words.
fn error_name(denial: &Denial) -> &'static str {
    match denial.status() {
        400 | 408 | 413 => "bad_request",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        429 => "too_many_requests",
        502 => "bad_gateway",
        503 => "service_unavailable",
        504 => "gateway_timeout",
        _ => "internal_server_error",
    }
}

impl RequestCondition {
    fn holds(&self, request: &AccessRequest<'_>) -> bool {
        let headers = request.headers();
        let accept = &self.header.accept;
        let content_type = &self.header.content_type;
        (accept.is_empty() || accept::accepts(headers.text("accept").unwrap_or(UNKNOWN), accept))
            && (content_type.is_empty()
                || is_content_type(headers.text("content-type").unwrap_or(UNKNOWN), content_type))
            && (self.cidr.is_empty() || contains(&self.cidr, request.client_address()))
            && self.remote_ip.holds(request)
    }
}

fn is_content_type(header: &str, configured: &[String]) -> bool {
    header.split(',').any(|item| {
        let media_type = item.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        configured.iter().any(|c| accept::covers(c, &media_type))
    })
}

impl RemoteIp {
    fn holds(&self, request: &AccessRequest<'_>) -> bool {
        if self.networks.is_empty() {
            return true;
        }
        // Where it is known whose word counts, there is one client and one address.
        if let Client::Found(client) = request.parts().client {
            return contains(&self.networks, client);
        }
        let peer = contains(&self.networks, request.parts().peer);
        let forwarded = || {
            request
                .headers()
                .text("x-forwarded-for")
                .is_some_and(|list| list.split(',').any(|a| contains(&self.networks, a.trim().parse().ok())))
        };
        peer || (self.respect_forwarded_for_header && forwarded())
    }
}

/// Whether an address is in one of these networks; an IPv4 address in IPv6 clothes is one of IPv4.
pub(crate) fn contains(networks: &[IpNet], address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| {
        let address = address.to_canonical();
        networks.iter().any(|network| network.contains(&address))
    })
}
