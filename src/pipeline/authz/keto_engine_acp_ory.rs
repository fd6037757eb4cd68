//! `keto_engine_acp_ory`: ORY Keto's access control policies decide, as Keto had them before version 0.6.

use std::net::IpAddr;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::cache::{Key, Space};
use crate::config::Strategy;
use crate::diagnostic::Finding;
use crate::json::html_safe_json;
use crate::pipeline::handler::{Answer, Authorizer, BuildContext, Exchange, Registration};
use crate::pipeline::mutate::{template_data, template_fault, templates};
use crate::pipeline::outage::{OnBackendError, too_many_requests};
use crate::pipeline::{Denial, Detail, settings};
use crate::request::{AccessRequest, Client};
use crate::template::{Purpose, Template};
use crate::upstream::backend::{
    Backend, BackendSettings, Coalesce, DEADLINE, Keep, Plan, Question, Reading, Retry,
};
use crate::upstream::{Incoming, trace};

/// The `keto_engine_acp_ory` authorizer.
pub const REGISTRATION: Registration<dyn Authorizer> = Registration { id: "keto_engine_acp_ory", build };

/// As often as Oathkeeper asks, and waits between.
const ATTEMPTS: u32 = 6;
const WAIT: Duration = Duration::from_millis(100);
/// As many as Oathkeeper's client follows.
const REDIRECTS: u8 = 10;

#[derive(Deserialize)]
struct Settings {
    base_url: String,
    required_action: String,
    required_resource: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    flavor: String,
    #[serde(default)]
    on_backend_error: OnBackendError,
    #[serde(flatten)]
    backend: BackendSettings,
}

struct Keto {
    url: String,
    action: Template,
    resource: Template,
    /// `None` for the session's own.
    subject: Option<Template>,
    on_backend_error: OnBackendError,
    backend: Backend<Result<(), Denial>>,
}

/// Stands where rules match by globs, which have no capture groups for the templates.
struct OnlyWithRegexp;

fn build(context: &BuildContext<'_>, config: &Value) -> Result<Box<dyn Authorizer>, Vec<Finding>> {
    if context.strategy != Strategy::Regexp {
        tracing::warn!(
            rule.id = context.rule_id,
            "`keto_engine_acp_ory` refuses every request unless `access_rules.matching_strategy` is `regexp`"
        );
        return Ok(Box::new(OnlyWithRegexp));
    }
    Ok(Box::new(Keto::build(context, config)?))
}

impl Keto {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let settings: Settings = settings(config)?;
        let mut findings = Vec::new();
        let templates = templates(config, context.templates);
        let mut template = |key: &str, text: &str| {
            let compiled = Template::compile(templates, Purpose::Payload, text);
            compiled.map(|(template, _)| template).map_err(|found| {
                findings.extend(found.into_iter().map(|f| f.under(&format!("/{key}"))));
            })
        };
        let action = template("required_action", or(&settings.required_action, "unset"));
        let resource = template("required_resource", or(&settings.required_resource, "unset"));
        let subject = (!settings.subject.is_empty()).then(|| template("subject", &settings.subject));
        let subject = subject.transpose();
        let url = endpoint(&settings.base_url, or(&settings.flavor, "regex")).ok_or_else(|| {
            let message = "`base_url` is not a usable http(s) URL";
            findings.push(Finding::error("unusable-url", "/base_url", message));
        });
        let (Ok(action), Ok(resource), Ok(subject), Ok(url)) = (action, resource, subject, url) else {
            return Err(findings);
        };
        let on_backend_error = settings.on_backend_error;
        let retry = Retry { attempts: ATTEMPTS, max_delay: WAIT, give_up_after: DEADLINE };
        let plan = Plan {
            handler: "keto_engine_acp_ory",
            url: &url,
            url_at: "/base_url",
            redirects: REDIRECTS,
            retry: Some(retry),
            attempts: ATTEMPTS,
            coalesce: Coalesce::All,
            space: Space::new("keto_engine_acp_ory", &[config.to_string().as_bytes()]),
            ttl: Duration::ZERO,
        };
        let (cache, calls) = (&context.shared.cache, &context.shared.calls);
        let backend = Backend::new(&plan, &settings.backend, cache, calls, move |answer, _| {
            let value = verdict(on_backend_error, &answer);
            Reading { value, bytes: 500, keep: Keep::No }
        })?;
        Ok(Self { url, action, resource, subject, on_backend_error, backend })
    }

    /// What is asked, and what it has in common with the same question a moment later: all but the time in it.
    fn question(&self, exchange: &Exchange<'_>) -> Result<(Question, Option<Key>), Denial> {
        let data = template_data(exchange);
        let render = |template: &Template| template.render(&data).map_err(template_fault);
        let subject = match &self.subject {
            Some(template) => render(template)?,
            None => exchange.session.subject.to_string(),
        };
        let (action, resource) = (render(&self.action)?, render(&self.resource)?);
        let address = remote_address(exchange.request);
        let parts = [&action, &resource, &subject, &address].map(String::as_bytes);
        let key = self.backend.key_of(&parts);
        let body = json!({
            "action": action,
            "context": {
                "remoteIpAddress": address,
                "requestedAt": rfc3339(exchange.context.now()),
            },
            "resource": resource,
            "subject": subject,
        });
        let mut question = Question::new(Method::POST, self.url.clone());
        question.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        question.trace = trace::context(exchange.request.headers());
        question.body = html_safe_json(&body).into();
        Ok((question, key))
    }
}

