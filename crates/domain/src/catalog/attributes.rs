use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

/// What else there is to say of a product: a JSON object such as `{"colour": "red", "sizes": [38, 39]}`.
///
/// At most 16 KiB as compact JSON and 5 levels deep; names have 1 to 100 characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Attributes(Map<String, Value>);

/// Why a JSON value cannot be a product's attributes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// A list, a text, a number.
    #[error("attributes are a JSON object such as {{\"colour\": \"red\"}}, not {0}")]
    NotAnObject(&'static str),
    /// Objects and lists in each other.
    #[error("attributes are at most {MAX_DEPTH} levels deep")]
    TooDeep,
    /// A name without characters, or with too many.
    #[error("the name of an attribute has 1 to {MAX_NAME} characters, this one has {0}")]
    Name(usize),
    /// Too much of it.
    #[error("attributes are at most {MAX_BYTES} bytes of JSON, these are {0}")]
    TooLarge(usize),
    /// Text that is no JSON.
    #[error("attributes are not valid JSON: {0}")]
    Syntax(String),
}

const MAX_BYTES: usize = 16 * 1024;
const MAX_DEPTH: usize = 5;
const MAX_NAME: usize = 100;

impl Attributes {
    /// Checks an object.
    ///
    /// # Errors
    /// [`AttributesError`] says what is wrong with it.
    pub fn new(object: Map<String, Value>) -> Result<Self, AttributesError> {
        check_object(&object, MAX_DEPTH)?;
        let attributes = Self(object);
        let bytes = attributes.to_json().len();
        if bytes > MAX_BYTES { Err(AttributesError::TooLarge(bytes)) } else { Ok(attributes) }
    }

    /// Checks any JSON value.
    ///
    /// # Errors
    /// As [`Attributes::new`].
    pub fn from_value(value: Value) -> Result<Self, AttributesError> {
        Err(AttributesError::NotAnObject(match value {
            Value::Object(object) => return Self::new(object),
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
        }))
    }

    /// Attributes as a store kept them: text of [`Attributes::to_json`].
    ///
    /// # Errors
    /// [`AttributesError::Syntax`] when it is no JSON object.
    pub fn kept(json: &str) -> Result<Self, AttributesError> {
        if json == "{}" {
            return Ok(Self::default());
        }
        serde_json::from_str(json).map(Self).map_err(|error| AttributesError::Syntax(error.to_string()))
    }

    /// Compact JSON, names in order: the same text for equal attributes.
    pub fn to_json(&self) -> String {
        // A map with texts for keys always has a JSON text.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// The object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// `levels` are those that are left, this one included: the recursion ends where the rule is broken.
fn check_object(object: &Map<String, Value>, levels: usize) -> Result<(), AttributesError> {
    let levels = levels.checked_sub(1).ok_or(AttributesError::TooDeep)?;
    for (name, value) in object {
        let length = name.chars().take(MAX_NAME * 10).count();
        if !(1..=MAX_NAME).contains(&length) {
            return Err(AttributesError::Name(length));
        }
        check(value, levels)?;
    }
    Ok(())
}

fn check(value: &Value, levels: usize) -> Result<(), AttributesError> {
    match value {
        Value::Object(object) => check_object(object, levels),
        Value::Array(items) => {
            let levels = levels.checked_sub(1).ok_or(AttributesError::TooDeep)?;
            items.iter().try_for_each(|item| check(item, levels))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Attributes, AttributesError> {
        Attributes::from_value(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn the_bounds_are_checked() {
        assert_eq!(read("{}"), Ok(Attributes::default()));
        assert!(read(r#"{"a":[[[[1]]]], "b":{"c":{"d":{"e":{}}}}}"#).is_ok());
        assert_eq!(read(r#"{"a":[[[[[1]]]]]}"#), Err(AttributesError::TooDeep));
        assert_eq!(read(r#"{"a":{"b":{"c":{"d":{"e":{}}}}}}"#), Err(AttributesError::TooDeep));
        assert_eq!(read(r#"{"":1}"#), Err(AttributesError::Name(0)));
        assert_eq!(read(&format!(r#"{{"{}":1}}"#, "é".repeat(101))), Err(AttributesError::Name(101)));
        assert_eq!(read("[1]"), Err(AttributesError::NotAnObject("a list")));
        let full = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_BYTES - 8));
        assert_eq!(read(&full).map(|attributes| attributes.to_json()), Ok(full.clone()));
        assert_eq!(read(&full.replacen('x', "xx", 1)), Err(AttributesError::TooLarge(MAX_BYTES + 1)));
    }

    #[test]
    fn the_text_of_a_store_is_the_same_for_equal_objects() {
        let attributes = read(r#"{"b": 1.50, "a": "\u0000\u202e"}"#).unwrap();
        assert_eq!(attributes.to_json(), "{\"a\":\"\\u0000\u{202e}\",\"b\":1.5}");
        assert_eq!(Attributes::kept(&attributes.to_json()), Ok(attributes));
        assert!(matches!(Attributes::kept("[]"), Err(AttributesError::Syntax(_))));
    }
}
