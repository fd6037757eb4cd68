//! Functions on numbers.

use super::decimal::Decimal;
use crate::template::go::function::{Args, Function, Scope};
use crate::template::go::text::plain;
use crate::template::go::value::{Answer, Fault, Kind, Value};

const ANY: Kind = Kind::Any;
const INT: Kind = Kind::Int;
const INT64: Kind = Kind::Int64;
const FLOAT: Kind = Kind::Float;

pub const FUNCTIONS: &[Function] = &[
    Function::new("int", &[ANY], INT, |_, args| Ok(Value::Int(args.get(0).to_int()))),
    Function::new("int64", &[ANY], INT64, |_, args| Ok(Value::Int64(args.get(0).to_int()))),
    Function::new("float64", &[ANY], FLOAT, |_, args| Ok(Value::Float(args.get(0).to_float()))),
    Function::new("atoi", &[Kind::Text], INT, |_, args| Ok(Value::Int(args.text(0).parse().unwrap_or(0)))),
    Function::new("toDecimal", &[ANY], INT64, to_decimal),
    Function::variadic("add", &[], ANY, INT64, |_, args| fold(args, 0, i64::wrapping_add)),
    Function::new("add1", &[ANY], INT64, |_, args| fold(args, 1, i64::wrapping_add)),
    Function::new("sub", &[ANY, ANY], INT64, |_, args| {
        Ok(Value::Int64(args.get(0).to_int().wrapping_sub(args.get(1).to_int())))
    }),
    Function::variadic("mul", &[ANY], ANY, INT64, |_, args| fold(args, 1, i64::wrapping_mul)),
    Function::new("div", &[ANY, ANY], INT64, |_, args| divide(args, i64::wrapping_div)),
    Function::new("mod", &[ANY, ANY], INT64, |_, args| divide(args, i64::wrapping_rem)),
    Function::variadic("max", &[ANY], ANY, INT64, |_, args| fold(args, i64::MIN, i64::max)),
    Function::variadic("biggest", &[ANY], ANY, INT64, |_, args| fold(args, i64::MIN, i64::max)),
    Function::variadic("min", &[ANY], ANY, INT64, |_, args| fold(args, i64::MAX, i64::min)),
    Function::variadic("maxf", &[ANY], ANY, FLOAT, |_, args| fold_float(args, f64::max)),
    Function::variadic("minf", &[ANY], ANY, FLOAT, |_, args| fold_float(args, f64::min)),
    Function::new("add1f", &[ANY], FLOAT, |_, args| decimals(Some(1.0), args.rest(0), Decimal::add)),
    Function::variadic("addf", &[], ANY, FLOAT, |_, args| decimals(Some(0.0), args.rest(0), Decimal::add)),
    Function::variadic("subf", &[ANY], ANY, FLOAT, |_, args| decimals(None, args.rest(0), Decimal::sub)),
    Function::variadic("mulf", &[ANY], ANY, FLOAT, |_, args| decimals(None, args.rest(0), Decimal::mul)),
    Function::variadic("divf", &[ANY], ANY, FLOAT, |_, args| decimals(None, args.rest(0), Decimal::div)),
    Function::new("floor", &[ANY], FLOAT, |_, args| Ok(Value::Float(args.get(0).to_float().floor()))),
    Function::new("ceil", &[ANY], FLOAT, |_, args| Ok(Value::Float(args.get(0).to_float().ceil()))),
    Function::variadic("round", &[ANY, INT], FLOAT, FLOAT, round),
];

fn fold<'d>(args: &Args<'_, 'd>, start: i64, with: fn(i64, i64) -> i64) -> Answer<'d> {
    Ok(Value::Int64(args.rest(0).iter().map(Value::to_int).fold(start, with)))
}

fn fold_float<'d>(args: &Args<'_, 'd>, with: fn(f64, f64) -> f64) -> Answer<'d> {
    let numbers = args.rest(0).iter().map(Value::to_float);
    Ok(Value::Float(numbers.reduce(with).unwrap_or_default()))
}

fn divide<'d>(args: &Args<'_, 'd>, with: fn(i64, i64) -> i64) -> Answer<'d> {
    match args.get(1).to_int() {
        0 => Err(Fault::from("nothing can be divided by zero")),
        by => Ok(Value::Int64(with(args.get(0).to_int(), by))),
    }
}

/// Calculates in decimal digits, so that `0.1 + 0.2` is `0.3`.
fn decimals<'d>(
    start: Option<f64>,
    values: &[Value<'d>],
    with: fn(Decimal, Decimal) -> Result<Decimal, Fault>,
) -> Answer<'d> {
    let mut numbers = start.into_iter().chain(values.iter().map(Value::to_float));
    let mut result = Decimal::of(numbers.next().unwrap_or_default())?;
    for number in numbers {
        result = with(result, Decimal::of(number)?)?;
    }
    Ok(Value::Float(result.float()))
}

/// A number, or a fraction's digits, read as octal.
fn to_decimal<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::Int64(i64::from_str_radix(&plain(args.get(0))?, 8).unwrap_or(0)))
}

/// Rounds to so many places, up from `.5` or another fraction on.
fn round<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let from = args.rest(2).first().map_or(0.5, Value::to_float);
    let places = i32::try_from(args.int(1)).unwrap_or(i32::MAX);
    let scale = 10.0_f64.powi(places);
    let scaled = scale * args.get(0).to_float();
    let rounded = if scaled.fract() >= from { scaled.ceil() } else { scaled.floor() };
    Ok(Value::Float(rounded / scale))
}
