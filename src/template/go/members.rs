//! Members: the fields and methods that the session's parts have, and what they give.

use std::borrow::Cow;
use std::rc::Rc;

use super::fields::Fields;
use super::function::Args;
use super::query;
use super::url::Url;
use super::value::{Answer, Fault, Kind, Value};
use super::view::View;

/// What a name behind a dot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// A field: takes no arguments.
    Field(Kind),
    /// A key of a map: takes no arguments, may be missing.
    Key(Kind),
    /// A method with its parameters.
    Method { takes: &'static [Kind], rest: Option<Kind>, gives: Kind },
    /// A method that gives nothing to print, because it changes what it belongs to.
    Changes,
    /// Nothing of that name.
    Unknown,
    /// Not known before there is a value.
    Dynamic,
}

const fn method(takes: &'static [Kind], gives: Kind) -> Member {
    Member::Method { takes, rest: None, gives }
}

/// Fields that a template's author may mean, for help.
pub fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Session => &["Subject", "Extra", "Header", "MatchContext", "Copy"],
        Kind::Match => &["RegexpCaptureGroups", "CaptureGroups", "URL", "Method", "Header", "ClientAddress"],
        Kind::Url => &[
            "Scheme",
            "Host",
            "Path",
            "RawPath",
            "RawQuery",
            "Fragment",
            "RawFragment",
            "User",
            "Opaque",
            "ForceQuery",
            "OmitHost",
            "Hostname",
            "Port",
            "Query",
            "String",
            "EscapedPath",
            "EscapedFragment",
            "RequestURI",
            "Redacted",
            "IsAbs",
            "JoinPath",
            "Parse",
            "ResolveReference",
        ],
        Kind::User => &["Username", "String"],
        Kind::Time => &[
            "Unix",
            "UnixMilli",
            "UnixMicro",
            "UnixNano",
            "Year",
            "Month",
            "Day",
            "Hour",
            "Minute",
            "Second",
            "Nanosecond",
            "YearDay",
            "Weekday",
            "Format",
            "AddDate",
            "UTC",
            "Local",
            "String",
            "IsZero",
            "After",
            "Before",
            "Equal",
        ],
        Kind::Version => &[
            "Major",
            "Minor",
            "Patch",
            "Prerelease",
            "Metadata",
            "Original",
            "String",
            "Compare",
            "Equal",
            "LessThan",
            "GreaterThan",
        ],
        _ => &[],
    }
}

/// What `name` is to a value of this kind.
pub fn of(kind: Kind, name: &str) -> Member {
    match kind {
        Kind::Any => Member::Dynamic,
        Kind::Session => match name {
            "Subject" => Member::Field(Kind::Text),
            "Extra" => Member::Field(Kind::Dict),
            "Header" => Member::Field(Kind::Headers),
            "MatchContext" => Member::Field(Kind::Match),
            "Copy" => method(&[], Kind::Session),
            "SetHeader" => Member::Changes,
            _ => Member::Unknown,
        },
        Kind::Match => match name {
            "RegexpCaptureGroups" | "CaptureGroups" => Member::Field(Kind::List),
            "URL" => Member::Field(Kind::Url),
            "Method" | "ClientAddress" => Member::Field(Kind::Text),
            "Header" => Member::Field(Kind::Headers),
            _ => Member::Unknown,
        },
        Kind::Url => of_url(name),
        Kind::User => match name {
            "Username" | "String" => method(&[], Kind::Text),
            _ => Member::Unknown,
        },
        Kind::Headers => match name {
            "Get" => method(&[Kind::Text], Kind::Text),
            "Values" => method(&[Kind::Text], Kind::List),
            "Clone" => method(&[], Kind::Headers),
            "Set" | "Add" | "Del" | "Write" | "WriteSubset" => Member::Changes,
            _ => Member::Key(Kind::List),
        },
        Kind::Query => match name {
            "Get" => method(&[Kind::Text], Kind::Text),
            "Has" => method(&[Kind::Text], Kind::Bool),
            "Encode" => method(&[], Kind::Text),
            "Set" | "Add" | "Del" => Member::Changes,
            _ => Member::Key(Kind::List),
        },
        Kind::Time => of_time(name),
        Kind::Version => match name {
            "Major" | "Minor" | "Patch" => method(&[], Kind::Any),
            "Prerelease" | "Metadata" | "Original" | "String" => method(&[], Kind::Text),
            "Compare" => method(&[Kind::Version], Kind::Int),
            "Equal" | "LessThan" | "GreaterThan" => method(&[Kind::Version], Kind::Bool),
            _ => Member::Unknown,
        },
        Kind::Dict => Member::Key(Kind::Any),
        Kind::Texts => Member::Key(Kind::Text),
        Kind::Bool | Kind::Int | Kind::Int64 | Kind::Float | Kind::Text | Kind::List => Member::Unknown,
    }
}

