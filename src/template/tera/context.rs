//! What a Tera template is given: as much of the session as it names.

use std::borrow::Cow;

use serde_json::{Map, Value};
use tera::Context;

use super::super::Data;
use super::super::go::query;
use super::super::go::url::Url;
use super::scan::Scan;

/// The parts of the session that a template names, by the spelling it names them in.
#[derive(Debug)]
pub struct Wanted(Vec<(Spelling, Keys)>);

/// A part of the session under one of its names.
#[derive(Debug, Clone, Copy)]
struct Spelling {
    name: &'static str,
    part: Part,
    /// Names behind it are those of Oathkeeper's JSON, not Go's.
    lower: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Subject,
    Extra,
    Header,
    Match,
}

/// How much of a part is wanted.
#[derive(Debug)]
enum Keys {
    Some(Vec<Box<str>>),
    All,
}

impl Keys {
    fn has(&self, key: &str) -> bool {
        match self {
            Self::Some(keys) => keys.iter().any(|wanted| **wanted == *key),
            Self::All => true,
        }
    }
}

const SPELLINGS: [Spelling; 8] = [
    Spelling { name: "Subject", part: Part::Subject, lower: false },
    Spelling { name: "Extra", part: Part::Extra, lower: false },
    Spelling { name: "Header", part: Part::Header, lower: false },
    Spelling { name: "MatchContext", part: Part::Match, lower: false },
    Spelling { name: "subject", part: Part::Subject, lower: true },
    Spelling { name: "extra", part: Part::Extra, lower: true },
    Spelling { name: "header", part: Part::Header, lower: true },
    Spelling { name: "match_context", part: Part::Match, lower: true },
];

impl Wanted {
    pub fn new(scan: &Scan<'_>) -> Self {
        // The whole context can be shown for debugging.
        let dump = !scan.uses("__tera_context").is_empty();
        let wanted = SPELLINGS.into_iter().filter_map(|spelling| {
            let uses = scan.uses(spelling.name);
            if dump || uses.contains(&"") {
                return Some((spelling, Keys::All));
            }
            let keys: Vec<Box<str>> = uses.into_iter().map(Box::from).collect();
            (!keys.is_empty()).then_some((spelling, Keys::Some(keys)))
        });
        Self(wanted.collect())
    }

    pub fn captures(&self) -> bool {
        self.0.iter().any(|(spelling, keys)| {
            spelling.part == Part::Match
                && ["RegexpCaptureGroups", "regexp_capture_groups", "CaptureGroups", "capture_groups"]
                    .iter()
                    .any(|key| keys.has(key))
        })
    }

    pub fn context(&self, data: &Data<'_>) -> Context {
        let mut context = Context::new();
        for (spelling, keys) in &self.0 {
            let value = match spelling.part {
                Part::Subject => Value::from(data.subject),
                Part::Extra => extra(keys, data),
                Part::Header => fields(data.session_headers()),
                Part::Match => match_context(keys, spelling.lower, data),
            };
            context.insert(spelling.name, &value);
        }
        context
    }
}

fn extra(keys: &Keys, data: &Data<'_>) -> Value {
    match (keys, data.extra) {
        (_, None) => Value::Object(Map::new()),
        (Keys::All, Some(extra)) => Value::Object(extra.clone()),
        (Keys::Some(keys), Some(extra)) => {
            let part = keys.iter().filter_map(|key| Some((key.to_string(), extra.get(&**key)?.clone())));
            Value::Object(part.collect())
        }
    }
}

fn fields(fields: Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)>) -> Value {
    Value::Object(fields.into_iter().map(|(name, values)| (name.into_owned(), Value::from(values))).collect())
}

fn match_context(keys: &Keys, lower: bool, data: &Data<'_>) -> Value {
    let named = |upper: &'static str, small: &'static str| if lower { small } else { upper };
    let mut parts = Map::new();
    let mut add = |name: &'static str, value: &dyn Fn() -> Value| {
        if keys.has(name) {
            parts.insert(name.to_owned(), value());
        }
    };
    add(named("Method", "method"), &|| Value::from(data.request.method()));
    add(named("Header", "header"), &|| fields(data.request_headers()));
    add(named("ClientAddress", "client_address"), &|| Value::from(data.client_address()));
    add(named("RegexpCaptureGroups", "regexp_capture_groups"), &|| {
        (0..data.captures.len()).filter_map(|index| data.capture(index)).collect()
    });
    add(named("CaptureGroups", "capture_groups"), &|| {
        (0..data.captures.len()).filter_map(|index| data.group(index)).collect()
    });
    add(named("URL", "url"), &|| {
        let url = Url::of(data);
        let parts = [
            (named("Scheme", "scheme"), Value::from(&*url.scheme)),
            (named("Host", "host"), Value::from(&*url.host)),
            (named("Hostname", "hostname"), Value::from(url.hostname())),
            (named("Port", "port"), Value::from(url.port())),
            (named("Path", "path"), Value::from(&*url.path)),
            (named("EscapedPath", "escaped_path"), Value::from(url.escaped_path())),
            (named("RawQuery", "raw_query"), Value::from(&*url.raw_query)),
            (named("Query", "query"), fields(query::parse(&url.raw_query))),
            (named("String", "string"), Value::from(url.text())),
        ];
        Value::Object(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    });
    Value::Object(parts)
}
