//! Token endpoints: the client credentials grant of OAuth 2.0 (RFC 6749 section 4.4), as
//! `oauth2_client_credentials` and the `pre_authorization` of `oauth2_introspection` use it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::config::Secret;
use crate::upstream::Incoming;
use crate::upstream::backend::Question;
use crate::upstream::headers;

/// The media type of forms.
pub(super) const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A token that was granted.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) token: Secret<String>,
    /// Seconds from now.
    pub(super) expires_in: Option<u64>,
    /// What was granted, where the endpoint says.
    pub(super) scope: Option<String>,
}

/// What a token endpoint answered.
#[derive(Debug)]
pub(super) enum Answer {
    Granted(Granted),
    /// The credentials, or what they ask for, are wrong. The error is one of RFC 6749 section 5.2.
    Refused(&'static str),
    /// An answer that says nothing about the credentials.
    Failed,
    /// An answer that should grant and cannot be read.
    Unreadable(&'static str),
}

/// A request for a token, without credentials. `parameters` in alphabetical order.
pub(super) fn question(url: &str, parameters: &[(&str, &str)]) -> Question {
    let mut question = Question::new(Method::POST, url.to_owned());
    question.body = form(parameters.iter().map(|(name, value)| (*name, value.as_bytes()))).into();
    question.headers.push((CONTENT_TYPE, FORM));
    question
}

/// Puts credentials into the header (section 2.3.1): each part form-encoded, so that a colon stays inside.
pub(super) fn sign_in(question: &mut Question, user: &[u8], password: &[u8]) {
    let plain = format!("{}:{}", escaped(user), escaped(password));
    if let Ok(mut value) = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain))) {
        value.set_sensitive(true);
        headers::set(&mut question.headers, AUTHORIZATION, value);
    }
}

/// A form body.
pub(super) fn form<'f>(pairs: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Bytes {
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    Bytes::from(pairs.join("&"))
}

/// As forms are written, and as Go writes them.
fn escaped(text: &[u8]) -> String {
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');
    percent_encode(text, KEPT).to_string().replace(' ', "+")
}

