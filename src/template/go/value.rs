//! Values: what an expression can come to, with Go's types as far as a template can tell them apart.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde_json::Value as Json;

use super::dict::Dict;
use super::fields::Fields;
use super::function::{MAX_DEPTH, Scope};
use super::list::List;
use super::number;
use super::url::{Url, User};
use super::view::View;
use crate::template::Numbers;
use crate::template::sprig::semver::Version;
use crate::template::sprig::time::Time;

/// Why an expression has no value: for the operator, without a word of the data.
#[derive(Debug)]
pub struct Fault(pub Cow<'static, str>);

impl From<&'static str> for Fault {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

/// What a function gives.
pub type Answer<'d> = Result<Value<'d>, Fault>;

/// A value. Text, lists and maps of the session are borrowed as long as nobody changes them.
#[derive(Clone)]
pub enum Value<'d> {
    /// Untyped nil: a missing key, JSON null.
    Nil,
    /// What comes of a chain that met nil on its way, where that is let through: prints as nothing.
    Lost,
    Bool(bool),
    /// Go's `int`.
    Int(i64),
    /// Go's `int64`, which most arithmetic gives.
    Int64(i64),
    /// Go's `uint64`.
    Uint64(u64),
    /// Go's `uint8`: a byte of a text.
    Byte(u8),
    /// Go's `float64`.
    Float(f64),
    /// A JSON integer: Go's `float64` in everything but how it is written.
    Exact(Whole),
    Text(Cow<'d, str>),
    List(List<'d>),
    Dict(Dict<'d>),
    /// A header map or a query.
    Fields(Fields<'d>),
    /// The session itself.
    Session(&'d View<'d>),
    /// The match context.
    Match(&'d View<'d>),
    Url(Rc<Url<'d>>),
    /// User name and password of a URL; `None` is Go's nil pointer.
    User(Option<Rc<User>>),
    Time(Rc<Time>),
    Version(Rc<Version>),
}

/// An integer of JSON's whole range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    Positive(u64),
    Negative(i64),
}

impl Whole {
    #[expect(clippy::cast_precision_loss, reason = "what Oathkeeper's JSON decoder does")]
    pub fn float(self) -> f64 {
        match self {
            Self::Positive(n) => n as f64,
            Self::Negative(n) => n as f64,
        }
    }

    /// The nearest `i64`.
    pub fn int(self) -> i64 {
        match self {
            Self::Positive(n) => i64::try_from(n).unwrap_or(i64::MAX),
            Self::Negative(n) => n,
        }
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Positive(n) => n.fmt(f),
            Self::Negative(n) => n.fmt(f),
        }
    }
}

/// Go's types, as far as parameters, results and fields are concerned. Also what is known of an expression
/// before anything is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything, or not known.
    Any,
    Bool,
    Int,
    Int64,
    Float,
    Text,
    /// `map[string]interface {}`
    Dict,
    /// `map[string]string`
    Texts,
    /// A slice of whatever.
    List,
    /// `http.Header` or `url.Values`.
    Headers,
    Query,
    Session,
    Match,
    Url,
    User,
    Time,
    Version,
}

impl Kind {
    /// In the words of Oathkeeper's errors, more or less.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Bool => "true or false",
            Self::Int => "an int",
            Self::Int64 => "an int64",
            Self::Float => "a float64",
            Self::Text => "a text",
            Self::Dict | Self::Texts => "a map",
            Self::List => "a list",
            Self::Headers => "a header map",
            Self::Query => "a query",
            Self::Session => "the session",
            Self::Match => "the match context",
            Self::Url => "a URL",
            Self::User => "user info",
            Self::Time => "a time",
            Self::Version => "a version",
        }
    }
}

