//! Moments in time, written and read by Go's layouts.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::zone::{Offset, Zone};
use crate::template::go::function::Args;
use crate::template::go::value::{Answer, Fault, Value};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const NANOS: i128 = 1_000_000_000;
/// 0001-01-01T00:00:00Z, Go's zero time, in seconds since 1970.
const ZERO: i64 = -62_135_596_800;
/// Years from 0 to 9999, which is what JSON and layouts can hold.
const RANGE: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;

/// Where a moment is looked at from.
#[derive(Debug, Clone)]
pub enum Place {
    Utc,
    Fixed(Offset),
    Zone(Arc<Zone>),
}

/// A moment, to the nanosecond. Go's `Local` is UTC here: what a template makes does not depend on where
/// the server stands.
#[derive(Debug, Clone)]
pub struct Time {
    /// Seconds since 1970.
    unix: i64,
    nanos: u32,
    place: Place,
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        (self.unix, self.nanos) == (other.unix, other.nanos)
    }
}

/// Days since 1970 of a date in the Gregorian calendar, and back (by Howard Hinnant's algorithms).
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// A moment's parts at its place.
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    weekday: usize,
    year_day: i64,
    offset: Offset,
}

impl Time {
    /// A moment in UTC; out of range means the zero time.
    pub fn at(unix: i64, nanos: u32) -> Self {
        let unix = if RANGE.contains(&unix) { unix } else { ZERO };
        Self { unix, nanos, place: Place::Utc }
    }

