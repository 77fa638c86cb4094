use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members of a JSON object, as they came. Who reads them decides what becomes of a name that stands there more than
/// once: of two readers, one might take the first and one the last.
///
/// ```
/// use cartwright_domain::Members;
/// let members: Members<'_> = serde_json::from_str(r#"{"a": 1.50, "b": [], "a": 2}"#)?;
/// assert_eq!(members.values["b"].get(), "[]");
/// assert!(members.repeated.contains("a"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Members<'a> {
    /// By name; of a name that stands there more than once, the last.
    pub values: BTreeMap<String, &'a RawValue>,
    /// The names that stand there more than once.
    pub repeated: BTreeSet<String>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some((name, value)) = object.next_entry::<String, _>()? {
            if members.values.contains_key(&name) {
                members.repeated.insert(name.clone());
            }
            members.values.insert(name, value);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::Members;

    #[test]
    fn names_that_differ_only_in_how_they_are_written_are_the_same() {
        let members: Members<'_> = serde_json::from_str(r#"{"a":1,"\u0061":2,"A":3}"#).unwrap();
        assert_eq!(members.repeated.into_iter().collect::<Vec<_>>(), ["a"]);
        assert_eq!((members.values["a"].get(), members.values["A"].get()), ("2", "3"));
        for bad in ["", "[]", "1", "{", "{}x", "{\"a\":1,}", "\u{feff}{}"] {
            assert!(serde_json::from_str::<Members<'_>>(bad).is_err(), "{bad:?}");
        }
    }
}
