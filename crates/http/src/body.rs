//! Request bodies: read with a limit, parsed by hand, so that every error names its place.

mod orders;
mod targets;

use std::{borrow::Cow, collections::BTreeMap};

use actix_web::{
    HttpRequest,
    http::header::{CONTENT_LENGTH, CONTENT_TYPE},
    web,
};
use bytes::Bytes;
use cartwright_domain::{
    Currency, DocumentError, JsonObject, Members, Money, OwnerId, ProductData, ProductId, Quantity,
    QuantityError,
};
use cartwright_storage::Rate;
use serde_json::{error::Category, value::RawValue};
use tokio::time::timeout;

use crate::{
    AppState, HttpSettings,
    headers::classic,
    problem::{FieldError, Problem},
};

/// Reads the body, and checks that it is called JSON.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    state: &AppState,
) -> Result<Bytes, Problem> {
    let HttpSettings { body_limit: limit, body_patience, .. } = *state.settings;
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|n| n > limit) {
        return Err(Problem::TooLarge(limit));
    }
    let waiting = state.load.aside();
    let body = timeout(body_patience, payload.to_bytes_limited(limit)).await;
    drop(waiting);
    let body = match body {
        Ok(Ok(body)) => body.map_err(Problem::BodyLost)?,
        Ok(Err(_larger)) => return Err(Problem::TooLarge(limit)),
        Err(_elapsed) => return Err(Problem::TooSlow),
    };
    if !body.is_empty() && !called_json(request) {
        return Err(Problem::NotJson);
    }
    Ok(body)
}

