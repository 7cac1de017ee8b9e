//! "Did you mean": the known name nearest to one that is not known.

/// The name among `known` that `wrong` was most likely meant to be, if one is near enough: at most
/// a third of its letters differ (Damerau-Levenshtein distance, adjacent letters swapped count one).
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = wrong.chars().count().max(3) / 3;
    known
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters have to be put in, left out, changed or swapped with their neighbour to make
/// `from` into `to`.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    // Three rows of the usual table: two rows ago (for swaps), the last one, the one being filled.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, wanted) in to.iter().enumerate() {
            let change = last[j] + usize::from(letter != wanted);
            let mut best = change.min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && from[i - 1] == *wanted && *letter == to[j - 1];
            if swapped {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const KNOWN: [&str; 4] = ["listen", "log", "log-file", "max-connections"];

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        for (wrong, right) in [
            ("lisen", "listen"),
            ("lsiten", "listen"),
            ("listens", "listen"),
            ("max_connections", "max-connections"),
            ("maxconnections", "max-connections"),
            ("lgo", "log"),
        ] {
            assert_eq!(nearest(wrong, KNOWN), Some(right), "{wrong}");
        }
    }

    #[test]
    fn something_else_altogether_finds_nothing() {
        for wrong in ["workers", "x", "", "root"] {
            assert_eq!(nearest(wrong, KNOWN), None, "{wrong}");
        }
    }
}