impl<'d> Value<'d> {
    /// A value out of a JSON document.
    pub fn json(json: &'d Json, numbers: Numbers) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(b) => Self::Bool(*b),
            Json::Number(n) => Self::number(n, numbers),
            Json::String(s) => Self::Text(Cow::Borrowed(s)),
            Json::Array(items) => Self::List(List::Json(items, numbers)),
            Json::Object(map) => Self::Dict(Dict::Json(map, numbers)),
        }
    }

    pub fn number(n: &serde_json::Number, numbers: Numbers) -> Self {
        let whole = n.as_u64().map(Whole::Positive).or_else(|| n.as_i64().map(Whole::Negative));
        match (whole, numbers) {
            (Some(whole), Numbers::Exact) => Self::Exact(whole),
            (Some(whole), Numbers::Float64) => Self::Float(whole.float()),
            (None, _) => Self::Float(n.as_f64().unwrap_or_default()),
        }
    }

    pub fn text(text: impl Into<Cow<'d, str>>) -> Self {
        Self::Text(text.into())
    }

    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil | Self::Lost)
    }

    /// Truth as `if`, `and`, `or`, `not` and `default` see it. Sprig's `empty` is its opposite.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil | Self::Lost | Self::User(None) => false,
            Self::Bool(b) => *b,
            Self::Int(n) | Self::Int64(n) => *n != 0,
            Self::Uint64(n) => *n != 0,
            Self::Byte(n) => *n != 0,
            Self::Float(f) => *f != 0.0,
            Self::Exact(n) => *n != Whole::Positive(0),
            Self::Text(t) => !t.is_empty(),
            Self::List(l) => l.len() > 0,
            Self::Dict(d) => d.len() > 0,
            Self::Fields(f) => f.len() > 0,
            Self::Session(_)
            | Self::Match(_)
            | Self::Url(_)
            | Self::User(_)
            | Self::Time(_)
            | Self::Version(_) => true,
        }
    }

    /// Whether it may stand where `kind` is wanted.
    pub fn is(&self, kind: Kind) -> bool {
        match kind {
            Kind::Any => true,
            Kind::Bool => matches!(self, Self::Bool(_)),
            Kind::Int => matches!(self, Self::Int(_)),
            Kind::Int64 => matches!(self, Self::Int64(_)),
            Kind::Float => matches!(self, Self::Float(_) | Self::Exact(_)),
            Kind::Text => matches!(self, Self::Text(_)),
            Kind::Dict => matches!(self, Self::Dict(d) if !d.is_texts()),
            Kind::Texts => matches!(self, Self::Dict(d) if d.is_texts()),
            Kind::List => matches!(self, Self::List(_)),
            Kind::Headers => matches!(self, Self::Fields(f) if !f.is_query()),
            Kind::Query => matches!(self, Self::Fields(f) if f.is_query()),
            Kind::Session => matches!(self, Self::Session(_)),
            Kind::Match => matches!(self, Self::Match(_)),
            Kind::Url => matches!(self, Self::Url(_)),
            Kind::User => matches!(self, Self::User(_)),
            Kind::Time => matches!(self, Self::Time(_)),
            Kind::Version => matches!(self, Self::Version(_)),
        }
    }

    /// Go's name of its type, as `typeOf` and `%T` print it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil | Self::Lost => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Uint64(_) => "uint64",
            Self::Byte(_) => "uint8",
            Self::Float(_) | Self::Exact(_) => "float64",
            Self::Text(_) => "string",
            Self::List(list) => list.type_name(),
            Self::Dict(dict) => dict.type_name(),
            Self::Fields(fields) => fields.type_name(),
            Self::Session(_) => "*authn.AuthenticationSession",
            Self::Match(_) => "authn.MatchContext",
            Self::Url(_) => "*url.URL",
            Self::User(_) => "*url.Userinfo",
            Self::Time(_) => "time.Time",
            Self::Version(_) => "*semver.Version",
        }
    }

    /// Go's name of its kind, as `kindOf` prints it.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil | Self::Lost => "invalid",
            Self::List(_) => "slice",
            Self::Dict(_) | Self::Fields(_) => "map",
            Self::Session(_) | Self::Url(_) | Self::User(_) | Self::Version(_) => "ptr",
            Self::Match(_) | Self::Time(_) => "struct",
            plain => plain.type_name(),
        }
    }

    /// Its number where it is one of Go's integers.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(n) | Self::Int64(n) => Some(*n),
            Self::Byte(n) => Some(i64::from(*n)),
            Self::Uint64(n) => i64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// Its number where it is a `float64` to Go.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(f) => Some(*f),
            Self::Exact(n) => Some(n.float()),
            _ => None,
        }
    }

    /// What Sprig's arithmetic takes it for: numbers, numbers in text, true as 1, anything else as 0.
    pub fn to_int(&self) -> i64 {
        match self {
            Self::Exact(n) => n.int(),
            Self::Float(f) => number::to_int(*f),
            Self::Bool(b) => i64::from(*b),
            Self::Text(t) => number::parse_int(without_zero_places(t)).unwrap_or(0),
            Self::Uint64(n) => i64::try_from(*n).unwrap_or(i64::MAX),
            other => other.as_int().unwrap_or(0),
        }
    }

    /// The same for arithmetic with fractions.
    pub fn to_float(&self) -> f64 {
        match self {
            Self::Bool(b) => f64::from(u8::from(*b)),
            Self::Text(t) => number::parse_float(t).unwrap_or(0.0),
            Self::Float(_) | Self::Exact(_) => self.as_float().unwrap_or(0.0),
            other => number::to_float(other.to_int()),
        }
    }
}

/// `12.00` counts as `12`.
fn without_zero_places(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((whole, places)) if !places.is_empty() && places.bytes().all(|b| b == b'0') => whole,
        _ => text,
    }
}

/// Go's `reflect.DeepEqual`, except that all numbers of one kind are one type.
pub fn deep_equal(scope: &mut Scope<'_>, a: &Value<'_>, b: &Value<'_>, depth: u8) -> Result<bool, Fault> {
    scope.visit()?;
    if depth == MAX_DEPTH {
        return Err(Fault::from("these values are too deep to compare"));
    }
    Ok(match (a, b) {
        (Value::Nil | Value::Lost, Value::Nil | Value::Lost)
        | (Value::Session(_), Value::Session(_))
        | (Value::Match(_), Value::Match(_)) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Int64(a), Value::Int64(b)) => a == b,
        (Value::Uint64(a), Value::Uint64(b)) => a == b,
        (Value::Byte(a), Value::Byte(b)) => a == b,
        (Value::Exact(a), Value::Exact(b)) => a == b,
        (Value::Float(_) | Value::Exact(_), Value::Float(_) | Value::Exact(_)) => {
            a.as_float() == b.as_float()
        }
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.type_name() != b.type_name() || a.len() != b.len() || a.is_nil() != b.is_nil() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                if !deep_equal(scope, &a, &b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Dict(a), Value::Dict(b)) => {
            if a.type_name() != b.type_name() || a.len() != b.len() || a.is_nil() != b.is_nil() {
                return Ok(false);
            }
            for (key, a) in a.entries() {
                match b.get(&key) {
                    Some(b) if deep_equal(scope, &a, &b, depth + 1)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::Fields(a), Value::Fields(b)) => a.type_name() == b.type_name() && a.all() == b.all(),
        (Value::Url(a), Value::Url(b)) => a == b,
        (Value::User(a), Value::User(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::Version(a), Value::Version(b)) => a == b,
        _ => false,
    })
}
