//! `redirect`: sends the visitor to a login page, with the way back in a query parameter.

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, LOCATION};
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use url::form_urlencoded;

use super::json::status_text;
use crate::diagnostic::Finding;
use crate::pipeline::denial::Denial;
use crate::pipeline::grant::Reply;
use crate::pipeline::handler::{BuildContext, ErrorHandler, Registration};
use crate::request::AccessRequest;

/// How the registry knows it.
pub const REGISTRATION: Registration<dyn ErrorHandler> = Registration { id: "redirect", build };

#[derive(Deserialize)]
struct Settings {
    to: String,
    #[serde(default = "found")]
    code: u16,
    #[serde(default)]
    return_to_query_param: String,
}

fn found() -> u16 {
    302
}

struct Redirect {
    code: u16,
    target: Target,
}

enum Target {
    /// The same for every request.
    Fixed(HeaderValue),
    /// The parts around the URL to return to, which is percent-encoded in between.
    WithReturn { before: String, after: String },
}

fn build(_: &BuildContext<'_>, config: &Value) -> Result<Box<dyn ErrorHandler>, Vec<Finding>> {
    let settings: Settings = super::super::settings(config)?;
    let target = target(&settings.to, &settings.return_to_query_param).ok_or_else(|| {
        let message = format!("`{}` is no address that a browser can be sent to", settings.to);
        vec![
            Finding::error("bad-url", "/to", message)
                .help("give an absolute URL or a path that starts with `/`"),
        ]
    })?;
    Ok(Box::new(Redirect { code: settings.code, target }))
}

fn target(to: &str, parameter: &str) -> Option<Target> {
    if parameter.is_empty() {
        return HeaderValue::from_str(&encode_non_ascii(to)).ok().map(Target::Fixed);
    }
    let (without_fragment, fragment) = match to.split_once('#') {
        Some((head, fragment)) => (head, format!("#{fragment}")),
        None => (to, String::new()),
    };
    let (base, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
    if base.contains("://") && Url::parse(base).is_err() {
        return None;
    }
    let mut pairs: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(name, _)| name != parameter).collect();
    pairs.sort();
    let split = pairs.partition_point(|(name, _)| name.as_str() < parameter);
    let (left, right) = pairs.split_at(split);
    let encode = |pairs: &[(String, String)]| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    let name: String = form_urlencoded::byte_serialize(parameter.as_bytes()).collect();
    let (left, right) = (encode(left), encode(right));
    let before =
        format!("{}?{left}{}{name}=", encode_non_ascii(base), if left.is_empty() { "" } else { "&" });
    let after = format!("{}{right}{}", if right.is_empty() { "" } else { "&" }, encode_non_ascii(&fragment));
    HeaderValue::from_str(&format!("{before}{after}")).ok()?;
    Some(Target::WithReturn { before, after })
}

/// A `Location` is ASCII (RFC 9110 section 10.2.2).
fn encode_non_ascii(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::CONTROLS).to_string()
}

impl Redirect {
    fn location(&self, request: &AccessRequest<'_>) -> Option<HeaderValue> {
        match &self.target {
            Target::Fixed(value) => Some(value.clone()),
            Target::WithReturn { before, after } => {
                let mut location = before.clone();
                location.extend(form_urlencoded::byte_serialize(request.url().as_bytes()));
                location.push_str(after);
                HeaderValue::try_from(location).ok()
            }
        }
    }
}

impl ErrorHandler for Redirect {
    fn handle(&self, _: &Denial, request: &AccessRequest<'_>) -> Reply {
        let Some(location) = self.location(request) else {
            // Cannot happen with percent-encoded text, but a refusal it stays.
            return super::json::error_reply(500, "The redirect could not be built", None, request);
        };
        let mut headers = vec![(LOCATION, location)];
        let mut body = Bytes::new();
        if matches!(request.method(), "GET" | "HEAD") {
            let shown = headers.first().and_then(|(_, v)| v.to_str().ok()).unwrap_or_default();
            body = Bytes::from(format!(
                "<a href=\"{}\">{}</a>.\n\n",
                escape_html(shown),
                status_text(self.code)
            ));
            headers.push((CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")));
        }
        Reply { status: self.code, headers, body }
    }
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_put_among_the_sorted_parameters() {
        for (to, parameter, want) in [
            ("http://login.test/", "return_to", "http://login.test/?return_to=R"),
            ("http://login.test/x?a=b", "return_to", "http://login.test/x?a=b&return_to=R"),
            ("http://login.test/?z=1&a=2", "m", "http://login.test/?a=2&m=R&z=1"),
            ("http://login.test/?rt=old", "rt", "http://login.test/?rt=R"),
            ("http://login.test/#frag", "rt", "http://login.test/?rt=R#frag"),
            ("/login?x=1", "rt", "/login?rt=R&x=1"),
            ("http://login.test/ü", "rt", "http://login.test/%C3%BC?rt=R"),
        ] {
            let Some(Target::WithReturn { before, after }) = target(to, parameter) else {
                panic!("{to} has no way back");
            };
            assert_eq!(format!("{before}R{after}"), want);
        }
    }
}
