//! Which words were probably meant.

use cartwright_domain::SearchText;

use super::statement::Wanted;

/// How many words may stand for one that was written.
const MAX_INSTEAD: usize = 5;

/// In how many letters a word may differ from what was meant: as in Lucene's fuzzy queries. A word with a digit is a size
/// or a model, of which another one is another thing.
fn tolerated(word: &str) -> usize {
    if word.contains(char::is_numeric) {
        return 0;
    }
    match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

/// Whole words that may be mistaken, with their positions, and the beginning of a word that may be.
pub(super) fn to_compare(text: &SearchText) -> (Vec<(usize, &str)>, Option<&str>) {
    let last = text.words().len().saturating_sub(1);
    let words = text.words().iter().map(String::as_str).enumerate();
    let words = words.filter(|(_, word)| tolerated(word) > 0);
    let (open, whole) = words.partition::<Vec<_>, _>(|(at, _)| *at == last && text.is_open());
    (whole, open.first().map(|(_, word)| *word))
}

/// Puts those of the words that are alike, for each of the text, in its place. `None`: there are none. `found`: whether
/// what was written is found.
pub(super) fn correct(text: &SearchText, alike: Vec<Vec<String>>, found: bool) -> Option<Wanted> {
    let last = text.words().len().saturating_sub(1);
    let mut is_other = false;
    let words = text.words().iter().zip(alike).enumerate().map(|(at, (word, alike))| {
        let (least, instead) = closest(word, alike, at == last && text.is_open());
        is_other |= least > 0 && !instead.is_empty();
        [vec![word.clone()], instead].concat()
    });
    let words: Vec<Vec<String>> = words.collect();
    is_other.then(|| Wanted::instead(words, found))
}

/// The closest of some words that are others, and how far away they are.
fn closest(word: &str, alike: Vec<String>, open: bool) -> (usize, Vec<String>) {
    let mut near: Vec<(usize, String)> = (alike.into_iter())
        .filter(|other| other != word)
        .map(|other| (distance(word, &other, open), other))
        .filter(|(distance, _)| *distance <= tolerated(word))
        .collect();
    near.sort_unstable();
    let least = near.first().map_or(0, |(distance, _)| *distance);
    let near = near.into_iter().take_while(|(distance, _)| *distance == least).take(MAX_INSTEAD);
    (least, near.map(|(_, word)| word).collect())
}

/// How many letters to add, leave out, replace or swap with the next one it takes to get from one word to another, or,
/// when it is open, to a beginning of it (optimal string alignment).
fn distance(word: &str, other: &str, open: bool) -> usize {
    let (word, other): (Vec<char>, Vec<char>) = (word.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in word.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, theirs) in other.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&row, j) + usize::from(letter != theirs);
            let mut least = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped =
                i > 0 && j > 0 && word.get(i - 1) == Some(theirs) && other.get(j - 1) == Some(letter);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    let whole = row.last().copied().unwrap_or_default();
    if open { row.into_iter().min().unwrap_or(whole) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_letters() {
        for (word, other, whole, open) in [
            ("mouse", "mouse", 0, 0),
            ("mose", "mouse", 1, 1),
            ("mosue", "mouse", 1, 1),
            ("moose", "mouse", 1, 1),
            ("hedph", "headphones", 5, 1),
            ("käse", "kase", 1, 1),
            ("abc", "xyz", 3, 3),
            ("", "abc", 3, 0),
        ] {
            assert_eq!((distance(word, other, false), distance(word, other, true)), (whole, open), "{word}");
        }
    }

    fn corrected(text: &str, alike: &[&[&str]]) -> Option<Vec<Vec<String>>> {
        let alike = alike.iter().map(|words| words.iter().map(ToString::to_string).collect()).collect();
        correct(&SearchText::new(text), alike, true).map(|wanted| wanted.words)
    }

    #[test]
    fn only_the_closest_take_the_place_of_a_word() {
        let found =
            corrected("wirless mose ", &[&["wireless", "wires"], &["rose", "mouse", "house", "mose"]]);
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found, Some(vec![words(&["wirless", "wireless"]), words(&["mose", "mouse", "rose"])]));
        assert_eq!(corrected("mouse ", &[&["mouse", "trouser"]]), None, "nothing else is close");
        assert_eq!(corrected("runn", &[&["running", "rung"]]), None, "what it begins is found already");
    }

    #[test]
    fn numbers_and_short_words_are_as_they_are() {
        assert_eq!(to_compare(&SearchText::new("usb3 tv mose lam")), (vec![(2, "mose")], Some("lam")));
        assert_eq!(to_compare(&SearchText::new("4k tv")), (vec![], None));
    }
}