fn of_url(name: &str) -> Member {
    match name {
        "Scheme" | "Opaque" | "Host" | "Path" | "RawPath" | "RawQuery" | "Fragment" | "RawFragment" => {
            Member::Field(Kind::Text)
        }
        "User" => Member::Field(Kind::User),
        "ForceQuery" | "OmitHost" => Member::Field(Kind::Bool),
        "Hostname" | "Port" | "String" | "EscapedPath" | "EscapedFragment" | "RequestURI" | "Redacted" => {
            method(&[], Kind::Text)
        }
        "Query" => method(&[], Kind::Query),
        "IsAbs" => method(&[], Kind::Bool),
        "JoinPath" => Member::Method { takes: &[], rest: Some(Kind::Text), gives: Kind::Url },
        "Parse" => method(&[Kind::Text], Kind::Url),
        "ResolveReference" => method(&[Kind::Url], Kind::Url),
        _ => Member::Unknown,
    }
}

fn of_time(name: &str) -> Member {
    match name {
        "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" => method(&[], Kind::Int64),
        "Year" | "Day" | "Hour" | "Minute" | "Second" | "Nanosecond" | "YearDay" => method(&[], Kind::Int),
        "AddDate" => method(&[Kind::Int, Kind::Int, Kind::Int], Kind::Time),
        "Month" | "Weekday" | "String" => method(&[], Kind::Text),
        "Format" => method(&[Kind::Text], Kind::Text),
        "UTC" | "Local" => method(&[], Kind::Time),
        "IsZero" => method(&[], Kind::Bool),
        "After" | "Before" | "Equal" => method(&[Kind::Time], Kind::Bool),
        _ => Member::Unknown,
    }
}

/// The kind that a value's members are looked up by; `None` for nil.
pub fn kind_of(value: &Value<'_>) -> Option<Kind> {
    Some(match value {
        Value::Nil | Value::Lost => return None,
        Value::Bool(_) => Kind::Bool,
        Value::Int(_) | Value::Int64(_) | Value::Uint64(_) | Value::Byte(_) => Kind::Int,
        Value::Float(_) | Value::Exact(_) => Kind::Float,
        Value::Text(_) => Kind::Text,
        Value::List(_) => Kind::List,
        Value::Dict(dict) if dict.is_texts() => Kind::Texts,
        Value::Dict(_) => Kind::Dict,
        Value::Fields(fields) if fields.is_query() => Kind::Query,
        Value::Fields(_) => Kind::Headers,
        Value::Session(_) => Kind::Session,
        Value::Match(_) => Kind::Match,
        Value::Url(_) => Kind::Url,
        Value::User(_) => Kind::User,
        Value::Time(_) => Kind::Time,
        Value::Version(_) => Kind::Version,
    })
}

/// The member itself. `of` has said what it is, and arguments have been counted and checked against that.
pub fn get<'d>(value: &Value<'d>, name: &str, args: &Args<'_, 'd>) -> Answer<'d> {
    match value {
        Value::Dict(dict) => Ok(dict.get(name).unwrap_or_else(|| dict.zero())),
        Value::Fields(fields) => Ok(of_fields(fields, name, args)),
        Value::Session(view) => Ok(of_session(view, name)),
        Value::Match(view) => Ok(match name {
            "RegexpCaptureGroups" => Value::List(view.captures()),
            "CaptureGroups" => Value::List(view.groups()),
            "URL" => Value::Url(view.url()),
            "Method" => Value::text(view.data.request.method()),
            "ClientAddress" => Value::text(view.data.client_address()),
            _ => Value::Fields(Fields::Request(view)),
        }),
        Value::Url(url) => url_member(url, name, args),
        Value::User(user) => Ok(Value::text(match (user, name) {
            (None, _) => String::new(),
            (Some(user), "Username") => user.name.clone(),
            (Some(user), _) => user.text(),
        })),
        Value::Time(time) => time.member(name, args),
        Value::Version(version) => Ok(version.member(name, args.get(0))),
        _ => Err(Fault::from("nothing of that name is there")),
    }
}

