//! What a Tera template is given: as much of the session as it names.

use serde_json::{Map, Value};
use tera::Context;

use super::super::Data;
use super::super::go::query;
use super::super::go::url::Url;
use super::scan::Scan;

/// The parts of the session that a template names.
#[derive(Debug)]
pub struct Wanted {
    subject: bool,
    header: bool,
    extra: Extra,
    pub match_context: bool,
}

/// How much of `Extra` is wanted.
#[derive(Debug)]
enum Extra {
    Nothing,
    Keys(Vec<Box<str>>),
    Everything,
}

impl Wanted {
    pub fn new(scan: &Scan<'_>) -> Self {
        let keys = scan.uses(&["Extra", "extra"]);
        let extra = if keys.is_empty() {
            Extra::Nothing
        } else if keys.contains(&"") {
            Extra::Everything
        } else {
            Extra::Keys(keys.into_iter().map(Box::from).collect())
        };
        // The whole context can be shown for debugging.
        let dump = !scan.uses(&["__tera_context"]).is_empty();
        Self {
            subject: dump || !scan.uses(&["Subject", "subject"]).is_empty(),
            header: dump || !scan.uses(&["Header", "header"]).is_empty(),
            extra: if dump { Extra::Everything } else { extra },
            match_context: dump || !scan.uses(&["MatchContext", "match_context"]).is_empty(),
        }
    }

    /// The values, each under both spellings of its name.
    pub fn context(&self, data: &Data<'_>) -> Context {
        let mut context = Context::new();
        if self.subject {
            both(&mut context, "Subject", "subject", &Value::from(data.subject));
        }
        match (&self.extra, data.extra) {
            (Extra::Nothing, _) => {}
            (_, None) => both(&mut context, "Extra", "extra", &Value::Object(Map::new())),
            (Extra::Everything, Some(extra)) => both(&mut context, "Extra", "extra", extra),
            (Extra::Keys(keys), Some(extra)) => {
                let part = keys.iter().filter_map(|key| Some((key.to_string(), extra.get(&**key)?.clone())));
                both(&mut context, "Extra", "extra", &part.collect::<Map<_, _>>());
            }
        }
        if self.header {
            both(&mut context, "Header", "header", &fields(data.session_headers()));
        }
        if self.match_context {
            let (upper, lower) = match_context(data);
            context.insert("MatchContext", &upper);
            context.insert("match_context", &lower);
        }
        context
    }
}

fn both<T: serde::Serialize>(context: &mut Context, upper: &str, lower: &str, value: &T) {
    context.insert(upper, value);
    context.insert(lower, value);
}

type Fields<'d> = Vec<(std::borrow::Cow<'d, str>, Vec<std::borrow::Cow<'d, str>>)>;

fn fields(fields: Fields<'_>) -> Value {
    Value::Object(fields.into_iter().map(|(name, values)| (name.into_owned(), Value::from(values))).collect())
}

/// The match context under Go's names and under those of Oathkeeper's JSON.
fn match_context(data: &Data<'_>) -> (Value, Value) {
    let url = Url::of(data);
    let groups: Vec<_> = (0..data.captures.len()).filter_map(|index| data.capture(index)).collect();
    let header = fields(data.request_headers());
    let url: [(&str, &str, Value); 9] = [
        ("Scheme", "scheme", Value::from(&*url.scheme)),
        ("Host", "host", Value::from(&*url.host)),
        ("Hostname", "hostname", Value::from(url.hostname())),
        ("Port", "port", Value::from(url.port())),
        ("Path", "path", Value::from(&*url.path)),
        ("EscapedPath", "escaped_path", Value::from(url.escaped_path())),
        ("RawQuery", "raw_query", Value::from(&*url.raw_query)),
        ("Query", "query", fields(query::parse(&url.raw_query))),
        ("String", "string", Value::from(url.text())),
    ];
    let named = |lower: bool| {
        let name = |(upper, small): (&str, &str)| if lower { small.to_owned() } else { upper.to_owned() };
        let url = url.iter().map(|(upper, small, value)| (name((upper, small)), value.clone()));
        Value::Object(Map::from_iter([
            (name(("Method", "method")), Value::from(data.request.method())),
            (name(("URL", "url")), Value::Object(url.collect())),
            (name(("Header", "header")), header.clone()),
            (name(("RegexpCaptureGroups", "regexp_capture_groups")), Value::from(groups.clone())),
        ]))
    };
    (named(false), named(true))
}
