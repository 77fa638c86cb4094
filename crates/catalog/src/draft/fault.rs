use cartwright_domain::{AttributesError, IdError, MoneyError, StockError, TextError};
use serde::Serialize;

/// One thing that is wrong with what was said of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where: a JSON pointer, such as `/price`. Empty: all of it.
    pub pointer: String,
    /// Stable name of what is wrong.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// It breaks off, or is no JSON.
    #[error("this is not JSON")]
    Malformed(#[source] serde_json::Error),
    /// It is JSON, and no object.
    #[error("a product is a JSON object")]
    NotAnObject,
}

impl Fault {
    #[expect(clippy::needless_pass_by_value, reason = "literals and errors read better without a `&`")]
    pub(crate) fn new(pointer: impl Into<String>, code: &'static str, detail: impl ToString) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.to_string() }
    }

    pub(crate) fn missing(name: &str) -> Self {
        Self::new(format!("/{name}"), "missing", format!("{name} is required"))
    }

    pub(crate) fn unknown(name: &str) -> Self {
        let (short, pointer) = shown(name);
        Self::new(pointer, "unknown_field", format!("there is no field {short:?}"))
    }

    /// A field that stands there more than once.
    pub(crate) fn repeated(name: &str) -> Self {
        let (short, pointer) = shown(name);
        Self::new(pointer, "repeated_field", format!("{short:?} stands there more than once"))
    }

    pub(crate) fn id(error: &IdError) -> Self {
        Self::new("/id", "invalid_id", error)
    }

    pub(crate) fn text(name: &str, error: &TextError) -> Self {
        Self::new(format!("/{name}"), error.code(), error)
    }

    pub(crate) fn price(error: &MoneyError) -> Self {
        Self::new("/price", error.code(), error)
    }

    pub(crate) fn currency(error: &MoneyError) -> Self {
        Self::new("/currency", error.code(), error)
    }

    pub(crate) fn stock(error: StockError) -> Self {
        Self::new("/stock", "out_of_range", error)
    }

    pub(crate) fn attributes(error: &AttributesError) -> Self {
        let code = match error {
            AttributesError::NotAnObject(_) => "not_an_object",
            AttributesError::TooDeep => "too_deep",
            AttributesError::Name(_) => "length",
            AttributesError::TooLarge(_) => "too_large",
            AttributesError::Syntax(_) => "not_json",
        };
        Self::new("/attributes", code, error)
    }
}

/// The beginning of a name that a client has made up, and a pointer to it.
fn shown(name: &str) -> (String, String) {
    let short: String = name.chars().take(100).collect();
    let pointer = format!("/{}", short.replace('~', "~0").replace('/', "~1"));
    (short, pointer)
}
