//! Identity headers: the upstream gets okgate's, never the client's, and visitors get none.

use std::collections::BTreeSet;

use okgate::diagnostic::Severity;

use super::asking::unseen;
use super::cases::Cases;
use super::oracle::{Expected, Oracle};
use super::wire::Request;
use super::{Code, Doctor, Finding, Outcome, count, merged, verdict};

/// A client's own identity headers do not reach the upstream.
pub fn spoofed(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    let Some(oracle) = &doctor.oracle else {
        return Ok(Outcome::NotChecked("`-c` says which headers the rules may set".to_owned()));
    };
    if oracle.identity.is_empty() {
        return Ok(Outcome::NotChecked("no rule sets a header".to_owned()));
    }
    if cases.passes.is_empty() || !doctor.sees() {
        return Ok(Outcome::NotChecked(unseen(doctor)));
    }
    let value = format!("okctl-{}", doctor.nonce);
    let mut through: BTreeSet<String> = BTreeSet::new();
    let mut alias: BTreeSet<String> = BTreeSet::new();
    let mut shows = [None, None];
    for (pass, _) in &cases.passes {
        for (at, request) in spoofs(oracle, pass, &value) {
            let Some(seen) = doctor.send(&request)?.arrived else { continue };
            for (name, _) in seen.headers.iter().filter(|(_, v)| v.contains(&value)) {
                if oracle.identity.contains(name) {
                    through.insert(name.clone());
                    shows[0].get_or_insert_with(|| request.clone());
                } else if at == Way::Alias && oracle.identity.contains(&name.replace('_', "-")) {
                    alias.insert(name.clone());
                    shows[1].get_or_insert_with(|| request.clone());
                }
            }
        }
    }
    let mut findings = Vec::new();
    let [spoofed, aliased] = shows;
    if let Some(request) = spoofed {
        let message = format!("a client's own {} the upstream", reach(&through));
        findings.push(doctor.finding(Severity::Error, Code::IdentitySpoofable, message, &request));
    }
    if let Some(request) = aliased {
        let message =
            format!("a client's {} the upstream, and many take `_` for `-` (CGI, WSGI, PHP)", reach(&alias));
        findings.push(doctor.finding(Severity::Warning, Code::IdentityAlias, message, &request));
    }
    Ok(verdict(findings, || format!("a client's own do not arrive: {}", oracle.identity.join(", "))))
}

/// ``​`x-user`, `x-team` reach``
fn reach(names: &BTreeSet<String>) -> String {
    let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    format!("{list} {}", if names.len() == 1 { "reaches" } else { "reach" })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Alias,
}

/// The request with identity headers of the client's own, in every way to smuggle them, as far as it passes with them.
fn spoofs(oracle: &Oracle, pass: &Request, value: &str) -> Vec<(Way, Request)> {
    let passes = |request: &Request| matches!(oracle.expect(request), Expected::Pass(_));
    let credential = |name: &&String| matches!(name.as_str(), "authorization" | "cookie");
    let given = |name: &&String| pass.fields().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let (credentials, others): (Vec<_>, Vec<_>) =
        oracle.identity.iter().filter(|name| !given(name)).partition(credential);
    // Wrong credentials are refused where somebody looks at them.
    let credentials = credentials.into_iter().filter(|name| passes(&pass.clone().with(name, value)));
    let names: Vec<&String> = others.into_iter().chain(credentials).collect();
    let with = |spell: &dyn Fn(&str) -> String| {
        names.iter().fold(pass.clone(), |request, name| request.with(&spell(name), value))
    };
    let plain = with(&str::to_owned);
    let twice = names.iter().fold(plain.clone(), |request, name| request.with(&name.to_uppercase(), value));
    let list = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let hop = plain.clone().with("Connection", format!("close, {list}"));
    let alias = with(&|name| name.replace('-', "_"));
    let all = [(Way::Plain, plain), (Way::Plain, twice), (Way::Plain, hop), (Way::Alias, alias)];
    all.into_iter().filter(|(_, request)| passes(request)).collect()
}

/// What okgate tells the upstream arrives there, and not at the visitor.
pub fn arrives(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    let told = |(_, pass): &&(Request, super::oracle::Pass)| pass.headers.iter().any(|(_, v)| !v.is_empty());
    if !cases.known {
        return Ok(Outcome::NotChecked("`-c` says which headers okgate sets".to_owned()));
    }
    if !cases.passes.iter().any(|case| told(&case)) {
        return Ok(Outcome::NotChecked(
            "okgate sets no header for the requests that are known to pass".to_owned(),
        ));
    }
    if !doctor.sees() {
        return Ok(Outcome::NotChecked(unseen(doctor)));
    }
    let mut findings: Vec<Finding> = Vec::new();
    let mut arrived = 0;
    for (request, pass) in cases.passes.iter().filter(told) {
        let observed = doctor.send(request)?;
        let Some(seen) = &observed.arrived else { continue };
        let mut missing = BTreeSet::new();
        let mut leaked = BTreeSet::new();
        for (name, value) in pass.headers.iter().filter(|(_, value)| !value.is_empty()) {
            let own = |came: &str| {
                let mut given = request.fields().filter(|(known, _)| known.eq_ignore_ascii_case(name));
                came != value && given.any(|(_, given)| given == came)
            };
            // What the probe brought along itself is not okgate's.
            if seen.all(name).all(|came| came.is_empty() || own(came)) {
                missing.insert(name.clone());
            } else {
                arrived += 1;
            }
            if observed.header(name).is_some_and(|shown| shown == value) {
                leaked.insert(name.clone());
            }
        }
        let list =
            |names: BTreeSet<String>| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        if !missing.is_empty() {
            let message = format!("{} of rule `{}` does not reach the upstream", list(missing), pass.rule);
            findings.push(doctor.finding(Severity::Error, Code::IdentityMissing, message, request));
        }
        if !leaked.is_empty() {
            let message = format!("visitors see {}, which is for the upstream", list(leaked));
            findings.push(doctor.finding(Severity::Warning, Code::IdentityLeaked, message, request));
        }
    }
    Ok(verdict(merged(findings), || format!("{} of okgate's arrive", count(arrived, "header"))))
}