    pub fn zero() -> Self {
        Self::at(ZERO, 0)
    }

    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::at(i64::try_from(since.as_secs()).unwrap_or(0), since.subsec_nanos())
    }

    pub fn unix(&self) -> i64 {
        self.unix
    }

    /// The same moment, looked at from another place.
    pub fn seen_from(&self, place: Place) -> Self {
        Self { place, ..self.clone() }
    }

    /// Nanoseconds since 1970.
    fn total(&self) -> i128 {
        i128::from(self.unix) * NANOS + i128::from(self.nanos)
    }

    /// A moment some nanoseconds later.
    pub fn plus(&self, nanos: i64) -> Self {
        let total = self.total() + i128::from(nanos);
        let unix = i64::try_from(total.div_euclid(NANOS)).unwrap_or(ZERO);
        let nanos = u32::try_from(total.rem_euclid(NANOS)).unwrap_or(0);
        Self { place: self.place.clone(), ..Self::at(unix, nanos) }
    }

    /// Nanoseconds from another moment to this, as far as Go's durations reach.
    pub fn since(&self, other: &Self) -> i64 {
        let nanos = self.total() - other.total();
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    fn offset(&self) -> Offset {
        match &self.place {
            Place::Utc => Offset { seconds: 0, name: Box::from("UTC") },
            Place::Fixed(offset) => offset.clone(),
            Place::Zone(zone) => zone.at(self.unix),
        }
    }

    fn parts(&self) -> Parts {
        let offset = self.offset();
        let local = self.unix + i64::from(offset.seconds);
        let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        Parts {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0),
            year_day: days - days_from_civil(year, 1, 1) + 1,
            offset,
        }
    }

    pub fn text(&self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }

    pub fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }

    pub fn format(&self, layout: &str) -> String {
        let parts = self.parts();
        let mut out = String::with_capacity(layout.len() + 8);
        let mut rest = layout;
        while let Some((prefix, piece, suffix)) = next_piece(rest) {
            out.push_str(prefix);
            self.push(&mut out, &parts, piece);
            rest = suffix;
        }
        out.push_str(rest);
        out
    }

    fn push(&self, out: &mut String, parts: &Parts, piece: Piece) {
        let hour12 = if parts.hour % 12 == 0 { 12 } else { parts.hour % 12 };
        let month = usize::try_from(parts.month - 1).ok().and_then(|m| MONTHS.get(m)).unwrap_or(&"");
        let weekday = WEEKDAYS.get(parts.weekday).unwrap_or(&"");
        let short = |name: &str| name.get(..3).unwrap_or_default().to_owned();
        let text = match piece {
            Piece::LongYear => format!("{:04}", parts.year),
            Piece::Year => format!("{:02}", parts.year.rem_euclid(100)),
            Piece::LongMonth => (*month).to_owned(),
            Piece::Month => short(month),
            Piece::MonthNumber => parts.month.to_string(),
            Piece::ZeroMonth => format!("{:02}", parts.month),
            Piece::LongWeekday => (*weekday).to_owned(),
            Piece::Weekday => short(weekday),
            Piece::Day => parts.day.to_string(),
            Piece::SpaceDay => format!("{:2}", parts.day),
            Piece::ZeroDay => format!("{:02}", parts.day),
            Piece::SpaceYearDay => format!("{:3}", parts.year_day),
            Piece::ZeroYearDay => format!("{:03}", parts.year_day),
            Piece::Hour => format!("{:02}", parts.hour),
            Piece::Hour12 => hour12.to_string(),
            Piece::ZeroHour12 => format!("{hour12:02}"),
            Piece::Minute => parts.minute.to_string(),
            Piece::ZeroMinute => format!("{:02}", parts.minute),
            Piece::Second => parts.second.to_string(),
            Piece::ZeroSecond => format!("{:02}", parts.second),
            Piece::UpperPm => if parts.hour >= 12 { "PM" } else { "AM" }.to_owned(),
            Piece::LowerPm => if parts.hour >= 12 { "pm" } else { "am" }.to_owned(),
            Piece::ZoneName if !parts.offset.name.is_empty() => parts.offset.name.to_string(),
            Piece::ZoneName => offset_text(parts.offset.seconds, OffsetForm::PLAIN),
            Piece::Offset(form) => offset_text(parts.offset.seconds, form),
            Piece::Fraction { mark, digits, trims } => {
                let all = format!("{:09}", self.nanos);
                let all = format!("{all:0<digits$}");
                let shown = all.get(..digits).unwrap_or(&all);
                let shown = if trims { shown.trim_end_matches('0') } else { shown };
                if shown.is_empty() { String::new() } else { format!("{mark}{shown}") }
            }
        };
        out.push_str(&text);
    }

    /// A text read by a layout; what the layout leaves open is UTC.
    pub fn parse(layout: &str, text: &str) -> Option<Self> {
        let mut read = Reading::default();
        let mut rest = layout;
        let mut text = text;
        while let Some((prefix, piece, suffix)) = next_piece(rest) {
            text = skip(text, prefix)?;
            text = read.piece(piece, text, suffix)?;
            rest = suffix;
        }
        skip(text, rest)?.is_empty().then_some(())?;
        read.time()
    }

    /// Fields and methods of Go's `time.Time`.
    pub fn member<'d>(&self, name: &str, args: &Args<'_, 'd>) -> Answer<'d> {
        let parts = self.parts();
        let other = match args.get(0) {
            Value::Time(other) => self.total().cmp(&other.total()),
            _ => std::cmp::Ordering::Equal,
        };
        let long = |n: i128| Value::Int64(i64::try_from(n).unwrap_or(i64::MAX));
        Ok(match name {
            "Unix" => Value::Int64(self.unix),
            "UnixMilli" => long(self.total().div_euclid(1_000_000)),
            "UnixNano" => long(self.total()),
            "Year" => Value::Int(parts.year),
            "Day" => Value::Int(parts.day),
            "Hour" => Value::Int(parts.hour),
            "Minute" => Value::Int(parts.minute),
            "Second" => Value::Int(parts.second),
            "YearDay" => Value::Int(parts.year_day),
            "Month" => Value::text(self.format("January")),
            "Weekday" => Value::text(self.format("Monday")),
            "Format" => Value::text(self.format(args.text(0))),
            "UTC" | "Local" => Value::Time(Rc::new(self.seen_from(Place::Utc))),
            "IsZero" => Value::Bool(self.unix == ZERO && self.nanos == 0),
            "After" => Value::Bool(other.is_gt()),
            "Before" => Value::Bool(other.is_lt()),
            "Equal" => Value::Bool(other.is_eq()),
            "String" => Value::text(self.text()),
            _ => return Err(Fault::from("a time has no such method")),
        })
    }
}