impl Authorizer for Keto {
    fn authorize<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        let (question, key) = match self.question(exchange) {
            Ok(asked) => asked,
            Err(denial) => return Answer::Now(Err(denial)),
        };
        let now = exchange.context.now();
        Answer::Later(Box::pin(async move {
            match self.backend.ask(&exchange.context.fetch, now, key, &question).await {
                Ok(verdict) => (*verdict).clone(),
                Err(fault) => Err(self.on_backend_error.fault(500, &fault)),
            }
        }))
    }
}

impl Authorizer for OnlyWithRegexp {
    fn authorize<'a>(&'a self, _: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        let message =
            "The matched handler uses Regexp MatchingStrategy which is not selected in the configuration";
        let why = Detail::id("strategy-not-regexp");
        Answer::Now(Err(Denial::Misconfigured { message: message.into(), why }))
    }
}

fn or<'t>(text: &'t str, default: &'t str) -> &'t str {
    if text.is_empty() { default } else { text }
}

/// Where a flavor of the engine is asked, below the base URL's path.
fn endpoint(base_url: &str, flavor: &str) -> Option<String> {
    let mut url = Url::parse(base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let path = ["engines", "acp", "ory", flavor, "allowed"];
    url.path_segments_mut().ok()?.pop_if_empty().extend(path);
    Some(url.into())
}

fn verdict(on_backend_error: OnBackendError, answer: &Incoming) -> Result<(), Denial> {
    let forbidden = || Denial::Forbidden { why: Detail::id("policy-denied") };
    match answer.status {
        200 => {}
        403 => return Err(forbidden()),
        429 => return Err(too_many_requests(answer)),
        _ => return Err(on_backend_error.status(500, answer)),
    }
    let unreadable = |problem| Err(on_backend_error.unreadable(500, problem, answer));
    match serde_json::from_slice(&answer.body) {
        Err(_) => unreadable("not JSON"),
        Ok(Value::Null) => Err(forbidden()),
        Ok(Value::Object(answer)) => match answer.get("allowed") {
            Some(Value::Bool(true)) => Ok(()),
            None | Some(Value::Bool(false) | Value::Null) => Err(forbidden()),
            Some(_) => unreadable("`allowed` is neither true nor false"),
        },
        Ok(_) => unreadable("not an object"),
    }
}

/// The address that policies look at: the client's, where it is configured which gateways are believed; else
/// what the gateway says, else the other end of the connection.
///
/// Of `X-Forwarded-For` it is the last address that is not private: the one that the outermost gateway of
/// one's own saw. Oathkeeper takes the first one, which the client can choose.
fn remote_address(request: &AccessRequest<'_>) -> String {
    if let Client::Found(client) = request.parts().client {
        return client.map(|client| client.to_canonical().to_string()).unwrap_or_default();
    }
    let headers = request.headers();
    let real = headers.first("x-real-ip").unwrap_or_default();
    let mut forwarded = None;
    let mut hops = false;
    headers.each("x-forwarded-for", &mut |list| {
        hops |= !list.is_empty();
        let list = String::from_utf8_lossy(list);
        let public = list.split(',').filter_map(address).rfind(|address| !is_private(*address));
        forwarded = public.or(forwarded);
    });
    if real.is_empty() && !hops {
        return request.parts().peer.map(|peer| peer.to_canonical().to_string()).unwrap_or_default();
    }
    // Nothing rather than a gateway's own address, which policies may trust.
    let real = std::str::from_utf8(real).ok().and_then(address);
    forwarded.or(real).map(|address| address.to_string()).unwrap_or_default()
}

fn address(text: &str) -> Option<IpAddr> {
    text.trim().parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Addresses of gateways, as Oathkeeper knows them.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// Seconds since 1970 as RFC 3339 in UTC.
fn rfc3339(now: u64) -> String {
    let (days, of_day) = (now / 86_400, now % 86_400);
    // Days to year, month and day, with years that begin in March, so that the leap day is the last one.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests;
