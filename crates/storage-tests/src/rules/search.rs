use cartwright_domain::{
    Category, Currency, Money, Page, PageSize, PriceRange, ProductChange, ProductDetails, ProductName,
    SearchQuery, SearchSort, SearchText, Stock,
};
use cartwright_storage::{Found, MAX_FOUND, ReadFrom};
use chrono::TimeDelta;

use crate::{
    Kit, change, imported,
    shop::{ids, placed},
};

fn query(text: &str) -> SearchQuery {
    SearchQuery { text: Some(SearchText::new(text)), ..SearchQuery::default() }
}

async fn search(kit: &Kit, query: &SearchQuery) -> Found {
    kit.store.search(query, ReadFrom::Primary).await.unwrap()
}

async fn found(kit: &Kit, text: &str) -> Vec<String> {
    let found = search(kit, &query(text)).await;
    assert!(!found.bounded && !found.fuzzy, "{text}");
    assert_eq!(found.total, found.items.len() as u64, "{text}");
    ids(&found.items).into_iter().map(str::to_owned).collect()
}

async fn fill(kit: &Kit) {
    for (id, name, minor, category, description) in [
        ("mouse", "Wireless mouse", 2_499, "Computers", "Three buttons. Works with USB-C/Bluetooth."),
        ("pad", "Mouse pad (wireless charging)", 999, "Computers", "Soft"),
        ("shoes", "Running shoes", 9_999, "Sport & Leisure", "For the road; not for computers."),
        ("lamp", "Desk lamp, 4K-white", 2_999, "Home", "Ein helles Licht, 日本語 текст."),
        ("gone", "Wireless lamp", 1, "Home", ""),
    ] {
        kit.import(&[imported(id, placed(name, minor, category, description))]).await;
        kit.advance(TimeDelta::seconds(1));
    }
    kit.change("gone", ProductChange { active: Some(false), ..change() }).await;
    kit.change("shoes", ProductChange { stock: Some(Stock::NONE), ..change() }).await;
}

/// All words must occur, anywhere; names count more than categories, and those more than descriptions.
pub async fn words_are_found_in_name_category_and_description(kit: Kit) {
    fill(&kit).await;
    assert_eq!(found(&kit, "lamp ").await, ["lamp"]);
    assert_eq!(found(&kit, "WIRELESS mouse ").await.len(), 2);
    assert_eq!(found(&kit, "usb c bluetooth ").await, ["mouse"]);
    assert_eq!(found(&kit, "leisure ").await, ["shoes"]);
    assert_eq!(found(&kit, "4k ").await, ["lamp"]);
    assert_eq!(found(&kit, "текст ").await, ["lamp"]);
    assert_eq!(found(&kit, "日本語 ").await, ["lamp"]);
    let half = search(&kit, &query("mouse xyzzyq ")).await;
    assert!(half.items.is_empty() || half.fuzzy, "not all of its words occur");
    let computers = found(&kit, "computers ").await;
    assert_eq!(computers.len(), 3);
    assert_eq!(computers[2], "shoes", "named in the description only");
}

/// The last word counts from its beginning, unless something comes after it.
pub async fn the_last_word_may_be_a_beginning(kit: Kit) {
    fill(&kit).await;
    assert_eq!(found(&kit, "runn").await, ["shoes"]);
    assert_eq!(found(&kit, "running sho").await, ["shoes"]);
    assert_eq!(found(&kit, "des").await, ["lamp"]);
    assert!(search(&kit, &query("xruxnn ")).await.items.is_empty());
}

