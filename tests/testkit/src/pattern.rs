//! Shell-style name patterns: `*`, `?`, `[abc]`, `[!abc]`, over the whole name, `/` being nothing special.

/// Whether `name` fits `pattern`. An unclosed `[` stands for itself.
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    fits_chars(&pattern, &name)
}

fn fits_chars(pattern: &[char], name: &[char]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else { return name.is_empty() };
    match first {
        '*' => (0..=name.len()).any(|skip| name.get(skip..).is_some_and(|left| fits_chars(rest, left))),
        '?' => name.split_first().is_some_and(|(_, left)| fits_chars(rest, left)),
        '[' => match class(rest) {
            Some((members, after)) => {
                name.split_first().is_some_and(|(&c, left)| is_member(members, c) && fits_chars(after, left))
            }
            None => name.split_first().is_some_and(|(&c, left)| c == '[' && fits_chars(rest, left)),
        },
        literal => name.split_first().is_some_and(|(&c, left)| c == literal && fits_chars(rest, left)),
    }
}

/// The inside of a `[…]` whose opening bracket was read, and what follows it. A `]` in first place is a member.
fn class(rest: &[char]) -> Option<(&[char], &[char])> {
    let from = usize::from(rest.first() == Some(&'!')) + 1;
    let close = rest.iter().skip(from).position(|&c| c == ']')? + from;
    Some((rest.get(..close)?, rest.get(close + 1..)?))
}

fn is_member(members: &[char], c: char) -> bool {
    let (negated, mut members) = match members.split_first() {
        Some(('!', others)) => (true, others),
        _ => (false, members),
    };
    let mut found = false;
    while let Some((&low, others)) = members.split_first() {
        members = others;
        if let ['-', high, after @ ..] = others {
            found |= (low..=*high).contains(&c);
            members = after;
        } else {
            found |= low == c;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell_without_folders() {
        for (pattern, name, expected) in [
            ("/jwks", "/jwks", true),
            ("/jwks", "/jwks/", false),
            ("/*", "/a/b", true),
            ("*", "", true),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("[a-c]x", "bx", true),
            ("[a-]x", "-x", true),
            ("[]]x", "]x", true),
            ("[x", "[x", true),
            ("api/*::rules*", "api/rules::rules of a file", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} on {name}");
        }
    }
}
