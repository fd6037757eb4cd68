//! Moments in time.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::layout;
use super::zone::{Offset, Zone};
use crate::template::go::function::Args;
use crate::template::go::value::{Answer, Fault, Value};

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

/// A moment of the machine's clock in UTC, to the second (RFC 3339).
pub fn rfc3339(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::at(i64::try_from(since.as_secs()).unwrap_or(0), 0).rfc3339()
}

/// A moment's parts at its place.
pub struct Parts {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub weekday: usize,
    pub year_day: i64,
    pub offset: Offset,
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

    /// A moment so many years, months and days later; days that a month does not have run over.
    fn plus_date(&self, years: i64, months: i64, days: i64) -> Self {
        let parts = self.parts();
        let months = (parts.month - 1).saturating_add(months);
        let year = parts.year.saturating_add(years).saturating_add(months.div_euclid(12));
        if !(0..10_000).contains(&year) {
            return Self::zero();
        }
        let first = days_from_civil(year, months.rem_euclid(12) + 1, 1);
        let day = first.saturating_add(parts.day - 1).saturating_add(days);
        let local =
            day.saturating_mul(86_400).saturating_add((parts.hour * 60 + parts.minute) * 60 + parts.second);
        let unix = local.saturating_sub(i64::from(parts.offset.seconds));
        Self { place: self.place.clone(), ..Self::at(unix, self.nanos) }
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
        layout::format(layout, &self.parts(), self.nanos)
    }

    /// A text read by a layout; what the layout leaves open is UTC.
    pub fn parse(layout: &str, text: &str) -> Option<Self> {
        let read = layout::parse(layout, text)?;
        let offset = read.offset.unwrap_or_else(|| Offset { seconds: 0, name: Box::from("UTC") });
        let unix = read.local - i64::from(offset.seconds);
        let place = if &*offset.name == "UTC" { Place::Utc } else { Place::Fixed(offset) };
        Some(Self::at(unix, read.nanos).seen_from(place))
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
            "UnixMicro" => long(self.total().div_euclid(1_000)),
            "UnixNano" => long(self.total()),
            "Nanosecond" => Value::Int(i64::from(self.nanos)),
            "AddDate" => Value::Time(Rc::new(self.plus_date(args.int(0), args.int(1), args.int(2)))),
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
