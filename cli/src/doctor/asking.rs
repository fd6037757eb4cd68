//! Whether the gateway asks okgate, and does what it says.

use std::collections::BTreeSet;

use okgate::diagnostic::Severity;

use super::cases::Cases;
use super::oracle::{Expected, Refused};
use super::wire::Request;
use super::{Code, Doctor, Finding, Observed, Outcome, count, merged, shown, verdict};

/// A header as long as a large cookie.
const LARGE: usize = 6000;

/// What must not pass does not: a gateway that asks nobody is the worst that can be found.
pub fn asks_okgate(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    let mut answers = Vec::new();
    for (request, refused) in &cases.refusals {
        let observed = doctor.send(request)?;
        if observed.passed() {
            doctor.open.borrow_mut().insert(request.target.clone());
        }
        answers.push((request, refused, observed));
    }
    let Some((request, _, observed)) = answers.first() else {
        return Ok(Outcome::NotChecked("no request is refused by these rules".to_owned()));
    };
    if answers.iter().all(|(_, _, observed)| observed.passed()) {
        let (severity, code, why) = if cases.known {
            (Severity::Error, Code::OpenGateway, "okgate refuses")
        } else {
            (Severity::Warning, Code::PerhapsOpen, "nobody can know of, and no rule should match,")
        };
        let message = format!("what {why} passes: {} is answered {}", shown(request), observed.said());
        return Ok(Outcome::Bad(vec![doctor.finding(severity, code, message, request)]));
    }
    if answers.iter().all(|(_, _, observed)| is_broken(observed))
        && let Some((request, _)) = cases.pass()
    {
        let observed = doctor.send(request)?;
        if is_broken(&observed) && observed.arrived.is_none() {
            let said = observed.said();
            let message = format!("everything is answered {said}, what okgate lets through as well");
            return Ok(Outcome::Bad(vec![doctor.finding(
                Severity::Error,
                Code::NoDecision,
                message,
                request,
            )]));
        }
    }
    // What passes here and there is told with the statuses.
    let refused = answers.iter().filter(|(_, _, observed)| !observed.passed());
    let what = if cases.known { "what okgate refuses" } else { "what nobody can know of" };
    let said = refused.clone().map(|(_, _, observed)| observed.said()).collect::<Vec<_>>().join(", ");
    let all = format!("{what} is answered {said}");
    if is_seen(doctor, cases)? {
        return Ok(Outcome::Good(format!("{all}, and the upstream sees nothing of it")));
    }
    // An upstream may answer 401, 403 or 404 by itself, but hardly each of them where okgate would.
    let as_meant = refused.filter_map(|(_, refused, observed)| {
        observed.status().filter(|status| refused.statuses.contains(status))
    });
    if as_meant.collect::<BTreeSet<_>>().len() > 1 {
        return Ok(Outcome::Good(all));
    }
    Ok(Outcome::NotChecked(format!("{all}, but an upstream may answer so by itself; {}", unseen(doctor))))
}

fn is_broken(observed: &Observed) -> bool {
    observed.status().is_some_and(|status| status >= 500)
}

/// Whether something that passes is seen behind the gateway.
fn is_seen(doctor: &Doctor, cases: &Cases) -> Result<bool, String> {
    if let (false, Some((request, _))) = (doctor.sees(), cases.pass()) {
        doctor.send(request)?;
    }
    Ok(doctor.sees())
}

/// Why nobody sees what passes, and how to change that.
pub fn unseen(doctor: &Doctor) -> String {
    match &doctor.echo {
        None => "nobody sees what reaches the upstream: `--listen ADDRESS`, with the gateway's upstream there, shows it".to_owned(),
        Some(echo) => format!("no probe has reached {}: is it the upstream of this gateway?", echo.address),
    }
}

