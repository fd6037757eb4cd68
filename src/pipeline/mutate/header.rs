//! `header`: sets headers from templates.

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{Named, header_value, named_templates, template_data, template_fault, templates, unusable_value};
use crate::diagnostic::Finding;
use crate::pipeline::denial::Denial;
use crate::pipeline::handler::{Answer, BuildContext, Exchange, Mutator, Registration};
use crate::template::{self, Purpose};

/// How the registry knows it.
pub const REGISTRATION: Registration<dyn Mutator> = Registration { id: "header", build };

/// Headers of one connection or of the message's framing: a gateway that copied them would break its own
/// (RFC 9110 section 7.6.1).
pub(in crate::pipeline) const NEVER_SET: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Most values are not longer, in bytes.
const USUAL: usize = 64;

struct Header {
    headers: HeaderTemplates,
}

fn build(context: &BuildContext<'_>, config: &Value) -> Result<Box<dyn Mutator>, Vec<Finding>> {
    let settings = templates(config, context.templates);
    let headers = HeaderTemplates::read(config, Purpose::Header, settings, NEVER_SET)?;
    Ok(Box::new(Header { headers }))
}

/// `headers` of a configuration: name to template, sorted by name.
pub(in crate::pipeline) struct HeaderTemplates(Vec<(HeaderName, HeaderText)>);

/// A header's value: known at load, or rendered.
pub(in crate::pipeline) enum HeaderText {
    Fixed(HeaderValue),
    Rendered(crate::template::Template),
}

impl HeaderTemplates {
    /// Reads `headers`; names in `never_set` are left out.
    pub(in crate::pipeline) fn read(
        config: &Value,
        purpose: Purpose,
        settings: template::Settings,
        never_set: &[&str],
    ) -> Result<Self, Vec<Finding>> {
        let named = named_templates(config, "headers", purpose, settings, |written| {
            let name = HeaderName::from_bytes(written.as_bytes())
                .map_err(|_| format!("`{written}` cannot be the name of a header"))?;
            Ok((!never_set.contains(&name.as_str())).then(|| Name(name)))
        })?;
        let mut headers = Vec::with_capacity(named.len());
        for Named { name: Name(name), template } in named {
            let value = match template.literal().map(header_value) {
                None => HeaderText::Rendered(template),
                Some(Some(value)) => HeaderText::Fixed(value),
                Some(None) => {
                    let message =
                        format!("the value of `{name}` holds a line end or another control character");
                    return Err(vec![Finding::error("bad-header-value", "/headers", message)]);
                }
            };
            headers.push((name, value));
        }
        Ok(Self(headers))
    }

    /// Whether any of them may look at capture groups.
    pub(in crate::pipeline) fn use_captures(&self) -> bool {
        self.iter()
            .any(|(_, text)| matches!(text, HeaderText::Rendered(template) if template.uses_captures()))
    }

    /// How many there are.
    fn len(&self) -> usize {
        self.0.len()
    }

    /// Every header with its value, to be worked out with [`HeaderText::value`].
    pub(in crate::pipeline) fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderText)> {
        self.0.iter()
    }
}

impl HeaderText {
    /// The value for a request. `room` is memory to render in, used again from header to header.
    pub(in crate::pipeline) fn value(
        &self,
        name: &HeaderName,
        exchange: &Exchange<'_>,
        room: &mut String,
    ) -> Result<HeaderValue, Denial> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::Rendered(template) => {
                room.clear();
                room.reserve(USUAL);
                template.render_into(&template_data(exchange), room).map_err(template_fault)?;
                header_value(room).ok_or_else(|| unusable_value(name, exchange))
            }
        }
    }
}

/// Header names sort by their text.
#[derive(PartialEq, Eq)]
struct Name(HeaderName);

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl Header {
    fn set(&self, exchange: &mut Exchange<'_>) -> Result<(), Denial> {
        let mut room = String::new();
        exchange.session.headers.reserve(self.headers.len());
        for (name, text) in self.headers.iter() {
            let value = text.value(name, exchange, &mut room)?;
            exchange.session.headers.set(name.clone(), value);
        }
        Ok(())
    }
}

impl Mutator for Header {
    fn mutate<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Answer<'a, ()> {
        Answer::Now(self.set(exchange))
    }

    fn uses_captures(&self) -> bool {
        self.headers.use_captures()
    }

    fn header_names(&self) -> Vec<HeaderName> {
        self.headers.iter().map(|(name, _)| name.clone()).collect()
    }
}
