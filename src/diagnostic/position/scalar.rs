//! Where a byte of a string's text stands in the document: the way each notation is decoded, with the
//! places kept.

use std::ops::Range;

use super::tree::Style;

/// A decoded string that remembers where each of its bytes came from.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub text: String,
    /// For each byte of `text`: the raw bytes it was written with.
    from: Vec<(usize, usize)>,
}

/// The raw bytes that stand for `span` of the decoded text; `None` where that cannot be told for sure.
pub(super) fn raw_range(
    style: Style,
    raw: &str,
    decoded: &str,
    span: (usize, usize),
) -> Option<Range<usize>> {
    let mut own = decode(style, raw);
    if matches!(style, Style::Literal | Style::Folded) {
        // The header before the text says how many line ends to keep; whoever decoded it knows.
        let kept = decoded.trim_end_matches('\n').len();
        if own.text.trim_end_matches('\n').len() == kept {
            own.text.truncate(kept);
        }
        if own.text != decoded.get(..kept)? {
            return None;
        }
    } else if own.text != decoded {
        return None;
    }
    let (start, end) = (span.0.min(own.text.len()), span.1.min(own.text.len()));
    if start < end {
        Some(own.from.get(start)?.0..own.from.get(end - 1)?.1)
    } else if let Some((at, _)) = own.from.get(start).filter(|_| start < own.text.len()) {
        Some(*at..*at)
    } else {
        let at = start.checked_sub(1).and_then(|last| own.from.get(last)).map_or(0, |(_, end)| *end);
        Some(at..at)
    }
}

/// Decodes a string as its notation asks. Best effort: the caller compares with what the real parser made
/// of it before it relies on the places.
pub(super) fn decode(style: Style, raw: &str) -> Decoded {
    match style {
        Style::Plain => flow(raw, 0..raw.len(), Quotes::None),
        Style::Single => flow(raw, inside(raw, 1), Quotes::Single),
        Style::Double => flow(raw, inside(raw, 1), Quotes::Double),
        Style::Literal => block(raw, false),
        Style::Folded => block(raw, true),
        Style::Json => escaped(raw, inside(raw, 1), json_escape),
        Style::Toml => toml(raw),
    }
}

impl Decoded {
    fn push(&mut self, c: char, from: Range<usize>) {
        self.text.push(c);
        self.from.extend(std::iter::repeat_n((from.start, from.end), c.len_utf8()));
    }

    /// Takes blanks off the end that were written as blanks, back to `floor`.
    fn trim_blanks(&mut self, floor: usize) {
        while self.text.len() > floor && self.text.ends_with([' ', '\t']) {
            self.text.pop();
            self.from.pop();
        }
    }
}

/// The range between `width` quotes on either side.
fn inside(raw: &str, width: usize) -> Range<usize> {
    let start = width.min(raw.len());
    start..raw.len().saturating_sub(width).max(start)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

/// YAML's one-line styles (YAML 1.2.2, 7.3), whose lines are folded when there are several.
fn flow(raw: &str, range: Range<usize>, quotes: Quotes) -> Decoded {
    let mut decoded = Decoded::default();
    let mut at = range.start;
    // Blanks before this length are content, not indentation or trailing space.
    let mut floor = 0;
    while at < range.end {
        let Some(rest) = raw.get(at..range.end) else { break };
        let Some(c) = rest.chars().next() else { break };
        let length = c.len_utf8();
        match c {
            '\'' if quotes == Quotes::Single && rest.starts_with("''") => {
                decoded.push('\'', at..at + 2);
                at += 2;
            }
            '\\' if quotes == Quotes::Double => {
                let (text, length) = yaml_escape(rest);
                if let Some(c) = text {
                    decoded.push(c, at..at + length);
                    at += length;
                } else {
                    // An escaped line end joins the lines without a space.
                    at += length;
                    let next = raw.get(at..range.end).unwrap_or_default();
                    at += next.len() - next.trim_start_matches([' ', '\t']).len();
                }
                floor = decoded.text.len();
            }
            '\n' | '\r' => {
                decoded.trim_blanks(floor);
                let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
                let lines = rest.get(..blank).unwrap_or_default().matches('\n').count();
                if lines == 1 {
                    decoded.push(' ', at..at + length);
                } else {
                    for _ in 1..lines {
                        decoded.push('\n', at..at + length);
                    }
                }
                floor = decoded.text.len();
                at += blank;
            }
            _ => {
                decoded.push(c, at..at + length);
                at += length;
            }
        }
    }
    decoded
}

/// YAML's block styles (YAML 1.2.2, 8.1); `raw` begins at the first letter, after its indentation.
fn block(raw: &str, fold: bool) -> Decoded {
    let mut decoded = Decoded::default();
    // The indentation is not in `raw`; the least indented further line shows it.
    let indent = raw
        .split('\n')
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start_matches(' ').len())
        .min()
        .unwrap_or(0);
    let mut at = 0;
    let mut breaks = 0;
    let mut break_at = 0..0;
    let mut after_indented = false;
    for (number, line) in raw.split('\n').enumerate() {
        let line_end = at + line.len() + 1;
        let content = line.strip_suffix('\r').unwrap_or(line);
        let blank = if fold {
            content.trim().is_empty()
        } else {
            content.trim_start_matches(' ').len() + indent <= indent
        };
        let skip =
            if number == 0 { 0 } else { indent.min(content.len() - content.trim_start_matches(' ').len()) };
        let text =
            if blank && content.len() <= indent { "" } else { content.get(skip..).unwrap_or_default() };
        if number > 0 {
            breaks += 1;
        }
        if !text.is_empty() {
            let indented = text.starts_with([' ', '\t']);
            if fold && breaks > 0 && !indented && !after_indented {
                if breaks == 1 {
                    decoded.push(' ', break_at.clone());
                }
                for _ in 1..breaks {
                    decoded.push('\n', break_at.clone());
                }
            } else {
                for _ in 0..breaks {
                    decoded.push('\n', break_at.clone());
                }
            }
            breaks = 0;
            after_indented = indented;
            let start = at + skip;
            for (offset, c) in text.char_indices() {
                decoded.push(c, start + offset..start + offset + c.len_utf8());
            }
        }
        if breaks == 0 {
            break_at = line_end.saturating_sub(1).min(raw.len())..line_end.min(raw.len());
        }
        at = line_end;
    }
    decoded
}

