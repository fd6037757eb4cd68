//! Cases: requests whose outcome is known, that probes are made of. They come from the rules, one for each way a
//! decision ends.

use std::collections::HashSet;

use anyhow::bail;

use super::oracle::{Expected, Oracle, Pass, Refused};
use super::wire::Request;

/// So many rules that let requests pass are tried.
const MOST_PASSES: usize = 5;
/// So many of them are tried with everything that clients may think of.
const MOST_PAIRS: usize = 3;
/// So many rules are looked at.
const MOST_RULES: usize = 200;
/// Methods that change nothing, should they reach an upstream against all expectation.
const SAFE: [&str; 4] = ["GET", "HEAD", "OPTIONS", "PROPFIND"];

/// Requests with known outcomes.
#[derive(Default)]
pub struct Cases {
    /// What has to pass. The one that tells the upstream most comes first.
    pub passes: Vec<(Request, Pass)>,
    /// What must not pass: one for each outcome and status.
    pub refusals: Vec<(Request, Refused)>,
    /// Why there are not more.
    pub notes: Vec<String>,
    /// Whether the outcomes come from the configuration. Else they are taken for granted.
    pub known: bool,
}

/// What the user gave.
pub struct Given<'g> {
    /// A path that is let through.
    pub path: Option<&'g str>,
    /// Credentials with which it is.
    pub credentials: &'g [(String, String)],
    /// Makes the paths of this run its own.
    pub nonce: &'g str,
}

impl Cases {
    /// Without a configuration: what is given passes, and what nobody can know of does not.
    pub fn assumed(given: &Given<'_>) -> Self {
        let mut cases = Self::default();
        if let Some(path) = given.path {
            let request = Request::new("GET", path).with_credentials(given.credentials);
            cases.passes.push((request, Pass::default()));
        }
        cases.refusals.push((unmatched(given.nonce), Refused::default()));
        cases.notes.push("without `-c` it is not known what okgate decides".to_owned());
        cases
    }

    /// One for each way the rules let a decision end.
    pub fn of_rules(oracle: &Oracle, given: &Given<'_>) -> anyhow::Result<Self> {
        let mut cases = Self { known: true, ..Self::default() };
        if let Some(path) = given.path {
            let request = Request::new("GET", path).with_credentials(given.credentials);
            match oracle.expect(&request) {
                Expected::Pass(pass) => cases.passes.push((request, pass)),
                Expected::Refused(refused) => bail!(
                    "by the configuration, `GET {}` is refused ({}, {}) with the headers that were given",
                    path.escape_debug(),
                    refused.outcome,
                    refused.meant
                ),
                Expected::Unknown(why) => {
                    bail!("it is not known whether `GET {}` passes: {why}", path.escape_debug())
                }
            }
        }
        let mut elsewhere = 0;
        for rule in oracle.rules().iter().take(MOST_RULES) {
            let Some(path) = oracle.example(rule) else {
                elsewhere += 1;
                continue;
            };
            let listed =
                |method: &&&str| rule.methods().iter().any(|m| m.eq_ignore_ascii_case(method) || m == "*");
            let Some(method) =
                SAFE.iter().find(listed).or_else(|| rule.methods().is_empty().then_some(&"GET"))
            else {
                continue;
            };
            let bare = Request::new(method, &path);
            cases.add(oracle, bare.clone());
            cases.add(oracle, bare.clone().with("Accept", "text/html"));
            if !given.credentials.is_empty() {
                cases.add(oracle, bare.with_credentials(given.credentials));
            }
        }
        cases.add(oracle, unmatched(given.nonce));
        let all = oracle.rules().len();
        if all > MOST_RULES {
            cases.notes.push(format!("of {all} rules, the first {MOST_RULES} were looked at"));
        }
        if elsewhere > 0 {
            cases.notes.push(format!(
                "{} of {} rules are for other hosts or schemes, or no example of their URLs was found: `--url` with another host tries others",
                elsewhere,
                all.min(MOST_RULES)
            ));
        }
        // What was asked for stays in first place.
        let begin = usize::from(given.path.is_some());
        if let Some(rest) = cases.passes.get_mut(begin..) {
            rest.sort_by_key(|(_, pass)| {
                std::cmp::Reverse(pass.headers.iter().filter(|(_, v)| !v.is_empty()).count())
            });
        }
        cases.passes.truncate(MOST_PASSES);
        Ok(cases)
    }

    fn add(&mut self, oracle: &Oracle, request: Request) {
        match oracle.expect(&request) {
            Expected::Pass(pass) => {
                if !self.passes.iter().any(|(_, known)| known.rule == pass.rule) {
                    self.passes.push((request, pass));
                }
            }
            Expected::Refused(refused) => {
                let like = |known: &Refused| known.outcome == refused.outcome && known.meant == refused.meant;
                if !self.refusals.iter().any(|(_, known)| like(known)) {
                    let (request, refused) = with_query(oracle, request, refused);
                    self.refusals.push((request, refused));
                }
            }
            Expected::Unknown(why) => {
                if !self.notes.contains(&why) {
                    self.notes.push(why);
                }
            }
        }
    }

    /// What has to pass, for probes to stand on.
    pub fn pass(&self) -> Option<&(Request, Pass)> {
        self.passes.first()
    }

    /// What passes, each beside something that does not with the same headers: if there is such a thing, what a rule
    /// denies, since no upstream answers so by itself. In different folders, and none of what is known to be open.
    pub fn pairs(&self, oracle: Option<&Oracle>, open: &HashSet<String>) -> Vec<(Request, Request)> {
        let mut pairs: Vec<(Request, Request)> = Vec::new();
        let folder = |request: &Request| request.target.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        for (pass, _) in &self.passes {
            if pairs.len() == MOST_PAIRS || pairs.iter().any(|(known, _)| folder(known) == folder(pass)) {
                continue;
            }
            let with_headers = |(refusal, refused): &(Request, Refused)| {
                if open.contains(&refusal.target) {
                    return None;
                }
                let request = Request {
                    target: refusal.target.clone(),
                    method: refusal.method.clone(),
                    ..pass.clone()
                };
                let outcome = match oracle.map(|oracle| oracle.expect(&request)) {
                    None => refused.outcome,
                    Some(Expected::Refused(refused)) => refused.outcome,
                    Some(_) => return None,
                };
                let rank = ["forbidden", "unauthenticated"].iter().position(|known| *known == outcome);
                Some((rank.unwrap_or(2), request))
            };
            let refusal = self.refusals.iter().filter_map(with_headers).min_by_key(|(rank, _)| *rank);
            pairs.extend(refusal.map(|(_, refusal)| (pass.clone(), refusal)));
        }
        pairs
    }
}

/// A redirect leads back to the whole URL: a query shows whether all of it was understood.
fn with_query(oracle: &Oracle, request: Request, refused: Refused) -> (Request, Refused) {
    if refused.location.is_none() {
        return (request, refused);
    }
    let asked = Request { target: format!("{}?okctl=a%2Fb&b=", request.target), ..request.clone() };
    match oracle.expect(&asked) {
        Expected::Refused(also) if also.meant == refused.meant && also.location.is_some() => (asked, also),
        _ => (request, refused),
    }
}

/// What nobody names.
fn unmatched(nonce: &str) -> Request {
    Request::new("GET", &format!("/okctl-doctor-{nonce}"))
}
