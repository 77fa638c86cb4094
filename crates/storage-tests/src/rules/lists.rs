use cartwright_domain::{
    Category, Cursor, ListQuery, Page, PageSize, Paging, Product, ProductChange, ProductSort,
};
use cartwright_storage::{CategoryCount, Deleted, Listed, ReadFrom};
use chrono::TimeDelta;

use crate::{
    Kit, change, details, imported, order,
    shop::{ids, placed},
};

const SORTS: [ProductSort; 5] =
    [ProductSort::Id, ProductSort::Newest, ProductSort::PriceUp, ProductSort::PriceDown, ProductSort::Name];

async fn list(kit: &Kit, query: &ListQuery) -> Listed {
    query.check().unwrap();
    kit.store.list_products(query, ReadFrom::Primary).await.unwrap()
}

/// All products of a query, by cursors of two.
async fn walk(kit: &Kit, query: &ListQuery) -> Vec<Product> {
    let (mut all, mut cursor): (_, Option<Cursor>) = (Vec::new(), None);
    loop {
        let paging = Paging::After(cursor.take(), PageSize::new(2).unwrap());
        let listed = list(kit, &ListQuery { paging, ..query.clone() }).await;
        assert_eq!(listed.total, None);
        assert!(listed.items.len() == 2 || listed.next.is_none());
        all.extend(listed.items);
        let Some(next) = listed.next else { return all };
        cursor = Some(next.to_string().parse().unwrap());
    }
}

async fn fill(kit: &Kit) {
    for (id, name, minor, category) in [
        ("b", "émile", 300, "X"),
        ("a", "Zebra", 300, ""),
        ("d", "apple", 100, "X"),
        ("c", "Apple", 300, "Y"),
        ("E", "Émile", 0, "X"),
    ] {
        kit.import(&[imported(id, placed(name, minor, category, ""))]).await;
        if id != "d" {
            kit.advance(TimeDelta::microseconds(1));
        }
    }
}

/// Every order is total, and the same by pages and by cursors.
pub async fn every_order_is_listed_by_pages_and_by_cursors(kit: Kit) {
    fill(&kit).await;
    for (sort, expected) in SORTS.into_iter().zip([
        ["E", "a", "b", "c", "d"],
        ["E", "d", "c", "a", "b"],
        ["E", "d", "a", "b", "c"],
        ["c", "b", "a", "d", "E"],
        ["c", "d", "a", "E", "b"],
    ]) {
        let query = ListQuery { sort, ..ListQuery::default() };
        assert_eq!(ids(&walk(&kit, &query).await), expected, "{sort:?}");
        let mut paged = Vec::new();
        for number in 1..=4 {
            let paging = Paging::Page(Page::new(number, PageSize::new(2).unwrap()).unwrap());
            let listed = list(&kit, &ListQuery { paging, ..query.clone() }).await;
            assert_eq!((listed.total, listed.next.is_some()), (Some(5), number < 3), "{sort:?} {number}");
            paged.extend(listed.items);
        }
        assert_eq!(ids(&paged), expected, "{sort:?}");
    }
}

/// By category, and by whether it can be bought; the total is of what passes.
pub async fn lists_are_filtered(kit: Kit) {
    fill(&kit).await;
    kit.change("b", ProductChange { active: Some(false), ..change() }).await;
    let category = |name: &str| Some(Category::new(name).unwrap());
    for (category, active, expected) in [
        (None, None, vec!["E", "a", "b", "c", "d"]),
        (None, Some(true), vec!["E", "a", "c", "d"]),
        (None, Some(false), vec!["b"]),
        (category("X"), None, vec!["E", "b", "d"]),
        (category("X"), Some(true), vec!["E", "d"]),
        (category("X"), Some(false), vec!["b"]),
        (category("x"), None, vec![]),
    ] {
        for sort in SORTS {
            let query = ListQuery { category: category.clone(), active, sort, ..ListQuery::default() };
            let listed = list(&kit, &query).await;
            let mut found = ids(&listed.items);
            found.sort_unstable();
            assert_eq!(found, expected, "{query:?}");
            assert_eq!((listed.total, listed.next), (Some(expected.len() as u64), None), "{query:?}");
            assert_eq!(walk(&kit, &query).await, listed.items);
        }
    }
}

