//! What a client claims about its own request in the headers that gateways write: none of it may count.

use okgate::diagnostic::Severity;

use super::asking::stopped;
use super::cases::Cases;
use super::oracle::Expected;
use super::wire::Request;
use super::{Code, Doctor, Finding, Outcome, count, verdict};

const OTHER_HOST: &str = "okctl-doctor.invalid";

/// No header changes what is decided.
pub fn forwarded(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    let mut findings = Vec::new();
    let mut tried = 0;
    // Where contradictions are refused, a claim may turn a yes into a no.
    let strict = doctor.oracle.as_ref().is_some_and(|oracle| oracle.strict);
    for (pass, refusal) in cases.pairs(doctor.oracle.as_ref(), &doctor.open.borrow()).iter().take(1) {
        if !doctor.send(refusal)?.passed() {
            tried += refused_stays_refused(doctor, pass, refusal, &mut findings)?;
        }
        if !strict && stopped(doctor, &doctor.send(pass)?).is_none() {
            tried += passing_stays_passing(doctor, pass, refusal, &mut findings)?;
        }
    }
    tried += redirect_stays(doctor, cases, &mut findings)?;
    if tried == 0 {
        let how = "it takes a request that passes and one that does not";
        return Ok(Outcome::NotChecked(format!("{how}; `-c`, `--path` and `-H` make them known")));
    }
    Ok(verdict(findings, || {
        format!("{} with claims of the client's own change nothing", count(tried, "request"))
    }))
}

/// Claims to be `request`, in the headers of every gateway.
fn claims(doctor: &Doctor, request: &Request) -> Vec<(&'static str, String)> {
    let (method, target) = (&request.method, &request.target);
    let url = format!("{}://{}{target}", doctor.wire.scheme, doctor.wire.authority);
    vec![
        ("X-Forwarded-Uri", target.clone()),
        ("X-Forwarded-Path", target.clone()),
        ("X-Forwarded-Prefix", target.clone()),
        ("X-Forwarded-Method", method.clone()),
        ("X-Original-URL", url.clone()),
        ("X-Original-URI", target.clone()),
        ("X-Original-Method", method.clone()),
        ("X-Rewrite-URL", target.clone()),
        ("X-Envoy-Original-Path", target.clone()),
        ("X-HTTP-Method-Override", method.clone()),
        ("X_Forwarded_Uri", target.clone()),
    ]
}

fn refused_stays_refused(
    doctor: &Doctor,
    pass: &Request,
    refusal: &Request,
    findings: &mut Vec<Finding>,
) -> Result<usize, String> {
    let mut probes = Vec::new();
    for (name, value) in claims(doctor, pass) {
        probes.push((name, refusal.clone().with(name, value)));
    }
    let local = "127.0.0.1, 10.0.0.1, 192.168.0.1";
    for (name, value) in
        [("X-Forwarded-For", local), ("X-Real-IP", "127.0.0.1"), ("Forwarded", "for=127.0.0.1")]
    {
        probes.push((name, refusal.clone().with(name, value)));
    }
    for (name, value) in origins(doctor) {
        probes.push((name, refusal.clone().with(name, value)));
    }
    // A method that is refused where another one is not.
    if let Some(oracle) = &doctor.oracle {
        let other = Request { method: "OPTIONS".to_owned(), ..pass.clone() };
        if let Expected::Refused(_) = oracle.expect(&other)
            && doctor.send(&other)?.arrived.is_none()
            && doctor.sees()
        {
            probes.push(("X-Forwarded-Method", other.with("X-Forwarded-Method", pass.method.as_str())));
        }
    }
    let tried = probes.len();
    for (name, request) in probes {
        if doctor.send(&request)?.passed() {
            let message =
                format!("a client's `{name}` gets a request past okgate that is refused without it");
            findings.push(doctor.finding(Severity::Error, Code::Spoofable, message, &request));
        }
    }
    Ok(tried)
}

/// Claims to come by another scheme, for another host.
fn origins(doctor: &Doctor) -> Vec<(&'static str, String)> {
    let scheme = if doctor.wire.scheme == "https" { "http" } else { "https" };
    vec![
        ("X-Forwarded-Host", OTHER_HOST.to_owned()),
        ("X-Forwarded-Proto", scheme.to_owned()),
        ("X-Forwarded-Port", "1".to_owned()),
        ("Forwarded", format!("host={OTHER_HOST};proto={scheme}")),
    ]
}

fn passing_stays_passing(
    doctor: &Doctor,
    pass: &Request,
    refusal: &Request,
    findings: &mut Vec<Finding>,
) -> Result<usize, String> {
    let refused = Request { method: "OKCTL".to_owned(), ..refusal.clone() };
    let all: Vec<_> = claims(doctor, &refused).into_iter().chain(origins(doctor)).collect();
    for (name, value) in &all {
        if findings.iter().any(|finding| finding.message.contains(&format!("`{name}`"))) {
            continue;
        }
        let request = pass.clone().with(name, value.as_str());
        if let Some(what) = stopped(doctor, &doctor.send(&request)?) {
            let message =
                format!("a client's `{name}` counts: with it, a request that passes does not ({what})");
            findings.push(doctor.finding(Severity::Error, Code::Spoofable, message, &request));
        }
    }
    Ok(all.len())
}

/// The way back from the login page leads to the host that was asked.
fn redirect_stays(doctor: &Doctor, cases: &Cases, findings: &mut Vec<Finding>) -> Result<usize, String> {
    let Some((request, _)) = cases.refusals.iter().find(|(_, refused)| refused.location.is_some()) else {
        return Ok(0);
    };
    let plain = doctor.send(request)?;
    let Some(leads) = plain.header("location").map(str::to_owned) else { return Ok(0) };
    let mut all = origins(doctor);
    all.push(("X-Forwarded-Uri", format!("/{OTHER_HOST}")));
    let claimed = all.iter().map(|(name, value)| (*name, request.clone().with(name, value.as_str())));
    // The host of an absolute target counts, whatever `Host` says (RFC 9112 section 3.2.2).
    let absolute = format!("{}://{}{}", doctor.wire.scheme, doctor.wire.authority, request.target);
    let absolute = Request { target: absolute, ..request.clone() }.with("Host", OTHER_HOST);
    for (name, request) in claimed.chain([("Host", absolute)]) {
        if findings.iter().any(|finding| finding.message.contains(&format!("`{name}`"))) {
            continue;
        }
        let came = doctor.send(&request)?;
        let (said, leads) = (came.header("location").unwrap_or_default(), leads.as_str());
        // Without one it was refused in another way, which sends nobody anywhere.
        if !said.is_empty() && said != leads {
            let message = format!(
                "a client's `{name}` counts: with it, a redirect leads to `{}`, and without it to `{}`",
                said.escape_debug(),
                leads.escape_debug()
            );
            findings.push(doctor.finding(Severity::Error, Code::Spoofable, message, &request));
        }
    }
    Ok(all.len() + 1)
}
