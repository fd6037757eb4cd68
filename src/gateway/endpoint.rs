//! Endpoints: a dialect with its settings, as run.

use std::net::IpAddr;

use http::HeaderName;

use super::contradiction::contradiction;
use super::{Asked, DIALECT_IDS, Dialect, Event, No, Statuses, Trust, Understood, Yes};
use crate::config::Answering;
use crate::pipeline::{Denial, Detail, Grant, Refusal, Reply};

/// Where a gateway asks.
pub struct Endpoint {
    /// The path; what lies below it belongs to it too.
    pub path: String,
    /// How the gateway asks and is answered.
    pub dialect: &'static dyn Dialect,
    /// Its place in [`DIALECT_IDS`].
    pub(crate) number: usize,
    trust: Trust,
    strict: bool,
    emit_empty: bool,
    strip: Vec<HeaderName>,
    strip_query: Vec<String>,
    removable: Vec<HeaderName>,
    statuses: Statuses,
    simple_responses: bool,
}

impl Endpoint {
    /// Puts an endpoint together. `identity` are the headers that any rule may set.
    pub fn new(
        path: &str,
        dialect: &'static dyn Dialect,
        settings: &Answering,
        identity: &[HeaderName],
    ) -> Self {
        let written = settings.strip_request_headers.iter();
        let mut strip: Vec<HeaderName> =
            written.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect();
        strip.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        strip.dedup();
        let more = identity.iter().filter(|name| !strip.contains(name));
        let removable = strip.iter().chain(more).cloned().collect();
        Self {
            path: path.to_owned(),
            dialect,
            number: DIALECT_IDS.iter().position(|id| *id == dialect.id()).unwrap_or(DIALECT_IDS.len()),
            trust: settings.trust.clone(),
            strict: settings.strict,
            emit_empty: settings.emit_empty_headers,
            strip,
            strip_query: settings.strip_query_parameters.clone(),
            removable,
            statuses: settings.status,
            simple_responses: settings.simple_responses,
        }
    }

    /// What is asked, with the client's address; or why it cannot be understood.
    pub fn read<'r>(&self, mut asked: Asked<'r>) -> Result<Understood<'r>, Denial> {
        asked.believed = self.trust.believes(asked.peer);
        let mut understood = self.dialect.read(&asked).map_err(|why| Denial::BadRequest { why })?;
        if let Some(event) = &mut understood.event {
            event.simple &= self.simple_responses;
        }
        if understood.headers.is_none() {
            understood.parts.client = self.trust.client(&asked);
            if self.strict && asked.believed {
                contradiction(&asked, &understood.parts, &self.trust, &self.removable).map_err(|why| {
                    let why = Detail::id("contradiction").public("The gateway contradicts itself.").log(why);
                    Denial::BadRequest { why }
                })?;
            }
        }
        Ok(understood)
    }

    /// Whether what a peer says about a request is believed.
    pub fn believes(&self, peer: Option<IpAddr>) -> bool {
        self.trust.believes(peer)
    }

    /// A yes, for who takes it further.
    pub fn yes(&self, grant: Grant) -> Yes<'_> {
        self.put(grant, (None, None))
    }

    /// Puts a yes. The answer may name the event that was asked about, and the decision's id.
    pub fn grant(&self, grant: Grant, event: Option<&Event<'_>>, id: Option<&str>) -> Reply {
        self.dialect.grant(self.put(grant, (event, id)))
    }

    fn put<'y>(&'y self, grant: Grant, (event, id): (Option<&'y Event<'y>>, Option<&'y str>)) -> Yes<'y> {
        let (strip, strip_query) = (&self.strip, &self.strip_query);
        Yes { grant, strip, strip_query, removable: &self.removable, emit_empty: self.emit_empty, event, id }
    }

    /// Puts a no. Whatever an error handler has made of it, it is one: a status of a yes becomes 500 before
    /// the dialect sees it.
    pub fn refuse(&self, refusal: Refusal, event: Option<&Event<'_>>, id: Option<&str>) -> Reply {
        let Refusal { denial, mut reply, .. } = refusal;
        if !(300..600).contains(&reply.status) {
            reply.status = 500;
        }
        let unshaped = reply.status == denial.status();
        let status = self.statuses.of(&denial).filter(|_| unshaped);
        self.dialect.refuse(No { denial: &denial, reply, status, event, id })
    }
}