/// Filters narrow what is found; orders are total.
pub async fn searches_are_filtered_and_sorted(kit: Kit) {
    fill(&kit).await;
    let all = SearchQuery::default();
    let run = async |query: SearchQuery| {
        let found = search(&kit, &query).await;
        ids(&found.items).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(run(all.clone()).await, ["lamp", "shoes", "pad", "mouse"]);
    let category = Some(Category::new("Computers").unwrap());
    assert_eq!(run(SearchQuery { category: category.clone(), ..all.clone() }).await, ["pad", "mouse"]);
    assert_eq!(run(SearchQuery { category, ..query("wireless mouse") }).await.len(), 2);
    let eur = |minor| Some(Money::from_minor(minor, Currency::EUR).unwrap());
    let price = PriceRange::new(eur(2_499), eur(2_999)).unwrap();
    assert_eq!(run(SearchQuery { price, ..all.clone() }).await, ["lamp", "mouse"]);
    assert_eq!(run(SearchQuery { price, ..query("wireless ") }).await, ["mouse"]);
    let dollars = PriceRange::new(None, Some(Money::from_minor(100_000, Currency::USD).unwrap())).unwrap();
    assert_eq!(run(SearchQuery { price: dollars, ..all.clone() }).await, [""; 0]);
    assert_eq!(run(SearchQuery { in_stock: true, ..all.clone() }).await, ["lamp", "pad", "mouse"]);
    assert_eq!(run(SearchQuery { in_stock: true, ..query("running ") }).await, [""; 0]);
    for (sort, expected) in [
        (SearchSort::PriceUp, ["pad", "mouse"]),
        (SearchSort::PriceDown, ["mouse", "pad"]),
        (SearchSort::Newest, ["pad", "mouse"]),
    ] {
        assert_eq!(run(SearchQuery { sort, ..query("wireless ") }).await, expected, "{sort:?}");
    }
    let page = Page::new(2, PageSize::new(3).unwrap()).unwrap();
    let second = search(&kit, &SearchQuery { page, sort: SearchSort::PriceUp, ..all }).await;
    assert_eq!((ids(&second.items), second.total), (vec!["shoes"], 4));
}

/// Facets are of everything that was found, whatever the page.
pub async fn facets_say_what_was_found(kit: Kit) {
    fill(&kit).await;
    let page = Page::new(9, PageSize::new(1).unwrap()).unwrap();
    for query in [SearchQuery { page, ..SearchQuery::default() }, SearchQuery { page, ..query("w") }] {
        let text = query.text.is_some();
        let found = search(&kit, &query).await;
        assert!(found.items.is_empty(), "there is no ninth");
        let categories: Vec<(Option<&str>, u64)> = (found.facets.categories.iter())
            .map(|c| (c.category.as_ref().map(Category::as_str), c.products))
            .collect();
        let prices: Vec<(i64, Option<i64>, u64)> = (found.facets.prices.iter())
            .map(|p| (p.from.minor(), p.below.map(Money::minor), p.products))
            .collect();
        if text {
            // Wireless, works, white.
            assert_eq!(categories, [(Some("Computers"), 2), (Some("Home"), 1)]);
            assert_eq!((found.total, found.facets.in_stock), (3, 3));
        } else {
            assert_eq!(categories, [(Some("Computers"), 2), (Some("Home"), 1), (Some("Sport & Leisure"), 1)]);
            assert_eq!((found.total, found.facets.in_stock), (4, 3));
            let steps = [(0, Some(1_000), 1), (1_000, Some(2_500), 1), (2_500, Some(5_000), 1)];
            assert_eq!(prices[..3], steps);
            assert_eq!(prices[3..], [(5_000, Some(10_000), 1)]);
        }
    }
    let none = search(&kit, &query("xyzzyq ")).await;
    assert_eq!(none, Found::default());
}

/// What is found, ranked and counted is bounded, and the answer says so.
pub async fn a_search_has_an_end(kit: Kit) {
    let products: Vec<_> = (0..i64::from(MAX_FOUND) + 200)
        .map(|n| imported(&format!("p{n:04}"), placed(&format!("Cheap thing {n}"), n, "Things", "")))
        .collect();
    kit.import(&products).await;
    for query in [query("thing"), SearchQuery { sort: SearchSort::PriceUp, ..SearchQuery::default() }] {
        let found = search(&kit, &query).await;
        assert!(found.bounded, "{query:?}");
        assert!(found.total >= u64::from(MAX_FOUND), "{query:?}");
        assert_eq!(found.items.len(), 20);
        if query.text.is_none() {
            assert_eq!(ids(&found.items)[..2], ["p0000", "p0001"]);
        }
    }
    let few = search(&kit, &query("thing 17 ")).await;
    assert_eq!(few.items[0].id.as_str(), "p0017");
}

/// The index follows every write.
pub async fn changed_products_are_found_by_their_new_words(kit: Kit) {
    fill(&kit).await;
    let name = Some(ProductName::new("Trackball").unwrap());
    kit.change("mouse", ProductChange { name, ..change() }).await;
    assert_eq!(found(&kit, "trackball ").await, ["mouse"]);
    assert_eq!(found(&kit, "mouse ").await, ["pad"]);
    kit.import(&[imported("lamp", placed("Torch", 1, "Home", ""))]).await;
    assert_eq!(found(&kit, "torch ").await, ["lamp"]);
    assert_eq!(found(&kit, "licht ").await, [""; 0]);
    kit.delete("pad").await;
    assert_eq!(found(&kit, "charging ").await, [""; 0]);
    let active = kit.change("gone", ProductChange { active: Some(true), ..change() }).await;
    assert_eq!(found(&kit, "wireless ").await, [active.id.as_str()]);
}

/// Prices, stock and categories too, be it one word that is looked for or several.
pub async fn filters_see_every_change(kit: Kit) {
    fill(&kit).await;
    kit.change("mouse", ProductChange { stock: Some(Stock::NONE), ..change() }).await;
    let sport = Some(Category::new("Sport & Leisure").unwrap());
    let price = Money::from_minor(5, Currency::EUR).unwrap();
    kit.change("pad", ProductChange { price: Some(price), category: Some(sport.clone()), ..change() }).await;
    let cheap = PriceRange::new(Some(price), Some(price)).unwrap();
    for text in ["wireless ", "wire", "wireless mouse ", "mouse wirel"] {
        let run = async |query: SearchQuery| {
            let found = search(&kit, &query).await;
            assert_eq!(found.facets.in_stock, 1, "{text}");
            ids(&found.items).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(run(query(text)).await.len(), 2, "{text}");
        assert_eq!(run(SearchQuery { in_stock: true, ..query(text) }).await, ["pad"], "{text}");
        assert_eq!(run(SearchQuery { price: cheap, ..query(text) }).await, ["pad"], "{text}");
        assert_eq!(run(SearchQuery { category: sport.clone(), ..query(text) }).await, ["pad"], "{text}");
        let dearest = run(SearchQuery { sort: SearchSort::PriceDown, ..query(text) }).await;
        assert_eq!(dearest, ["mouse", "pad"], "{text}");
    }
    assert_eq!(found(&kit, "leisure ").await.len(), 2);
    kit.import(&[imported("pad", placed("Mouse pad (wireless charging)", 5, "", "Soft"))]).await;
    assert_eq!(found(&kit, "leisure ").await, ["shoes"]);
}

/// Operators, quotes, controls, other scripts and directions, and too much of it: all are texts like others.
pub async fn any_text_can_be_searched(kit: Kit) {
    fill(&kit).await;
    let texts = [
        "",
        " ",
        "'",
        "''",
        "\"",
        "\\",
        "\0",
        "lamp\0",
        "a & | ! <-> :* (",
        "NEAR(lamp desk, 2)",
        "name : lamp",
        "lamp* OR shoes",
        "-lamp",
        "^lamp",
        "{name} : lamp",
        "lamp'); DROP TABLE products; --",
        "%",
        "_",
        "$1",
        "?",
        "🎉☕",
        "\u{202e}pmal",
        "\u{feff}",
        "e\u{301}",
        "ﬁ",
        "İ",
        "²",
        "٣",
        "\u{10ffff}",
        "1e5",
        "-1",
        "a.b@c.d/e",
    ];
    let huge = [
        "x".repeat(10_240),
        "lamp ".repeat(2_048),
        "'".repeat(10_240),
        "🎉".repeat(2_560),
        "ü'".repeat(5_000),
    ];
    for text in texts.into_iter().map(str::to_owned).chain(huge) {
        for sort in [SearchSort::Relevance, SearchSort::PriceUp] {
            search(&kit, &SearchQuery { sort, ..query(&text) }).await;
        }
    }
    assert_eq!(search(&kit, &query("?!")).await, Found::default(), "no words, nothing found");
    assert_eq!(found(&kit, "lamp, desk!").await, ["lamp"]);
    assert_eq!(found(&kit, "desk lamp'); DROP TABLE products").await, [""; 0]);
    let hostile =
        ProductDetails { attributes: Default::default(), ..placed("x'y\"z \\ %s", 1, "a'b", "c:*&|!") };
    kit.create(Some("hostile"), hostile).await;
    assert_eq!(found(&kit, "x y z ").await, ["hostile"]);
}

/// Where typos are tolerated, words that are alike are found when the same are not.
pub async fn typos_are_tolerated_where_promised(kit: Kit) {
    fill(&kit).await;
    let found = search(&kit, &query("wirless mose")).await;
    if kit.store.tolerates_typos() {
        assert!(found.fuzzy);
        assert_eq!(ids(&found.items)[0], "mouse");
        assert!(!ids(&found.items).contains(&"gone"));
        for (text, id) in [
            ("runing shoe", "shoes"),
            ("Runnign ", "shoes"),
            ("runnjng", "shoes"),
            ("deks", "lamp"),
            ("leisrue ", "shoes"),
            ("wireless mousse ", "mouse"),
        ] {
            let found = search(&kit, &query(text)).await;
            assert_eq!((ids(&found.items).first(), found.fuzzy), (Some(&id), true), "{text}");
        }
        // Another number is another thing; and so is what has nothing in common.
        for text in ["5k ", "4j ", "xyzzyq ", "lamp 5k ", "zz"] {
            assert_eq!(search(&kit, &query(text)).await, Found::default(), "{text}");
        }
        let filtered = SearchQuery { in_stock: true, ..query("runing ") };
        assert_eq!(search(&kit, &filtered).await, Found::default(), "filters count for alike words, too");
    } else {
        assert_eq!(found, Found::default());
    }
}
