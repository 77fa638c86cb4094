use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value, value::RawValue};

/// Why a JSON text is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// A list, a text, a number.
    #[error("the document is a JSON object such as {{\"theme\": \"dark\"}}, not {0}")]
    NotAnObject(&'static str),
    /// Objects and lists in each other.
    #[error("the document is at most {MAX_DEPTH} levels deep")]
    TooDeep,
    /// Too much of it.
    #[error("the document is at most {limit} bytes of JSON, this one has {found}")]
    TooLarge {
        /// How many bytes it may have.
        limit: usize,
        /// How many it has, as compact JSON; of a text that was not even read, as it came.
        found: usize,
    },
    /// Text that is no JSON.
    #[error("the document is not valid JSON: {0}")]
    Syntax(String),
}

const MAX_DEPTH: usize = 16;
/// Blanks between values are not kept; but nobody sends more of them than there may be of the rest.
const BLANKS: usize = 4;

/// A JSON object of at most `LIMIT` bytes and 16 levels, about whose contents nothing else is known.
///
/// It is kept as compact JSON with its names in order, so that equal objects have the same text. Of a name that comes twice the
/// last one counts; numbers are those of [`serde_json`]: whole ones of 64 bits, or of double precision. Texts may contain
/// anything that is Unicode, a NUL too; half of a surrogate pair is none.
///
/// ```
/// use cartwright_domain::JsonObject;
/// let kept: JsonObject<64> = r#"{ "b": [], "a": 1, "b": {} }"#.parse()?;
/// assert_eq!(kept.as_str(), r#"{"a":1,"b":{}}"#);
/// # Ok::<(), cartwright_domain::DocumentError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct JsonObject<const LIMIT: usize>(Arc<str>);

impl<const LIMIT: usize> JsonObject<LIMIT> {
    /// Checks a JSON value.
    ///
    /// # Errors
    /// [`DocumentError`] says what is wrong with it.
    pub fn from_value(value: &Value) -> Result<Self, DocumentError> {
        let object = match value {
            Value::Object(object) => object,
            Value::Null => return Err(DocumentError::NotAnObject("null")),
            Value::Bool(_) => return Err(DocumentError::NotAnObject("a truth value")),
            Value::Number(_) => return Err(DocumentError::NotAnObject("a number")),
            Value::String(_) => return Err(DocumentError::NotAnObject("a text")),
            Value::Array(_) => return Err(DocumentError::NotAnObject("a list")),
        };
        check_object(object, MAX_DEPTH)?;
        // A map with texts for keys always has a JSON text.
        let text = serde_json::to_string(object).unwrap_or_default();
        let (limit, found) = (LIMIT, text.len());
        if found > limit { Err(DocumentError::TooLarge { limit, found }) } else { Ok(Self(text.into())) }
    }

    /// What a store kept: text of [`as_str`](Self::as_str). It is not checked again, except that it is JSON.
    ///
    /// # Errors
    /// [`DocumentError::Syntax`] when it is not.
    pub fn kept(text: String) -> Result<Self, DocumentError> {
        match serde_json::from_str::<&RawValue>(&text) {
            Ok(_) => Ok(Self(text.into())),
            Err(error) => Err(DocumentError::Syntax(error.to_string())),
        }
    }

    /// Compact JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The object as a JSON value.
    pub fn to_value(&self) -> Value {
        // It was one.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// What is in it may be nobody else's business.
impl<const LIMIT: usize> fmt::Debug for JsonObject<LIMIT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonObject({} bytes)", self.0.len())
    }
}

impl<const LIMIT: usize> Default for JsonObject<LIMIT> {
    fn default() -> Self {
        Self(Arc::from("{}"))
    }
}

impl<const LIMIT: usize> std::str::FromStr for JsonObject<LIMIT> {
    type Err = DocumentError;

    fn from_str(text: &str) -> Result<Self, DocumentError> {
        if text.len() > BLANKS * LIMIT {
            return Err(DocumentError::TooLarge { limit: LIMIT, found: text.len() });
        }
        let value = serde_json::from_str(text).map_err(|error| DocumentError::Syntax(error.to_string()))?;
        Self::from_value(&value)
    }
}

