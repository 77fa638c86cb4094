//! Products from files.

use std::fmt::Write as _;

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Shop, request};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";
const ADDRESS: &str = "/api/v1/products/import";

async fn send(shop: &Shop, uri: &str, kind: &str, file: impl Into<Vec<u8>>) -> Answer {
    let import = request(Method::POST, uri).insert_header(("content-type", kind)).set_payload(file.into());
    let answer = shop.send(import).await;
    shop.state.catalog.settle().await;
    answer
}

async fn import(shop: &Shop, kind: &str, file: impl Into<Vec<u8>>) -> Value {
    let answer = send(shop, ADDRESS, kind, file).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn counts(report: &Value) -> [u64; 5] {
    ["rows", "created", "changed", "unchanged", "rejected"].map(|name| report[name].as_u64().unwrap())
}

#[actix_web::test]
async fn a_table_is_written_and_written_again() {
    let shop = Shop::open();
    let file = "id,name,description,price,currency,stock,category,attributes,active\r\n\
        1,Tea,\"Green, \"\"strong\"\"\nand hot\",3.50,EUR,4,Drinks,\"{\"\"organic\"\":true}\",true\r\n\
        sku-1,Renamed,,1,,,,,0\r\n";
    let report = import(&shop, CSV, file).await;
    assert_eq!(counts(&report), [2, 1, 1, 0, 0], "{report}");
    let tea = shop.get("/api/v1/products/1").await;
    assert_eq!(tea.json()["description"], "Green, \"strong\"\nand hot");
    assert!(tea.body.contains(r#""price":3.50,"currency":"EUR","stock":4"#), "{tea:?}");
    assert_eq!(tea.json()["attributes"]["organic"], true);
    assert_eq!(shop.get("/api/v1/products/sku-1").await.json()["active"], false);
    assert_eq!(counts(&import(&shop, CSV, file).await), [2, 0, 0, 2, 0], "again changes nothing");

    let lines = "{\"id\":1,\"name\":\"Tea\",\"price\":\"4\"}\n\n{\"id\":\"2\",\"name\":\"茶\",\"price\":1}";
    assert_eq!(counts(&import(&shop, NDJSON, lines).await), [2, 1, 1, 0, 0]);
    assert!(shop.get("/api/v1/products/1/cached").await.body.contains(r#""price":4.00"#));
}

#[actix_web::test]
async fn a_dry_run_says_what_would_be_done() {
    let shop = Shop::open();
    let file = "id,name,price,stock\n1,Tea,1,1\n1,Tea,2,1\nsku-1,Product sku-1,19.99,10000\nsku-2,Other,5,1\n2,,1,1\n";
    let answer = send(&shop, &format!("{ADDRESS}?dry_run=true"), CSV, file).await.json();
    assert_eq!((counts(&answer), &answer["dry_run"]), ([5, 1, 1, 2, 1], &true.into()), "{answer}");
    assert_eq!(shop.get("/api/v1/products/1").await.status, 404);
    let done = import(&shop, CSV, file).await;
    assert_eq!((counts(&done), &done["dry_run"]), ([5, 1, 1, 2, 1], &false.into()), "{done}");
    assert_eq!(shop.get("/api/v1/products/1").await.json()["price"], 2.0, "the last row counts");
}

#[actix_web::test]
async fn what_a_row_leaves_out_stays() {
    let shop = Shop::open();
    shop.make(r#"{"id":"tea","name":"Tea","description":"Green","price":3,"stock":4,"category":"Drinks","attributes":{"organic":true},"active":false}"#)
        .await;
    let show = async || {
        let tea = shop.get("/api/v1/products/tea").await.json();
        ["name", "description", "price", "stock", "category", "attributes", "active"]
            .map(|name| tea[name].clone())
    };
    let is = |name: &str, price: f64| {
        [
            name.into(),
            "Green".into(),
            price.into(),
            4.into(),
            "Drinks".into(),
            json!({"organic": true}),
            false.into(),
        ]
    };
    for (n, (kind, file)) in [
        (CSV, "id,name,price\ntea,Tea 0,0\n"),
        (CSV, "id,name,price,stock,description,category,attributes,active\ntea,Tea 1,1,,,,,\n"),
        (NDJSON, r#"{"id":"tea","name":"Tea 2","price":2}"#),
        (NDJSON, r#"{"id":"tea","name":"Tea 3","price":3,"stock":null,"active":null}"#),
    ]
    .into_iter()
    .enumerate()
    {
        let dry = send(&shop, &format!("{ADDRESS}?dry_run=true"), kind, file).await.json();
        assert_eq!(counts(&dry), [1, 0, 1, 0, 0], "{dry}");
        assert_eq!(counts(&import(&shop, kind, file).await), [1, 0, 1, 0, 0]);
        #[expect(clippy::cast_precision_loss, reason = "it is less than four")]
        let price = n as f64;
        assert_eq!(show().await, is(&format!("Tea {n}"), price));
        assert_eq!(counts(&import(&shop, kind, file).await), [1, 0, 0, 1, 0], "again changes nothing");
    }

    // Rows of one file, in order: of each field what was said last.
    let file = "id,name,price,stock,active\ntea,A,1,7,\nnew,N,1,,0\ntea,B,2,,true\nnew,N,1,3,\ntea,C,3,,\n";
    let dry = send(&shop, &format!("{ADDRESS}?dry_run=true"), CSV, file).await.json();
    assert_eq!(counts(&dry), [5, 1, 1, 3, 0], "{dry}");
    assert_eq!(counts(&import(&shop, CSV, file).await), [5, 1, 1, 3, 0]);
    let [name, _, price, stock, .., active] = show().await;
    assert_eq!((name, price, stock, active), ("C".into(), 3.0.into(), 7.into(), true.into()));
    let new = shop.get("/api/v1/products/new").await.json();
    assert_eq!((&new["stock"], &new["active"]), (&3.into(), &false.into()));

    assert_eq!(shop.get("/api/v1/categories/Drinks/products").await.json()["items"][0]["name"], "C");
    let emptied = r#"{"id":"tea","name":"C","price":3,"description":null,"category":null,"attributes":null}"#;
    assert_eq!(counts(&import(&shop, NDJSON, emptied).await), [1, 0, 1, 0, 0]);
    let [_, description, _, stock, category, attributes, _] = show().await;
    assert_eq!((description, stock, category, attributes), ("".into(), 7.into(), Value::Null, json!({})));
    shop.state.catalog.settle().await;
    assert_eq!(shop.get("/api/v1/categories/Drinks/products").await.json()["total"], 0);
}

#[actix_web::test]
async fn a_deleted_product_is_made_anew() {
    let shop = Shop::open();
    shop.make(r#"{"id":"tea","name":"Tea","price":3,"stock":4,"category":"Drinks"}"#).await;
    shop.order("11111111-1111-7111-8111-111111111111", "ana", &["tea"]).await;
    assert_eq!(shop.delete("/api/v1/products/tea").await.json()["outcome"], "retired");
    let file = "id,name,price\ntea,Tea,3\n";
    let dry = send(&shop, &format!("{ADDRESS}?dry_run=true"), CSV, file).await.json();
    assert_eq!((counts(&dry), counts(&import(&shop, CSV, file).await)), ([1, 1, 0, 0, 0], [1, 1, 0, 0, 0]));
    let tea = shop.get("/api/v1/products/tea").await.json();
    let wanted = (&0.into(), &Value::Null, &true.into(), &3.into());
    assert_eq!((&tea["stock"], &tea["category"], &tea["active"], &tea["version"]), wanted);
}

#[actix_web::test]
async fn bad_rows_are_named_and_good_ones_written() {
    let shop = Shop::open();
    let file = b"\xef\xbb\xbfid,name,price,stock\n1,Tea,1,1\n2,,x,-1\n\n3,\"two\nlines\",1,1\n4,a\xff,1,1\n5,T\0,1,1\n6,Tea,1\n7,Tea,1,7\n8,\"open,1,1\n9,Tea,1,1\n".to_vec();
    let report = import(&shop, CSV, file).await;
    assert_eq!(counts(&report), [8, 2, 0, 0, 6], "{report}");
    let errors: Vec<(u64, &str, &str)> = (report["errors"].as_array().unwrap().iter())
        .map(|e| (e["line"].as_u64().unwrap(), e["pointer"].as_str().unwrap(), e["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        errors,
        [
            (3, "/stock", "out_of_range"),
            (3, "/name", "missing"),
            (3, "/price", "not_a_number"),
            (5, "/name", "forbidden_character"),
            (7, "/name", "not_utf8"),
            (8, "/name", "forbidden_character"),
            (9, "", "cells"),
            (11, "", "open_quote"),
        ]
    );
    assert_eq!(shop.get("/api/v1/products/7").await.json()["stock"], 7);
    shop.get("/api/v1/products/9").await.problem(404, "product_not_found");

    let lines =
        b"{\"id\":1}\nnull\n{\"id\":2,\"name\":\"n\",\"price\":1,\"colour\":1}\n{\xff}\n{\"id\"\n".to_vec();
    let report = import(&shop, NDJSON, lines).await;
    let codes: Vec<&str> =
        report["errors"].as_array().unwrap().iter().map(|error| error["code"].as_str().unwrap()).collect();
    let wanted = ["missing", "missing", "not_an_object", "unknown_field", "not_utf8", "malformed_json"];
    assert_eq!((counts(&report), codes), ([5, 0, 0, 0, 5], wanted.to_vec()), "{report}");
}

#[actix_web::test]
async fn files_may_be_larger_than_bodies_and_rows_may_not() {
    let shop = Shop::open();
    let mut file = String::from("id,name,price,category,description\n");
    let description = "long ".repeat(100);
    for n in 0..2500 {
        let _ = writeln!(file, "{n},Product {n},{n}.5,Category {},{description}", n % 7);
    }
    assert!(file.len() > 4 * shop.state.settings.body_limit);
    let _ = writeln!(file, "large,Large,1,,{}", "x".repeat(70_000));
    file.push_str("last,Last,1,,\n");
    let report = import(&shop, CSV, file).await;
    assert_eq!(counts(&report), [2502, 2501, 0, 0, 1], "{report}");
    assert_eq!(
        (&report["errors"][0]["line"], &report["errors"][0]["code"]),
        (&2502.into(), &"row_too_large".into())
    );
    assert_eq!(shop.get("/api/v1/products?category=Category%203").await.json()["total"], 357);
    assert_eq!(shop.get("/api/v1/products/last").await.status, 200);

    // Many errors are counted, and the first of them are named.
    let report = import(&shop, NDJSON, "{}\n".repeat(5000)).await;
    assert_eq!((counts(&report), report["errors"].as_array().unwrap().len()), ([5000, 0, 0, 0, 5000], 1000));
}

#[actix_web::test]
async fn what_is_no_table_of_products_is_refused() {
    let shop = Shop::open();
    for (file, pointer, code) in [
        ("", "", "missing"),
        ("\n\n", "", "missing"),
        ("id,name\n1,Tea\n", "/price", "missing"),
        ("id,name,price,colour\n1,Tea,1,red\n", "/colour", "unknown_field"),
        ("id,name,price,Name\n", "/name", "duplicate"),
        ("id;name;price\n", "/id;name;price", "unknown_field"),
        ("\"id,name,price\n1,Tea,1\n", "", "open_quote"),
    ] {
        send(&shop, ADDRESS, CSV, file).await.points_to(pointer, code);
    }
    let wide = format!("id,name,price{}\n", ",".repeat(100));
    send(&shop, ADDRESS, CSV, wide).await.points_to("", "row_too_large");
    assert_eq!(counts(&import(&shop, CSV, "id,name,price").await), [0; 5]);
    assert_eq!(counts(&import(&shop, NDJSON, "").await), [0; 5]);
    for kind in ["application/json", "text/plain", "text/csv; charset=latin1", ""] {
        send(&shop, ADDRESS, kind, "id,name,price\n").await.problem(415, "unsupported_media_type");
    }
    let utf8 =
        send(&shop, ADDRESS, "Text/CSV; charset=\"UTF-8\"; header=present", "ID, Name ,PRICE\n1,Tea,1\n");
    assert_eq!(utf8.await.json()["created"], 1);
    let maybe = send(&shop, &format!("{ADDRESS}?dry_run=maybe"), CSV, "id,name,price\n").await;
    maybe.points_to("/query/dry_run", "not_a_boolean");
}
