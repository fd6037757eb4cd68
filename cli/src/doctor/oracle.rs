//! The oracle: what okgate decides by the configuration, worked out here with the server's own code.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use okgate::gateway::Endpoint;
use okgate::matcher::overlap::shared_url;
use okgate::matcher::{Pattern, Strategy};
use okgate::pipeline::{Decision, Denial, Engine, Reply};
use okgate::request::headers::HeaderFields;
use okgate::request::{AccessRequest, Client, Origin, Part, Parts};
use okgate::rule::Rule;
use okgate::upstream::tls::Outbound;

use super::wire::Request;
use crate::gateway::Header;
use crate::input::Loaded;

/// Decides as the server would, about what reaches one gateway.
pub struct Oracle {
    engine: Engine,
    outbound: Arc<Outbound>,
    /// Where the gateway may ask.
    endpoints: Vec<Endpoint>,
    scheme: &'static str,
    authority: String,
    client: IpAddr,
    /// Whether a client's contradicting header is refused where the gateway asks.
    pub strict: bool,
    /// Lower-case names of what a rule may tell the upstream.
    pub identity: Vec<String>,
}

/// What okgate decides.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Yes.
    Pass(Pass),
    /// No.
    Refused(Refused),
    /// It cannot be said from here, and why.
    Unknown(String),
}

/// A yes.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    /// Id of the rule.
    pub rule: String,
    /// What the upstream is told, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// A no.
#[derive(Debug, Clone, Default)]
pub struct Refused {
    /// `no-rule`, `forbidden` …
    pub outcome: &'static str,
    /// The status that is meant: 404, 302 …
    pub meant: u16,
    /// The statuses that the gateway may be told instead, in the dialects where it may ask.
    pub statuses: Vec<u16>,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// Whether credentials are asked for with `WWW-Authenticate`.
    pub challenge: bool,
}

impl Oracle {
    /// `endpoints` are those where the gateway may ask.
    pub fn new(
        loaded: Loaded,
        endpoints: Vec<Endpoint>,
        strict: bool,
        (scheme, authority): (&'static str, &str),
        client: IpAddr,
    ) -> Self {
        let identity = identity_headers(&loaded);
        Self {
            engine: loaded.engine,
            outbound: loaded.outbound,
            endpoints,
            scheme,
            authority: authority.to_owned(),
            client,
            strict,
            identity,
        }
    }

    /// The rules, in load order.
    pub fn rules(&self) -> &[Arc<Rule>] {
        self.engine.rules().all()
    }

    /// What okgate decides about a request to the gateway.
    pub fn expect(&self, request: &Request) -> Expected {
        let (decision, outcome) = match self.decide(request) {
            Ok(Some(decision)) => {
                let outcome = decision.outcome.as_ref().err().map(|refusal| refusal.denial.outcome());
                (decision, outcome)
            }
            // A path that cannot be read is 400.
            Ok(None) => {
                return Expected::Refused(Refused {
                    outcome: "bad-request",
                    meant: 400,
                    statuses: vec![400, 403],
                    ..Refused::default()
                });
            }
            Err(why) => return Expected::Unknown(why),
        };
        let rule = decision.rule.as_ref().map(|rule| rule.id().to_owned()).unwrap_or_default();
        let refusal = match decision.outcome {
            Ok(grant) => {
                let field =
                    |name: &str, value: &[u8]| (name.to_owned(), String::from_utf8_lossy(value).into_owned());
                let fields =
                    grant.headers().iter().map(|(name, value)| field(name.as_str(), value.as_bytes()));
                return Expected::Pass(Pass { rule, headers: fields.collect() });
            }
            Err(refusal) => refusal,
        };
        if let Denial::CouldNotDecide { .. } | Denial::TooManyRequests { .. } = refusal.denial {
            return Expected::Unknown(format!("a service of rule `{rule}` gives no decision here"));
        }
        let reply = refusal.reply;
        let mut statuses = vec![reply.status];
        for endpoint in &self.endpoints {
            if let Ok(Some(Decision { outcome: Err(refusal), .. })) = self.decide(request) {
                statuses.push(endpoint.refuse(refusal, None, None).status);
            }
        }
        Expected::Refused(Refused {
            outcome: outcome.unwrap_or_default(),
            meant: reply.status,
            statuses,
            location: value(&reply, "location"),
            challenge: value(&reply, "www-authenticate").is_some(),
        })
    }

    /// `None` where the path cannot be read.
    fn decide(&self, request: &Request) -> Result<Option<Decision>, String> {
        let headers: HeaderFields = request.fields().map(|(name, value)| (name, value.as_bytes())).collect();
        let (path, query) = match request.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (request.target.as_str(), None),
        };
        let origin = Origin::RequestLine;
        let parts = Parts {
            method: Part { value: request.method.as_str().into(), origin },
            scheme: Part { value: self.scheme.into(), origin },
            path: Part { value: path.as_bytes().into(), origin },
            query: Part { value: query.map(Into::into), origin },
            client: Client::Found(Some(self.client)),
            ..Parts::unknown(&self.authority, Some(self.client))
        };
        let Ok(access) = AccessRequest::new(parts, &headers) else { return Ok(None) };
        self.engine.decide_once(&access, &self.outbound).map(Some).map_err(|error| error.to_string())
    }

    /// A path of this gateway that a rule's patterns match, as plain as can be.
    pub fn example(&self, rule: &Rule) -> Option<String> {
        let host = self.authority.to_ascii_lowercase();
        let default = if self.scheme == "https" { ":443" } else { ":80" };
        let origin = format!("{}://{}", self.scheme, host.strip_suffix(default).unwrap_or(&host));
        let own = ["<.*/>okctl-doctor", "<.*>"].map(|path| format!("{origin}/{path}"));
        let own = own.iter().filter_map(|own| Pattern::compile(Strategy::Regexp, own).ok());
        let url = own
            .into_iter()
            .find_map(|(own, _)| rule.patterns.iter().find_map(|one| shared_url(one, &own)))?;
        url.strip_prefix(&origin).filter(|path| path.starts_with('/')).map(str::to_owned)
    }
}

fn value(reply: &Reply, name: &str) -> Option<String> {
    let found = reply.headers.iter().find(|(n, _)| n.as_str() == name);
    found.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// What rules may set and what is stripped, without what gateways write themselves.
fn identity_headers(loaded: &Loaded) -> Vec<String> {
    let rules = loaded.engine.rules().valid();
    let of_rules = rules.flat_map(|rule| &rule.identity_headers).map(|name| name.as_str().to_owned());
    let answering = loaded.serve.endpoints.iter().map(|e| &e.answering).chain([&loaded.serve.decisions]);
    let stripped = answering.flat_map(|a| &a.strip_request_headers).map(|name| name.to_ascii_lowercase());
    let names: BTreeSet<String> = of_rules.chain(stripped).collect();
    let own = |name: &String| Header::new(name).is_ok_and(|header| !header.is_of_the_gateway());
    names.into_iter().filter(own).collect()
}