/// The object itself, with the very text that is kept.
impl<const LIMIT: usize> Serialize for JsonObject<LIMIT> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de, const LIMIT: usize> Deserialize<'de> for JsonObject<LIMIT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// `levels` are those that are left, this one included: the recursion ends where the rule is broken.
fn check_object(object: &Map<String, Value>, levels: usize) -> Result<(), DocumentError> {
    let levels = levels.checked_sub(1).ok_or(DocumentError::TooDeep)?;
    object.values().try_for_each(|value| check(value, levels))
}

fn check(value: &Value, levels: usize) -> Result<(), DocumentError> {
    match value {
        Value::Object(object) => check_object(object, levels),
        Value::Array(items) => {
            let levels = levels.checked_sub(1).ok_or(DocumentError::TooDeep)?;
            items.iter().try_for_each(|item| check(item, levels))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<String, DocumentError> {
        json.parse::<JsonObject<100>>().map(|kept| kept.as_str().to_owned())
    }

    #[test]
    fn the_bounds_are_checked() {
        assert_eq!(read(" { } "), Ok("{}".into()));
        let deep = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&deep(15)).is_ok());
        assert_eq!(read(&deep(16)), Err(DocumentError::TooDeep));
        let objects = |levels: usize| format!("{}1{}", "{\"\":".repeat(levels), "}".repeat(levels));
        assert!(read(&objects(16)).is_ok());
        assert_eq!(read(&objects(17)), Err(DocumentError::TooDeep));
        // Deeper than any parser should go along with.
        assert!(matches!(
            "[".repeat(100_000).parse::<JsonObject<1_000_000>>(),
            Err(DocumentError::Syntax(_))
        ));
        for other in ["null", "true", "1", "\"a\"", "[{}]"] {
            assert!(matches!(read(other), Err(DocumentError::NotAnObject(_))), "{other}");
        }
        let full = format!(r#"{{"a":"{}"}}"#, "x".repeat(92));
        assert_eq!(read(&full), Ok(full.clone()));
        let more = full.replacen('x', "xx", 1);
        assert_eq!(read(&more), Err(DocumentError::TooLarge { limit: 100, found: 101 }));
        let blanks = format!("{{{}}}", " ".repeat(399));
        assert_eq!(read(&blanks), Err(DocumentError::TooLarge { limit: 100, found: 401 }));
    }

    #[test]
    fn what_is_odd_is_kept_or_refused_but_not_changed() {
        let odd = r#"{"":0,"__proto__":{"x":null},"nul":"\u0000","pair":"😀","tea":"☕"}"#;
        assert_eq!(read(odd), Ok(odd.to_owned()));
        assert_eq!(read(r#"{"a":1,"a":2}"#), Ok(r#"{"a":2}"#.into()), "the last one counts");
        for half in [r#"{"a":"\ud800"}"#, r#"{"a":"\udc00"}"#, r#"{"\ud800":1}"#] {
            assert!(matches!(read(half), Err(DocumentError::Syntax(_))), "{half}");
        }
        for wrong in
            ["", "{", "{}{}", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":1e999}", "{'a':1}", "{\"a\":\"\n\"}"]
        {
            assert!(matches!(read(wrong), Err(DocumentError::Syntax(_))), "{wrong}");
        }
    }

    #[test]
    fn it_is_part_of_other_json() {
        let kept: JsonObject<100> = r#"{"b":[1.5,{}],"a":"\u0000"}"#.parse().unwrap();
        let text = serde_json::to_string(&(1, &kept)).unwrap();
        assert_eq!(text, r#"[1,{"a":"\u0000","b":[1.5,{}]}]"#);
        assert_eq!(serde_json::from_str::<(i32, JsonObject<100>)>(&text).unwrap().1, kept);
        assert_eq!(JsonObject::kept(kept.as_str().to_owned()), Ok(kept));
        assert!(serde_json::from_str::<JsonObject<100>>("[]").is_err());
        assert!(JsonObject::<1>::kept("{".into()).is_err());
    }
}
