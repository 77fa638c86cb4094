//! The parameters of a query, taken one by one; what is wrong is collected. Of several with one name, the last counts;
//! names that nobody asks for are ignored, for addresses pick up all kinds of them on their way.

use std::fmt::Display;

use actix_web::{HttpRequest, web};

use cartwright_domain::{Page, PageError, PageSize};

use crate::problem::{FieldError, Problem};

/// A part of a list.
pub(crate) enum Part {
    /// A numbered page.
    Page(Page),
    /// So many after a cursor, of which this is the text.
    After(Option<String>, PageSize),
}

#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Query {
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let text = request.query_string();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text)
            .map_err(|error| Problem::invalid("/query", "invalid_query", error))?;
        Ok(Self { pairs: pairs.into_inner(), errors: Vec::new() })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn wrong(&mut self, name: &str, code: &'static str, detail: impl ToString) {
        self.errors.push(FieldError::new(format!("/query/{name}"), code, detail));
    }

    /// A value that was read, or what is wrong with it.
    pub(crate) fn keep<T, E: Display>(
        &mut self,
        name: &str,
        read: Result<T, E>,
        code: impl FnOnce(&E) -> &'static str,
    ) -> Option<T> {
        read.map_err(|error| self.wrong(name, code(&error), error)).ok()
    }

    /// A whole number. What does not fit is out of every range.
    pub(crate) fn number(&mut self, name: &str) -> Option<u32> {
        let text = self.get(name)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            let detail = format!("{name} is a whole number, not {:?}", short(text));
            self.wrong(name, "not_an_integer", detail);
            return None;
        }
        Some(text.parse().unwrap_or(u32::MAX))
    }

    /// From 1 to 100.
    pub(crate) fn limit(&mut self, default: u32) -> u32 {
        match self.number("limit") {
            None => default,
            Some(limit @ 1..=100) => limit,
            Some(limit) => {
                self.wrong("limit", "out_of_range", format!("a limit is from 1 to 100, not {limit}"));
                default
            }
        }
    }

    /// `true` or `false`; a name without a value is `true`.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.get(name)? {
            "true" | "1" | "" => Some(true),
            "false" | "0" => Some(false),
            other => {
                let detail = format!("{name} is true or false, not {:?}", short(other));
                self.wrong(name, "not_a_boolean", detail);
                None
            }
        }
    }

    /// One of a few names.
    pub(crate) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.get(name)?;
        let chosen = choices.iter().find(|(choice, _)| *choice == text);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            let detail = format!("{name} is one of {}; not {:?}", names.join(", "), short(text));
            self.wrong(name, "unknown", detail);
        }
        chosen.map(|(_, choice)| *choice)
    }

    /// Which part of a list: a numbered page, or what comes after a cursor.
    pub(crate) fn part(&mut self) -> Part {
        let by_cursor = ["cursor", "limit"].into_iter().find(|name| self.get(name).is_some());
        let by_page = ["page", "page_size"].into_iter().find(|name| self.get(name).is_some());
        match (by_cursor, by_page) {
            (Some(one), Some(other)) => {
                let detail = format!(
                    "{one} and {other} do not go together: either page and page_size, or cursor and limit"
                );
                self.wrong(one, "contradiction", detail);
                Part::Page(Page::default())
            }
            (Some(_), None) => {
                let size = self.size("limit");
                Part::After(self.get("cursor").filter(|text| !text.is_empty()).map(str::to_owned), size)
            }
            (None, _) => Part::Page(self.page()),
        }
    }

    /// A numbered page.
    pub(crate) fn page(&mut self) -> Page {
        let size = self.size("page_size");
        let number = self.number("page").unwrap_or(1);
        self.keep("page", Page::new(number, size), page_code).unwrap_or_default()
    }

    fn size(&mut self, name: &str) -> PageSize {
        let wanted = self.number(name).map(PageSize::new);
        wanted.and_then(|read| self.keep(name, read, page_code)).unwrap_or_default()
    }

    /// All that is wrong, if anything is.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::Invalid(self.errors)) }
    }
}

fn page_code(error: &PageError) -> &'static str {
    match error {
        PageError::Size(_) | PageError::Zero => "out_of_range",
        PageError::TooFar => "too_far",
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