fn called_json(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(CONTENT_TYPE) else { return classic(request) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The highest rate of a queue, in a second.
const MOST_JOBS: f64 = 1e6;

/// So many faults say enough: no answer is much longer than what was sent.
const MANY: usize = 100;

/// The members of an object, taken one by one; what is wrong is collected.
pub(crate) struct Fields<'a> {
    at: Cow<'static, str>,
    members: BTreeMap<String, &'a RawValue>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// The members of the body.
    pub(crate) fn of_body(body: &'a [u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(members) => Ok(Self::of(Cow::Borrowed(""), members)),
            Err(error) if error.classify() == Category::Data => {
                Err(Problem::invalid("", "not_an_object", "the body must be a JSON object"))
            }
            Err(error) => Err(Problem::Malformed(error)),
        }
    }

    /// A field that stands there more than once is refused: somebody on the way may have looked at the other one.
    fn of(at: Cow<'static, str>, members: Members<'a>) -> Self {
        let mut fields = Self { at, members: members.values, errors: Vec::new() };
        for name in members.repeated.iter().take(MANY) {
            let short = short(name);
            fields.wrong(&short, "repeated_field", format!("{short:?} stands there more than once"));
        }
        fields
    }

    fn wrong(&mut self, name: &str, code: &'static str, detail: impl ToString) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.errors.push(FieldError::new(format!("{}/{name}", self.at), code, detail));
    }

    fn required(&mut self, name: &str) -> Option<&'a RawValue> {
        let value = self.members.remove(name);
        if value.is_none() {
            self.wrong(name, "missing", format!("{name} is required"));
        }
        value
    }

    /// A member that may be absent or `null`.
    fn optional(&mut self, name: &str) -> Option<&'a RawValue> {
        self.members.remove(name).filter(|value| value.get() != "null")
    }

    fn text(&mut self, name: &str, value: &RawValue) -> Option<String> {
        match serde_json::from_str(value.get()) {
            Ok(text) => Some(text),
            Err(_other_type) => {
                self.wrong(name, "not_a_string", format!("{name} must be a string"));
                None
            }
        }
    }

    /// An id: a string, or a JSON integer, of which the digits are the id.
    fn id<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, cartwright_domain::IdError>,
    ) -> Option<T> {
        let raw = self.required(name)?.get();
        let text =
            if raw.starts_with('"') { serde_json::from_str(raw).ok() } else { whole(raw).map(str::to_owned) };
        let Some(text) = text else {
            self.wrong(name, "not_an_id", format!("{name} must be a string or an integer"));
            return None;
        };
        parse(&text).map_err(|error| self.wrong(name, "invalid_id", error)).ok()
    }

    pub(crate) fn product_id(&mut self) -> Option<ProductId> {
        self.id("product_id", ProductId::new)
    }

    /// What a session or a profile is to carry.
    pub(crate) fn data<const LIMIT: usize>(&mut self) -> Option<JsonObject<LIMIT>> {
        let raw = self.optional("data")?;
        object(raw.get(), &format!("{}/data", self.at)).map_err(|error| self.errors.push(error)).ok()
    }

    /// Whether it says anything of this.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(crate) fn owner_id(&mut self, name: &str) -> Option<OwnerId> {
        self.id(name, OwnerId::new)
    }

    /// How many to add; one, unless it says otherwise.
    pub(crate) fn quantity_to_add(&mut self) -> Option<Quantity> {
        let Some(raw) = self.members.remove("quantity") else { return Some(Quantity::ONE) };
        let pointer = format!("{}/quantity", self.at);
        quantity(raw.get(), &pointer).map_err(|error| self.errors.push(error)).ok()
    }

    /// How many there shall be. Outer `None`: it does not say; inner `None`: none.
    pub(crate) fn quantity_to_set(&mut self) -> Option<Option<Quantity>> {
        let raw = self.members.remove("quantity")?;
        quantity_or_zero(raw.get(), "/quantity").map_err(|error| self.errors.push(error)).ok()
    }

    /// How many jobs of a queue are begun.
    pub(crate) fn rate(&mut self) -> Option<Rate> {
        let per_second = self.required("per_second").map(|raw| serde_json::from_str::<f64>(raw.get()));
        let per_second = match per_second? {
            Ok(per_second) if per_second > 0.0 && per_second <= MOST_JOBS => Some(per_second),
            Ok(_) => {
                self.wrong(
                    "per_second",
                    "out_of_range",
                    "a rate is more than 0, and at most 1000000 in a second",
                );
                None
            }
            Err(_other_type) => {
                self.wrong("per_second", "not_a_number", "per_second must be a number");
                None
            }
        };
        let burst = match self.optional("burst").map(|raw| integer(raw.get(), "/burst")) {
            None => per_second.map(|per_second| per_second.max(1.0).ceil() as u32),
            Some(Ok(burst @ 1..=1_000_000)) => u32::try_from(burst).ok(),
            Some(Ok(_)) => {
                self.wrong("burst", "out_of_range", "a burst is a whole number from 1 to 1000000");
                None
            }
            Some(Err(_no_integer)) => {
                self.wrong("burst", "not_an_integer", "a burst is a whole number");
                None
            }
        };
        Some(Rate { per_second: per_second?, burst: burst? })
    }

    fn sentence(&mut self, name: &'static str, rule: &str) -> Option<String> {
        let raw = self.optional(name)?;
        let text = self.text(name, raw)?;
        let bad = text.chars().count() > 200 || text.chars().any(|c| c.is_control() || is_bidi_control(c));
        if bad {
            self.wrong(name, "invalid_text", rule);
        }
        Some(text).filter(|_| !bad)
    }

    /// What the client says that the product is.
    pub(crate) fn product_data(&mut self, default: Currency, forgiving: bool) -> Option<ProductData> {
        let raw = self.optional("product_data")?;
        let Ok(members) = serde_json::from_str(raw.get()) else {
            self.wrong("product_data", "not_an_object", "product_data must be an object");
            return None;
        };
        let mut inner = Fields::of(Cow::Borrowed("/product_data"), members);
        let name = inner.name();
        let currency = inner.currency(default);
        let price = inner.price(currency.unwrap_or(default));
        inner.no_more(forgiving);
        self.errors.append(&mut inner.errors);
        Some(ProductData { name: name?, price: price? })
    }

    fn name(&mut self) -> Option<String> {
        let raw = self.required("name")?;
        let name = self.text("name", raw)?;
        if !(1..=200).contains(&name.chars().count()) || name.trim().is_empty() {
            self.wrong("name", "length", "a name has 1 to 200 characters");
            return None;
        }
        if let Some(bad) = name.chars().find(|c| c.is_control() || is_bidi_control(*c)) {
            self.wrong("name", "forbidden_character", format!("a name does not contain {bad:?}"));
            return None;
        }
        Some(name)
    }

    fn currency(&mut self, default: Currency) -> Option<Currency> {
        let Some(raw) = self.optional("currency") else { return Some(default) };
        let code = self.text("currency", raw)?;
        Currency::new(&code).map_err(|error| self.wrong("currency", "unknown_currency", error)).ok()
    }

    fn price(&mut self, currency: Currency) -> Option<Money> {
        let raw = self.required("price")?;
        self.amount("price", raw, currency)
    }

    fn amount(&mut self, name: &str, raw: &RawValue, currency: Currency) -> Option<Money> {
        let raw = raw.get();
        let text = if raw.starts_with('"') {
            serde_json::from_str(raw).unwrap_or_default()
        } else {
            raw.to_owned() // the number's own digits: a float would round them
        };
        Money::parse(&text, currency).map_err(|error| self.wrong(name, error.code(), error)).ok()
    }

    /// What was not taken is unknown, which a forgiving address ignores.
    fn no_more(&mut self, forgiving: bool) {
        if !forgiving {
            for name in std::mem::take(&mut self.members).into_keys().take(MANY) {
                let short = short(&name);
                self.wrong(&short, "unknown_field", format!("there is no field {short:?}"));
            }
        }
    }

    /// All that is wrong, if anything is.
    pub(crate) fn finish(mut self, forgiving: bool) -> Result<(), Problem> {
        self.no_more(forgiving);
        self.errors.truncate(MANY);
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::Invalid(self.errors)) }
    }
}

