//! `cookie_session`: a session store knows whose cookies these are.

use http::header::COOKIE;
use serde::Deserialize;
use serde_json::Value;

use super::session_check::{Kind, SessionCheck, Settings};
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authentication, Authenticator, BuildContext, Exchange, Registration};
use crate::pipeline::settings;
use crate::request::Headers;
use crate::request::cookies::each_cookie;

/// The `cookie_session` authenticator.
pub const REGISTRATION: Registration<dyn Authenticator> =
    Registration { id: "cookie_session", build: |context, config| Ok(Box::new(build(context, config)?)) };

#[derive(Deserialize)]
struct Own {
    #[serde(default)]
    only: Vec<String>,
    #[serde(flatten)]
    common: Settings,
}

struct CookieSession {
    only: Vec<String>,
    check: SessionCheck,
}

fn build(context: &BuildContext<'_>, config: &Value) -> Result<CookieSession, Vec<Finding>> {
    let own: Own = settings(config)?;
    let kind = Kind { id: "cookie_session", credential: COOKIE, subject_from: "subject" };
    Ok(CookieSession { only: own.only, check: SessionCheck::build(&kind, context, config, &own.common)? })
}

impl Authenticator for CookieSession {
    fn authenticate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, Authentication> {
        if !is_responsible(exchange.request.headers(), &self.only) {
            return Answer::Now(Ok(Authentication::NotResponsible));
        }
        self.check.check(exchange, b"", None)
    }
}

/// Whether there is one of these cookies, or any where none is named.
fn is_responsible(headers: &dyn Headers, only: &[String]) -> bool {
    let mut responsible = false;
    each_cookie(headers, &mut |name, _, _| {
        responsible |= only.is_empty() || only.iter().any(|only| only.as_bytes() == name);
    });
    responsible
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::headers::HeaderFields;

    #[test]
    fn which_cookies_make_it_responsible() {
        for (lines, only, responsible) in [
            (&["sid=abc"][..], &[][..], true),
            (&[""], &[], false),
            (&[], &[], false),
            (&[";; "], &[], false),
            (&["nonsense"], &[], true),
            (&["sid="], &[], true),
            (&["s(i)d=1"], &[], false),
            (&["=1"], &[], false),
            (&["sid=\"a b\""], &[], true),
            (&["sid=a\"b"], &[], false),
            (&["sid=\u{e9}"], &[], false),
            (&["sid=\u{e9}; a=1"], &[], true),
            (&["x=1"], &["sid"], false),
            (&["x=1; sid=2; y=3"], &["sid"], true),
            (&["x=1", "sid=1"], &["sid"], true),
            (&["sid2=1"], &["sid"], false),
            (&["SID=1"], &["sid"], false),
            (&["b=1"], &["a", "b"], true),
            (&["c=1"], &["a", "b"], false),
        ] {
            let headers: HeaderFields = lines.iter().map(|line| ("Cookie", line.as_bytes())).collect();
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(is_responsible(&headers, &only), responsible, "{lines:?} {only:?}");
        }
    }
}
