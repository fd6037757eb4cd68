//! Numbers as Go reads and writes them.

use std::fmt::Write as _;

use super::ast::Number;

/// A number literal of a template.
pub fn literal(text: &str) -> Option<Number> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let hex = body.get(..2).is_some_and(|p| p.eq_ignore_ascii_case("0x"));
    let looks_like_float =
        if hex { body.contains(['p', 'P', '.']) } else { body.contains(['.', 'e', 'E', 'p', 'P']) };
    if !looks_like_float {
        let int = parse_int(text)?;
        return Some(Number { int: Some(int), float: to_float(int), is_float: false });
    }
    let float = parse_float(&without_underscores(text)?)?;
    Some(Number { int: whole(float), float, is_float: true })
}

/// The integer that a float is, where it is one.
fn whole(float: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    (float.fract() == 0.0 && (-LIMIT..LIMIT).contains(&float)).then_some(float as i64)
}

#[expect(clippy::cast_precision_loss, reason = "what Go's conversion does")]
pub fn to_float(int: i64) -> f64 {
    int as f64
}

/// What Go's `int64(f)` gives, except that out of range means the nearest end instead of anything.
#[expect(clippy::cast_possible_truncation, reason = "`as` truncates and saturates, as wanted")]
pub fn to_int(float: f64) -> i64 {
    float as i64
}

/// Go's `strconv.ParseInt(s, 0, 64)`: prefixes `0x`, `0o`, `0b`, `0`, and underscores between digits.
pub fn parse_int(text: &str) -> Option<i64> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let prefix = body.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (radix, digits) = match prefix.as_str() {
        "0x" => (16, body.get(2..)?),
        "0o" => (8, body.get(2..)?),
        "0b" => (2, body.get(2..)?),
        _ if body.len() > 1 && body.starts_with('0') => (8, body.get(1..)?),
        _ => (10, body),
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    // Without a prefix the first character has to be a digit.
    if radix == 10 && digits.starts_with('_') {
        return None;
    }
    let magnitude = u64::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

fn without_underscores(text: &str) -> Option<String> {
    let ok = !text.contains("__") && !text.ends_with('_') && !text.contains("_.") && !text.contains("._");
    ok.then(|| text.replace('_', ""))
}

/// Go's `strconv.ParseFloat(s, 64)`, hexadecimal forms included.
pub fn parse_float(text: &str) -> Option<f64> {
    let (sign, body) = match text.as_bytes().first()? {
        b'-' => (-1.0, text.get(1..)?),
        b'+' => (1.0, text.get(1..)?),
        _ => (1.0, text),
    };
    if let Some(hex) = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
        return parse_hex_float(hex).map(|f| sign * f);
    }
    let number = body.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let named = ["inf", "infinity", "nan"].iter().any(|n| body.eq_ignore_ascii_case(n));
    if !number && !named {
        return None;
    }
    let value: f64 = body.parse().ok()?;
    (named || value.is_finite()).then_some(sign * value)
}

fn parse_hex_float(hex: &str) -> Option<f64> {
    let (mantissa, exponent) = hex.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(part.chars()) {
        value = value.mul_add(16.0, f64::from(digit.to_digit(16)?));
    }
    let places = i32::try_from(part.len()).ok()?;
    let shift = exponent.checked_sub(places.checked_mul(4)?)?;
    let value = value * 2.0_f64.powi(shift);
    value.is_finite().then_some(value)
}

/// Shortest digits that read back as the same number, and the decimal exponent of the first of them.
fn shortest(float: f64) -> (String, i32) {
    split_scientific(&format!("{:e}", float.abs()))
}

fn split_scientific(text: &str) -> (String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// A float as Go's `%v` writes it: the shortest digits, with an exponent below 10⁻⁴ and from 10⁶ on.
pub fn write_float(out: &mut String, float: f64) {
    format_float(out, float, b'g', None);
}

/// Go's `strconv.FormatFloat(f, format, precision, 64)` for `e`, `f` and `g` in either case; no precision
/// means the shortest digits.
pub fn format_float(out: &mut String, float: f64, format: u8, precision: Option<usize>) {
    if float.is_nan() {
        out.push_str("NaN");
        return;
    }
    if float.is_sign_negative() {
        out.push('-');
    }
    if float.is_infinite() {
        if float > 0.0 {
            out.push('+');
        }
        out.push_str("Inf");
        return;
    }
    let upper = format.is_ascii_uppercase();
    match (format.to_ascii_lowercase(), precision) {
        (b'f', Some(precision)) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{:.*}", precision, float.abs());
        }
        (b'f', None) => {
            let (digits, exponent) = shortest(float);
            push_plain(out, &digits, exponent);
        }
        (b'e', _) => {
            let text = match precision {
                Some(precision) => format!("{:.*e}", precision, float.abs()),
                None => format!("{:e}", float.abs()),
            };
            let (digits, exponent) = split_scientific(&text);
            push_scientific(out, &digits, exponent, upper);
        }
        (_, precision) => {
            // `g`: as many significant digits as asked for, without trailing zeros.
            let (digits, exponent, threshold) = match precision {
                None => {
                    let (digits, exponent) = shortest(float);
                    (digits, exponent, 6)
                }
                Some(precision) => {
                    let wanted = precision.max(1);
                    let (digits, exponent) = split_scientific(&format!("{:.*e}", wanted - 1, float.abs()));
                    let short = digits.trim_end_matches('0');
                    let short = if short.is_empty() { "0" } else { short }.to_owned();
                    let count = i32::try_from(short.len()).unwrap_or(i32::MAX);
                    let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
                    let threshold = if wanted > count && count > exponent { count } else { wanted };
                    (short, exponent, threshold)
                }
            };
            if exponent < -4 || exponent >= threshold {
                push_scientific(out, &digits, exponent, upper);
            } else {
                push_plain(out, &digits, exponent);
            }
        }
    }
}

fn push_plain(out: &mut String, digits: &str, exponent: i32) {
    if exponent < 0 {
        out.push_str("0.");
        for _ in 1..exponent.unsigned_abs() {
            out.push('0');
        }
        out.push_str(digits);
        return;
    }
    let before = exponent.unsigned_abs() as usize + 1;
    match digits.split_at_checked(before) {
        Some((whole, "")) => out.push_str(whole),
        Some((whole, part)) => {
            out.push_str(whole);
            out.push('.');
            out.push_str(part);
        }
        None => {
            out.push_str(digits);
            for _ in digits.len()..before {
                out.push('0');
            }
        }
    }
}

fn push_scientific(out: &mut String, digits: &str, exponent: i32, upper: bool) {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out.push(if upper { 'E' } else { 'e' });
    out.push(if exponent < 0 { '-' } else { '+' });
    let magnitude = exponent.unsigned_abs();
    if magnitude < 10 {
        out.push('0');
    }
    out.push_str(&magnitude.to_string());
}

/// A float as Go's `encoding/json` writes it (the form of ECMA-262); `None` for what JSON has no form for.
pub fn write_json_float(out: &mut String, float: f64) -> Option<()> {
    if !float.is_finite() {
        return None;
    }
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let start = out.len();
        format_float(out, float, b'e', None);
        // e-09 becomes e-9; e+21 stays.
        if let Some(at) = out.get(start..).and_then(|t| t.rfind("e-0")) {
            out.remove(start + at + 2);
        }
    } else {
        format_float(out, float, b'f', None);
    }
    Some(())
}
