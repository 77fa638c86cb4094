//! Objects in which no member stands twice.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members of a JSON object, read when they are asked for. An object with a member twice is refused: two readers might
/// take two different ones.
#[derive(Debug)]
pub(crate) struct Members<'a>(BTreeMap<String, &'a RawValue>);

/// Of another type than was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongType;

impl<'a> Members<'a> {
    /// `None`: not an object, or one with a member twice.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// `None`: it is not there. `null` is there, and of the wrong type.
    fn get<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, WrongType> {
        let value = self.0.get(name).map(|value| serde_json::from_str(value.get()));
        value.transpose().ok().ok_or(WrongType)
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, WrongType> {
        Ok(self.get::<Text<'a>>(name)?.map(|text| text.0))
    }

    /// A text, or a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<Cow<'a, str>>>, WrongType> {
        let list = match self.get::<OneOrMany<'a>>(name)? {
            None => return Ok(None),
            Some(OneOrMany::One(text)) => vec![text.0],
            Some(OneOrMany::Many(texts)) => texts.into_iter().map(|text| text.0).collect(),
        };
        Ok(Some(list))
    }

    /// The elements of a list, read when they are asked for.
    pub(crate) fn list(&self, name: &str) -> Result<Option<Vec<&'a RawValue>>, WrongType> {
        self.get(name)
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, WrongType> {
        self.get(name)
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<'a> {
    #[serde(borrow)]
    One(Text<'a>),
    #[serde(borrow)]
    Many(Vec<Text<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object).map(Self)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = BTreeMap<String, &'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = object.next_entry()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::{Members, WrongType};

    #[test]
    fn members_are_read_by_type() {
        let json = br#"{"text":"a\u0062","list":["x","y"],"number":7,"float":7.0,"minus":-1,"null":null,"o":{"a":1,"a":2}}"#;
        let members = Members::read(json).unwrap();
        assert_eq!(members.text("text").unwrap().unwrap(), "ab");
        assert_eq!(members.texts("list").unwrap().unwrap(), ["x", "y"]);
        assert_eq!(members.texts("text").unwrap().unwrap(), ["ab"]);
        assert_eq!(members.number("number"), Ok(Some(7)));
        assert_eq!((members.number("absent"), members.text("absent")), (Ok(None), Ok(None)));
        for name in ["text", "list", "float", "minus", "null", "o"] {
            assert_eq!(members.number(name), Err(WrongType), "{name}");
        }
        for name in ["number", "list", "null", "o"] {
            assert_eq!(members.text(name), Err(WrongType), "{name}");
        }
        for name in ["number", "null", "o"] {
            assert_eq!(members.texts(name), Err(WrongType), "{name}");
        }
        assert!(members.has("null") && !members.has("absent"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = "[".repeat(5000);
        for json in [
            "",
            "null",
            "[]",
            "\"a\"",
            "1",
            "{",
            "{}{}",
            "{} x",
            "{\"a\":1,}",
            "{a:1}",
            "\u{feff}{}",
            "{\"a\":\"\n\"}",
            &deep,
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"b\":2,\"\\u0061\":3}",
        ] {
            assert!(Members::read(json.as_bytes()).is_none(), "{json:?}");
        }
        assert!(Members::read(b"{\"a\":\"\xff\"}").is_none());
    }

    /// As deep as a token can be: neither reading nor asking may use up the stack.
    #[test]
    fn depth_does_no_harm() {
        let json = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(4000), "]".repeat(4000));
        let members = Members::read(json.as_bytes()).unwrap();
        assert_eq!((members.number("b"), members.texts("a")), (Ok(Some(1)), Err(WrongType)));
    }
}
