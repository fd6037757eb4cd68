//! Words of others in our sentences: quoted, short, and on one line.

use std::fmt::Write as _;

/// The longest piece of somebody's text that a message repeats, in characters.
const LONGEST: usize = 100;

/// A piece of what somebody wrote, in backticks, cut to a readable length, control characters escaped.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            quoted.push('…');
            break;
        }
        push_visible(&mut quoted, c);
    }
    quoted.push('`');
    quoted
}

/// A list of choices: `` `a`, `b` or `c` ``.
pub fn one_of<'c>(choices: impl IntoIterator<Item = &'c str>) -> String {
    let quoted: Vec<String> = choices.into_iter().map(quote).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// The text with everything escaped that could move a terminal's cursor or begin a new log line.
pub fn one_line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut clean, c);
    }
    clean
}

fn push_visible(out: &mut String, c: char) {
    // Besides control characters: those that turn the direction of text around.
    let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || reorders {
        let _ = write!(out, "{}", c.escape_default());
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_stay_on_one_line() {
        assert_eq!(quote("jtw"), "`jtw`");
        assert_eq!(quote("a\nerror: b\u{1b}[31m"), "`a\\nerror: b\\u{1b}[31m`");
        assert_eq!(quote(&"é".repeat(101)), format!("`{}…`", "é".repeat(100)));
        assert_eq!(one_line("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn choices_read_as_a_sentence() {
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of([]), "");
    }
}
