//! Durations as Oathkeeper writes them: one whole number with one unit.

use std::time::Duration;

/// JSON Schema pattern of a duration.
pub const PATTERN: &str = "^[0-9]+(ns|us|ms|s|m|h)$";

/// Reads `15m`, `500ms` and the like; `None` for anything else, and for more than fits.
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ns" => Some(Duration::from_nanos(number)),
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_and_one_unit() {
        for (text, want) in [
            ("7ns", Some(Duration::from_nanos(7))),
            ("7us", Some(Duration::from_micros(7))),
            ("1500ms", Some(Duration::from_millis(1500))),
            ("0s", Some(Duration::ZERO)),
            ("15m", Some(Duration::from_secs(900))),
            ("48h", Some(Duration::from_secs(172_800))),
            ("1m30s", None),
            ("1.5h", None),
            ("-1s", None),
            ("s", None),
            ("15", None),
            ("", None),
            ("1 s", None),
            ("1d", None),
            ("99999999999999999999s", None),
            ("9999999999999999999h", None),
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
    }
}
