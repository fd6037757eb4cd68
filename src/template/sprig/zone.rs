//! Time zones, from this machine's zoneinfo files (RFC 8536).

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::time::{civil, days_from_civil};

const ZONEINFO: &str = "/usr/share/zoneinfo";
/// So many zones are kept; there are a few hundred.
const MAX_ZONES: usize = 1000;
/// Zone files are a few kilobytes.
const MAX_FILE: usize = 64 << 10;

/// A zone's offset from UTC in seconds, with its short name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offset {
    pub seconds: i32,
    pub name: Box<str>,
}

/// The offsets of a zone over time.
#[derive(Debug, PartialEq, Eq)]
pub struct Zone {
    /// Since when (seconds since 1970) each offset holds, by index.
    changes: Vec<(i64, usize)>,
    offsets: Vec<Offset>,
    /// What holds behind the last change.
    rule: Option<Rule>,
}

/// A POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    standard: Offset,
    summer: Option<(Offset, Day, Day)>,
}

/// A day of the year and a time on it, in seconds of local time.
#[derive(Debug, PartialEq, Eq)]
struct Day {
    kind: DayKind,
    at: i64,
}

#[derive(Debug, PartialEq, Eq)]
enum DayKind {
    /// 1 to 365, February 29 never counted.
    WithoutLeap(i64),
    /// 0 to 365.
    Plain(i64),
    /// Month, week (5 is the last), weekday (0 is Sunday).
    Weekday(i64, i64, i64),
}

/// Zones by name, those that are not there as well.
type Zones = HashMap<Box<str>, Option<Arc<Zone>>>;

static ZONES: LazyLock<RwLock<Zones>> = LazyLock::new(RwLock::default);

/// The zone of a name such as `Europe/Berlin`; `None` where this machine has no such zone.
pub fn named(name: &str) -> Option<Arc<Zone>> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
    if name.is_empty() || name.len() > 64 || name.starts_with('/') || !name.bytes().all(valid) {
        return None;
    }
    if let Some(known) = ZONES.read().unwrap_or_else(PoisonError::into_inner).get(name) {
        return known.clone();
    }
    let zone = read(&Path::new(ZONEINFO).join(name)).map(Arc::new);
    let mut zones = ZONES.write().unwrap_or_else(PoisonError::into_inner);
    if zones.len() < MAX_ZONES {
        zones.insert(Box::from(name), zone.clone());
    }
    zone
}

fn read(path: &Path) -> Option<Zone> {
    let bytes = std::fs::read(path).ok()?;
    if bytes.len() > MAX_FILE { None } else { parse(&bytes) }
}

/// Reads integers off the front of a file.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn u32(&mut self) -> Option<usize> {
        let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn u8(&mut self) -> Option<usize> {
        self.take(1)?.first().copied().map(usize::from)
    }
}

struct Counts {
    version: usize,
    utc: usize,
    standard: usize,
    leap: usize,
    changes: usize,
    types: usize,
    chars: usize,
}

fn header(reader: &mut Reader<'_>) -> Option<Counts> {
    if reader.take(4)? != b"TZif" {
        return None;
    }
    let version = reader.u8()?;
    reader.take(15)?;
    Some(Counts {
        version,
        utc: reader.u32()?,
        standard: reader.u32()?,
        leap: reader.u32()?,
        changes: reader.u32()?,
        types: reader.u32()?,
        chars: reader.u32()?,
    })
}

fn parse(bytes: &[u8]) -> Option<Zone> {
    let mut reader = Reader(bytes);
    let old = header(&mut reader)?;
    if old.version < usize::from(b'2') {
        return None;
    }
    // The part with short numbers is skipped.
    reader.take(old.changes * 5 + old.types * 6 + old.chars + old.leap * 8 + old.standard + old.utc)?;
    let counts = header(&mut reader)?;
    let times = (0..counts.changes).map(|_| reader.i64()).collect::<Option<Vec<_>>>()?;
    let kinds = (0..counts.changes).map(|_| reader.u8()).collect::<Option<Vec<_>>>()?;
    let types = (0..counts.types)
        .map(|_| {
            let seconds = reader.i32()?;
            reader.u8()?;
            Some((seconds, reader.u8()?))
        })
        .collect::<Option<Vec<_>>>()?;
    let chars = reader.take(counts.chars)?;
    let offsets = types
        .into_iter()
        .map(|(seconds, at)| {
            let name = chars.get(at..)?.split(|b| *b == 0).next()?;
            Some(Offset { seconds, name: std::str::from_utf8(name).ok()?.into() })
        })
        .collect::<Option<Vec<_>>>()?;
    if offsets.is_empty() || kinds.iter().any(|kind| *kind >= offsets.len()) {
        return None;
    }
    reader.take(counts.leap * 12 + counts.standard + counts.utc)?;
    let footer = std::str::from_utf8(reader.0).ok()?.trim_matches('\n');
    Some(Zone { changes: times.into_iter().zip(kinds).collect(), offsets, rule: rule(footer) })
}

impl Zone {
    /// The offset at a moment.
    pub fn at(&self, unix: i64) -> Offset {
        let next = self.changes.partition_point(|(since, _)| *since <= unix);
        if next == self.changes.len()
            && let Some(rule) = &self.rule
        {
            return rule.at(unix);
        }
        let current =
            next.checked_sub(1).and_then(|index| self.changes.get(index)).map_or(0, |(_, kind)| *kind);
        self.offsets.get(current).cloned().unwrap_or_else(|| Offset { seconds: 0, name: Box::from("UTC") })
    }
}

