//! The header by which an answer tells the edge what it depends on.

use std::collections::HashSet;

use crate::SurrogateKey;

/// The name of the header. The edge removes it before the client sees the answer.
pub const SURROGATE_KEY: &str = "Surrogate-Key";

/// More keys than this are not listed: whoever looks for a key has to read them all.
const MOST_KEYS: usize = 256;
/// Nor is a longer list: proxies give up on headers of 8 kB, all of them together or each.
const LONGEST: usize = 4000;
/// Stands for a list that does not fit. Purged with every key, because it may depend on any.
pub(crate) const MANY: &str = "%many";

/// The value of a `Surrogate-Key` header: the keys, each once, separated by blanks. Empty when there are none; then leave
/// the header out.
///
/// More than 256 keys, or more than 4,000 bytes of them, become a single key that is purged with every other. Such an
/// answer is never served after its time; it is only kept for shorter than it might be.
///
/// ```
/// use cartwright_edge::{SurrogateKey, surrogate_keys};
///
/// let keys = ["17", "4", "17"].map(|id| SurrogateKey::of("product", id));
/// assert_eq!(surrogate_keys(&keys), "product:17 product:4");
/// ```
pub fn surrogate_keys<'a>(keys: impl IntoIterator<Item = &'a SurrogateKey>) -> String {
    let mut value = String::new();
    let mut seen = HashSet::new();
    for key in keys {
        if !seen.insert(key) {
            continue;
        }
        if seen.len() > MOST_KEYS || value.len() + 1 + key.as_str().len() > LONGEST {
            return MANY.to_owned();
        }
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(key.as_str());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, MANY, surrogate_keys};
    use crate::SurrogateKey;

    #[test]
    fn what_does_not_fit_depends_on_everything() {
        let keys = |count: usize, length: usize| -> Vec<SurrogateKey> {
            (0..count).map(|n| SurrogateKey::new(format!("{n:0length$}"))).collect()
        };
        assert_eq!(surrogate_keys(&[]), "");
        assert_eq!(surrogate_keys(&keys(256, 5)).split(' ').count(), 256);
        assert_eq!(surrogate_keys(&keys(257, 5)), MANY);
        assert!(surrogate_keys(&keys(38, 100)).len() <= LONGEST);
        assert_eq!(surrogate_keys(&keys(40, 100)), MANY);
        assert!(MANY.parse::<SurrogateKey>().is_ok());
    }

    #[test]
    fn nobody_else_has_the_key_of_lists_that_do_not_fit() {
        assert_ne!(SurrogateKey::new(MANY).as_str(), MANY);
    }
}
