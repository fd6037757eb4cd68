//! Functions on dates and durations.

use std::rc::Rc;

use super::time::{Place, Time};
use super::zone;
use crate::template::go::function::{Args, Function, Scope};
use crate::template::go::value::{Answer, Fault, Kind, Value};

const ANY: Kind = Kind::Any;
const TEXT: Kind = Kind::Text;
const TIME: Kind = Kind::Time;

const DAY: &str = "2006-01-02";
const SECOND: i64 = 1_000_000_000;

pub const FUNCTIONS: &[Function] = &[
    Function::new("now", &[], TIME, |_, _| Ok(time(Time::now()))),
    Function::new("date", &[TEXT, ANY], TEXT, |_, args| Ok(show(args.text(0), args.get(1), "UTC"))),
    Function::new("dateInZone", &[TEXT, ANY, TEXT], TEXT, date_in_zone),
    Function::new("date_in_zone", &[TEXT, ANY, TEXT], TEXT, date_in_zone),
    Function::new("htmlDate", &[ANY], TEXT, |_, args| Ok(show(DAY, args.get(0), "UTC"))),
    Function::new("htmlDateInZone", &[ANY, TEXT], TEXT, |_, args| Ok(show(DAY, args.get(0), args.text(1)))),
    Function::new("toDate", &[TEXT, TEXT], TIME, |_, args| {
        Ok(time(Time::parse(args.text(0), args.text(1)).unwrap_or_else(Time::zero)))
    }),
    Function::new("mustToDate", &[TEXT, TEXT], TIME, |_, args| {
        Time::parse(args.text(0), args.text(1))
            .map(time)
            .ok_or_else(|| Fault::from("this is not such a date"))
    }),
    Function::new("unixEpoch", &[TIME], TEXT, unix_epoch),
    Function::new("dateModify", &[TEXT, TIME], TIME, |_, args| modify(args, false)),
    Function::new("date_modify", &[TEXT, TIME], TIME, |_, args| modify(args, false)),
    Function::new("mustDateModify", &[TEXT, TIME], TIME, |_, args| modify(args, true)),
    Function::new("must_date_modify", &[TEXT, TIME], TIME, |_, args| modify(args, true)),
    Function::new("ago", &[ANY], TEXT, ago),
    Function::new("duration", &[ANY], TEXT, duration),
    Function::new("durationRound", &[ANY], TEXT, duration_round),
];

fn time<'d>(time: Time) -> Value<'d> {
    Value::Time(Rc::new(time))
}

/// A time, or seconds since 1970; anything else means now.
fn moment(value: &Value<'_>) -> Time {
    match value {
        Value::Time(time) => Time::clone(time),
        Value::Int(seconds) | Value::Int64(seconds) => Time::at(*seconds, 0),
        _ => Time::now(),
    }
}

/// A zone that this machine does not know counts as UTC, as in Sprig.
fn show<'d>(layout: &str, value: &Value<'_>, zone: &str) -> Value<'d> {
    let place = match zone {
        "" | "UTC" | "Local" => Place::Utc,
        name => zone::named(name).map_or(Place::Utc, Place::Zone),
    };
    Value::text(moment(value).seen_from(place).format(layout))
}

fn date_in_zone<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(show(args.text(0), args.get(1), args.text(2)))
}

fn unix_epoch<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    Ok(Value::text(moment(args.get(0)).unix().to_string()))
}

fn modify<'d>(args: &mut Args<'_, 'd>, strict: bool) -> Answer<'d> {
    match parse_duration(args.text(0)) {
        Some(nanos) => Ok(time(moment(args.get(1)).plus(nanos))),
        None if strict => Err(Fault::from("this is not a duration")),
        None => Ok(args.take(1)),
    }
}

fn ago<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let nanos = Time::now().since(&moment(args.get(0)));
    let seconds = (i128::from(nanos) * 2 + i128::from(SECOND)).div_euclid(i128::from(SECOND) * 2);
    let seconds = i64::try_from(seconds).unwrap_or(0);
    Ok(Value::text(duration_text(seconds.saturating_mul(SECOND))))
}

/// Seconds as a duration; numbers of other kinds count as none, as in Sprig.
fn duration<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    let seconds = match args.get(0) {
        Value::Text(text) => text.parse().unwrap_or(0),
        Value::Int64(seconds) => *seconds,
        _ => 0_i64,
    };
    Ok(Value::text(duration_text(seconds.wrapping_mul(SECOND))))
}

/// A duration in its largest unit.
fn duration_round<'d>(_: &mut Scope<'d>, args: &mut Args<'_, 'd>) -> Answer<'d> {
    const UNITS: [(&str, u64); 6] =
        [("y", 365 * 24 * 3600), ("mo", 30 * 24 * 3600), ("d", 24 * 3600), ("h", 3600), ("m", 60), ("s", 1)];
    let nanos = match args.get(0) {
        Value::Text(text) => parse_duration(text).unwrap_or(0),
        Value::Int64(nanos) => *nanos,
        Value::Time(time) => Time::now().since(time),
        _ => 0,
    };
    let nanos = nanos.unsigned_abs();
    let unit = UNITS.iter().map(|(name, seconds)| (name, seconds * SECOND.unsigned_abs()));
    let text = unit
        .into_iter()
        .find(|(_, unit)| nanos > *unit)
        .map(|(name, unit)| format!("{}{name}", nanos / unit));
    Ok(Value::text(text.unwrap_or_else(|| "0s".to_owned())))
}

/// Nanoseconds as Go writes a duration: `1h2m3.5s`, `1.5ms`, `0s`.
fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let all = nanos.unsigned_abs();
    let fraction = |units: u64, size: u64| {
        let places = size.to_string().len() - 1;
        let part = format!("{:0places$}", units % size);
        let part = part.trim_end_matches('0');
        let point = if part.is_empty() || places == 0 { "" } else { "." };
        format!("{}{point}{}", units / size, if places == 0 { "" } else { part })
    };
    match all {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{all}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", fraction(all, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", fraction(all, 1_000_000)),
        _ => {
            let minutes = all / (60 * SECOND.unsigned_abs());
            let seconds = fraction(all % (60 * SECOND.unsigned_abs()), SECOND.unsigned_abs());
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// Go's `time.ParseDuration`, in nanoseconds.
fn parse_duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 6e10),
        ("h", 3.6e12),
    ];
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at_checked(number_len)?;
        let unit_len = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(unit_len)?;
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if part.contains('.') || (whole.is_empty() && part.is_empty()) {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part: f64 = if part.is_empty() { 0.0 } else { format!("0.{part}").parse().ok()? };
        let size_int = crate::template::go::number::to_int(*size);
        let nanos =
            whole.checked_mul(size_int)?.checked_add(crate::template::go::number::to_int(part * size))?;
        total = total.checked_add(nanos)?;
        rest = behind;
    }
    Some(if negative { -total } else { total })
}
