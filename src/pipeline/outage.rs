//! Outages: what the client is told when a backend gave no usable answer, or asks to slow down.
//!
//! *Could not decide* is kept apart from *invalid credentials* and *forbidden*, whatever status Oathkeeper
//! answers, and is never a yes. What a backend says goes nowhere, not even to the log: error pages like to repeat the
//! credentials they were asked about.

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::denial::{Denial, Detail};
use crate::upstream::Incoming;
use crate::upstream::backend::{Fault, retry_after};

/// `on_backend_error`: which status an outage has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBackendError {
    /// The one that Oathkeeper answers in the handler's place.
    #[default]
    Compat,
    /// 503 with Retry-After.
    Unavailable,
}

/// Seconds after which a client may ask again where the backend does not say.
const RETRY_AFTER: u32 = 5;
/// More than this is not passed on: the backend's wish is not the resource's.
const LONGEST_RETRY_AFTER: u64 = 60;

impl OnBackendError {
    /// The denial for a call without a usable answer; `compat` is Oathkeeper's status.
    pub fn fault(self, compat: u16, fault: &Fault) -> Denial {
        self.denial(compat, Detail::id(fault.id()).public(fault.id()).log(fault), None)
    }

    /// The denial for an answer with a status that says nothing about the caller.
    pub fn status(self, compat: u16, answer: &Incoming) -> Denial {
        let why = Detail::id("backend-status").public("backend-status").log(described(answer));
        self.denial(compat, why, retry_after(&answer.headers).map(|wait| wait.as_secs()))
    }

    /// The denial for an answer that cannot be read. `problem` must not hold what the backend said.
    pub fn unreadable(self, compat: u16, problem: &str, answer: &Incoming) -> Denial {
        let why = Detail::id("backend-answer-unreadable").public("backend-answer-unreadable");
        self.denial(compat, why.log(format_args!("{problem}: {}", described(answer))), None)
    }

    /// The denial for any other reason not to decide.
    pub fn denial(self, compat: u16, why: Detail, retry_after: Option<u64>) -> Denial {
        match self {
            Self::Compat => Denial::CouldNotDecide { status: compat, why, retry_after: None },
            Self::Unavailable => {
                let seconds = retry_after.map(|wait| wait.clamp(1, LONGEST_RETRY_AFTER));
                let seconds = seconds.and_then(|s| u32::try_from(s).ok()).unwrap_or(RETRY_AFTER);
                Denial::CouldNotDecide { status: 503, why, retry_after: Some(seconds) }
            }
        }
    }
}

/// The denial for a backend that answers 429: its rate-limit headers travel along.
pub fn too_many_requests(answer: &Incoming) -> Denial {
    const PASSED_ON: [HeaderName; 5] = [
        http::header::RETRY_AFTER,
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
        HeaderName::from_static("x-ratelimit-type"),
    ];
    let headers = PASSED_ON
        .into_iter()
        .filter_map(|name| {
            let value: HeaderValue = answer.header(&name)?.clone();
            Some((name, value))
        })
        .collect();
    Denial::TooManyRequests { why: Detail::id("backend-rate-limit"), headers }
}

/// An answer for the log: status, kind and length.
fn described(answer: &Incoming) -> String {
    let kind = answer.header(&http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '+' | '.' | '-');
    let kind = if kind.is_empty() || kind.len() > 60 || !kind.chars().all(plain) {
        "of no known kind"
    } else {
        kind
    };
    format!("status {}, {} bytes, {kind}", answer.status, answer.body.len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Incoming {
        let headers =
            headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        Incoming { status, headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn an_outage_has_oathkeepers_status_or_503() {
        for (setting, wish, status, retry_after) in [
            (OnBackendError::Compat, None, 401, None),
            (OnBackendError::Compat, Some("9"), 401, None),
            (OnBackendError::Unavailable, None, 503, Some(5)),
            (OnBackendError::Unavailable, Some("9"), 503, Some(9)),
            (OnBackendError::Unavailable, Some("0"), 503, Some(1)),
            (OnBackendError::Unavailable, Some("99999999999"), 503, Some(60)),
            (OnBackendError::Unavailable, Some("tomorrow"), 503, Some(5)),
        ] {
            let headers: Vec<_> = wish.map(|wish| ("retry-after", wish)).into_iter().collect();
            let denial = setting.status(401, &answer(502, &headers, "secret words"));
            assert_eq!(denial.status(), status, "{setting:?} {wish:?}");
            let Denial::CouldNotDecide { retry_after: got, why, .. } = denial else { unreachable!() };
            assert_eq!(got, retry_after, "{setting:?} {wish:?}");
            assert_eq!(why.public.as_deref(), Some("backend-status"));
            assert_eq!(why.log.as_deref(), Some("status 502, 12 bytes, of no known kind"));
        }
    }

    #[test]
    fn only_rate_limit_headers_pass_with_a_429() {
        let headers = [("x-other", "no"), ("x-ratelimit-limit", "10"), ("retry-after", "7"), ("server", "x")];
        let Denial::TooManyRequests { headers, .. } = too_many_requests(&answer(429, &headers, "")) else {
            unreachable!()
        };
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["retry-after", "x-ratelimit-limit"]);
    }

    #[test]
    fn nothing_that_a_backend_says_is_logged() {
        for (kind, want) in [
            ("text/html; charset=utf-8", "not JSON: status 200, 5 bytes, text/html"),
            ("sid=secret", "not JSON: status 200, 5 bytes, of no known kind"),
            ("", "not JSON: status 200, 5 bytes, of no known kind"),
        ] {
            let answer = answer(200, &[("content-type", kind)], "sid=1");
            let denial = OnBackendError::Compat.unreadable(500, "not JSON", &answer);
            assert_eq!(denial.detail().unwrap().log.as_deref(), Some(want));
        }
    }
}
