use cartwright_domain::{Category, Currency, Description, ProductId, ProductName};

use super::{
    Draft, Fault,
    json::{attributes, stock},
};

/// A column of a table of products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Which product. Required.
    Id,
    /// What it is called. Required.
    Name,
    /// What is said of it.
    Description,
    /// Price of one. Required.
    Price,
    /// ISO 4217 code.
    Currency,
    /// How many there are.
    Stock,
    /// Where it belongs.
    Category,
    /// A JSON object.
    Attributes,
    /// `true`, `false`, `1` or `0`.
    Active,
}

impl Column {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Id,
        Self::Name,
        Self::Description,
        Self::Price,
        Self::Currency,
        Self::Stock,
        Self::Category,
        Self::Attributes,
        Self::Active,
    ];
    /// Those that every table has.
    pub const REQUIRED: [Self; 3] = [Self::Id, Self::Name, Self::Price];

    /// As it is called in the first row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Description => "description",
            Self::Price => "price",
            Self::Currency => "currency",
            Self::Stock => "stock",
            Self::Category => "category",
            Self::Attributes => "attributes",
            Self::Active => "active",
        }
    }
}

/// One row of a table: cells without text say nothing.
pub(crate) struct Cells(Draft);

impl Cells {
    pub(crate) fn new() -> Self {
        Self(Draft::default())
    }

    pub(crate) fn cell(&mut self, column: Column, bytes: &[u8]) {
        let name = column.name();
        let draft = &mut self.0;
        let Ok(text) = std::str::from_utf8(bytes) else {
            draft.faults.push(Fault::new(format!("/{name}"), "not_utf8", format!("{name} is not UTF-8")));
            return;
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return;
        }
        let wrong = |error: &_| Fault::text(name, error);
        match column {
            Column::Id => {
                draft.id = draft.keep(ProductId::new(trimmed).map_err(|error| Fault::id(&error)));
            }
            Column::Name => draft.name = draft.keep(ProductName::new(text).map_err(|e| wrong(&e))),
            Column::Description => {
                draft.description = draft.keep(Description::new(text).map_err(|e| wrong(&e)));
            }
            Column::Price => draft.price = Some(trimmed.to_owned()),
            Column::Currency => {
                let currency = Currency::new(trimmed).map_err(|error| Fault::currency(&error));
                draft.currency = draft.keep(currency);
            }
            Column::Stock => draft.stock = draft.keep(stock(trimmed)),
            Column::Category => {
                draft.category = draft.keep(Category::new(text).map_err(|e| wrong(&e))).map(Some);
            }
            Column::Attributes => {
                let attributes = attributes(text).map_err(|error| Fault::attributes(&error));
                draft.attributes = draft.keep(attributes);
            }
            Column::Active => draft.active = draft.keep(flag(trimmed)),
        }
    }

    pub(crate) fn draft(self) -> Draft {
        self.0
    }
}

fn flag(text: &str) -> Result<bool, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Fault::new("/active", "not_a_boolean", "active is true, false, 1 or 0")),
    }
}
