//! Names: which known one was meant?

/// The known name that is closest to `name`, where one is close enough to be a slip.
pub fn closest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be added, dropped or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (above, to) in row.iter_mut().skip(1).zip(&b) {
            let cost = (diagonal + usize::from(from != *to)).min(*above + 1).min(left + 1);
            diagonal = std::mem::replace(above, cost);
            left = cost;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn slips_are_recognised_and_other_names_are_not() {
        for (name, want) in [
            ("subject", Some("Subject")),
            ("Subjct", Some("Subject")),
            ("Headers", Some("Header")),
            ("MatchContxt", Some("MatchContext")),
            ("IDToken", None),
            ("X", None),
        ] {
            let known = ["Subject", "Extra", "Header", "MatchContext"];
            assert_eq!(closest(name, known), want, "{name}");
        }
    }
}
