//! Layouts: how Go's `time` package spells the form of a date.

use std::fmt::Write as _;

use super::time::{Parts, civil, days_from_civil};
use super::zone::Offset;

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

/// A moment by a layout.
pub fn format(layout: &str, parts: &Parts, nanos: u32) -> String {
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while let Some((prefix, piece, suffix)) = next_piece(rest) {
        out.push_str(prefix);
        push(&mut out, parts, nanos, piece);
        rest = suffix;
    }
    out.push_str(rest);
    out
}

/// What a text says by a layout.
pub struct Moment {
    /// Seconds since 1970 of local time.
    pub local: i64,
    pub nanos: u32,
    pub offset: Option<Offset>,
}

/// Reads a text by a layout.
pub fn parse(layout: &str, text: &str) -> Option<Moment> {
    let mut read = Reading::default();
    let mut rest = layout;
    let mut text = text;
    while let Some((prefix, piece, suffix)) = next_piece(rest) {
        text = skip(text, prefix)?;
        text = read.piece(piece, text, suffix)?;
        rest = suffix;
    }
    skip(text, rest)?.is_empty().then_some(())?;
    read.moment()
}

fn push(out: &mut String, parts: &Parts, nanos: u32, piece: Piece) {
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
            let all = format!("{nanos:09}");
            let all = format!("{all:0<digits$}");
            let shown = all.get(..digits).unwrap_or(&all);
            let shown = if trims { shown.trim_end_matches('0') } else { shown };
            if shown.is_empty() { String::new() } else { format!("{mark}{shown}") }
        }
    };
    out.push_str(&text);
}

/// How an offset is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are free of each other")]
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
    for (wanted, number) in [(form.minutes, all / 60 % 60), (form.seconds, all % 60)] {
        if wanted {
            // Writing to a String cannot fail.
            let _ = write!(out, "{colon}{number:02}");
        }
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

/// An offset by the letters of what it has: `z` for `Z`, `c` for colons, `m` for minutes, `s` for seconds.
const fn offset(parts: &[u8]) -> Piece {
    const fn has(parts: &[u8], part: u8) -> bool {
        matches!(parts, [first, ..] if *first == part)
            || matches!(parts, [_, second, ..] if *second == part)
            || matches!(parts, [_, _, third, ..] if *third == part)
            || matches!(parts, [_, _, _, fourth] if *fourth == part)
    }
    Piece::Offset(OffsetForm {
        zulu: has(parts, b'z'),
        colon: has(parts, b'c'),
        minutes: has(parts, b'm'),
        seconds: has(parts, b's'),
    })
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
    ("-070000", offset(b"ms")),
    ("-07:00:00", offset(b"cms")),
    ("-0700", offset(b"m")),
    ("-07:00", offset(b"cm")),
    ("-07", offset(b"")),
    ("Z070000", offset(b"zms")),
    ("Z07:00:00", offset(b"zcms")),
    ("Z0700", offset(b"zm")),
    ("Z07:00", offset(b"zcm")),
    ("Z07", offset(b"z")),
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

    fn moment(mut self) -> Option<Moment> {
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
        Some(Moment { local, nanos: self.nanos, offset: self.offset })
    }
}