/// What okgate lets through passes.
pub fn lets_through(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    let Some((first, _)) = cases.pass() else {
        let how = "credentials (`-H 'Authorization: …'`) and perhaps `--path` make one";
        return Ok(Outcome::NotChecked(format!("no request is known that passes; {how}")));
    };
    // Without an own upstream, a refusal may be that of another one.
    let (severity, whose) = if doctor.echo.is_some() {
        (Severity::Error, "")
    } else {
        (Severity::Warning, ", if not by the upstream")
    };
    let mut findings = Vec::new();
    for (request, pass) in &cases.passes {
        let observed = doctor.send(request)?;
        let Some(what) = stopped(doctor, &observed) else { continue };
        let rule = if pass.rule.is_empty() { String::new() } else { format!(" by rule `{}`", pass.rule) };
        let message = format!("what okgate lets through{rule} does not pass: {what}{whose}");
        findings.push(doctor.finding(severity, Code::GrantedRefused, message, request));
    }
    let all = findings.len() == cases.passes.len();
    let findings = merged(findings);
    if let (true, Severity::Error, [Finding { message, more, .. }]) = (all, severity, findings.as_slice()) {
        let finding = doctor.finding(severity, Code::NothingPasses, message.clone(), first);
        return Ok(Outcome::Bad(vec![Finding { more: *more, ..finding }]));
    }
    if findings.is_empty() && doctor.echo.is_some() && !doctor.sees() {
        return Ok(Outcome::NotChecked(unseen(doctor)));
    }
    Ok(verdict(findings, || {
        let seen = if doctor.sees() { ", and the upstream sees it" } else { "" };
        let what = cases.passes.iter().map(|(request, _)| shown(request)).collect::<Vec<_>>().join(", ");
        format!("{what}{seen}")
    }))
}

/// What stopped a request that okgate lets through, if something did. The upstream's own refusals do not count.
pub fn stopped(doctor: &Doctor, observed: &Observed) -> Option<String> {
    if observed.arrived.is_some() {
        return None;
    }
    match observed.status() {
        None => Some("the connection is closed".to_owned()),
        Some(status @ (400..=403 | 431 | 500..)) => Some(format!("it is answered {status}")),
        // What is seen of others, and not of this one, was stopped.
        Some(status) if doctor.sees() => Some(format!("it is answered {status}")),
        Some(_) => None,
    }
}

/// Each kind of refusal arrives as it was meant, with the headers that belong to it.
pub fn statuses(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    if !cases.known {
        return Ok(Outcome::NotChecked("`-c` says which statuses are meant".to_owned()));
    }
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for (request, refused) in &cases.refusals {
        let observed = doctor.send(request)?;
        findings.extend(status(doctor, request, refused, &observed));
        seen.push(format!("{} for {}", observed.said(), refused.outcome));
    }
    // The others of a kind say something else each.
    let (dialect, mut rest): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|f| f.code == Code::WrongDialect);
    rest.extend(merged(dialect));
    Ok(verdict(rest, || seen.join(", ")))
}

fn status(doctor: &Doctor, request: &Request, refused: &Refused, observed: &Observed) -> Vec<Finding> {
    let outcome = refused.outcome;
    let found = |severity, code, message| vec![doctor.finding(severity, code, message, request)];
    if observed.passed() {
        return found(
            Severity::Error,
            Code::RefusedPasses,
            format!("okgate refuses this ({outcome}), and it passes"),
        );
    }
    let meant = refused.meant;
    let said = observed.said();
    let Some(status) = observed.status() else {
        return found(
            Severity::Warning,
            Code::StatusChanged,
            format!("{meant} ({outcome}) arrives as {said}"),
        );
    };
    // This explains whatever else is wrong with the answer.
    if let Some(answer) = &observed.answer
        && let Some((name, _)) = answer.headers.iter().find(|(name, _)| INTERNAL.contains(&name.as_str()))
    {
        let message = format!("visitors see `{name}`, which is between okgate and the gateway");
        return found(Severity::Warning, Code::WrongDialect, message);
    }
    let redirected = refused.location.is_some() && (300..400).contains(&meant);
    if redirected && matches!(status, 401 | 403) {
        return found(
            Severity::Warning,
            Code::RedirectLost,
            format!("the redirect ({meant}) arrives as {status}: nobody is sent to the login page"),
        );
    }
    if redirected && (300..400).contains(&status) {
        return location(doctor, request, refused, observed).into_iter().collect();
    }
    if status >= 500 && !refused.statuses.contains(&status) {
        return found(
            Severity::Error,
            Code::StatusSwallowed,
            format!("{meant} ({outcome}) arrives as {status}"),
        );
    }
    if !refused.statuses.contains(&status) {
        return found(
            Severity::Warning,
            Code::StatusChanged,
            format!("{meant} ({outcome}) arrives as {status}"),
        );
    }
    if status == 401 && refused.challenge && observed.header("www-authenticate").is_none() {
        return found(
            Severity::Warning,
            Code::ChallengeLost,
            "401 arrives without `WWW-Authenticate`".to_owned(),
        );
    }
    Vec::new()
}

