use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};

use super::{Category, Product};
use crate::ProductId;

/// The most products on a page.
pub const MAX_PAGE_SIZE: u32 = 100;
/// The last product that a numbered page may show: a store has to walk past all that come before.
const MAX_REACH: u32 = 100_000;
/// How many characters of a name count for the order.
const KEY_LENGTH: usize = 64;

/// In which order products are listed. Equal ones are in the order of their ids, which goes down with the rest: what is
/// listed one way up is listed the other way down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ProductSort {
    /// By id, byte by byte.
    #[default]
    Id,
    /// The newest first.
    Newest,
    /// The cheapest first, by minor units.
    PriceUp,
    /// The dearest first, by minor units.
    PriceDown,
    /// By [`sort_key`] of the name.
    Name,
}

/// By what a name is sorted: its first 64 characters in lower case, compared byte by byte. The same on every machine
/// and in every database, whatever its locale.
pub fn sort_key(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).take(KEY_LENGTH).collect()
}

/// How many products a page has: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageSize(u32);

/// What is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Nothing, or too much.
    #[error("a page has 1 to {MAX_PAGE_SIZE} items, not {0}")]
    Size(u32),
    /// Pages are counted from 1.
    #[error("the first page is 1")]
    Zero,
    /// Too far from the beginning.
    #[error("numbered pages end after {MAX_REACH} items; go on with a cursor")]
    TooFar,
}

impl PageSize {
    /// Checks the range.
    ///
    /// # Errors
    /// [`PageError::Size`].
    pub fn new(size: u32) -> Result<Self, PageError> {
        if (1..=MAX_PAGE_SIZE).contains(&size) { Ok(Self(size)) } else { Err(PageError::Size(size)) }
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(20)
    }
}

/// A numbered page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    number: u32,
    size: PageSize,
}

impl Page {
    /// The page `number`, counted from 1.
    ///
    /// # Errors
    /// [`PageError::Zero`], or [`PageError::TooFar`] when it ends after item 100,000.
    pub fn new(number: u32, size: PageSize) -> Result<Self, PageError> {
        if number == 0 {
            return Err(PageError::Zero);
        }
        match number.checked_mul(size.0) {
            Some(last) if last <= MAX_REACH => Ok(Self { number, size }),
            _ => Err(PageError::TooFar),
        }
    }

    /// The first page.
    pub fn first(size: PageSize) -> Self {
        Self { number: 1, size }
    }

    /// Which one, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many items it has at most.
    pub fn size(self) -> u32 {
        self.size.0
    }

    /// How many items come before it.
    pub fn offset(self) -> u32 {
        (self.number - 1) * self.size.0
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::first(PageSize::default())
    }
}

/// Where a product stands in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// In the order of ids.
    Id,
    /// Among the newest.
    Newest(DateTime<Utc>),
    /// Among the cheapest, in minor units.
    PriceUp(i64),
    /// Among the dearest, in minor units.
    PriceDown(i64),
    /// By [`sort_key`].
    Name(String),
}

/// The last product of a page: the next page begins after it, also when it was removed meanwhile.
///
/// Its text is for clients to give back as it is. A forged one shows another place of the same list, no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// By what it is sorted, and its value.
    pub position: Position,
    /// Which product.
    pub id: ProductId,
}

/// A text that no list has given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Not the text of any cursor.
    #[error("this is no cursor; leave it out to begin at the first page")]
    Invalid,
    /// A cursor of a list with another order.
    #[error("this cursor belongs to a list in another order; leave it out to begin at the first page")]
    OtherSort,
}

impl Cursor {
    /// The cursor after a product.
    pub fn after(product: &Product, sort: ProductSort) -> Self {
        let price = product.details.price.minor();
        let position = match sort {
            ProductSort::Id => Position::Id,
            ProductSort::Newest => Position::Newest(product.created_at),
            ProductSort::PriceUp => Position::PriceUp(price),
            ProductSort::PriceDown => Position::PriceDown(price),
            ProductSort::Name => Position::Name(sort_key(product.details.name.as_str())),
        };
        Self { position, id: product.id.clone() }
    }

    /// The order that it belongs to.
    pub fn sort(&self) -> ProductSort {
        match self.position {
            Position::Id => ProductSort::Id,
            Position::Newest(_) => ProductSort::Newest,
            Position::PriceUp(_) => ProductSort::PriceUp,
            Position::PriceDown(_) => ProductSort::PriceDown,
            Position::Name(_) => ProductSort::Name,
        }
    }
}

/// A letter for the order, the value, a comma, the id.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Position::Id => f.write_str("i")?,
            Position::Newest(at) => write!(f, "n{}", at.timestamp_micros())?,
            Position::PriceUp(minor) => write!(f, "p{minor}")?,
            Position::PriceDown(minor) => write!(f, "d{minor}")?,
            Position::Name(key) => {
                f.write_str("a")?;
                key.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            }
        }
        write!(f, ",{}", self.id)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse(text).ok_or(CursorError::Invalid)
    }
}

fn parse(text: &str) -> Option<Cursor> {
    let (position, id) = text.split_once(',')?;
    let mut characters = position.chars();
    let kind = characters.next()?;
    let value = characters.as_str();
    let position = match kind {
        'i' if value.is_empty() => Position::Id,
        'n' => Position::Newest(DateTime::from_timestamp_micros(value.parse().ok()?)?),
        'p' => Position::PriceUp(value.parse().ok()?),
        'd' => Position::PriceDown(value.parse().ok()?),
        'a' => Position::Name(unhex(value)?),
        _ => return None,
    };
    Some(Cursor { position, id: ProductId::new(id).ok()? })
}

fn unhex(text: &str) -> Option<String> {
    // A character has up to four bytes, and two digits each.
    if text.len() > KEY_LENGTH * 8 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let digits: Vec<u8> = text.bytes().collect();
    let bytes = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let text = String::from_utf8(bytes.collect::<Option<_>>()?).ok()?;
    // A database that keeps texts ended by NUL could not be asked for it, and no name has one.
    (!text.contains('\0')).then_some(text)
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// A numbered page, with the total.
    Page(Page),
    /// So many after a cursor, or from the beginning; without the total.
    After(Option<Cursor>, PageSize),
}

impl Default for Paging {
    fn default() -> Self {
        Self::Page(Page::default())
    }
}

/// Which products are listed, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Of one category. `None`: of all, and those without one.
    pub category: Option<Category>,
    /// Only those that can be bought, or only those that cannot. `None`: both.
    pub active: Option<bool>,
    /// In which order.
    pub sort: ProductSort,
    /// Which part.
    pub paging: Paging,
}

impl ListQuery {
    /// Whether its cursor, if any, belongs to its order.
    ///
    /// # Errors
    /// [`CursorError::OtherSort`].
    pub fn check(&self) -> Result<(), CursorError> {
        match &self.paging {
            Paging::After(Some(cursor), _) if cursor.sort() != self.sort => Err(CursorError::OtherSort),
            _ => Ok(()),
        }
    }
}