/// How an offset is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OffsetForm {
    /// `Z` for UTC.
    zulu: bool,
    colon: bool,
    minutes: bool,
    seconds: bool,
}

impl OffsetForm {
    const PLAIN: Self = Self { zulu: false, colon: false, minutes: true, seconds: false };
}

fn offset_text(seconds: i32, form: OffsetForm) -> String {
    if form.zulu && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let all = seconds.unsigned_abs();
    let colon = if form.colon { ":" } else { "" };
    let mut out = format!("{sign}{:02}", all / 3600);
    if form.minutes {
        out.push_str(&format!("{colon}{:02}", all / 60 % 60));
    }
    if form.seconds {
        out.push_str(&format!("{colon}{:02}", all % 60));
    }
    out
}

/// One piece of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    LongYear,
    Year,
    LongMonth,
    Month,
    MonthNumber,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    UpperPm,
    LowerPm,
    ZoneName,
    Offset(OffsetForm),
    Fraction { mark: char, digits: usize, trims: bool },
}

const fn offset(zulu: bool, colon: bool, minutes: bool, seconds: bool) -> Piece {
    Piece::Offset(OffsetForm { zulu, colon, minutes, seconds })
}

/// Pieces by how they are written, longer ones before those they begin with.
const PIECES: &[(&str, Piece)] = &[
    ("January", Piece::LongMonth),
    ("Monday", Piece::LongWeekday),
    ("MST", Piece::ZoneName),
    ("002", Piece::ZeroYearDay),
    ("01", Piece::ZeroMonth),
    ("02", Piece::ZeroDay),
    ("03", Piece::ZeroHour12),
    ("04", Piece::ZeroMinute),
    ("05", Piece::ZeroSecond),
    ("06", Piece::Year),
    ("15", Piece::Hour),
    ("1", Piece::MonthNumber),
    ("2006", Piece::LongYear),
    ("2", Piece::Day),
    ("__2", Piece::SpaceYearDay),
    ("_2", Piece::SpaceDay),
    ("3", Piece::Hour12),
    ("4", Piece::Minute),
    ("5", Piece::Second),
    ("PM", Piece::UpperPm),
    ("pm", Piece::LowerPm),
    ("-070000", offset(false, false, true, true)),
    ("-07:00:00", offset(false, true, true, true)),
    ("-0700", offset(false, false, true, false)),
    ("-07:00", offset(false, true, true, false)),
    ("-07", offset(false, false, false, false)),
    ("Z070000", offset(true, false, true, true)),
    ("Z07:00:00", offset(true, true, true, true)),
    ("Z0700", offset(true, false, true, false)),
    ("Z07:00", offset(true, true, true, false)),
    ("Z07", offset(true, false, false, false)),
];

/// What stands before the next piece of a layout, the piece, and what stands behind it.
fn next_piece(layout: &str) -> Option<(&str, Piece, &str)> {
    for (at, c) in layout.char_indices() {
        if !matches!(c, 'J' | 'M' | '0'..='5' | '_' | 'P' | 'p' | '-' | 'Z' | '.' | ',') {
            continue;
        }
        let (before, here) = layout.split_at_checked(at)?;
        // `_2006` is an underscore and a year.
        if here.starts_with("_2006") {
            continue;
        }
        if let Some((piece, behind)) = fraction(here, c) {
            return Some((before, piece, behind));
        }
        for (name, piece) in [("Jan", Piece::Month), ("Mon", Piece::Weekday)] {
            if let Some(behind) = here.strip_prefix(name)
                && !behind.starts_with(|c: char| c.is_ascii_lowercase())
            {
                return Some((before, piece, behind));
            }
        }
        let found = PIECES.iter().find_map(|(name, piece)| Some((*piece, here.strip_prefix(name)?)));
        if let Some((piece, behind)) = found {
            return Some((before, piece, behind));
        }
    }
    None
}