/// What dialects say to a gateway that shows it to nobody.
const INTERNAL: [&str; 4] =
    ["x-auth-reason", "x-auth-status", "x-auth-redirect", "x-envoy-auth-headers-to-remove"];

/// A redirect leads where okgate says, with the way back to the URL that was asked for.
fn location(doctor: &Doctor, request: &Request, refused: &Refused, observed: &Observed) -> Option<Finding> {
    let meant = refused.location.as_deref()?;
    let came = observed.header("location").unwrap_or_default();
    // Gateways complete a path with their own host.
    let origin = format!("{}://{}", doctor.wire.scheme, doctor.wire.authority);
    if came.strip_prefix(&origin).unwrap_or(came) == meant.strip_prefix(&origin).unwrap_or(meant) {
        return None;
    }
    let message =
        format!("the redirect leads to `{}`, and not to `{}`", came.escape_debug(), meant.escape_debug());
    Some(doctor.finding(Severity::Warning, Code::LocationChanged, message, request))
}

/// The method that okgate decides on is the client's; HEAD and OPTIONS are no way around it.
pub fn method(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    let Some(oracle) = &doctor.oracle else {
        return Ok(Outcome::NotChecked("`-c` says which methods are refused".to_owned()));
    };
    let of_passes = cases.passes.iter().map(|(request, _)| request);
    let of_refusals =
        cases.refusals.iter().filter(|(_, refused)| refused.outcome != "no-rule").map(|(r, _)| r);
    let mut findings = Vec::new();
    let mut refused = 0;
    for (at, request) in of_passes.chain(of_refusals).enumerate() {
        // What passes with any method was told before.
        if at >= cases.passes.len() && doctor.send(request)?.passed() {
            continue;
        }
        for method in ["OPTIONS", "HEAD", "PROPFIND"] {
            let request = Request { method: method.to_owned(), ..request.clone() };
            let Expected::Refused(meant) = oracle.expect(&request) else { continue };
            let observed = doctor.send(&request)?;
            // Gateways answer OPTIONS themselves where they do CORS.
            if observed.arrived.is_some() || (observed.passed() && !doctor.sees() && method != "OPTIONS") {
                let message = format!("{method} is refused by okgate ({}), and passes", meant.outcome);
                findings.push(doctor.finding(Severity::Error, Code::MethodIgnored, message, &request));
            }
            refused += 1;
        }
    }
    if refused == 0 {
        return Ok(Outcome::NotChecked(
            "the rules refuse no method of OPTIONS, HEAD and PROPFIND".to_owned(),
        ));
    }
    Ok(verdict(merged(findings), || format!("{} with other methods do not pass", count(refused, "request"))))
}

/// A header as long as a large cookie passes.
pub fn large_headers(doctor: &Doctor, cases: &Cases) -> Result<Outcome, String> {
    let Some((request, _)) = cases.pass() else {
        return Ok(Outcome::NotChecked("no request is known that passes".to_owned()));
    };
    if let Some(what) = stopped(doctor, &doctor.send(request)?) {
        return Ok(Outcome::NotChecked(format!("{} does not pass without one: {what}", shown(request))));
    }
    let request = request.clone().with("Okctl-Doctor-Large", "a".repeat(LARGE));
    let observed = doctor.send(&request)?;
    let findings = stopped(doctor, &observed).map(|what| {
        let message = format!("a header of {LARGE} bytes does not pass: {what}");
        doctor.finding(Severity::Warning, Code::LargeHeadersRefused, message, &request)
    });
    Ok(verdict(findings.into_iter().collect(), || format!("a header of {LARGE} bytes passes")))
}