/// Takes a number with an optional sign off the front.
fn number(text: &mut &str) -> Option<i64> {
    let sign = text.starts_with(['-', '+']);
    let end = text.get(usize::from(sign)..)?.find(|c: char| !c.is_ascii_digit());
    let end = end.map_or(text.len(), |end| end + usize::from(sign));
    let (digits, rest) = text.split_at_checked(end)?;
    let value = digits.strip_prefix('+').unwrap_or(digits).parse().ok()?;
    *text = rest;
    Some(value)
}

/// `h[:mm[:ss]]` in seconds.
fn clock(text: &mut &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let mut seconds = number(text)?.abs() * 3600;
    for unit in [60, 1] {
        if let Some(rest) = text.strip_prefix(':') {
            *text = rest;
            seconds += number(text)? * unit;
        }
    }
    Some(if negative { -seconds } else { seconds })
}

fn zone_name(text: &mut &str) -> Option<Box<str>> {
    let (name, rest) = if let Some(quoted) = text.strip_prefix('<') {
        quoted.split_once('>')?
    } else {
        let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
        text.split_at_checked(end)?
    };
    *text = rest;
    Some(name.into())
}

fn rule(text: &str) -> Option<Rule> {
    let mut text = text;
    let name = zone_name(&mut text)?;
    // POSIX counts west of Greenwich as positive.
    let seconds = i32::try_from(-clock(&mut text)?).ok()?;
    let standard = Offset { seconds, name };
    if text.is_empty() {
        return Some(Rule { standard, summer: None });
    }
    let name = zone_name(&mut text)?;
    let seconds = if text.starts_with(',') {
        standard.seconds.checked_add(3600)?
    } else {
        i32::try_from(-clock(&mut text)?).ok()?
    };
    let (start, end) = (day(&mut text)?, day(&mut text)?);
    Some(Rule { standard, summer: Some((Offset { seconds, name }, start, end)) })
}

fn day(text: &mut &str) -> Option<Day> {
    *text = text.strip_prefix(',')?;
    let kind = if let Some(rest) = text.strip_prefix('M') {
        *text = rest;
        let month = number(text)?;
        *text = text.strip_prefix('.')?;
        let week = number(text)?;
        *text = text.strip_prefix('.')?;
        DayKind::Weekday(month, week, number(text)?)
    } else if let Some(rest) = text.strip_prefix('J') {
        *text = rest;
        DayKind::WithoutLeap(number(text)?)
    } else {
        DayKind::Plain(number(text)?)
    };
    let at = match text.strip_prefix('/') {
        Some(rest) => {
            *text = rest;
            clock(text)?
        }
        None => 2 * 3600,
    };
    Some(Day { kind, at })
}

impl Day {
    /// Seconds since 1970 of this day's moment in a year, as if local time were UTC.
    fn in_year(&self, year: i64) -> i64 {
        let first = days_from_civil(year, 1, 1);
        let leap = days_from_civil(year, 3, 1) - days_from_civil(year, 2, 1) == 29;
        let days = match self.kind {
            DayKind::Plain(day) => first + day,
            DayKind::WithoutLeap(day) => first + day - 1 + i64::from(leap && day >= 60),
            DayKind::Weekday(month, week, weekday) => {
                let start = days_from_civil(year, month, 1);
                // 1970-01-01 was a Thursday.
                let first = start + (weekday - (start + 4)).rem_euclid(7);
                let next_month = if month == 12 {
                    days_from_civil(year + 1, 1, 1)
                } else {
                    days_from_civil(year, month + 1, 1)
                };
                let wanted = first + (week - 1) * 7;
                if wanted >= next_month { wanted - 7 } else { wanted }
            }
        };
        days * 86_400 + self.at
    }
}

impl Rule {
    fn at(&self, unix: i64) -> Offset {
        let Some((summer, start, end)) = &self.summer else { return self.standard.clone() };
        let (year, _, _) = civil(unix.saturating_add(i64::from(self.standard.seconds)).div_euclid(86_400));
        let start = start.in_year(year) - i64::from(self.standard.seconds);
        let end = end.in_year(year) - i64::from(summer.seconds);
        let is_summer = if start < end { start <= unix && unix < end } else { unix < end || start <= unix };
        if is_summer { summer.clone() } else { self.standard.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_tell_summer_from_winter() {
        for (text, unix, want) in [
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_774_745_999, "CET"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_774_746_000, "CEST"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_792_889_999, "CEST"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 1_792_890_000, "CET"),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_767_225_600, "AEDT"),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", 1_782_864_000, "AEST"),
            ("<+03>-3", 1_782_864_000, "+03"),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", 1_767_225_600, "GMT"),
        ] {
            let rule = rule(text).unwrap_or_else(|| panic!("{text} does not read"));
            assert_eq!(&*rule.at(unix).name, want, "{text} at {unix}");
        }
    }

    #[test]
    fn names_cannot_leave_the_folder_of_zones() {
        for name in ["../../etc/passwd", "/etc/passwd", "", "a.b", "x\0y"] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn broken_files_are_no_zones() {
        for bytes in [&b""[..], b"TZif", b"TZif2aaaaaaaaaaaaaaa\xff\xff\xff\xff", &[0; 100]] {
            assert_eq!(parse(bytes), None);
        }
    }
}
