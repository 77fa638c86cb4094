use cartwright_domain::{Line, Money, ProductId, Quantity};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::StorageError;

/// The lines of a cart as the stores keep them: two JSON texts in the row of their cart.
///
/// What changes with most writes is short and apart from what does not: a store need not send the rest again, and a
/// database that logs how a row differs from its last version, as PostgreSQL does, logs little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLines<T> {
    /// How many of each.
    pub quantities: T,
    /// Everything else, in the same order.
    pub lines: T,
}

/// A line without its quantity.
#[derive(Serialize)]
struct Written<'a> {
    product_id: &'a ProductId,
    name: &'a str,
    price: Money,
    #[serde(with = "chrono::serde::ts_microseconds")]
    added_at: DateTime<Utc>,
}

/// The same when it is read.
#[derive(Deserialize)]
struct Read {
    product_id: ProductId,
    name: String,
    price: Money,
    #[serde(with = "chrono::serde::ts_microseconds")]
    added_at: DateTime<Utc>,
}

impl KeptLines<String> {
    /// What is to be kept.
    ///
    /// # Errors
    /// [`StorageError::Unexpected`], which does not happen.
    pub fn of(lines: &[Line]) -> Result<Self, StorageError> {
        let written: Vec<Written<'_>> = lines
            .iter()
            .map(|line| Written {
                product_id: &line.product_id,
                name: &line.name,
                price: line.price,
                added_at: line.added_at,
            })
            .collect();
        Ok(Self { quantities: quantities(lines)?, lines: json(&written)? })
    }
}

/// [`KeptLines::quantities`] alone, where the rest is as it was `before`.
///
/// # Errors
/// [`StorageError::Unexpected`], which does not happen.
pub fn only_quantities(before: &[Line], after: &[Line]) -> Result<Option<String>, StorageError> {
    let same = before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| {
            let Line { product_id, name, price, added_at, quantity: _ } = before;
            (product_id, name, price, added_at)
                == (&after.product_id, &after.name, &after.price, &after.added_at)
        });
    same.then(|| quantities(after)).transpose()
}

impl KeptLines<&str> {
    /// The lines in a row of a cart.
    ///
    /// # Errors
    /// [`StorageError::Unexpected`] for what is no lines, or breaks a rule of the domain.
    pub fn read(self) -> Result<Vec<Line>, StorageError> {
        let none = |error: serde_json::Error| {
            StorageError::Unexpected("a cart with lines that are none".into(), Some(Box::new(error)))
        };
        let quantities: Vec<Quantity> = serde_json::from_str(self.quantities).map_err(none)?;
        let lines: Vec<Read> = serde_json::from_str(self.lines).map_err(none)?;
        if quantities.len() != lines.len() {
            return Err(StorageError::unexpected("a cart that has not one quantity for each line"));
        }
        let lines = lines.into_iter().zip(quantities).map(|(read, quantity)| {
            let Read { product_id, name, price, added_at } = read;
            Line { product_id, name, price, quantity, added_at }
        });
        Ok(lines.collect())
    }
}

fn quantities(lines: &[Line]) -> Result<String, StorageError> {
    json(&lines.iter().map(|line| line.quantity).collect::<Vec<_>>())
}

fn json(value: &impl Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|error| {
        StorageError::Unexpected("lines that cannot be written".into(), Some(Box::new(error)))
    })
}

#[cfg(test)]
mod tests {
    use cartwright_domain::Currency;

    use super::*;

    /// Rows that were written by an older version must still be read: these texts are not to be changed.
    const KEPT: KeptLines<&str> = KeptLines {
        quantities: "[3]",
        lines: r#"[{"product_id":"tea","name":"Tea \"Nr. 1\" ☕","price":{"minor":250,"currency":"EUR"},"added_at":1795243289087745}]"#,
    };

    fn line() -> Line {
        Line {
            product_id: ProductId::new("tea").unwrap(),
            name: "Tea \"Nr. 1\" ☕".into(),
            price: Money::from_minor(250, Currency::EUR).unwrap(),
            quantity: Quantity::new(3).unwrap(),
            added_at: DateTime::from_timestamp_micros(1_795_243_289_087_745).unwrap(),
        }
    }

    #[test]
    fn what_was_kept_is_read_and_written_as_it_was() {
        assert_eq!(KEPT.read().unwrap(), [line()]);
        let written = KeptLines::of(&[line()]).unwrap();
        assert_eq!((&*written.quantities, &*written.lines), (KEPT.quantities, KEPT.lines));
        let empty = KeptLines::of(&[]).unwrap();
        assert_eq!((&*empty.quantities, &*empty.lines), ("[]", "[]"));
    }

    #[test]
    fn only_a_change_of_quantities_is_one() {
        let more = Line { quantity: Quantity::new(4).unwrap(), ..line() };
        assert_eq!(only_quantities(&[line()], std::slice::from_ref(&more)).unwrap().as_deref(), Some("[4]"));
        assert_eq!(only_quantities(&[], &[]).unwrap().as_deref(), Some("[]"));
        let others = [
            Line { product_id: ProductId::new("milk").unwrap(), ..line() },
            Line { name: "Tea".into(), ..line() },
            Line { price: Money::from_minor(251, Currency::EUR).unwrap(), ..line() },
            Line { added_at: DateTime::UNIX_EPOCH, ..line() },
        ];
        for other in others {
            assert_eq!(only_quantities(&[line()], std::slice::from_ref(&other)).unwrap(), None, "{other:?}");
        }
        assert_eq!(only_quantities(&[line()], &[]).unwrap(), None);
        assert_eq!(only_quantities(&[], &[more]).unwrap(), None);
    }

    #[test]
    fn what_breaks_a_rule_is_an_error_and_not_a_guess() {
        for (right, wrong) in [
            ("[3]", "[0]"),
            ("[3]", "[1001]"),
            ("[3]", "[]"),
            ("[3]", "[3,3]"),
            ("[3]", "[3"),
            ("\"minor\":250", "\"minor\":-1"),
            ("\"minor\":250", "\"minor\":9000000000000000000"),
            ("\"EUR\"", "\"E\""),
            ("\"product_id\":\"tea\"", "\"product_id\":\"\""),
            ("1795243289087745", "9000000000000000000"),
            ("}]", "}"),
        ] {
            let quantities = KEPT.quantities.replace(right, wrong);
            let lines = KEPT.lines.replace(right, wrong);
            assert_ne!((&*quantities, &*lines), (KEPT.quantities, KEPT.lines));
            let error = KeptLines { quantities: &*quantities, lines: &*lines }.read().unwrap_err();
            assert!(matches!(error, StorageError::Unexpected(..)), "{wrong}");
        }
    }
}
