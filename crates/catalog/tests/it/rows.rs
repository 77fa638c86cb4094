//! Files in pieces.

use cartwright_catalog::import::{BadColumns, Format, MAX_ROW, Row, RowReader};
use cartwright_domain::{Attributes, Category, Currency, Description, Money, ProductId, ProductName, Stock};
use cartwright_storage::ImportedProduct;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::json;

/// Reads a file that comes in pieces which end at these places.
fn read(format: Format, file: &[u8], ends: &[usize]) -> Result<Vec<Row>, BadColumns> {
    let mut ends: Vec<usize> = ends.iter().map(|end| end % (file.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(file.len());
    let (mut reader, mut rows, mut from) = (RowReader::new(format, Currency::EUR), Vec::new(), 0);
    for end in ends {
        reader.push(&file[from..end], &mut rows)?;
        from = end;
    }
    reader.finish(&mut rows)?;
    Ok(rows)
}

fn whole(format: Format, file: impl AsRef<[u8]>) -> Result<Vec<Row>, BadColumns> {
    read(format, file.as_ref(), &[])
}

/// Line and code of what is wrong, or the id and the name.
fn outline(rows: &[Row]) -> Vec<(u64, String)> {
    let one = |row: &Row| match &row.product {
        Ok(product) => (row.line, format!("{}={}", product.id, product.name)),
        Err(faults) => (row.line, faults[0].code.to_owned()),
    };
    rows.iter().map(one).collect()
}

fn is(rows: &[Row], wanted: &[(u64, &str)]) {
    let wanted: Vec<_> = wanted.iter().map(|(line, what)| (*line, (*what).to_owned())).collect();
    assert_eq!(outline(rows), wanted);
}

#[test]
fn lines_end_in_any_way() {
    for end in ["\n", "\r\n", "\r"] {
        let file = ["", "id,name,price", "1,A,1", "", "", "2,B,2", "3,\"C\",x"].join(end);
        for file in [file.clone(), format!("{file}{end}{end}"), format!("\u{feff}{file}")] {
            is(&whole(Format::Csv, file).unwrap(), &[(3, "1=A"), (6, "2=B"), (7, "not_a_number")]);
        }
    }
    let file = "{\"id\":1,\"name\":\"A\",\"price\":1}\r\n \r\n\n{}\n\u{feff}{}";
    for file in [file.to_owned(), format!("\u{feff}{file}")] {
        is(&whole(Format::Ndjson, file).unwrap(), &[(1, "1=A"), (4, "missing"), (5, "malformed_json")]);
    }
    // What begins like a mark and is none.
    is(&whole(Format::Ndjson, b"\xef\xbb").unwrap(), &[(1, "not_utf8")]);
    assert!(whole(Format::Csv, b"\xef\xbb").is_err());
    assert!(whole(Format::Csv, "\u{feff}\u{feff}id,name,price\n").is_err());
}

#[test]
fn quotes_may_hold_anything_and_have_to_be_closed() {
    let file = "id,name,price,description\n1,\"A, \"\"b\"\"\",1,\"x\ny\"\n2,B\"c,2,\n3,\"C\",3,\"z";
    let rows = whole(Format::Csv, file).unwrap();
    is(&rows, &[(2, "1=A, \"b\""), (4, "2=B\"c"), (5, "open_quote")]);
    assert_eq!(rows[0].product.as_ref().unwrap().description.as_ref().unwrap().as_str(), "x\ny");
    is(&whole(Format::Csv, "id,name,price\n1,\"A\",1\n2,B,\"2\"").unwrap(), &[(2, "1=A"), (3, "2=B")]);
    // All that follows is in it, however much that is: no row is made of the inside of another.
    let file = format!("id,name,price\n1,\"A,1\n{}", "2,B,2\n".repeat(50_000));
    is(&whole(Format::Csv, file).unwrap(), &[(2, "open_quote")]);
    let file = format!("id,name,price\n1,\"A{}\",1\n3,C,3\n", "\n2,B,2".repeat(50_000));
    is(&whole(Format::Csv, file).unwrap(), &[(2, "row_too_large"), (50_003, "3=C")]);
}

#[test]
fn rows_are_bounded() {
    let table = |length: usize| format!("id,name,price,description\n1,A,1,{}\n2,B,2,\n", "x".repeat(length));
    is(&whole(Format::Csv, table(MAX_ROW)).unwrap(), &[(2, "row_too_large"), (3, "2=B")]);
    is(&whole(Format::Csv, table(MAX_ROW - 100)).unwrap(), &[(2, "length"), (3, "2=B")]);
    let cells = |count: usize| format!("id,name,price\n{}\n2,B,2\n", ",".repeat(count - 1));
    is(&whole(Format::Csv, cells(64)).unwrap(), &[(2, "cells"), (3, "2=B")]);
    is(&whole(Format::Csv, cells(100_000)).unwrap(), &[(2, "row_too_large"), (3, "2=B")]);
    let lines = |length: usize| {
        let line = r#"{"id":1,"name":"A","price":1}"#;
        let line = format!("{line}{}", " ".repeat(length - line.len()));
        format!("{line}\n{{\"id\":2,\"name\":\"B\",\"price\":2}}")
    };
    is(&whole(Format::Ndjson, lines(MAX_ROW)).unwrap(), &[(1, "1=A"), (2, "2=B")]);
    is(&whole(Format::Ndjson, lines(MAX_ROW + 1)).unwrap(), &[(1, "row_too_large"), (2, "2=B")]);
}

#[test]
fn a_file_without_an_end_takes_no_more_room_than_a_row() {
    let piece = vec![b'x'; 1 << 20];
    for format in [Format::Csv, Format::Ndjson] {
        let (mut reader, mut rows) = (RowReader::new(format, Currency::EUR), Vec::new());
        if format == Format::Csv {
            reader.push(b"id,name,price\n", &mut rows).unwrap();
        }
        for _ in 0..64 {
            reader.push(&piece, &mut rows).unwrap();
            assert!(rows.is_empty());
        }
        reader.finish(&mut rows).unwrap();
        assert_eq!((rows.len(), outline(&rows)[0].1.as_str()), (1, "row_too_large"));
    }
}

#[test]
fn cells_without_text_say_nothing() {
    let file = "Price,ID, name ,description,currency,stock,category,attributes,active\n1.5,1,A,,,,, ,\n";
    let rows = whole(Format::Csv, file).unwrap();
    let price = Money::parse("1.5", Currency::EUR).unwrap();
    let sketch = ImportedProduct {
        id: ProductId::new("1").unwrap(),
        name: ProductName::new("A").unwrap(),
        price,
        description: None,
        stock: None,
        category: None,
        attributes: None,
        active: None,
    };
    assert_eq!(rows[0].product, Ok(sketch.clone()));
    // A column that is not there says no more; in an object, null empties what can be empty.
    assert_eq!(whole(Format::Csv, "id,name,price\n1,A,1.5\n").unwrap()[0].product, Ok(sketch.clone()));
    let nulls =
        r#"{"id":1,"name":"A","price":1.5,"stock":null,"active":null,"description":null,"category":null}"#;
    let emptied =
        ImportedProduct { description: Some(Description::default()), category: Some(None), ..sketch };
    assert_eq!(whole(Format::Ndjson, nulls).unwrap()[0].product, Ok(emptied));
    is(&whole(Format::Csv, "id,name,price\n,,\n").unwrap(), &[(2, "missing")]);
    let flags = "id,name,price,active\n1,A,1,TRUE\n2,B,1,0\n3,C,1,maybe\n";
    is(&whole(Format::Csv, flags).unwrap(), &[(2, "1=A"), (3, "2=B"), (4, "not_a_boolean")]);
}

fn text(most: usize) -> impl Strategy<Value = String> {
    vec(select(vec!["a", "Z", "0", "\"", ",", ";", "é", "茶", "🫖", "'", "=", "x y"]), 1..most)
        .prop_map(|parts| parts.concat())
}

fn product() -> impl Strategy<Value = ImportedProduct> {
    let prose = vec(select(vec!["word", "\n", "\r\n", "\"", ",", "\t", "ß"]), 0..8)
        .prop_map(|parts| format!("x{}", parts.concat()));
    (
        "[A-Za-z0-9._:@-]{1,20}",
        text(20),
        0_i64..1_000_000,
        option::of(prose),
        option::of(0_i64..1000),
        option::of(text(10)),
        option::of(text(5)),
        option::of(any::<bool>()),
    )
        .prop_map(|(id, name, minor, description, stock, category, attribute, active)| ImportedProduct {
            id: ProductId::new(&id).unwrap(),
            name: ProductName::new(&name).unwrap(),
            price: Money::from_minor(minor, Currency::USD).unwrap(),
            description: description.map(|text| Description::new(&text).unwrap()),
            stock: stock.map(|units| Stock::new(units).unwrap()),
            category: category.map(|name| Some(Category::new(&name).unwrap())),
            attributes: attribute.map(|text| Attributes::from_value(json!({"a": [text]})).unwrap()),
            active,
        })
}

fn csv(products: &[ImportedProduct]) -> String {
    fn cell(value: Option<impl ToString>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let mut file = "attributes,id,name,description,price,currency,stock,category,active\n".to_owned();
    for product in products {
        let cells = [
            cell(product.attributes.as_ref().map(Attributes::to_json)),
            product.id.to_string(),
            product.name.to_string(),
            cell(product.description.as_ref()),
            product.price.to_string(),
            product.price.currency().to_string(),
            cell(product.stock.map(Stock::get)),
            cell(product.category.as_ref().and_then(Option::as_ref)),
            cell(product.active),
        ];
        let quoted: Vec<String> =
            cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        file += &quoted.join(",");
        file.push('\n');
    }
    file
}

fn ndjson(products: &[ImportedProduct]) -> String {
    let line = |product: &ImportedProduct| {
        let mut line = json!({"id": product.id, "name": product.name, "price": product.price.to_string(),
            "currency": "USD", "description": product.description, "stock": product.stock,
            "category": product.category, "attributes": product.attributes, "active": product.active});
        // What is left out: none of these is null here because it was said to be.
        line.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        format!("{line}\n")
    };
    products.iter().map(line).collect()
}

/// Pieces of which files are made that nobody would write.
fn junk() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"id,name,price\n",
        b"id,name,price,description\r\n",
        b"1,A,1\n",
        b"2,\"B\",2\r\n",
        b"\"",
        b"\"\"",
        b",",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xef",
        b"x",
        b" ",
        b"{",
        b"}",
        b"{\"id\":1,\"name\":\"A\",\"price\":1}",
        b"\\",
        b"[[[[",
        b"null",
        b"1e999",
    ];
    let large: &'static [u8] = vec![b'x'; MAX_ROW - 3].leak();
    let some = prop_oneof![60 => select(pieces), 1 => Just(large)];
    let head = select(vec![&b""[..], b"id,name,price\n", b"\xef\xbb\xbfid,name,price\r\n"]);
    (head, vec(some, 0..40)).prop_map(|(head, pieces)| [head.to_vec(), pieces.concat()].concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read(products in vec(product(), 0..12), ends in vec(any::<usize>(), 0..12)) {
        for (format, file) in [(Format::Csv, csv(&products)), (Format::Ndjson, ndjson(&products))] {
            let rows = read(format, file.as_bytes(), &ends).unwrap();
            let read: Vec<_> = rows.into_iter().map(|row| row.product.unwrap()).collect();
            prop_assert_eq!(&read, &products);
        }
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_a_file_comes(file in junk(), ends in vec(any::<usize>(), 0..20)) {
        for format in [Format::Csv, Format::Ndjson] {
            let wanted = read(format, &file, &[]);
            prop_assert_eq!(&read(format, &file, &ends), &wanted);
            if file.len() < 300 {
                let each: Vec<usize> = (0..file.len()).collect();
                prop_assert_eq!(&read(format, &file, &each), &wanted);
            }
            // Lines are counted, and go up.
            let lines: Vec<u64> = wanted.iter().flatten().map(|row| row.line).collect();
            prop_assert!(lines.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn no_bytes_panic(file in vec(any::<u8>(), 0..2000)) {
        let _ = whole(Format::Ndjson, &file);
        let _ = whole(Format::Csv, &file);
        let _ = whole(Format::Csv, [b"id,name,price\n", file.as_slice()].concat());
    }
}
