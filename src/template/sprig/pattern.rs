//! Patterns of the regex functions: Go's RE2 syntax as the `regex` crate understands it.
//!
//! Both have the same roots and differ in little: what `\d`, `\w`, `\s` and `\b` stand for, what has a
//! meaning inside of brackets, and a few escapes.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};

/// Longer patterns are refused.
const MAX_PATTERN: usize = 4 << 10;
/// No compiled pattern may take more memory, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// Whether the first argument of a function is a pattern.
pub fn is_taken_by(function: &str) -> bool {
    let name = function.strip_prefix("mustR").or_else(|| function.strip_prefix('r'));
    name.is_some_and(|name| name.starts_with("egex")) && function != "regexQuoteMeta"
}

/// Compiles a pattern; the reason is for the author of the template.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("it is longer than {MAX_PATTERN} bytes"));
    }
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated).size_limit(MAX_COMPILED).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        // The last line says what is wrong, those before show a pattern that nobody wrote.
        error => error
            .to_string()
            .lines()
            .last()
            .map(|line| line.trim_start_matches("error: ").to_owned())
            .unwrap_or_default(),
    })
}

fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        match c {
            '\\' => rest = escape(rest, &mut out, false)?,
            '[' => rest = class(rest, &mut out)?,
            '(' if rest.starts_with("(?") => {
                check_flags(rest)?;
                out.push('(');
                rest = rest.get(1..).unwrap_or_default();
            }
            '{' if !is_repetition(rest) => {
                out.push_str("\\{");
                rest = rest.get(1..).unwrap_or_default();
            }
            c => {
                out.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    Ok(out)
}

/// `{n}`, `{n,}` or `{n,m}`; any other brace is itself.
fn is_repetition(text: &str) -> bool {
    let inside = text.get(1..).and_then(|t| t.split_once('}')).map_or("", |(inside, _)| inside);
    let (low, high) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

/// Groups may be named or set `i`, `m`, `s` and `U`; there are no others in Go.
fn check_flags(text: &str) -> Result<(), String> {
    let flags = text.get(2..).unwrap_or_default();
    if flags.starts_with("P<")
        || (flags.starts_with('<') && !flags.starts_with("<=") && !flags.starts_with("<!"))
    {
        return Ok(());
    }
    let flags = flags.split([':', ')']).next().unwrap_or_default();
    if flags.chars().all(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-')) {
        return Ok(());
    }
    Err("this kind of group is not known; there is no look-around".to_owned())
}

/// One escape; gives what is behind it.
fn escape<'p>(text: &'p str, out: &mut String, in_class: bool) -> Result<&'p str, String> {
    let Some(c) = text.chars().nth(1) else { return Err("it ends in a backslash".to_owned()) };
    let behind = text.get(1 + c.len_utf8()..).unwrap_or_default();
    let set = match c {
        'd' | 'D' => "0-9",
        'w' | 'W' => "0-9A-Za-z_",
        's' | 'S' => "\\t\\n\\f\\r ",
        _ => "",
    };
    if !set.is_empty() {
        let (open, close) = match (c.is_ascii_uppercase(), in_class) {
            (true, _) => ("[^", "]"),
            (false, true) => ("", ""),
            (false, false) => ("[", "]"),
        };
        out.extend([open, set, close]);
        return Ok(behind);
    }
    match c {
        'b' if !in_class => out.push_str("(?-u:\\b)"),
        'Q' => {
            let (quoted, behind) = behind.split_once("\\E").unwrap_or((behind, ""));
            out.push_str(&regex::escape(quoted));
            return Ok(behind);
        }
        '0'..='7' => {
            let len = text
                .get(1..)
                .map_or(0, |t| t.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count());
            if c != '0' && len == 1 {
                return Err("there are no back-references".to_owned());
            }
            let digits = text.get(1..=len).unwrap_or_default();
            let code = u32::from_str_radix(digits, 8).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{{{code:x}}}");
            return Ok(text.get(len + 1..).unwrap_or_default());
        }
        'C' => return Err("`\\C` is not supported".to_owned()),
        '<' | '>' => out.push(c),
        c => {
            out.push('\\');
            out.push(c);
        }
    }
    Ok(behind)
}

/// A bracket expression; gives what is behind it.
fn class<'p>(text: &'p str, out: &mut String) -> Result<&'p str, String> {
    out.push('[');
    let mut rest = text.get(1..).unwrap_or_default();
    if let Some(behind) = rest.strip_prefix('^') {
        out.push('^');
        rest = behind;
    }
    let mut first = true;
    let mut before = '\0';
    while let Some(c) = rest.chars().next() {
        match c {
            ']' if !first => {
                out.push(']');
                return Ok(rest.get(1..).unwrap_or_default());
            }
            '[' if rest.starts_with("[:") && rest.contains(":]") => {
                let (name, behind) = rest.split_once(":]").unwrap_or((rest, ""));
                out.push_str(name);
                out.push_str(":]");
                rest = behind;
            }
            '\\' => rest = escape(rest, out, true)?,
            ']' | '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
                rest = rest.get(1..).unwrap_or_default();
            }
            '-' => {
                out.push_str(if before == '-' { "\\-" } else { "-" });
                rest = rest.get(1..).unwrap_or_default();
            }
            c => {
                out.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
        first = false;
        before = c;
    }
    Err("a `[` is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_go_takes_them_for() {
        for (pattern, text, want) in [
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^\w+$", "é", false),
            (r"\bx", "éx", true),
            (r"^[\w.-]+$", "a.b-c_1", true),
            (r"^[\W]$", "é", true),
            (r"^[]a]+$", "]a", true),
            (r"^[[a]+$", "[a", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[+--]+$", ",", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^a{,2}$", "a{,2}", true),
            (r"^a{2}$", "aa", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^\101$", "A", true),
            (r"^\<a\>$", "<a>", true),
            (r"(?i)^ABC$", "abc", true),
            (r"^(?P<x>a)$", "a", true),
        ] {
            let regex = compile(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
            assert_eq!(regex.is_match(text), want, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_go_does_not_know_is_refused() {
        for pattern in [r"(?=a)", r"(?<!a)", r"(a)\1", r"(?x) a", r"a\", r"[a", r"(", r"\C"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert!(compile(&"a".repeat(5000)).is_err());
        assert!(compile("((a{100}){100}){100}").is_err());
    }

    #[test]
    fn the_functions_that_take_a_pattern_are_known() {
        for (name, want) in
            [("regexMatch", true), ("mustRegexFind", true), ("regexQuoteMeta", false), ("replace", false)]
        {
            assert_eq!(is_taken_by(name), want, "{name}");
        }
    }
}