/// Strings whose only notation is the escape.
fn escaped(raw: &str, range: Range<usize>, escape: fn(&str) -> (Option<char>, usize)) -> Decoded {
    let mut decoded = Decoded::default();
    let mut at = range.start;
    while let Some(rest) = raw.get(at..range.end) {
        let Some(c) = rest.chars().next() else { break };
        if c == '\\' {
            let (text, length) = escape(rest);
            if let Some(c) = text {
                decoded.push(c, at..at + length);
            }
            at += length;
        } else {
            decoded.push(c, at..at + c.len_utf8());
            at += c.len_utf8();
        }
    }
    decoded
}

/// TOML's four kinds of string.
fn toml(raw: &str) -> Decoded {
    let multi_line = |quote: &str| {
        raw.starts_with(quote).then(|| {
            let mut range = inside(raw, 3);
            let text = raw.get(range.clone()).unwrap_or_default();
            range.start +=
                ["\r\n", "\n"].iter().find(|end| text.starts_with(**end)).map_or(0, |end| end.len());
            range
        })
    };
    if let Some(range) = multi_line("\"\"\"") {
        escaped(raw, range, toml_escape)
    } else if let Some(range) = multi_line("'''") {
        escaped(raw, range, |_| (Some('\\'), 1))
    } else if raw.starts_with('\'') {
        escaped(raw, inside(raw, 1), |_| (Some('\\'), 1))
    } else {
        escaped(raw, inside(raw, 1), toml_escape)
    }
}

/// The character an escape stands for and the bytes it takes; no character for an escaped line end.
fn yaml_escape(rest: &str) -> (Option<char>, usize) {
    let simple = |c| (Some(c), 2);
    match rest.as_bytes().get(1) {
        Some(b'0') => simple('\0'),
        Some(b'a') => simple('\u{7}'),
        Some(b'v') => simple('\u{b}'),
        Some(b'e') => simple('\u{1b}'),
        Some(b'N') => simple('\u{85}'),
        Some(b'_') => simple('\u{a0}'),
        Some(b'L') => simple('\u{2028}'),
        Some(b'P') => simple('\u{2029}'),
        Some(b'\r') if rest.starts_with("\\\r\n") => (None, 3),
        Some(b'\n') => (None, 2),
        Some(b'x') => hex(rest, 2),
        Some(b'U') => hex(rest, 8),
        Some(b'u') => hex(rest, 4),
        _ => common_escape(rest),
    }
}

fn toml_escape(rest: &str) -> (Option<char>, usize) {
    match rest.as_bytes().get(1) {
        Some(b'e') => (Some('\u{1b}'), 2),
        Some(b'x') => hex(rest, 2),
        Some(b'U') => hex(rest, 8),
        Some(b'u') => hex(rest, 4),
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            (None, rest.len() - rest.get(1..).unwrap_or_default().trim_start().len())
        }
        _ => common_escape(rest),
    }
}

/// JSON escapes (RFC 8259, section 7), with pairs of surrogates.
fn json_escape(rest: &str) -> (Option<char>, usize) {
    if !rest.starts_with("\\u") {
        return common_escape(rest);
    }
    let unit = |from: usize| u32::from_str_radix(rest.get(from..from + 4)?, 16).ok();
    match (unit(2), rest.get(6..8).filter(|next| *next == "\\u").and_then(|_| unit(8))) {
        (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
            (char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 12)
        }
        _ => hex(rest, 4),
    }
}

fn common_escape(rest: &str) -> (Option<char>, usize) {
    let Some(c) = rest.chars().nth(1) else { return (None, 1) };
    let text = match c {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    };
    (Some(text), 1 + c.len_utf8())
}

fn hex(rest: &str, digits: usize) -> (Option<char>, usize) {
    let code = rest.get(2..2 + digits).and_then(|text| u32::from_str_radix(text, 16).ok());
    let c = code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    let length = 2 + rest.chars().skip(2).take(digits).map(char::len_utf8).sum::<usize>();
    (Some(c), length.min(rest.len()))
}