/// The beginning of a name that a client has made up.
fn short(name: &str) -> String {
    name.chars().take(100).collect()
}

/// A body that is itself what a session is to carry.
pub(crate) fn document<const LIMIT: usize>(body: &[u8]) -> Result<JsonObject<LIMIT>, Problem> {
    let raw: &RawValue = serde_json::from_slice(body).map_err(Problem::Malformed)?;
    object(raw.get(), "").map_err(|error| Problem::Invalid(vec![error]))
}

fn object<const LIMIT: usize>(raw: &str, pointer: &str) -> Result<JsonObject<LIMIT>, FieldError> {
    raw.parse().map_err(|error: DocumentError| {
        let code = match &error {
            DocumentError::NotAnObject(_) => "not_an_object",
            DocumentError::TooLarge { .. } => "too_large",
            DocumentError::TooDeep => "too_deep",
            DocumentError::Syntax(_) => "malformed",
        };
        FieldError::new(pointer, code, error)
    })
}

/// The digits of a JSON number that is an integer. `2.0` is one, as JSON Schema has it: not all clients can write `2`.
fn whole(raw: &str) -> Option<&str> {
    let number = match raw.split_once('.') {
        Some((number, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => number,
        _ => raw,
    };
    let digits = number.strip_prefix('-').unwrap_or(number);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// Characters that make text read in another order than it is written.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn integer(raw: &str, pointer: &str) -> Result<i64, FieldError> {
    let Some(raw) = whole(raw) else {
        return Err(FieldError::new(pointer, "not_an_integer", "a quantity is a whole number"));
    };
    // what does not fit is out of every range
    Ok(raw.parse().unwrap_or(if raw.starts_with('-') { i64::MIN } else { i64::MAX }))
}

fn quantity(raw: &str, pointer: &str) -> Result<Quantity, FieldError> {
    Quantity::new(integer(raw, pointer)?).map_err(|error| FieldError::new(pointer, "out_of_range", error))
}

/// A quantity to set, from a body or a query: 0 is `None`.
pub(crate) fn quantity_or_zero(raw: &str, pointer: &str) -> Result<Option<Quantity>, FieldError> {
    match integer(raw, pointer)? {
        0 => Ok(None),
        n => Quantity::new(n).map(Some).map_err(|QuantityError(n)| {
            let detail = format!("a quantity is a whole number from 0 (none) to {}, not {n}", Quantity::MAX);
            FieldError::new(pointer, "out_of_range", detail)
        }),
    }
}