/// Reads the answer of a token endpoint.
pub(super) fn read(answer: &Incoming) -> Answer {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Body {
        access_token: Option<String>,
        expires_in: Value,
        scope: Value,
        error: Option<String>,
    }
    let media_type = answer.header(&CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let body = match media_type.as_str() {
        "application/x-www-form-urlencoded" | "text/plain" => {
            let field = |name: &str| {
                form_urlencoded::parse(&answer.body)
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.into_owned())
            };
            Some(Body {
                access_token: field("access_token"),
                expires_in: field("expires_in").into(),
                scope: field("scope").into(),
                error: field("error"),
            })
        }
        _ => serde_json::from_slice::<Body>(&answer.body).ok(),
    };
    let error = body.as_ref().and_then(|body| body.error.as_deref()).filter(|error| !error.is_empty());
    if !(200..300).contains(&answer.status) {
        return match answer.status {
            400 | 401 | 403 => Answer::Refused(known_error(error)),
            _ => Answer::Failed,
        };
    }
    let Some(body) = body else { return Answer::Unreadable("neither JSON nor a form") };
    if body.error.as_deref().is_some_and(|error| !error.is_empty()) {
        return Answer::Refused(known_error(body.error.as_deref()));
    }
    let Some(token) = body.access_token.filter(|token| !token.is_empty()) else {
        return Answer::Unreadable("no access token in the answer");
    };
    let expires_in = match &body.expires_in {
        // Some endpoints write the number as text.
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    let scope = body.scope.as_str().filter(|scope| !scope.is_empty()).map(str::to_owned);
    Answer::Granted(Granted { token: Secret::new(token), expires_in: expires_in.filter(|s| *s > 0), scope })
}

/// The error as one of those that the standard knows: an endpoint's own words go nowhere.
fn known_error(error: Option<&str>) -> &'static str {
    match error {
        Some("invalid_client") => "invalid_client",
        Some("invalid_grant") => "invalid_grant",
        Some("invalid_request") => "invalid_request",
        Some("invalid_scope") => "invalid_scope",
        Some("unauthorized_client") => "unauthorized_client",
        Some("unsupported_grant_type") => "unsupported_grant_type",
        _ => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, media_type: &'static str, body: &'static str) -> Incoming {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(media_type))];
        Incoming { status, headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn what_a_token_endpoint_may_answer() {
        let json = "application/json; charset=utf-8";
        let form = "application/x-www-form-urlencoded";
        for (status, media_type, body, want) in [
            (200, json, r#"{"access_token":"t","expires_in":60,"scope":"a b"}"#, "t 60 a b"),
            (200, json, r#"{"access_token":"t","expires_in":"60"}"#, "t 60 -"),
            (200, json, r#"{"access_token":"t"}"#, "t - -"),
            (200, json, r#"{"access_token":"t","expires_in":0,"scope":""}"#, "t - -"),
            (200, json, r#"{"access_token":"t","expires_in":-5}"#, "t - -"),
            (201, json, r#"{"access_token":"t"}"#, "t - -"),
            (200, form, "access_token=t&token_type=bearer&expires_in=60", "t 60 -"),
            (200, "text/plain", "access_token=t%20u&scope=a+b", "t u - a b"),
            (200, json, r#"{"access_token":""}"#, "unreadable"),
            (200, json, r#"{"token_type":"bearer"}"#, "unreadable"),
            (200, json, r#"{"access_token":5}"#, "unreadable"),
            (200, json, "{x", "unreadable"),
            (200, json, "", "unreadable"),
            (200, form, "{}", "unreadable"),
            (200, json, r#"{"access_token":"t","error":"invalid_client"}"#, "refused invalid_client"),
            (401, json, r#"{"error":"invalid_client"}"#, "refused invalid_client"),
            (400, json, r#"{"error":"say hello"}"#, "refused refused"),
            (403, "text/html", "<html>", "refused refused"),
            (404, json, "{}", "failed"),
            (500, json, r#"{"access_token":"t"}"#, "failed"),
            (302, json, "", "failed"),
        ] {
            let got = match read(&answer(status, media_type, body)) {
                Answer::Granted(granted) => {
                    let expires = granted.expires_in.map_or("-".to_owned(), |s| s.to_string());
                    format!(
                        "{} {expires} {}",
                        granted.token.expose(),
                        granted.scope.as_deref().unwrap_or("-")
                    )
                }
                Answer::Refused(error) => format!("refused {error}"),
                Answer::Failed => "failed".to_owned(),
                Answer::Unreadable(_) => "unreadable".to_owned(),
            };
            assert_eq!(got, want, "{status} {body}");
        }
    }

    #[test]
    fn credentials_are_escaped_before_they_are_joined() {
        for (user, password, want) in [
            ("cid", "sec", "cid:sec"),
            ("u@x y", "p/q=", "u%40x+y:p%2Fq%3D"),
            ("u", "a:b", "u:a%3Ab"),
            ("é", "~*", "%C3%A9:~%2A"),
        ] {
            let mut question = question("http://idp.test/", &[("grant_type", "client_credentials")]);
            sign_in(&mut question, user.as_bytes(), password.as_bytes());
            let (_, value) = question.headers.iter().find(|(name, _)| *name == AUTHORIZATION).unwrap();
            let sent = STANDARD.decode(value.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
            assert_eq!(String::from_utf8(sent).unwrap(), want);
            assert!(value.is_sensitive());
        }
        let body = form([("scope", &b"a b c"[..]), ("token", &b"a+b&c=d/\xc3\xa9\xff"[..])]);
        assert_eq!(&body[..], b"scope=a+b+c&token=a%2Bb%26c%3Dd%2F%C3%A9%FF");
    }
}
