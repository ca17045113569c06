//! "Did you mean": the known word nearest to one that is unknown.

/// The candidate that `word` most likely stands for, none when all are too far away.
pub(crate) fn closest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = normalized(word);
    // A third of the letters may be wrong; in short words one.
    let distance_max = (word.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &normalized(candidate)), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?` or nothing, to put behind a remedy.
pub fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    closest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// Upper case and `-` for `_` are spellings of the same word; 64 letters tell words apart.
fn normalized(word: &str) -> Vec<char> {
    word.chars()
        .take(64)
        .map(|letter| match letter {
            '-' | ' ' => '_',
            letter => letter.to_ascii_lowercase(),
        })
        .collect()
}

/// Edits between two words, neighbours swapped counting once (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut previous_letter = None;
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut left_of = row + 1;
        for (column, other) in right.iter().enumerate() {
            let cell =
                |cells: &[usize], at: usize| cells.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut edits = (cell(&above, column) + usize::from(letter != other))
                .min(cell(&above, column + 1) + 1)
                .min(left_of + 1);
            let swapped = previous_letter == Some(other)
                && column.checked_sub(1).and_then(|at| right.get(at)) == Some(letter);
            if swapped {
                edits = edits.min(cell(&before, column - 1) + 1);
            }
            current.push(edits);
            left_of = edits;
        }
        previous_letter = Some(letter);
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: [&str; 5] = [
        "listeners",
        "services",
        "pools",
        "trusted_proxies",
        "workers",
    ];

    #[test]
    fn slips_of_the_finger_are_recognised() {
        for (typed, meant) in [
            ("listener", "listeners"),
            ("servcies", "services"),
            ("Pools", "pools"),
            ("trusted-proxies", "trusted_proxies"),
            ("wrokers", "workers"),
        ] {
            assert_eq!(closest(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn a_word_far_from_all_is_not_guessed_at() {
        assert_eq!(closest("queue", KEYS), None);
        assert_eq!(closest("", KEYS), None);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_zero_only_for_the_same_word(left in "[a-c]{0,6}", right in "[a-c]{0,6}") {
            let (left, right) = (normalized(&left), normalized(&right));
            prop_assert_eq!(distance(&left, &right), distance(&right, &left));
            prop_assert_eq!(distance(&left, &right) == 0, left == right);
        }
    }
}
