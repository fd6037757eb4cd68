//! Long lists in YAML, cut between their items, so that there is never the tree of all.

use std::ops::Range;

/// Shorter texts are not worth cutting.
const LENGTH: usize = 64 << 10;

/// Cuts a text that is nothing but a list whose items begin with `-` in the first column, each piece a list of its
/// own. `None` for all others, and for short ones. An alias of what stands in another piece, or a quoted text that
/// goes on in the first column, makes a piece that cannot be read.
pub(super) fn of(text: &str) -> Option<Vec<Range<usize>>> {
    if text.len() <= LENGTH {
        return None;
    }
    let mut chunks = Vec::new();
    let (mut from, mut at, mut begun) = (0, 0, false);
    for line in text.split_inclusive('\n') {
        match line.as_bytes() {
            [b'-', b' ' | b'\t' | b'\r' | b'\n', ..] | b"-" => {
                if at - from >= LENGTH {
                    chunks.push(from..at);
                    from = at;
                }
                begun = true;
            }
            [b'#' | b'\r' | b'\n', ..] => {}
            [b' ' | b'\t', ..] if begun || line.trim().is_empty() => {}
            [b'-', b'-', b'-', rest @ ..] if !begun && rest.trim_ascii().is_empty() => from = at + line.len(),
            _ => return None,
        }
        at += line.len();
    }
    chunks.push(from..at);
    begun.then_some(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(item: &str, end: &str) -> Option<Vec<String>> {
        let text = item.repeat(LENGTH * 2 / item.len() + 2) + end;
        of(&text).map(|chunks| chunks.into_iter().map(|chunk| text[chunk].to_owned()).collect())
    }

    #[test]
    fn a_long_list_is_cut_between_its_items() {
        for item in
            ["- id: a\n  match: {}\n", "-\r\n  id: a\r\n\r\n", "# of a\n- a\n", "- |\n  a\n\n# a\n  - b\n"]
        {
            let chunks = cut(item, "").unwrap();
            assert!(chunks.len() >= 2, "{item:?}");
            assert!(chunks.iter().skip(1).all(|chunk| chunk.starts_with('-')), "{item:?}");
            assert_eq!(chunks.concat().len() % item.len(), 0, "{item:?}");
        }
    }

    #[test]
    fn what_is_more_than_a_list_is_left_whole() {
        for (item, end) in [
            ("- a\n", "---\n- b\n"),
            ("- a\n", "...\n"),
            ("- a\n", "b: c\n"),
            ("- a\n", "-b\n"),
            ("  - a\n", ""),
            ("a: b\n", ""),
            ("\n", ""),
        ] {
            assert_eq!(cut(item, end), None, "{item:?} {end:?}");
        }
        assert_eq!(of("- a\n- b\n"), None, "it is short");
    }
}