/// `.000` or `.999`, of any length, not followed by another digit.
fn fraction(text: &str, mark: char) -> Option<(Piece, &str)> {
    let behind = text.strip_prefix(['.', ','])?;
    let digit = behind.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let rest = behind.trim_start_matches(digit);
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = behind.len() - rest.len();
    Some((Piece::Fraction { mark, digits, trims: digit == '9' }, rest))
}

/// Goes past what has to stand there; a space stands for any number of them.
fn skip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let mut text = text;
    let mut prefix = prefix;
    while let Some(c) = prefix.chars().next() {
        if c == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            prefix = prefix.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(c)?;
        prefix = prefix.get(c.len_utf8()..)?;
    }
    Some(text)
}

/// What has been read of a moment.
#[derive(Default)]
struct Reading {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: u32,
    afternoon: Option<bool>,
    offset: Option<Offset>,
}

/// Takes `min..=max` digits off the front.
fn digits(text: &str, min: usize, max: usize) -> Option<(i64, &str)> {
    let len = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(len).filter(|_| len >= min)?;
    Some((number.parse().ok()?, rest))
}

/// Takes one of these names, in any case, off the front.
fn name<'t>(text: &'t str, names: &[&str], len: Option<usize>) -> Option<(i64, &'t str)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let name = name.get(..len.unwrap_or(name.len()))?;
        let (found, rest) = text.split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name).then_some((i64::try_from(index).ok()? + 1, rest))
    })
}

