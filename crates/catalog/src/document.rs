//! The JSON of products and lists: what is cached is what is sent.

use bytes::Bytes;
use cartwright_domain::{Attributes, Currency, Money, Page, Product};
use cartwright_storage::{CategoryCount, Found, Listed, PriceCount, Ranked};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A document that could not be written. It does not happen for values of the domain.
pub(crate) type Unwritten = serde_json::Error;

/// A product as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    name: &'a str,
    description: &'a str,
    price: Amount,
    currency: Currency,
    stock: u32,
    category: Option<&'a str>,
    attributes: &'a Attributes,
    active: bool,
    version: u64,
    #[serde(serialize_with = "time")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "time")]
    updated_at: DateTime<Utc>,
}

/// A JSON number with the exact decimal text.
struct Amount(Money);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

fn time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn shown(product: &Product) -> Shown<'_> {
    let details = &product.details;
    Shown {
        id: product.id.as_str(),
        name: details.name.as_str(),
        description: details.description.as_str(),
        price: Amount(details.price),
        currency: details.price.currency(),
        stock: details.stock.get(),
        category: details.category.as_ref().map(cartwright_domain::Category::as_str),
        attributes: &details.attributes,
        active: details.active,
        version: product.version,
        created_at: product.created_at,
        updated_at: product.updated_at,
    }
}

fn write(document: &impl Serialize) -> Result<Bytes, Unwritten> {
    serde_json::to_vec(document).map(Bytes::from)
}

/// One product.
pub(crate) fn product(product: &Product) -> Result<Bytes, Unwritten> {
    write(&shown(product))
}

/// A numbered page of products: `{items, page, page_size, total, next_cursor}`.
pub(crate) fn page(listed: &Listed, page: Page) -> Result<Bytes, Unwritten> {
    #[derive(Serialize)]
    struct Paged<'a> {
        items: Vec<Shown<'a>>,
        page: u32,
        page_size: u32,
        total: u64,
        next_cursor: Option<String>,
    }
    write(&Paged {
        items: listed.items.iter().map(shown).collect(),
        page: page.number(),
        page_size: page.size(),
        total: listed.total.unwrap_or_default(),
        next_cursor: listed.next.as_ref().map(ToString::to_string),
    })
}

/// Products after a cursor: `{items, next_cursor}`.
pub(crate) fn after(listed: &Listed) -> Result<Bytes, Unwritten> {
    #[derive(Serialize)]
    struct After<'a> {
        items: Vec<Shown<'a>>,
        next_cursor: Option<String>,
    }
    write(&After {
        items: listed.items.iter().map(shown).collect(),
        next_cursor: listed.next.as_ref().map(ToString::to_string),
    })
}

#[derive(Serialize)]
struct Counted<'a> {
    category: Option<&'a str>,
    products: u64,
}

fn counted(count: &CategoryCount) -> Counted<'_> {
    let category = count.category.as_ref().map(cartwright_domain::Category::as_str);
    Counted { category, products: count.products }
}

/// All categories: `{items: [{category, products}]}`.
pub(crate) fn categories(categories: &[CategoryCount]) -> Result<Bytes, Unwritten> {
    #[derive(Serialize)]
    struct All<'a> {
        items: Vec<Counted<'a>>,
    }
    write(&All { items: categories.iter().map(counted).collect() })
}

/// A page of what was found, with facets of all that was.
pub(crate) fn found(found: &Found, page: Page) -> Result<Bytes, Unwritten> {
    #[derive(Serialize)]
    struct Prices {
        from: Amount,
        below: Option<Amount>,
        currency: Currency,
        products: u64,
    }
    #[derive(Serialize)]
    struct Facets<'a> {
        categories: Vec<Counted<'a>>,
        prices: Vec<Prices>,
        in_stock: u64,
    }
    #[derive(Serialize)]
    struct Matches<'a> {
        items: Vec<Shown<'a>>,
        page: u32,
        page_size: u32,
        total: u64,
        /// Whether there are more than `total`.
        total_is_bounded: bool,
        /// Whether words are only like those that were looked for.
        fuzzy: bool,
        facets: Facets<'a>,
    }
    let prices = |count: &PriceCount| Prices {
        from: Amount(count.from),
        below: count.below.map(Amount),
        currency: count.from.currency(),
        products: count.products,
    };
    write(&Matches {
        items: found.items.iter().map(shown).collect(),
        page: page.number(),
        page_size: page.size(),
        total: found.total,
        total_is_bounded: found.bounded,
        fuzzy: found.fuzzy,
        facets: Facets {
            categories: found.facets.categories.iter().map(counted).collect(),
            prices: found.facets.prices.iter().map(prices).collect(),
            in_stock: found.facets.in_stock,
        },
    })
}

/// Products in an order that comes from purchases: `{items: [{product, count}]}`.
pub(crate) fn ranked(ranked: &[Ranked]) -> Result<Bytes, Unwritten> {
    #[derive(Serialize)]
    struct Place<'a> {
        product: Shown<'a>,
        /// Units that were sold, or orders in which it was bought together with the others.
        count: u64,
    }
    #[derive(Serialize)]
    struct Places<'a> {
        items: Vec<Place<'a>>,
    }
    let places = ranked.iter().map(|ranked| Place { product: shown(&ranked.product), count: ranked.count });
    write(&Places { items: places.collect() })
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{ProductDetails, ProductId, ProductName};

    use super::*;

    #[test]
    fn a_product_is_shown_with_its_exact_price() {
        let price = Money::parse("1299.90", Currency::new("EUR").unwrap()).unwrap();
        let details = ProductDetails::new(ProductName::new("Käse \"alt\"").unwrap(), price);
        let product = Product::create(ProductId::new("17").unwrap(), details, DateTime::UNIX_EPOCH);
        assert_eq!(
            super::product(&product).unwrap(),
            r#"{"id":"17","name":"Käse \"alt\"","description":"","price":1299.90,"currency":"EUR","stock":0,"category":null,"attributes":{},"active":true,"version":1,"created_at":"1970-01-01T00:00:00Z","updated_at":"1970-01-01T00:00:00Z"}"#
        );
    }
}