/// A cursor is a place, not a product: it holds when its product is gone, and forged ones are harmless.
pub async fn a_cursor_goes_on_where_its_product_was(kit: Kit) {
    fill(&kit).await;
    for sort in SORTS {
        let query = ListQuery { sort, ..ListQuery::default() };
        let all = walk(&kit, &query).await;
        let after = |cursor| ListQuery {
            paging: Paging::After(Some(cursor), PageSize::default()),
            sort,
            ..query.clone()
        };
        for (n, product) in all.iter().enumerate() {
            let rest = list(&kit, &after(Cursor::after(product, sort))).await;
            assert_eq!(rest.items, all[n + 1..], "{sort:?}");
        }
        assert!(matches!(kit.delete(all[1].id.as_str()).await, Deleted::Removed(_)));
        assert_eq!(list(&kit, &after(Cursor::after(&all[1], sort))).await.items, all[2..]);
        kit.create(Some(all[1].id.as_str()), all[1].details.clone()).await;
        let forged =
            Cursor { id: crate::product("~".replace('~', "zzz").as_str()), ..Cursor::after(&all[0], sort) };
        list(&kit, &after(forged)).await;
    }
}

/// Categories that have something to buy, by name.
pub async fn categories_are_counted(kit: Kit) {
    assert_eq!(kit.store.categories(ReadFrom::Primary).await.unwrap(), []);
    fill(&kit).await;
    kit.change("c", ProductChange { active: Some(false), ..change() }).await;
    let count = |name: &str, products| CategoryCount {
        category: (!name.is_empty()).then(|| Category::new(name).unwrap()),
        products,
    };
    assert_eq!(kit.store.categories(ReadFrom::Primary).await.unwrap(), [count("", 1), count("X", 3)]);
}

/// However a product is written, moved or deleted, the counts are those of what is listed.
pub async fn counts_follow_every_write(kit: Kit) {
    let category = |name: &str| Some(Some(Category::new(name).unwrap()));
    fill(&kit).await;
    kit.list(&["a", "new"]).await;
    kit.change("b", ProductChange { category: category("Y"), ..change() }).await;
    kit.change("d", ProductChange { category: Some(None), active: Some(false), ..change() }).await;
    kit.import(&[imported("E", placed("E", 1, "Z", "")), imported("f", placed("F", 1, "Z", ""))]).await;
    kit.import(&[imported("f", details("F", 1)), imported("c", placed("c", 1, "X", ""))]).await;
    kit.store.put_orders(&[order(&kit, 1, "ana", &["b", "E"])]).await.unwrap();
    for gone in ["a", "b", "E"] {
        kit.delete(gone).await;
    }
    kit.import(&[imported("E", placed("E", 1, "Q", ""))]).await;
    kit.create(None, placed("One", 1, "Y", "")).await;
    let mut counted: Vec<(Option<Category>, u64)> = Vec::new();
    let all = list(&kit, &ListQuery { active: Some(true), ..ListQuery::default() }).await;
    for product in &all.items {
        match counted.iter_mut().find(|(category, _)| *category == product.details.category) {
            Some((_, n)) => *n += 1,
            None => counted.push((product.details.category.clone(), 1)),
        }
    }
    counted.sort();
    assert_eq!(all.total, Some(all.items.len() as u64));
    let kept = kit.store.categories(ReadFrom::Primary).await.unwrap();
    assert_eq!(kept.into_iter().map(|c| (c.category, c.products)).collect::<Vec<_>>(), counted);
    let every = list(&kit, &ListQuery::default()).await;
    assert_eq!(every.total, Some(every.items.len() as u64));
    assert_eq!(ids(&every.items), ["1", "E", "c", "d", "f", "new"]);
}
