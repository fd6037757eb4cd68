//! Did you mean: the known name that is closest to a mistyped one.

/// Longer words are not compared: nobody mistypes a name of that length.
const LONGEST: usize = 64;

/// The choice closest to `word`, where one is close enough to be what was meant.
///
/// Case, `-` and `_` do not count; otherwise a third of the letters may differ, at most three.
pub fn closest<'c>(word: &str, choices: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = plain(word)?;
    let allowed = (word.len() / 3).clamp(1, 3);
    let mut best: Option<(usize, &'c str)> = None;
    for choice in choices {
        let Some(letters) = plain(choice) else { continue };
        let distance = distance(&word, &letters);
        let too_far = distance > allowed || distance >= letters.len().max(word.len());
        if !too_far && best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, choice));
        }
    }
    best.map(|(_, choice)| choice)
}

/// `did you mean …?`, where there is a [`closest`] choice.
pub fn did_you_mean<'c>(word: &str, choices: impl IntoIterator<Item = &'c str>) -> Option<String> {
    closest(word, choices).map(|choice| format!("did you mean `{choice}`?"))
}

/// Lower case, with one spelling of the separators.
fn plain(word: &str) -> Option<Vec<char>> {
    let letters: Vec<char> =
        word.chars().take(LONGEST + 1).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect();
    (!letters.is_empty() && letters.len() <= LONGEST).then_some(letters)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut two_back: Vec<usize> = Vec::new();
    let mut back: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        let mut left = i + 1;
        row.push(left);
        let mut previous_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let diagonal = back.get(j).copied().unwrap_or(usize::MAX);
            let above = back.get(j + 1).copied().unwrap_or(usize::MAX);
            let mut cost = (diagonal + usize::from(ca != cb)).min(above + 1).min(left + 1);
            if previous_a == Some(cb) && previous_b == Some(ca) {
                let swapped = j.checked_sub(1).and_then(|at| two_back.get(at));
                cost = cost.min(swapped.map_or(usize::MAX, |before| before + 1));
            }
            row.push(cost);
            left = cost;
            previous_b = Some(cb);
        }
        two_back = std::mem::replace(&mut back, row);
        previous_a = Some(ca);
    }
    back.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_suggested_and_only_when_it_is_close() {
        let handlers = ["jwt", "noop", "anonymous", "cookie_session", "oauth2_introspection"];
        for (written, meant) in [
            ("jtw", Some("jwt")),
            ("JWT", Some("jwt")),
            ("nop", Some("noop")),
            ("anonimous", Some("anonymous")),
            ("cookie-session", Some("cookie_session")),
            ("cookiesession", Some("cookie_session")),
            ("oauth_introspection", Some("oauth2_introspection")),
            ("basic", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(written, handlers), meant, "{written}");
        }
        assert_eq!(closest(&"j".repeat(10_000), handlers), None);
    }

    #[test]
    fn a_swap_of_neighbours_is_one_mistake() {
        let chars = |word: &str| word.chars().collect::<Vec<_>>();
        for (a, b, steps) in
            [("jwt", "jtw", 1), ("a", "b", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("x", "x", 0)]
        {
            assert_eq!(distance(&chars(a), &chars(b)), steps, "{a} {b}");
        }
    }
}
