//! Paths in canonical form, and every way an upstream may read them.
//!
//! Canonical (RFC 3986 section 6.2.2): percent-escapes decoded, `//` and `.` collapsed, `..` resolved, no
//! trailing slash. Most paths have one reading. Where servers are known to disagree there are several:
//! an encoded slash is a separator or not, a backslash is a slash or not, a second round of decoding
//! happens or not, NUL or `#` ends the path or not, and what follows a `;` in a segment is a part of its name,
//! or parameters (RFC 3986 section 3.3) that are taken away before anything else, as servlet containers do it.

/// One reading of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath {
    /// Starts with `/`, or is empty where nothing was sent. No trailing slash but for the root itself.
    pub text: String,
    /// Whether a trailing slash was cut.
    pub trailing_slash: bool,
}

/// Why a path has no canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// `%` without two hexadecimal digits.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    MalformedEscape,
    /// Bytes that spell an ASCII character in a longer, forbidden form of UTF-8.
    #[error("the path hides an ASCII character in an overlong UTF-8 form")]
    Overlong,
    /// Escapes within escapes within escapes.
    #[error("the path is percent-encoded more than {MAX_ROUNDS} times over")]
    TooManyRounds,
    /// So long, and read in so many ways, that comparing them all would cost too much.
    #[error("the path is too long for the number of ways to read it")]
    TooManyReadings,
}

/// So many rounds of decoding are looked at; nobody has an honest use for the second.
const MAX_ROUNDS: usize = 4;
/// Bytes of all readings together: one kind of ambiguity in a path of any length, all of them in a short one.
const MAX_BYTES: usize = 256 * 1024;

/// Every reading of a raw path, the one that templates see first. Never empty.
pub fn readings(raw: &[u8]) -> Result<Vec<CanonicalPath>, Unreadable> {
    if let Some((text, trailing_slash)) = already_canonical(raw) {
        return Ok(vec![CanonicalPath { text: text.to_owned(), trailing_slash }]);
    }
    let mut found = Vec::new();
    let mut left = MAX_BYTES;
    let mut bytes = raw.to_vec();
    for round in 0..MAX_ROUNDS {
        let tokens = decode(&bytes, round == 0)?;
        collect_variants(&tokens, &mut found, &mut left)?;
        let next: Vec<u8> = tokens.iter().map(|t| t.byte).collect();
        if !tokens.iter().any(|t| t.decoded) || !has_escape(&next) {
            return Ok(found);
        }
        bytes = next;
    }
    Err(Unreadable::TooManyRounds)
}

/// The path itself without its trailing slash, and whether it had one, when there is nothing else to
/// decide: the way of nearly all requests.
pub fn already_canonical(raw: &[u8]) -> Option<(&str, bool)> {
    let mut before = 0;
    for &byte in raw {
        let special = match byte {
            b'%' | b'\\' | b'#' | b';' | 0 => true,
            b'/' | b'.' => before == b'/',
            _ => false,
        };
        if special {
            return None;
        }
        before = byte;
    }
    let text = std::str::from_utf8(raw).ok()?;
    let cut = text.strip_suffix('/').filter(|rest| !rest.is_empty());
    Some((cut.unwrap_or(text), cut.is_some()))
}

#[derive(Debug, Clone, Copy)]
struct Token {
    byte: u8,
    /// Came from a percent-escape.
    decoded: bool,
}

/// Takes one round of percent-escapes off. Only in the first round is a stray `%` an error: later rounds
/// look at text that may well hold one.
fn decode(bytes: &[u8], strict: bool) -> Result<Vec<Token>, Unreadable> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            out.push(Token { byte, decoded: false });
            continue;
        }
        match escape_value(tail) {
            Some(value) => {
                out.push(Token { byte: value, decoded: true });
                rest = tail.get(2..).unwrap_or_default();
            }
            None if strict => return Err(Unreadable::MalformedEscape),
            None => out.push(Token { byte, decoded: false }),
        }
    }
    if overlong(&out) {
        return Err(Unreadable::Overlong);
    }
    Ok(out)
}

