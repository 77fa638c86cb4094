use cartwright_domain::{
    Attributes, AttributesError, Category, Currency, Description, Members, ProductId, ProductName, Stock,
};
use serde_json::Value;

use super::{Draft, DraftError, Fault};

/// So many faults say enough: an object of nothing but unknown fields has no longer an answer than it is itself.
const MANY: usize = 100;
/// What the server says of a product, and nobody else.
const READ_ONLY: [&str; 3] = ["version", "created_at", "updated_at"];

impl Draft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// [`DraftError`] when it is none. What is wrong with its members is told later.
    pub fn from_json(json: &[u8]) -> Result<Self, DraftError> {
        let members: Members<'_> = serde_json::from_slice(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => DraftError::NotAnObject,
            _ => DraftError::Malformed(error),
        })?;
        let mut draft = Self::default();
        draft.faults.extend(members.repeated.iter().take(MANY).map(|name| Fault::repeated(name)));
        for (name, value) in members.values {
            draft.member(&name, value.get());
        }
        Ok(draft)
    }

    fn member(&mut self, name: &str, raw: &str) {
        let null = raw == "null";
        match name {
            "id" if null => {}
            "id" => self.id = self.keep(id(raw)),
            "name" => self.name = self.text_member("name", raw, ProductName::new),
            "description" if null => self.description = Some(Description::default()),
            "description" => self.description = self.text_member("description", raw, Description::new),
            "price" => self.price = self.keep(price(raw)),
            "currency" if null => self.nulls.push("currency"),
            "currency" => {
                let code = self.keep(text("currency", raw));
                self.currency = code.and_then(|code| {
                    self.keep(Currency::new(&code).map_err(|error| Fault::currency(&error)))
                });
            }
            "stock" if null => self.nulls.push("stock"),
            "stock" => self.stock = self.keep(stock(raw)),
            "category" if null => self.category = Some(None),
            "category" => self.category = self.text_member("category", raw, Category::new).map(Some),
            "attributes" if null => self.attributes = Some(Attributes::default()),
            "attributes" => {
                self.attributes = self.keep(attributes(raw).map_err(|error| Fault::attributes(&error)));
            }
            "active" if null => self.nulls.push("active"),
            "active" => {
                let flag = serde_json::from_str(raw)
                    .map_err(|_other_type| Fault::new("/active", "not_a_boolean", "active is true or false"));
                self.active = self.keep(flag);
            }
            _ if READ_ONLY.contains(&name) => {
                let detail = format!("{name} is decided by the server; leave it out");
                self.faults.push(Fault::new(format!("/{name}"), "read_only", detail));
            }
            _ if self.faults.len() < MANY => self.faults.push(Fault::unknown(name)),
            _ => {}
        }
    }

    fn text_member<T>(
        &mut self,
        name: &str,
        raw: &str,
        parse: impl Fn(&str) -> Result<T, cartwright_domain::TextError>,
    ) -> Option<T> {
        let text = self.keep(text(name, raw))?;
        self.keep(parse(&text).map_err(|error| Fault::text(name, &error)))
    }
}

fn text(name: &str, raw: &str) -> Result<String, Fault> {
    serde_json::from_str(raw).map_err(|_other_type| {
        Fault::new(format!("/{name}"), "not_a_string", format!("{name} must be a string"))
    })
}

/// A string, or a JSON integer, of which the digits are the id.
fn id(raw: &str) -> Result<ProductId, Fault> {
    let text = whole(raw).map(str::to_owned).or_else(|| serde_json::from_str(raw).ok());
    let text = text.ok_or_else(|| Fault::new("/id", "not_an_id", "id must be a string or an integer"))?;
    ProductId::new(&text).map_err(|error| Fault::id(&error))
}

/// The digits of a number as they were sent (a float would round them), or the text of a string.
fn price(raw: &str) -> Result<String, Fault> {
    match raw.as_bytes().first() {
        Some(b'"') => text("price", raw),
        Some(b'-' | b'0'..=b'9') => Ok(raw.to_owned()),
        _ => Err(Fault::new("/price", "not_a_number", "price must be a number, or a string with one")),
    }
}

pub(super) fn stock(raw: &str) -> Result<Stock, Fault> {
    let Some(raw) = whole(raw) else {
        return Err(Fault::new("/stock", "not_an_integer", "a stock is a whole number"));
    };
    // what does not fit is out of every range
    let number = raw.parse().unwrap_or(if raw.starts_with('-') { i64::MIN } else { i64::MAX });
    Stock::new(number).map_err(Fault::stock)
}

pub(super) fn attributes(json: &str) -> Result<Attributes, AttributesError> {
    match serde_json::from_str::<Value>(json) {
        Ok(value) => Attributes::from_value(value),
        // Its own bound on nesting comes long after ours.
        Err(error) if error.to_string().starts_with("recursion limit") => Err(AttributesError::TooDeep),
        Err(error) => Err(AttributesError::Syntax(error.to_string())),
    }
}

/// The digits of a number that is an integer. `2.0` is one, as JSON Schema has it: not all clients can write `2`.
fn whole(raw: &str) -> Option<&str> {
    let number = match raw.split_once('.') {
        Some((number, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => number,
        _ => raw,
    };
    let digits = number.strip_prefix('-').unwrap_or(number);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}
