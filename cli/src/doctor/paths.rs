//! Paths and queries: what okgate decides on is what the upstream gets, however it is written.

use okgate::diagnostic::Severity;

use super::asking::unseen;
use super::cases::Cases;
use super::oracle::Expected;
use super::wire::Request;
use super::{Code, Doctor, Outcome, count, merged, verdict};

const QUERY: &str = "okctl=a%2Fb%20c&x=&%3D";

/// Path and query arrive as they were sent.
pub fn url(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    let Some((pass, _)) = cases.pass() else {
        return Ok(Outcome::NotChecked("no request is known that passes".to_owned()));
    };
    if !doctor.sees() {
        return Ok(Outcome::NotChecked(unseen(doctor)));
    }
    let joint = if pass.target.contains('?') { '&' } else { '?' };
    let request = Request { target: format!("{}{joint}{QUERY}", pass.target), ..pass.clone() };
    let observed = doctor.send(&request)?;
    let Some(seen) = observed.arrived else {
        let message =
            format!("a request that passes does not with a query: it is answered {}", observed.said());
        return Ok(Outcome::Bad(vec![doctor.finding(
            Severity::Error,
            Code::GrantedRefused,
            message,
            &request,
        )]));
    };
    let mut findings = Vec::new();
    let rewritten = path(&seen.target) != path(&request.target);
    if rewritten {
        doctor.rewrites.set(true);
    }
    if query(&seen.target) != query(&request.target) {
        let message =
            format!("the query is lost or changed: the upstream gets `{}`", seen.target.escape_debug());
        findings.push(doctor.finding(Severity::Warning, Code::QueryChanged, message, &request));
    }
    if seen.method != request.method {
        let message = format!("the upstream gets `{}`", seen.method.escape_debug());
        findings.push(doctor.finding(Severity::Warning, Code::MethodChanged, message, &request));
    }
    Ok(verdict(findings, || {
        let sent = request.target.escape_debug();
        if rewritten {
            // Many upstreams want their paths without a prefix.
            return format!(
                "`{sent}` arrives as `{}`: the gateway rewrites paths",
                seen.target.escape_debug()
            );
        }
        format!("`{sent}` arrives as it was sent")
    }))
}

/// No way to write a path gets past a rule: what arrives at the upstream is what okgate lets through.
pub fn escapes(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    let Some(oracle) = &doctor.oracle else {
        return Ok(Outcome::NotChecked("`-c` says where a path leads".to_owned()));
    };
    let pairs = cases.pairs(Some(oracle), &doctor.open.borrow());
    if pairs.is_empty() {
        return Ok(Outcome::NotChecked("it takes a request that passes and one that does not".to_owned()));
    }
    if doctor.rewrites.get() {
        let why = "the gateway rewrites paths, and what arrives cannot be compared with the rules: \
                   `--path` with one that it leaves alone";
        return Ok(Outcome::NotChecked(why.to_owned()));
    }
    let mut findings = Vec::new();
    let odd = |(pass, refusal): &(Request, Request)| {
        let targets = variants(&path(&pass.target), &path(&refusal.target));
        targets.into_iter().map(|target| (pass.clone(), target)).collect::<Vec<_>>()
    };
    let targets: Vec<_> = pairs.iter().flat_map(odd).collect();
    for (pass, target) in &targets {
        let request = Request { target: target.clone(), ..pass.clone() };
        let observed = doctor.send(&request)?;
        let arrived = match &observed.arrived {
            Some(seen) => {
                Request { target: seen.target.clone(), method: seen.method.clone(), ..request.clone() }
            }
            // Whoever answered may have got another path; what is known is what was sent.
            None if observed.passed() && !doctor.sees() => request.clone(),
            None => continue,
        };
        if let Expected::Refused(refused) = oracle.expect(&arrived) {
            let (sent, outcome) = (target.escape_debug(), refused.outcome);
            let (severity, how) = match &observed.arrived {
                Some(seen) if seen.target == *target => (Severity::Error, "reaches the upstream".to_owned()),
                Some(seen) => {
                    (Severity::Error, format!("reaches the upstream as `{}`", seen.target.escape_debug()))
                }
                None => (Severity::Warning, format!("is answered {}", observed.said())),
            };
            let message = format!("`{sent}` {how}, where okgate refuses it ({outcome})");
            findings.push(doctor.finding(severity, Code::PathEscape, message, &request));
        }
    }
    Ok(verdict(merged(findings), || {
        format!("{}, none of which leads past a rule", count(targets.len(), "odd path"))
    }))
}

fn query(target: &str) -> Option<&str> {
    target.split_once('?').map(|(_, query)| query)
}

fn path(target: &str) -> String {
    target.split('?').next().unwrap_or_default().to_owned()
}

/// Ways to write a path that some upstreams take for `refused` and some gateways for `open`, and the other way about.
fn variants(open: &str, refused: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (from, to) in [(open, refused), (refused, open)] {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        let depth = folder.matches('/').count();
        let below = to.strip_prefix('/').unwrap_or(to);
        for up in UP {
            let ups = up.repeat(depth.max(1));
            all.push(format!("{folder}/{ups}{below}"));
        }
    }
    let below = refused.strip_prefix('/').unwrap_or(refused);
    all.extend([
        format!("//{below}"),
        format!("/./{below}"),
        format!("/%2e/{below}"),
        format!("/%2f{below}"),
    ]);
    all.extend([format!("{refused}/."), format!("{refused}%2f"), format!("{refused};okctl=1")]);
    all.extend([
        format!("{refused}#/../..{open}"),
        format!("{refused}?/../..{open}"),
        format!("{refused}%3f/../..{open}"),
    ]);
    all.extend([format!("{refused}%23/../..{open}"), format!("{refused}%00/../..{open}")]);
    if let Some(first) = below.bytes().next().filter(u8::is_ascii_alphanumeric) {
        let rest = below.get(1..).unwrap_or_default();
        all.extend([format!("/%{first:02x}{rest}"), format!("/%25{first:02x}{rest}")]);
    }
    if let Some((first, rest)) = below.split_once('/') {
        all.extend([format!("/{first}//{rest}"), format!("/{first}%2f{rest}"), format!("/{first}\\{rest}")]);
        all.push(format!("/{first};okctl=1/{rest}"));
    }
    all
}

/// One step up, in many spellings.
const UP: [&str; 11] = [
    "../",
    "%2e%2e/",
    ".%2e/",
    "..%2f",
    "%2e%2e%2f",
    "%252e%252e%252f",
    "..%252f",
    "..\\",
    "..%5c",
    "..;/",
    "..//",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_lead_from_what_is_open_to_what_is_refused_and_back() {
        let all = variants("/public/a", "/internal/x/y");
        for wanted in [
            "/public/../internal/x/y",
            "/public/..%2finternal/x/y",
            "/internal/x/../../public/a",
            "/%69nternal/x/y",
            "/internal%2fx/y",
        ] {
            assert!(all.iter().any(|one| one == wanted), "{wanted}: {all:?}");
        }
        assert!(all.iter().all(|one| one.starts_with('/') && !one.contains(char::is_whitespace)));
    }
}
