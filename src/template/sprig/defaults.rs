//! Functions about what is there and what is not, and JSON.

use crate::template::go::function::{Args, Function, Scope};
use crate::template::go::json::encode;
use crate::template::go::value::{Answer, Fault, Kind, Value};

const ANY: Kind = Kind::Any;
const TEXT: Kind = Kind::Text;
const BOOL: Kind = Kind::Bool;

pub const FUNCTIONS: &[Function] = &[
    Function::variadic("default", &[ANY], ANY, ANY, default),
    Function::new("empty", &[ANY], BOOL, |_, args| Ok(Value::Bool(!args.get(0).is_true()))),
    Function::variadic("coalesce", &[], ANY, ANY, coalesce),
    Function::variadic("all", &[], ANY, BOOL, |_, args| {
        Ok(Value::Bool(args.rest(0).iter().all(Value::is_true)))
    }),
    Function::variadic("any", &[], ANY, BOOL, |_, args| {
        Ok(Value::Bool(args.rest(0).iter().any(Value::is_true)))
    }),
    Function::new("ternary", &[ANY, ANY, BOOL], ANY, ternary),
    Function::new("fail", &[TEXT], TEXT, |_, _| Err(Fault::from("the template says so"))),
    Function::new("fromJson", &[TEXT], ANY, from_json),
    Function::new("mustFromJson", &[TEXT], ANY, must_from_json),
    Function::new("toJson", &[ANY], TEXT, to_json),
    Function::new("mustToJson", &[ANY], TEXT, to_json),
    Function::new("toPrettyJson", &[ANY], TEXT, to_pretty_json),
    Function::new("mustToPrettyJson", &[ANY], TEXT, to_pretty_json),
    Function::new("toRawJson", &[ANY], TEXT, to_raw_json),
    Function::new("mustToRawJson", &[ANY], TEXT, to_raw_json),
];

/// The last argument where it is not empty, else the first.
fn default<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let which = usize::from(args.get(1).is_true());
    Ok(args.take(which))
}

fn coalesce<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    match args.rest(0).iter().position(Value::is_true) {
        Some(index) => Ok(args.take(index)),
        None => Ok(Value::Nil),
    }
}

fn ternary<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let which = usize::from(!args.get(2).is_true());
    Ok(args.take(which))
}

fn from_json<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    serde_json::from_str(args.text(0)).map_or(Ok(Value::Nil), |json| scope.json(json))
}

fn must_from_json<'d>(scope: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let json = serde_json::from_str(args.text(0)).map_err(|_| Fault::from("this is not JSON"))?;
    scope.json(json)
}

fn to_json<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    encode(args.get(0), true, false).map(Value::text)
}

fn to_pretty_json<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    encode(args.get(0), true, true).map(Value::text)
}

fn to_raw_json<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    encode(args.get(0), false, false).map(Value::text)
}
