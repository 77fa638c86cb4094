//! Properties of products, searches and lists.

use cartwright_domain::{
    Attributes, Category, Currency, Cursor, Description, Money, Page, PageSize, Position, Product,
    ProductChange, ProductDetails, ProductId, ProductName, SearchText, Stock, sort_key,
};
use chrono::DateTime;
use proptest::{option, prelude::*};

use crate::generate::at;

fn details() -> impl Strategy<Value = ProductDetails> {
    let texts = ("[a-c]{1,2}", "[a-c\n]{0,3}", option::of("[a-c]"));
    (texts, 0..3_i64, 0..3_i64, any::<bool>(), 0..2_u8).prop_map(
        |((name, description, category), minor, stock, active, attributes)| ProductDetails {
            name: ProductName::new(&name).unwrap(),
            description: Description::new(&description).unwrap(),
            price: Money::from_minor(minor, Currency::EUR).unwrap(),
            stock: Stock::new(stock).unwrap(),
            category: category.map(|text| Category::new(&text).unwrap()),
            attributes: Attributes::kept(&format!("{{\"n\":{attributes}}}")).unwrap(),
            active,
        },
    )
}

/// A change with some of the fields of a replacement.
fn change() -> impl Strategy<Value = ProductChange> {
    (details(), any::<[bool; 7]>()).prop_map(|(details, [a, b, c, d, e, f, g])| {
        let all = ProductChange::replace(details);
        ProductChange {
            name: all.name.filter(|_| a),
            description: all.description.filter(|_| b),
            price: all.price.filter(|_| c),
            stock: all.stock.filter(|_| d),
            category: all.category.filter(|_| e),
            attributes: all.attributes.filter(|_| f),
            active: all.active.filter(|_| g),
        }
    })
}

fn product(details: ProductDetails) -> Product {
    Product::create(ProductId::new("tea").unwrap(), details, at(0))
}

proptest! {
    #[test]
    fn a_change_is_carried_out_once(details in details(), change in change()) {
        let before = product(details);
        let mut after = before.clone();
        let changed = after.apply(&change, at(5));
        prop_assert_eq!(changed.is_empty(), after.details == before.details);
        prop_assert_eq!(after.version, before.version + u64::from(!changed.is_empty()));
        prop_assert_eq!(after.updated_at, if changed.is_empty() { at(0) } else { at(5) });
        prop_assert_eq!((&after.id, after.created_at), (&before.id, before.created_at));
        let once = after.clone();
        prop_assert_eq!(after.apply(&change, at(9)), vec![]);
        prop_assert_eq!(after, once);
    }

    #[test]
    fn a_replacement_leaves_nothing(details in details(), other in details()) {
        let mut product = product(details);
        product.apply(&ProductChange::replace(other.clone()), at(1));
        prop_assert_eq!(product.details, other);
    }

    #[test]
    fn products_survive_json(details in details()) {
        let product = product(details);
        let text = serde_json::to_string(&product).unwrap();
        prop_assert_eq!(serde_json::from_str::<Product>(&text).unwrap(), product);
    }

    #[test]
    fn texts_are_legal_or_refused(text in any::<String>()) {
        if let Ok(name) = ProductName::new(&text) {
            prop_assert_eq!(name.as_str(), text.trim());
            prop_assert!(!name.as_str().is_empty() && name.as_str().chars().count() <= 200);
            prop_assert_eq!(ProductName::new(name.as_str()), Ok(name));
        }
        let _ = Category::new(&text);
        if let Ok(description) = Description::new(&text) {
            prop_assert!(!description.as_str().contains('\0'));
        }
    }

    #[test]
    fn searched_words_are_plain_and_bounded(text in any::<String>()) {
        let searched = SearchText::new(&text);
        prop_assert!(searched.words().len() <= 12);
        for word in searched.words() {
            prop_assert!(word.chars().all(char::is_alphanumeric) && (1..=40).contains(&word.chars().count()), "{}", word);
        }
        let again = SearchText::new(&searched.to_string());
        prop_assert_eq!(again.words(), searched.words());
    }

    #[test]
    fn cursors_survive_their_text(name in any::<String>(), number in any::<i64>(), micros in -1_000_000_i64..4_000_000_000_000_000) {
        let id = ProductId::new("a.B_9:@-").unwrap();
        let key = sort_key(&name.replace('\0', ""));
        prop_assert!(key.chars().count() <= 64);
        for position in [
            Position::Id,
            Position::Newest(DateTime::from_timestamp_micros(micros).unwrap()),
            Position::PriceUp(number),
            Position::PriceDown(number),
            Position::Name(key),
        ] {
            let cursor = Cursor { position, id: id.clone() };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn no_text_panics_as_a_cursor(text in "[inpda]?[0-9a-f-]{0,24},?\\PC{0,4}") {
        let _ = text.parse::<Cursor>();
    }

    #[test]
    fn pages_are_within_reach(number in any::<u32>(), size in 1..=100_u32) {
        if let Ok(page) = Page::new(number, PageSize::new(size).unwrap()) {
            prop_assert!(page.offset() + page.size() <= 100_000);
        }
    }
}
