//! Durations and sizes, as configurations write them.

use std::time::Duration;

/// The longest duration that Oathkeeper can hold: what fits in a signed count of nanoseconds.
const LONGEST: u64 = i64::MAX.unsigned_abs();

/// Reads a duration of one unit: `500ms`, `30s`, `15m`, `1h`. `None` for anything else, also for more than
/// 292 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let nanoseconds = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let total = number.parse::<u64>().ok()?.checked_mul(nanoseconds)?;
    (total <= LONGEST).then(|| Duration::from_nanos(total))
}

/// Reads a size in bytes: `1048576`, `64kB`, `16MiB`. `None` for anything else, also for what does not fit.
pub fn parse_bytes(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_one_unit() {
        for (text, expected) in [
            ("1ns", Some(Duration::from_nanos(1))),
            ("2us", Some(Duration::from_micros(2))),
            ("100ms", Some(Duration::from_millis(100))),
            ("0s", Some(Duration::ZERO)),
            ("15m", Some(Duration::from_secs(900))),
            ("2h", Some(Duration::from_secs(7200))),
            ("1m30s", None),
            ("1.5s", None),
            ("5", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("1d", None),
            ("2562047h", Some(Duration::from_secs(2_562_047 * 3600))),
            ("2562048h", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn a_size_may_have_a_unit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("512B", Some(512)),
            ("64kB", Some(64_000)),
            ("64KiB", Some(65_536)),
            ("16MiB", Some(16 << 20)),
            ("1GB", Some(1_000_000_000)),
            ("16 MiB", None),
            ("MiB", None),
            ("", None),
            ("-1", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_bytes(text), expected, "{text}");
        }
    }
}
