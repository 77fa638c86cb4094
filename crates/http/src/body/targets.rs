//! What bodies say of webhook targets.

use cartwright_storage::{EventType, EventTypes};

use super::{Fields, whole};
use crate::problem::FieldError;

impl Fields<'_> {
    /// Where messages go. What is wrong with it is said by who sends them.
    pub(crate) fn url(&mut self, required: bool) -> Option<String> {
        let raw = if required { self.required("url")? } else { self.optional("url")? };
        self.text("url", raw)
    }

    /// The types of events; `["*"]` is all, as `null` is in a new target.
    pub(crate) fn event_types(&mut self) -> Option<EventTypes> {
        let raw = self.optional("events")?;
        let Ok(names) = serde_json::from_str::<Vec<String>>(raw.get()) else {
            self.wrong("events", "not_a_list", "events must be a list of types of events");
            return None;
        };
        if names == ["*"] {
            return Some(EventTypes::ALL);
        }
        if names.is_empty() {
            self.wrong("events", "empty", "name at least one type of event, or none of this field for all");
            return None;
        }
        let mut types = EventTypes::NONE;
        for (at, name) in names.iter().enumerate() {
            match name.parse::<EventType>() {
                Ok(kind) => types = types.and(kind.into()),
                Err(error) => {
                    self.errors.push(FieldError::new(format!("/events/{at}"), "unknown", error));
                }
            }
        }
        Some(types)
    }

    pub(crate) fn description(&mut self) -> Option<String> {
        self.sentence("description", "a description has at most 200 printable characters")
    }

    pub(crate) fn enabled(&mut self) -> Option<bool> {
        match self.optional("enabled")?.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.wrong("enabled", "not_a_boolean", "enabled is true or false");
                None
            }
        }
    }

    /// The number of an event: an integer, or the text of one.
    pub(crate) fn event_number(&mut self, name: &str, required: bool) -> Option<u64> {
        let raw = if required { self.required(name)? } else { self.optional(name)? }.get();
        let text =
            if raw.starts_with('"') { serde_json::from_str(raw).unwrap_or_default() } else { raw.to_owned() };
        let number = whole(&text).and_then(|digits| digits.parse().ok());
        if number.is_none() {
            self.wrong(name, "not_an_integer", "the number of an event is a whole number");
        }
        number
    }
}
