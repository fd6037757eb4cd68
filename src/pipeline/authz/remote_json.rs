//! `remote_json`: a service decides, and is sent a JSON document made from a template.

use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::decision_point::{self, DecisionPoint};
use crate::diagnostic::Finding;
use crate::pipeline::handler::{Answer, Authorizer, BuildContext, Exchange, Registration};
use crate::pipeline::mutate::{template_data, template_fault, templates};
use crate::pipeline::{Denial, Detail, settings};
use crate::template::{Purpose, Template};
use crate::upstream::backend::Question;

/// The `remote_json` authorizer.
pub const REGISTRATION: Registration<dyn Authorizer> = Registration {
    id: "remote_json",
    build: |context, config| Ok(Box::new(RemoteJson::build(context, config)?)),
};

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    payload: String,
    #[serde(flatten)]
    common: decision_point::Settings,
}

struct RemoteJson {
    point: DecisionPoint,
    payload: Payload,
}

/// The document: known at load, or rendered.
enum Payload {
    Fixed(Bytes),
    Rendered(Template),
}

impl RemoteJson {
    fn build(context: &BuildContext<'_>, config: &Value) -> Result<Self, Vec<Finding>> {
        let settings: Settings = settings(config)?;
        let templates = templates(config, context.templates);
        let (payload, _) = Template::compile(templates, Purpose::Payload, &settings.payload)
            .map_err(|found| found.into_iter().map(|f| f.under("/payload")).collect::<Vec<_>>())?;
        let payload = match payload.literal() {
            None => Payload::Rendered(payload),
            Some(text) if is_json(text) => Payload::Fixed(Bytes::copy_from_slice(text.as_bytes())),
            Some(_) => {
                let finding = Finding::error("payload-not-json", "/payload", "the payload is not JSON");
                return Err(vec![
                    finding.help("write a JSON document, such as `{\"subject\": {{ .Subject | toJson }}}`"),
                ]);
            }
        };
        let point = DecisionPoint::build("remote_json", context, config, settings.common)?;
        Ok(Self { point, payload })
    }

    fn question(&self, exchange: &Exchange<'_>) -> Result<Question, Denial> {
        let body = match &self.payload {
            Payload::Fixed(text) => text.clone(),
            Payload::Rendered(template) => {
                let text = template.render(&template_data(exchange)).map_err(template_fault)?;
                if !is_json(&text) {
                    // The text may hold what nobody but the service is to see.
                    let why = Detail::id("payload-not-json").log("the rendered payload is not JSON");
                    let message = "The payload of the matching rule is not JSON".into();
                    return Err(Denial::Misconfigured { message, why });
                }
                Bytes::from(text)
            }
        };
        self.point.question(exchange, HeaderValue::from_static("application/json"), body.into())
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

impl Authorizer for RemoteJson {
    fn authorize<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        let deadline = self.point.deadline();
        match self.question(exchange) {
            Ok(question) => self.point.ask(exchange, question, deadline),
            Err(denial) => Answer::Now(Err(denial)),
        }
    }

    fn uses_captures(&self) -> bool {
        self.point.uses_captures()
            || matches!(&self.payload, Payload::Rendered(template) if template.uses_captures())
    }

    fn header_names(&self) -> Vec<http::HeaderName> {
        self.point.header_names()
    }
}
