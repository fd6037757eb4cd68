//! Claims of a token whose signature is good: its times, its scopes, its size.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Refusal;

/// Checks `exp`, `nbf` and `iat` (RFC 7519 section 4.1) and says when the token stops being good.
pub(super) fn check_times(
    claims: &Map<String, Value>,
    now: u64,
    leeway: i64,
) -> Result<Option<u64>, Refusal> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let latest = now.saturating_add(leeway);
    let expires = seconds(claims, "exp")?.map(|at| at.saturating_add(leeway));
    if expires.is_some_and(|at| at <= now) {
        return Err(Refusal::new("token-expired", format!("exp {}", shown(claims, "exp"))));
    }
    if seconds(claims, "nbf")?.is_some_and(|at| at > latest) {
        return Err(Refusal::new("token-not-valid-yet", format!("nbf {}", shown(claims, "nbf"))));
    }
    if seconds(claims, "iat")?.is_some_and(|at| at > latest) {
        return Err(Refusal::new("token-used-before-issued", format!("iat {}", shown(claims, "iat"))));
    }
    Ok(expires.map(|at| u64::try_from(at).unwrap_or_default()))
}

/// A time claim in whole seconds; absent when it is missing or 0, as in Oathkeeper.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_i64().or_else(|| value.as_u64().map(|n| i64::try_from(n).unwrap_or(i64::MAX)));
    if let Some(whole) = whole {
        return Ok(Some(whole).filter(|n| *n != 0));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fractions are cut off, and what is too large saturates"
    )]
    let cut = value.as_f64().map(|number| (number, number as i64));
    match cut {
        Some((number, cut)) => Ok(Some(cut).filter(|_| number != 0.0)),
        None => Err(Refusal::new("time-claim-malformed", format!("`{name}` is not a number"))),
    }
}

fn shown(claims: &Map<String, Value>, name: &str) -> String {
    claims.get(name).map(Value::to_string).unwrap_or_default()
}

/// Whom the token speaks for: empty where `sub` is missing. A whole number is taken as its digits; what else is no text
/// is nobody's name.
pub(super) fn subject(claims: &Map<String, Value>) -> Result<Arc<str>, Refusal> {
    match claims.get("sub") {
        None | Some(Value::Null) => Ok(Arc::from("")),
        Some(Value::String(subject)) => Ok(Arc::from(subject.as_str())),
        Some(Value::Number(number)) if !number.is_f64() => Ok(number.to_string().into()),
        Some(_) => Err(Refusal::new("subject-not-text", "`sub` is neither text nor a whole number")),
    }
}

/// The texts of a claim that is one text or a list of them.
pub(super) fn texts(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let (one, many) = match claim {
        Some(Value::String(text)) => (Some(text.as_str()), &[] as &[Value]),
        Some(Value::Array(list)) => (None, list.as_slice()),
        _ => (None, &[] as &[Value]),
    };
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}

/// Turns the first of `scp`, `scope` and `scopes` into `scp`, a list of texts.
pub(super) fn normalise_scopes(claims: &mut Map<String, Value>) {
    let name = ["scp", "scope", "scopes"].into_iter().find(|name| claims.contains_key(*name));
    let list = match name.and_then(|name| claims.shift_remove(name)) {
        Some(Value::Array(list)) => {
            list.into_iter().map(|v| if v.is_string() { v } else { Value::from("") }).collect()
        }
        Some(Value::String(text)) if !text.is_empty() => text.split(' ').map(Value::from).collect(),
        _ => Vec::new(),
    };
    claims.insert("scp".to_owned(), Value::Array(list));
}
