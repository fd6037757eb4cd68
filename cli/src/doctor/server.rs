//! okgate itself, where its API can be reached: whether it is ready, and decides by the rules that are taken for right.

use std::collections::BTreeSet;

use okgate::diagnostic::Severity;
use serde_json::Value;

use super::{Check, Code, Doctor, Finding, Outcome, count, help};
use crate::api::Api;

/// So many rules are asked for at once.
const PAGE: usize = 500;

/// Asks the API. An error where it is not reached.
pub fn check(doctor: &Doctor, api: &Api) -> Check {
    Check { id: "okgate", outcome: look(doctor, api).unwrap_or_else(Outcome::Failed) }
}

fn look(doctor: &Doctor, api: &Api) -> Result<Outcome, String> {
    let found = |severity: Severity, code: Code, message: String, sent: &str| {
        let help = help::help(code, doctor.gateway).to_owned();
        Ok(Outcome::Bad(vec![Finding {
            severity,
            code,
            message,
            sent: format!("`GET {sent}`"),
            help,
            more: 0,
        }]))
    };
    let get = |path: &str| api.get(path).map_err(|error| error.to_string());
    let ready = get("/health/ready")?;
    if ready.status() != 200 {
        return found(
            Severity::Error,
            Code::OkgateNotReady,
            format!("okgate is not ready: {}", ready.complaint()),
            &ready.url,
        );
    }
    let version = get("/version")?
        .json()
        .ok()
        .and_then(|v| v.get("version").and_then(Value::as_str).map(str::to_owned));
    let version = version.unwrap_or_else(|| "unknown".to_owned());
    let Some(oracle) = &doctor.oracle else {
        return Ok(Outcome::Good(format!("ready, version {version}")));
    };
    let mut running = BTreeSet::new();
    let mut offset = 0;
    loop {
        let answer = get(&format!("/rules?limit={PAGE}&offset={offset}"))?;
        let page = answer.json().ok().and_then(|page| page.as_array().cloned());
        let Some(page) = page.filter(|_| answer.status() == 200) else {
            return Err(format!("{} is no list of rules", answer.url));
        };
        offset += page.len();
        let ids = page.iter().filter_map(|rule| rule.get("id").and_then(Value::as_str).map(str::to_owned));
        running.extend(ids);
        if page.len() < PAGE {
            break;
        }
    }
    let valid = oracle.rules().iter().filter(|rule| rule.is_valid());
    let configured: BTreeSet<String> = valid.map(|rule| rule.id().to_owned()).collect();
    let differ: Vec<_> =
        running.symmetric_difference(&configured).take(5).map(|id| format!("`{id}`")).collect();
    if !differ.is_empty() {
        let message =
            format!("okgate runs with other rules than the configuration has: {}", differ.join(", "));
        return found(Severity::Warning, Code::OtherRules, message, "/rules");
    }
    Ok(Outcome::Good(format!("ready, version {version}, {} as configured", count(running.len(), "rule"))))
}
