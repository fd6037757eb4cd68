//! Pattern sources split at `<` and `>`: literal text and fragments between them.

use std::ops::Range;

use super::Fault;

/// A stretch of a pattern's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Taken literally.
    Literal(Range<usize>),
    /// Between the outermost `<` and `>`, without those.
    Fragment(Range<usize>),
}

/// Splits at the outermost `<…>`; inner ones belong to their fragment. There is no way to write a literal
/// `<` or `>`.
pub(super) fn split(source: &str) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    let mut depth = 0_usize;
    let mut from = 0;
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'<' => {
                if depth == 0 {
                    if from < at {
                        pieces.push(Piece::Literal(from..at));
                    }
                    from = at + 1;
                }
                depth += 1;
            }
            b'>' => match depth.checked_sub(1) {
                None => {
                    return Err(Fault::new("`>` closes a fragment that was never opened", at..at + 1).help(
                        "a fragment ends at the first `>` that no `<` inside of it asks for, also in `(?>`",
                    ));
                }
                Some(0) => {
                    pieces.push(Piece::Fragment(from..at));
                    from = at + 1;
                    depth = 0;
                }
                Some(left) => depth = left,
            },
            _ => {}
        }
    }
    if depth > 0 {
        let open = from.saturating_sub(1);
        let nested = source.get(from..).is_some_and(|rest| rest.contains('<'));
        let help = if nested {
            "`<` and `>` inside of a fragment are counted too, such as those of `(?<=`: each `<` needs its `>`"
        } else {
            "each `<` needs its `>`, and neither can be written literally"
        };
        return Err(Fault::new("`<` opens a fragment that is never closed", open..source.len()).help(help));
    }
    if from < source.len() {
        pieces.push(Piece::Literal(from..source.len()));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> Vec<String> {
        split(source)
            .unwrap()
            .into_iter()
            .map(|piece| match piece {
                Piece::Literal(at) => source[at].to_owned(),
                Piece::Fragment(at) => format!("<{}>", &source[at]),
            })
            .collect()
    }

    #[test]
    fn only_the_outermost_brackets_delimit() {
        for (source, want) in [
            ("", vec![]),
            ("http://a/b", vec!["http://a/b"]),
            ("http://a/<.*>", vec!["http://a/", "<.*>"]),
            ("<https?>://<[^/]+>/api/<.*>", vec!["<https?>", "://", "<[^/]+>", "/api/", "<.*>"]),
            ("<(?<name>a)>/b", vec!["<(?<name>a)>", "/b"]),
            ("foo.bar<<>><>tt<>", vec!["foo.bar", "<<>>", "<>", "tt", "<>"]),
            ("http://a/<(?>a+)b>", vec![]),
        ] {
            if want.is_empty() && !source.is_empty() {
                assert!(split(source).is_err(), "{source}");
            } else {
                assert_eq!(shown(source), want, "{source}");
            }
        }
    }

    #[test]
    fn unbalanced_brackets_say_which() {
        for (source, message, span) in [
            ("http://a/<b", "`<` opens a fragment that is never closed", 9..11),
            ("http://a/b>", "`>` closes a fragment that was never opened", 10..11),
            ("a><b>", "`>` closes a fragment that was never opened", 1..2),
            ("http://a/<(?<=a)b>", "`<` opens a fragment that is never closed", 9..18),
        ] {
            let fault = split(source).unwrap_err();
            assert_eq!((fault.message.as_str(), fault.span), (message, span), "{source}");
        }
    }
}