fn of_session<'d>(view: &'d View<'d>, name: &str) -> Value<'d> {
    match name {
        "Subject" => Value::text(view.data.subject),
        "Extra" => view.extra(),
        "Header" => Value::Fields(Fields::Session(view)),
        "MatchContext" => Value::Match(view),
        // A copy of what cannot be changed.
        _ => Value::Session(view),
    }
}

fn of_fields<'d>(fields: &Fields<'d>, name: &str, args: &Args<'_, 'd>) -> Value<'d> {
    match name {
        "Get" => Value::Text(fields.first(args.text(0))),
        "Values" => Value::List(fields.values(args.text(0), false)),
        "Has" => Value::Bool(!fields.values(args.text(0), true).is_nil()),
        "Encode" => Value::text(query::encode(&fields.all())),
        "Clone" => Value::Fields(fields.clone()),
        key => Value::List(fields.values(key, true)),
    }
}

fn url_member<'d>(url: &Rc<Url<'d>>, name: &str, args: &Args<'_, 'd>) -> Answer<'d> {
    let made = |made: Option<Url<'d>>| {
        made.map(|url| Value::Url(Rc::new(url))).ok_or_else(|| Fault::from("that gives no URL"))
    };
    Ok(match name {
        "Scheme" => Value::Text(url.scheme.clone()),
        "Opaque" => Value::Text(url.opaque.clone()),
        "Host" => Value::Text(url.host.clone()),
        "Path" => Value::Text(url.path.clone()),
        "RawPath" => Value::Text(url.raw_path.clone()),
        "RawQuery" => Value::Text(url.raw_query.clone()),
        "Fragment" => Value::Text(url.fragment.clone()),
        "RawFragment" => Value::Text(url.raw_fragment.clone()),
        "User" => url.user_value(),
        "ForceQuery" => Value::Bool(url.force_query),
        "OmitHost" => Value::Bool(url.omit_host),
        "Hostname" => Value::text(url.hostname().to_owned()),
        "Port" => Value::text(url.port().to_owned()),
        "EscapedPath" => Value::text(url.escaped_path().into_owned()),
        "EscapedFragment" => Value::text(url.escaped_fragment().into_owned()),
        "RequestURI" => Value::text(url.request_uri()),
        "Redacted" => Value::text(url.redacted()),
        "IsAbs" => Value::Bool(!url.scheme.is_empty()),
        "Query" => Value::Fields(Fields::Query(Rc::new(query_of(url)))),
        "JoinPath" => {
            let elements: Vec<&str> = (0..args.len()).map(|index| args.text(index)).collect();
            made(url.join_path(&elements))?
        }
        "Parse" => made(Url::parse(args.text(0)).and_then(|reference| url.resolve(&reference)))?,
        "ResolveReference" => match args.get(0) {
            Value::Url(reference) => made(url.resolve(reference))?,
            _ => made(None)?,
        },
        _ => Value::text(url.text()),
    })
}

/// The query's fields, borrowed from the request where the URL is the request's.
fn query_of<'d>(url: &Url<'d>) -> super::fields::Everything<'d> {
    match &url.raw_query {
        Cow::Borrowed(query) => query::parse(query),
        Cow::Owned(query) => query::parse(query)
            .into_iter()
            .map(|(name, values)| {
                let values = values.into_iter().map(|v| Cow::Owned(v.into_owned())).collect();
                (Cow::Owned(name.into_owned()), values)
            })
            .collect(),
    }
}

/// Whether a list has element `index`, and which; Go's `index` on lists and texts.
pub fn element<'d>(value: &Value<'d>, index: &Value<'_>) -> Answer<'d> {
    let at = index.as_int().ok_or_else(|| {
        Fault::from(if index.is_nil() { "nil is no position" } else { "a position has to be an integer" })
    })?;
    let at = usize::try_from(at).map_err(|_| Fault::from("the position is out of range"))?;
    match value {
        Value::List(list) => list.get(at).ok_or_else(|| Fault::from("the position is out of range")),
        Value::Text(text) => text
            .as_bytes()
            .get(at)
            .map(|byte| Value::Byte(*byte))
            .ok_or_else(|| Fault::from("the position is out of range")),
        _ => Err(Fault::from("this cannot be indexed")),
    }
}
