//! The functions of `text/template` itself, and the two that Oathkeeper adds.

#![expect(clippy::unnecessary_wraps, reason = "all functions have one signature")]

use std::borrow::Cow;
use std::cmp::Ordering;

use super::function::{Args, Function, Scope};
use super::members::element;
use super::printf;
use super::query;
use super::text::{is_printable, printed, sprint};
use super::value::{Answer, Fault, Kind, Value};

/// `and` and `or` are not here: they do not evaluate all of their arguments.
pub const FUNCTIONS: &[Function] = &[
    Function::new("print", &[Kind::Any], Kind::Text, print),
    Function::new("printIndex", &[Kind::Any, Kind::Int], Kind::Text, print_index),
    Function::variadic("printf", &[Kind::Text], Kind::Any, Kind::Text, printf_),
    Function::variadic("println", &[], Kind::Any, Kind::Text, println),
    Function::new("not", &[Kind::Any], Kind::Bool, not),
    Function::new("len", &[Kind::Any], Kind::Int, len),
    Function::variadic("index", &[Kind::Any], Kind::Any, Kind::Any, index),
    Function::variadic("eq", &[Kind::Any, Kind::Any], Kind::Any, Kind::Bool, eq),
    Function::new("ne", &[Kind::Any, Kind::Any], Kind::Bool, ne),
    Function::new("lt", &[Kind::Any, Kind::Any], Kind::Bool, lt),
    Function::new("le", &[Kind::Any, Kind::Any], Kind::Bool, le),
    Function::new("gt", &[Kind::Any, Kind::Any], Kind::Bool, gt),
    Function::new("ge", &[Kind::Any, Kind::Any], Kind::Bool, ge),
    Function::variadic("html", &[], Kind::Any, Kind::Text, html),
    Function::variadic("js", &[], Kind::Any, Kind::Text, js),
    Function::variadic("urlquery", &[], Kind::Any, Kind::Text, urlquery),
];

fn print<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    match args.take(0) {
        text @ Value::Text(_) => Ok(text),
        value => printed(&value).map(Value::text),
    }
}

/// Element of a list as text; nothing where there is no list or no such element.
fn print_index<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let Value::List(list) = args.get(0) else { return Ok(Value::text("")) };
    let index = usize::try_from(args.int(1)).map_err(|_| Fault::from("positions are counted from 0 on"))?;
    match list.get(index) {
        Some(text @ Value::Text(_)) => Ok(text),
        Some(value) => super::text::plain(&value).map(Value::text),
        None => Ok(Value::text("")),
    }
}

fn printf_<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    printf::format(args.text(0), args.rest(1)).map(Value::text)
}

fn println<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut out = String::new();
    for (index, value) in args.rest(0).iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        super::text::Sheet::new(&mut out).value(value)?;
    }
    out.push('\n');
    Ok(Value::text(out))
}

fn not<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(!args.get(0).is_true()))
}

fn len<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let count = match args.get(0) {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Dict(dict) => dict.len(),
        Value::Fields(fields) => fields.len(),
        Value::Lost => 0,
        Value::Nil => return Err(Fault::from("nil has no length")),
        _ => return Err(Fault::from("this has no length")),
    };
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn index<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let mut item = args.take(0);
    if matches!(item, Value::Nil) {
        return Err(Fault::from("nil cannot be indexed"));
    }
    for at in 1..args.len() {
        let key = args.get(at);
        item = match (&item, key) {
            (Value::Lost, _) => Value::Lost,
            (Value::Dict(dict), Value::Text(key)) => dict.get(key).unwrap_or_else(|| dict.zero()),
            (Value::Fields(fields), Value::Text(key)) => Value::List(fields.values(key, true)),
            (Value::Dict(_) | Value::Fields(_), _) => {
                return Err(Fault::from("a map can only be indexed by a text"));
            }
            (Value::List(_) | Value::Text(_), key) => element(&item, key)?,
            (Value::Nil, _) => return Err(Fault::from("nil cannot be indexed")),
            _ => return Err(Fault::from("this cannot be indexed")),
        };
    }
    Ok(item)
}

/// What Go compares as one kind.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Basic {
    Bool,
    Int,
    Uint,
    Float,
    Text,
    Other,
}

fn basic(value: &Value<'_>) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(_) | Value::Int64(_) => Basic::Int,
        Value::Uint64(_) | Value::Byte(_) => Basic::Uint,
        Value::Float(_) | Value::Exact(_) => Basic::Float,
        Value::Text(_) => Basic::Text,
        _ => Basic::Other,
    }
}

/// How two values compare.
enum Order {
    Known(Ordering),
    /// Not a number compares with nothing.
    None,
    /// Go does not compare values of these types.
    Incompatible,
}

