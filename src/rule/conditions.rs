//! Conditions: what a rule asks of a request beside its method and URL.
//!
//! Headers, query and address are of the sender's choosing: a condition narrows which rule is meant, it protects
//! nothing by itself. What is not there does not match. A field that is sent several times is like a path that can
//! be read in several ways: where its values do not agree about a condition, the request is refused.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::HeaderName;
use ipnet::IpNet;
use url::form_urlencoded;

use super::spec::{MoreSpec, OneOrMore};
use crate::diagnostic::{Finding, pointer_token};
use crate::matcher::inclusion::{self, Budget, Inclusion};
use crate::matcher::overlap::shared_value;
use crate::matcher::{Strategy, ValuePattern};
use crate::pipeline::errors::when::contains;
use crate::request::AccessRequest;

/// Compiled conditions; all have to hold.
#[derive(Debug, Default)]
pub struct Conditions {
    headers: Vec<Field>,
    query: Vec<Field>,
    /// Networks without overlaps; empty where any address will do.
    networks: Vec<IpNet>,
}

/// A header or a query parameter.
#[derive(Debug)]
struct Field {
    name: String,
    /// Any one is enough.
    values: Vec<ValuePattern>,
}

/// What a request is to a rule's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All hold.
    Holds,
    /// One does not.
    Fails,
    /// One holds for one value of a field and not for another.
    Ambiguous,
    /// A pattern takes too many steps for this value.
    Undecided,
}

/// How the values of a field stand to a condition.
#[derive(Default)]
struct Tally {
    holds: bool,
    fails: bool,
    undecided: bool,
}