fn escape_value(after_percent: &[u8]) -> Option<u8> {
    let (&high, &low) = (after_percent.first()?, after_percent.get(1)?);
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

fn has_escape(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().any(|(i, b)| *b == b'%' && bytes.get(i + 1..).and_then(escape_value).is_some())
}

/// An ASCII character in two bytes or more (RFC 3629 section 3): what naive decoders take for `.` or `/`.
fn overlong(tokens: &[Token]) -> bool {
    let continues = |b: u8| b & 0xC0 == 0x80;
    tokens.windows(2).any(|w| match w {
        [a, b] => match a.byte {
            0xC0 | 0xC1 => continues(b.byte),
            0xE0 => (0x80..0xA0).contains(&b.byte),
            0xF0 => (0x80..0x90).contains(&b.byte),
            // Five and six bytes, which UTF-8 once had.
            0xF8 => (0x80..0x88).contains(&b.byte),
            0xFC => (0x80..0x84).contains(&b.byte),
            _ => false,
        },
        _ => false,
    })
}

/// What is taken for what in one variant.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "four questions, each with two answers")]
struct Variant {
    encoded_slash_separates: bool,
    backslash_separates: bool,
    nul_ends: bool,
    hash_ends: bool,
    parameters: Parameters,
}

/// What is cut out of a segment.
#[derive(Clone, Copy, PartialEq)]
enum Parameters {
    None,
    /// What follows a `;` that was sent as one.
    Plain,
    /// What follows any `;`.
    All,
}

impl Parameters {
    fn begin_at(self, token: Token) -> bool {
        token.byte == b';' && (self == Self::All || (self == Self::Plain && !token.decoded))
    }
}

/// Adds what is not there yet, as long as there are bytes `left`.
fn collect_variants(
    tokens: &[Token],
    found: &mut Vec<CanonicalPath>,
    left: &mut usize,
) -> Result<(), Unreadable> {
    let both: &[bool] = &[true, false];
    let first_false: &[bool] = &[false, true];
    let only: &[bool] = &[false];
    let any = |test: &dyn Fn(&Token) -> bool| tokens.iter().any(test);
    let slashes = if any(&|t| t.decoded && t.byte == b'/') { both } else { only };
    let backslashes = if any(&|t| t.byte == b'\\') { first_false } else { only };
    let nuls = if any(&|t| t.byte == 0) { first_false } else { only };
    let hashes = if any(&|t| !t.decoded && t.byte == b'#') { first_false } else { only };
    let parameters = match (any(&|t| t.byte == b';' && !t.decoded), any(&|t| t.byte == b';' && t.decoded)) {
        (false, false) => &[Parameters::None][..],
        (true, true) => &[Parameters::None, Parameters::Plain, Parameters::All],
        _ => &[Parameters::None, Parameters::All],
    };
    for &encoded_slash_separates in slashes {
        for &backslash_separates in backslashes {
            for &nul_ends in nuls {
                for &hash_ends in hashes {
                    for &parameters in parameters {
                        *left = left.checked_sub(tokens.len()).ok_or(Unreadable::TooManyReadings)?;
                        let path = build(
                            tokens,
                            Variant {
                                encoded_slash_separates,
                                backslash_separates,
                                nul_ends,
                                hash_ends,
                                parameters,
                            },
                        );
                        if !found.contains(&path) {
                            found.push(path);
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// Splits into segments as the variant says, resolves dots and joins.
fn build(tokens: &[Token], variant: Variant) -> CanonicalPath {
    let rooted = tokens.first().is_some_and(|t| is_separator(*t, variant));
    let mut joined = Joined { rooted, bytes: Vec::with_capacity(tokens.len()), starts: Vec::new() };
    let mut segment: Vec<u8> = Vec::new();
    let mut ends_in_slash = false;
    let mut in_parameters = false;
    for &token in tokens {
        if (variant.nul_ends && token.byte == 0)
            || (variant.hash_ends && !token.decoded && token.byte == b'#')
        {
            break;
        }
        if is_separator(token, variant) {
            ends_in_slash = true;
            in_parameters = false;
            joined.push(&segment);
            segment.clear();
        } else if in_parameters || variant.parameters.begin_at(token) {
            in_parameters = true;
        } else {
            ends_in_slash = false;
            if token.decoded && token.byte == b'/' {
                segment.extend_from_slice(b"%2F");
            } else {
                segment.push(token.byte);
            }
        }
    }
    let last_is_dots = matches!(segment.as_slice(), b"." | b"..");
    joined.push(&segment);
    if joined.bytes.is_empty() && rooted {
        return CanonicalPath { text: "/".to_owned(), trailing_slash: false };
    }
    let text = String::from_utf8(joined.bytes).unwrap_or_else(|error| escaped(error.as_bytes()));
    CanonicalPath { text, trailing_slash: ends_in_slash || last_is_dots }
}

/// Segments in a row, those that were stepped out of taken away again.
struct Joined {
    rooted: bool,
    bytes: Vec<u8>,
    /// Where each segment begins, its slash included.
    starts: Vec<usize>,
}

impl Joined {
    fn push(&mut self, segment: &[u8]) {
        match segment {
            b".." => self.bytes.truncate(self.starts.pop().unwrap_or_default()),
            b"." | b"" => {}
            _ => {
                self.starts.push(self.bytes.len());
                if self.rooted || self.starts.len() > 1 {
                    self.bytes.push(b'/');
                }
                self.bytes.extend_from_slice(segment);
            }
        }
    }
}

fn is_separator(token: Token, variant: Variant) -> bool {
    match token.byte {
        b'/' => !token.decoded || variant.encoded_slash_separates,
        b'\\' => variant.backslash_separates,
        _ => false,
    }
}

/// Bytes as text; what is not UTF-8 stays percent-encoded.
fn escaped(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(raw: &str) -> Vec<String> {
        readings(raw.as_bytes()).unwrap().into_iter().map(|p| p.text).collect()
    }

    #[test]
    fn unambiguous_paths_have_one_reading() {
        for (raw, want) in [
            ("", ""),
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b"),
            ("/a//b", "/a/b"),
            ("//a", "/a"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../etc", "/etc"),
            ("/a/..", "/"),
            ("/a%20b", "/a b"),
            ("/caf%C3%A9", "/café"),
            ("/café", "/café"),
            ("/%64eny", "/deny"),
            ("/%2e%2e/x", "/x"),
            ("/a/%2E%2e/b", "/b"),
            ("/100%25", "/100%"),
            ("/a%23b", "/a#b"),
            ("/a%3Fb", "/a?b"),
            ("/caf%E9", "/caf%E9"),
            ("/...", "/..."),
            ("/.hidden", "/.hidden"),
            ("a/b", "a/b"),
            ("*", "*"),
        ] {
            assert_eq!(texts(raw), [want], "{raw}");
        }
    }

    #[test]
    fn where_upstreams_disagree_every_reading_is_kept() {
        for (raw, want) in [
            ("/a%2Fb", vec!["/a/b", "/a%2Fb"]),
            ("/public/..%2fdeny/x", vec!["/deny/x", "/public/..%2Fdeny/x"]),
            ("/public/%2e%2e%2fdeny", vec!["/deny", "/public/..%2Fdeny"]),
            ("/public/..\\deny", vec!["/public/..\\deny", "/deny"]),
            ("/public/..%5Cdeny", vec!["/public/..\\deny", "/deny"]),
            ("/public/%252e%252e/deny", vec!["/public/%2e%2e/deny", "/deny"]),
            ("/public/..%252fdeny", vec!["/public/..%2fdeny", "/deny", "/public/..%2Fdeny"]),
            ("/a%00.png", vec!["/a\0.png", "/a"]),
            ("/deny/x#/../../public/y", vec!["/public/y", "/deny/x"]),
            ("/public/..;a/deny", vec!["/public/..;a/deny", "/deny"]),
            ("/public/;/../deny", vec!["/public/deny", "/deny"]),
            ("/public/;a=b;c/..;/%2e%2e;x/deny", vec!["/public/;a=b;c/..;/..;x/deny", "/deny"]),
            ("/deny;v=1/x", vec!["/deny;v=1/x", "/deny/x"]),
            ("/deny%3Bv/x", vec!["/deny;v/x", "/deny/x"]),
            ("/;/deny", vec!["/;/deny", "/deny"]),
            ("/a;b%2F../c", vec!["/c", "/a;b%2F../c", "/a/c"]),
            ("/a/%3b/;/../b", vec!["/a/;/b", "/a/b", "/b"]),
        ] {
            assert_eq!(texts(raw), want, "{raw}");
        }
    }

    #[test]
    fn what_cannot_be_made_canonical_is_refused() {
        for (raw, why) in [
            ("/a%zz", Unreadable::MalformedEscape),
            ("/a%", Unreadable::MalformedEscape),
            ("/a%4", Unreadable::MalformedEscape),
            ("/%u002e", Unreadable::MalformedEscape),
            ("/public/%c0%ae%c0%ae/deny", Unreadable::Overlong),
            ("/public/%e0%80%af/deny", Unreadable::Overlong),
            ("/public/%f8%80%80%80%ae/deny", Unreadable::Overlong),
            ("/public/%fc%80%80%80%80%ae/deny", Unreadable::Overlong),
            ("/%2525252565", Unreadable::TooManyRounds),
        ] {
            assert_eq!(readings(raw.as_bytes()), Err(why), "{raw}");
        }
    }

    #[test]
    fn what_a_long_path_may_mean_is_bounded() {
        let many = "%2f%5c%00#;%3b%252f";
        let long = |times| "/a".repeat(times);
        for (raw, fine) in [
            (format!("/{many}"), true),
            (format!("/{many}{}", long(500)), true),
            (format!("/{many}{}", long(4_000)), false),
            (format!("/%2f;{}", long(16_000)), true),
            (format!("/%2f{}", long(64_000)), true),
        ] {
            let read = readings(raw.as_bytes()).map(|readings| readings.len() > 1);
            assert_eq!(read, if fine { Ok(true) } else { Err(Unreadable::TooManyReadings) }, "{}", raw.len());
        }
    }

    #[test]
    fn a_cut_trailing_slash_is_remembered() {
        for (raw, want) in
            [("/a/", true), ("/a", false), ("/", false), ("/a/.", true), ("/a/b/..", true), ("/a%2F", true)]
        {
            assert_eq!(readings(raw.as_bytes()).unwrap()[0].trailing_slash, want, "{raw}");
        }
    }
}