impl Order {
    fn of(order: Option<Ordering>) -> Self {
        order.map_or(Self::None, Self::Known)
    }
}

/// Order of two values of one basic kind, or of two integers.
fn order(a: &Value<'_>, b: &Value<'_>) -> Order {
    Order::of(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Exact(a), Value::Exact(b)) => Some(whole(*a).cmp(&whole(*b))),
        _ => match (basic(a), basic(b)) {
            (Basic::Float, Basic::Float) => {
                a.as_float().zip(b.as_float()).and_then(|(a, b)| a.partial_cmp(&b))
            }
            (Basic::Int | Basic::Uint, Basic::Int | Basic::Uint) => Some(integer(a).cmp(&integer(b))),
            _ => return Order::Incompatible,
        },
    })
}

fn whole(whole: super::value::Whole) -> i128 {
    match whole {
        super::value::Whole::Positive(n) => i128::from(n),
        super::value::Whole::Negative(n) => i128::from(n),
    }
}

fn integer(value: &Value<'_>) -> i128 {
    match value {
        Value::Uint64(n) => i128::from(*n),
        other => i128::from(other.as_int().unwrap_or(0)),
    }
}

const INCOMPATIBLE: &str = "values of different types cannot be compared";

fn equal(a: &Value<'_>, b: &Value<'_>) -> Result<bool, Fault> {
    match order(a, b) {
        Order::Known(order) => return Ok(order.is_eq()),
        Order::None => return Ok(false),
        Order::Incompatible => {}
    }
    if a.is_nil() || b.is_nil() {
        // Nil equals nil of any type, nothing else.
        return Ok(is_empty_pointer(a) && is_empty_pointer(b));
    }
    if basic(a) != basic(b) || a.kind_name() != b.kind_name() {
        return Err(Fault::from(INCOMPATIBLE));
    }
    if is_empty_pointer(a) || is_empty_pointer(b) {
        return Ok(is_empty_pointer(a) && is_empty_pointer(b));
    }
    match (a, b) {
        (Value::Url(a), Value::Url(b)) => Ok(a == b),
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (Value::Session(_), Value::Session(_)) => Ok(true),
        (Value::List(_) | Value::Dict(_) | Value::Fields(_) | Value::Match(_), _) => {
            Err(Fault::from("values of this type cannot be compared"))
        }
        _ => Ok(false),
    }
}

/// Nil, of whatever type.
fn is_empty_pointer(value: &Value<'_>) -> bool {
    match value {
        Value::Nil | Value::Lost | Value::User(None) => true,
        Value::List(list) => list.is_nil(),
        Value::Dict(dict) => dict.is_nil(),
        Value::Fields(fields) => fields.is_nil(),
        _ => false,
    }
}

fn less(a: &Value<'_>, b: &Value<'_>) -> Result<bool, Fault> {
    match (basic(a), basic(b)) {
        (Basic::Other, _) | (_, Basic::Other) | (Basic::Bool, Basic::Bool) => {
            Err(Fault::from("values of this type have no order"))
        }
        _ => match order(a, b) {
            Order::Known(order) => Ok(order.is_lt()),
            Order::None => Ok(false),
            Order::Incompatible => Err(Fault::from(INCOMPATIBLE)),
        },
    }
}

fn eq<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    for other in args.rest(1) {
        if equal(args.get(0), other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn ne<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(!equal(args.get(0), args.get(1))?))
}

fn lt<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(less(args.get(0), args.get(1))?))
}

fn le<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(less(args.get(0), args.get(1))? || equal(args.get(0), args.get(1))?))
}

fn gt<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(!less(args.get(0), args.get(1))? && !equal(args.get(0), args.get(1))?))
}

fn ge<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Bool(!less(args.get(0), args.get(1))?))
}

/// Arguments as the template would print them.
fn shown(args: &mut Args<'_, '_>) -> Result<String, Fault> {
    for value in args.0.iter_mut().filter(|value| matches!(value, Value::Nil)) {
        *value = Value::text("<no value>");
    }
    sprint(args.rest(0))
}

fn html<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let text = shown(args)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    Ok(Value::text(out))
}

fn js<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let text = shown(args)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let escaped: Cow<'static, str> = match c {
            '\\' => "\\\\".into(),
            '\'' => "\\'".into(),
            '"' => "\\\"".into(),
            '<' | '>' | '&' | '=' | '\0'..='\x1f' => format!("\\u{:04X}", u32::from(c)).into(),
            '\u{80}'.. if !is_printable(c) => format!("\\u{:04X}", u32::from(c)).into(),
            c => {
                out.push(c);
                continue;
            }
        };
        out.push_str(&escaped);
    }
    Ok(Value::text(out))
}

fn urlquery<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::text(query::escape(&shown(args)?)))
}