impl Conditions {
    /// How many conditions there are.
    pub fn len(&self) -> usize {
        self.headers.len() + self.query.len() + usize::from(!self.networks.is_empty())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads what is written, `None` for no conditions. Pointers count from `match`. A condition with a fault holds
    /// for every request: its rule is not valid and lets none of them pass.
    pub fn compile(spec: &MoreSpec, strategy: Strategy, findings: &mut Vec<Finding>) -> Option<Box<Self>> {
        let mut conditions = Self::default();
        for (name, written) in &spec.headers {
            let pointer = format!("/headers/{}", pointer_token(name));
            match HeaderName::try_from(name.as_str()) {
                Ok(name) => {
                    conditions.headers.extend(Field::compile(
                        name.as_str(),
                        written,
                        strategy,
                        &pointer,
                        findings,
                    ));
                }
                Err(_) => findings.push(
                    Finding::error("bad-header", pointer, format!("`{name}` is not the name of a header"))
                        .at_key(),
                ),
            }
        }
        for (name, written) in &spec.query {
            let pointer = format!("/query/{}", pointer_token(name));
            conditions.query.extend(Field::compile(name, written, strategy, &pointer, findings));
        }
        let mut networks = Vec::new();
        for network in &spec.remote_ip {
            // The schema has said what is none.
            networks.extend(network.parse::<IpNet>().map(|network| network.trunc()));
        }
        if networks.len() == spec.remote_ip.len() {
            conditions.networks = IpNet::aggregate(&networks);
        }
        (!conditions.is_empty()).then(|| Box::new(conditions))
    }

    /// Whether a request is as the rule wants it.
    pub fn check(&self, request: &AccessRequest<'_>) -> Verdict {
        if !self.networks.is_empty() && !contains(&self.networks, request.client_address()) {
            return Verdict::Fails;
        }
        let headers = self.headers.iter().map(|field| field.check_header(request));
        let query = self.query.iter().map(|field| field.check_query(request));
        let mut all = Verdict::Holds;
        for verdict in headers.chain(query) {
            match (verdict, all) {
                (Verdict::Fails, _) => return Verdict::Fails,
                (Verdict::Holds, _) | (_, Verdict::Undecided) => {}
                (open, _) => all = open,
            }
        }
        all
    }

    /// What of a request is not as the rule wants it, in words. Its values are left out: they may be secrets.
    pub fn unmet(&self, request: &AccessRequest<'_>) -> Vec<String> {
        let mut unmet = Vec::new();
        if !self.networks.is_empty() && !contains(&self.networks, request.client_address()) {
            let networks: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
            let address =
                request.client_address().map_or("unknown".to_owned(), |a| a.to_canonical().to_string());
            unmet.push(format!("the client's address, {address}, is not in {}", networks.join(", ")));
        }
        for (kind, fields) in [("header", &self.headers), ("query parameter", &self.query)] {
            for field in fields {
                let verdict = match kind {
                    "header" => field.check_header(request),
                    _ => field.check_query(request),
                };
                let what = match verdict {
                    Verdict::Holds => continue,
                    Verdict::Ambiguous => "has several values, of which not all are",
                    Verdict::Undecided => "takes too many steps to compare with",
                    Verdict::Fails if field.is_there(kind, request) => "is not",
                    Verdict::Fails => "is not there; wanted is",
                };
                unmet.push(format!("the {kind} `{}` {what} {}", field.name, field.wanted()));
            }
        }
        unmet
    }

    /// Whether query parameters are among them.
    pub fn have_query(&self) -> bool {
        !self.query.is_empty()
    }
}

/// All that requests must have to meet both, as header fields, query and address; `None` where no request does,
/// or none could be found.
pub type Example = (Vec<(String, String)>, String, Option<std::net::IpAddr>);

/// A request that meets the conditions of both.
pub fn example_of_both(one: Option<&Conditions>, two: Option<&Conditions>) -> Option<Example> {
    let none = Conditions::default();
    let (one, two) = (one.unwrap_or(&none), two.unwrap_or(&none));
    let headers = shared_fields(&one.headers, &two.headers)?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in shared_fields(&one.query, &two.query)? {
        query.append_pair(&name, &value);
    }
    let address = match (one.networks.as_slice(), two.networks.as_slice()) {
        ([], []) => None,
        ([first, ..], []) | ([], [first, ..]) => Some(first.addr()),
        (some, others) => Some(some.iter().find_map(|a| {
            others.iter().find_map(|b| match (a.contains(b), b.contains(a)) {
                (true, _) => Some(b.addr()),
                (_, true) => Some(a.addr()),
                _ => None,
            })
        })?),
    };
    Some((headers, query.finish(), address))
}

fn shared_fields(one: &[Field], two: &[Field]) -> Option<Vec<(String, String)>> {
    let other = |name: &str, list: &[Field]| list.iter().position(|field| field.name == name);
    let mut shared = Vec::new();
    for field in one {
        let value = match other(&field.name, two).and_then(|at| two.get(at)) {
            None => field.values.iter().find_map(|value| shared_value(value, None))?,
            Some(twin) => {
                field.values.iter().find_map(|a| twin.values.iter().find_map(|b| shared_value(a, Some(b))))?
            }
        };
        shared.push((field.name.clone(), value));
    }
    for field in two.iter().filter(|field| other(&field.name, one).is_none()) {
        let value = field.values.iter().find_map(|value| shared_value(value, None))?;
        shared.push((field.name.clone(), value));
    }
    Some(shared)
}

/// Whether every request that meets the conditions `inner` meets `outer`.
pub fn within(inner: Option<&Conditions>, outer: Option<&Conditions>, budget: &mut Budget) -> Inclusion {
    let none = Conditions::default();
    let (inner, outer) = (inner.unwrap_or(&none), outer.unwrap_or(&none));
    let mut parts = vec![networks_within(&inner.networks, &outer.networks)];
    for (some, others) in [(&inner.headers, &outer.headers), (&inner.query, &outer.query)] {
        for field in others {
            let Some(twin) = some.iter().find(|twin| twin.name == field.name) else { return Inclusion::Open };
            parts.push(field.contains(twin, budget));
        }
        // A field that only the inner one asks for may be missing from a request that meets the outer one.
        if some.iter().any(|field| others.iter().all(|other| other.name != field.name)) {
            parts.push(Inclusion::Less);
        }
    }
    together(&parts)
}

/// All parts are within, and at least one is less.
pub(super) fn together(parts: &[Inclusion]) -> Inclusion {
    match parts {
        _ if parts.contains(&Inclusion::Open) => Inclusion::Open,
        _ if parts.contains(&Inclusion::Less) => Inclusion::Less,
        _ => Inclusion::Within,
    }
}

/// Networks are kept without overlaps, so that other networks are other addresses.
fn networks_within(inner: &[IpNet], outer: &[IpNet]) -> Inclusion {
    match (inner, outer) {
        ([], []) => Inclusion::Within,
        ([], _) => Inclusion::Open,
        (_, []) => Inclusion::Less,
        _ if !inner.iter().all(|a| outer.iter().any(|b| b.contains(a))) => Inclusion::Open,
        _ if inner == outer => Inclusion::Within,
        _ => Inclusion::Less,
    }
}

impl Field {
    /// `None` where something is wrong.
    fn compile(
        name: &str,
        written: &OneOrMore,
        strategy: Strategy,
        pointer: &str,
        findings: &mut Vec<Finding>,
    ) -> Option<Self> {
        let mut values = Vec::new();
        let mut faults = 0;
        for (at, source) in written.as_slice().iter().enumerate() {
            match ValuePattern::compile(strategy, source) {
                Ok(value) => values.push(value),
                Err(finding) => {
                    faults += 1;
                    findings.push(match written {
                        OneOrMore::One(_) => finding.under(pointer),
                        OneOrMore::More(_) => finding.under(&format!("{pointer}/{at}")),
                    });
                }
            }
        }
        (faults == 0 && !values.is_empty()).then(|| Self { name: name.to_owned(), values })
    }