impl Reading {
    /// Reads one piece; gives what is behind it.
    fn piece<'t>(&mut self, piece: Piece, text: &'t str, suffix: &str) -> Option<&'t str> {
        let store = |place: &mut i64, (number, rest): (i64, &'t str)| {
            *place = number;
            rest
        };
        let keep = |place: &mut Option<i64>, (number, rest): (i64, &'t str)| {
            *place = Some(number);
            rest
        };
        Some(match piece {
            Piece::LongYear => store(&mut self.year, digits(text, 4, 4)?),
            Piece::Year => {
                let (year, rest) = digits(text, 2, 2)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
                rest
            }
            Piece::LongMonth => keep(&mut self.month, name(text, &MONTHS, None)?),
            Piece::Month => keep(&mut self.month, name(text, &MONTHS, Some(3))?),
            Piece::MonthNumber => keep(&mut self.month, digits(text, 1, 2)?),
            Piece::ZeroMonth => keep(&mut self.month, digits(text, 2, 2)?),
            Piece::LongWeekday => name(text, &WEEKDAYS, None)?.1,
            Piece::Weekday => name(text, &WEEKDAYS, Some(3))?.1,
            Piece::Day => keep(&mut self.day, digits(text, 1, 2)?),
            Piece::SpaceDay => keep(&mut self.day, digits(text.strip_prefix(' ').unwrap_or(text), 1, 2)?),
            Piece::ZeroDay => keep(&mut self.day, digits(text, 2, 2)?),
            Piece::SpaceYearDay => keep(&mut self.year_day, digits(text.trim_start_matches(' '), 1, 3)?),
            Piece::ZeroYearDay => keep(&mut self.year_day, digits(text, 3, 3)?),
            Piece::Hour | Piece::Hour12 => store(&mut self.hour, digits(text, 1, 2)?),
            Piece::ZeroHour12 => store(&mut self.hour, digits(text, 2, 2)?),
            Piece::Minute => store(&mut self.minute, digits(text, 1, 2)?),
            Piece::ZeroMinute => store(&mut self.minute, digits(text, 2, 2)?),
            Piece::Second | Piece::ZeroSecond => {
                let least = if piece == Piece::ZeroSecond { 2 } else { 1 };
                let rest = store(&mut self.second, digits(text, least, 2)?);
                // A fraction may follow although the layout has none.
                let next = next_piece(suffix).map(|(_, piece, _)| piece);
                if matches!(next, Some(Piece::Fraction { .. })) { rest } else { self.optional_fraction(rest) }
            }
            Piece::UpperPm | Piece::LowerPm => {
                let (mark, rest) = text.split_at_checked(2)?;
                self.afternoon = Some(match (mark, piece == Piece::UpperPm) {
                    ("PM", true) | ("pm", false) => true,
                    ("AM", true) | ("am", false) => false,
                    _ => return None,
                });
                rest
            }
            Piece::ZoneName => self.zone_name(text)?,
            Piece::Offset(form) => self.read_offset(form, text)?,
            Piece::Fraction { trims: true, .. } => self.optional_fraction(text),
            Piece::Fraction { digits: count, .. } => {
                let behind = text.strip_prefix(['.', ','])?;
                let (_, rest) = digits(behind, count, count)?;
                self.fraction(behind.get(..count)?);
                rest
            }
        })
    }

    fn fraction(&mut self, digits: &str) {
        let nine: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
        self.nanos = nine.parse().unwrap_or(0);
    }

    fn optional_fraction<'t>(&mut self, text: &'t str) -> &'t str {
        let Some(behind) = text.strip_prefix(['.', ',']) else { return text };
        let len = behind.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return text;
        }
        let (digits, rest) = behind.split_at_checked(len).unwrap_or((behind, ""));
        self.fraction(digits);
        rest
    }

    /// A zone's short name. Only UTC says anything; others stand for an offset of zero, as in Go.
    fn zone_name<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let len = if text.starts_with("UTC") {
            3
        } else if text.starts_with(['+', '-']) {
            1 + text.get(1..)?.bytes().take_while(u8::is_ascii_digit).count()
        } else {
            text.bytes().take(6).take_while(u8::is_ascii_uppercase).count()
        };
        let (name, rest) = text.split_at_checked(len).filter(|_| (2..6).contains(&len))?;
        if len < 3 && !name.starts_with(['+', '-']) {
            return None;
        }
        self.offset.get_or_insert(Offset { seconds: 0, name: name.into() });
        Some(rest)
    }

    fn read_offset<'t>(&mut self, form: OffsetForm, text: &'t str) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix('Z').filter(|_| form.zulu) {
            self.offset = Some(Offset { seconds: 0, name: Box::from("UTC") });
            return Some(rest);
        }
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let mut rest = text.strip_prefix(['+', '-'])?;
        let mut seconds = 0;
        for (unit, limit, wanted) in [(3600, 24, true), (60, 60, form.minutes), (1, 60, form.seconds)] {
            if !wanted {
                continue;
            }
            if form.colon && unit != 3600 {
                rest = rest.strip_prefix(':')?;
            }
            let (number, behind) = digits(rest, 2, 2).filter(|(number, _)| *number <= limit)?;
            seconds += number * unit;
            rest = behind;
        }
        let seconds = i32::try_from(sign * seconds).ok()?;
        let name = if seconds == 0 { "UTC" } else { "" };
        self.offset = Some(Offset { seconds, name: Box::from(name) });
        Some(rest)
    }

    fn time(mut self) -> Option<Time> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let in_range = (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second)
            && self.month.is_none_or(|month| (1..=12).contains(&month));
        if !in_range {
            return None;
        }
        let days = if let Some(year_day) = self.year_day {
            let days = days_from_civil(self.year, 1, 1) + year_day - 1;
            let (year, month, day) = civil(days);
            let fits = year == self.year
                && self.month.is_none_or(|m| m == month)
                && self.day.is_none_or(|d| d == day);
            fits.then_some(days)?
        } else {
            let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
            let days = days_from_civil(self.year, month, day);
            // A day that the month does not have would be one of the next month.
            (civil(days) == (self.year, month, day)).then_some(days)?
        };
        let local = days * 86_400 + self.hour * 3600 + self.minute * 60 + self.second;
        let offset = self.offset.unwrap_or_else(|| Offset { seconds: 0, name: Box::from("UTC") });
        let place = if &*offset.name == "UTC" { Place::Utc } else { Place::Fixed(offset.clone()) };
        Some(Time::at(local - i64::from(offset.seconds), self.nanos).seen_from(place))
    }
}