    fn check_header(&self, request: &AccessRequest<'_>) -> Verdict {
        let mut tally = Tally::default();
        request.headers().each(&self.name, &mut |value| {
            tally.add(std::str::from_utf8(value).ok().map(str::trim_ascii), &self.values);
        });
        tally.verdict()
    }

    fn check_query(&self, request: &AccessRequest<'_>) -> Verdict {
        let mut tally = Tally::default();
        for (_, value) in
            form_urlencoded::parse(request.query().as_bytes()).filter(|(name, _)| *name == self.name)
        {
            tally.add(Some(&value), &self.values);
        }
        tally.verdict()
    }

    fn is_there(&self, kind: &str, request: &AccessRequest<'_>) -> bool {
        match kind {
            "header" => request.headers().first(&self.name).is_some(),
            _ => form_urlencoded::parse(request.query().as_bytes()).any(|(name, _)| name == self.name),
        }
    }

    /// The patterns, for people.
    fn wanted(&self) -> Cow<'_, str> {
        let mut text = String::new();
        for (at, value) in self.values.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}`{}`", if at == 0 { "" } else { " or " }, value.source());
        }
        text.into()
    }

    /// Whether whatever matches `inner` matches this.
    fn contains(&self, inner: &Self, budget: &mut Budget) -> Inclusion {
        let mut more = false;
        for value in &inner.values {
            let best = self.values.iter().map(|own| inclusion::of_values(value, own, budget)).fold(
                Inclusion::Open,
                |best, next| match (best, next) {
                    (Inclusion::Open, other) | (other, Inclusion::Open) => other,
                    (Inclusion::Less, Inclusion::Less) => Inclusion::Less,
                    _ => Inclusion::Within,
                },
            );
            match best {
                Inclusion::Open => return Inclusion::Open,
                Inclusion::Less => more = true,
                Inclusion::Within => {}
            }
        }
        // Among several, what one lacks another may have.
        let single = inner.values.len() == 1;
        if more && single { Inclusion::Less } else { Inclusion::Within }
    }
}

impl Tally {
    /// A value, where it is text.
    fn add(&mut self, value: Option<&str>, patterns: &[ValuePattern]) {
        let mut matched = false;
        let mut undecided = false;
        for pattern in patterns {
            match value.map_or(Ok(false), |value| pattern.is_match(value)) {
                Ok(true) => matched = true,
                Ok(false) => {}
                Err(_) => undecided = true,
            }
        }
        match (matched, undecided) {
            (true, _) => self.holds = true,
            (false, true) => self.undecided = true,
            (false, false) => self.fails = true,
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self { undecided: true, .. } => Verdict::Undecided,
            Self { holds: true, fails: true, .. } => Verdict::Ambiguous,
            Self { holds: true, .. } => Verdict::Holds,
            Self { .. } => Verdict::Fails,
        }
    }
}
