use cartwright_domain::{Currency, Money, OrderLine, ProductId, Quantity};
use serde::{Deserialize, Serialize};

use crate::StorageError;

/// A line as it is kept: product, name, price in minor units, quantity, and whether it took from stock or a hold. The currency
/// is the order's.
#[derive(Serialize, Deserialize)]
struct Kept<P, N>(P, N, i64, Quantity, #[serde(default = "yes", skip_serializing_if = "is_true")] bool);

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_true(stocked: &bool) -> bool {
    *stocked
}

/// The lines of an order, each with whether its units came out of stock or a hold, as they are kept: a JSON array with one of
/// product, name, price in minor units, and quantity for each line. What took nothing, because the catalogue did not know it,
/// has a `false` behind.
///
/// # Errors
/// [`StorageError::Unexpected`], which does not happen.
pub fn write_order_lines<'a>(
    lines: impl Iterator<Item = (&'a OrderLine, bool)>,
) -> Result<String, StorageError> {
    let kept = |(line, stocked): (&'a OrderLine, bool)| {
        Kept(&line.product_id, &line.name, line.price.minor(), line.quantity, stocked)
    };
    serde_json::to_string(&lines.map(kept).collect::<Vec<_>>()).map_err(|error| {
        StorageError::Unexpected("lines that cannot be written".into(), Some(Box::new(error)))
    })
}

/// What was written so.
///
/// # Errors
/// [`StorageError::Unexpected`] for what is no lines, or breaks a rule of the domain.
pub fn read_order_lines(lines: &str, currency: Currency) -> Result<Vec<OrderLine>, StorageError> {
    let lines: Vec<Kept<ProductId, String>> = serde_json::from_str(lines).map_err(broken)?;
    let line = |Kept(product_id, name, minor, quantity, _)| {
        Ok(OrderLine {
            product_id,
            name,
            price: Money::from_minor(minor, currency).map_err(broken)?,
            quantity,
        })
    };
    lines.into_iter().map(line).collect()
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Unexpected("an order with lines that are none".into(), Some(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that were written by an older version must still be read: this text is not to be changed.
    const KEPT: &str = r#"[["tea","Tea \"Nr. 1\" ☕",250,3],["milk","",0,1,false]]"#;

    #[test]
    fn what_was_kept_is_read_and_written_as_it_was() {
        let line = |id: &str, name: &str, minor, quantity| OrderLine {
            product_id: ProductId::new(id).unwrap(),
            name: name.into(),
            price: Money::from_minor(minor, Currency::EUR).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
        };
        let lines = [line("tea", "Tea \"Nr. 1\" ☕", 250, 3), line("milk", "", 0, 1)];
        assert_eq!(read_order_lines(KEPT, Currency::EUR).unwrap(), lines);
        assert_eq!(write_order_lines(lines.iter().zip([true, false])).unwrap(), KEPT);
        assert_eq!(write_order_lines([].into_iter()).unwrap(), "[]");
        assert_eq!(read_order_lines("[]", Currency::EUR).unwrap(), []);
    }

    #[test]
    fn what_breaks_a_rule_is_an_error_and_not_a_guess() {
        for (right, wrong) in [
            ("250", "-1"),
            ("250", "9000000000000000000"),
            ("250", "\"250\""),
            (",3]", ",0]"),
            (",3]", "]"),
            (",3]", ",3,3]"),
            (",false]", ",false,false]"),
            ("\"tea\"", "\"\""),
            ("]]", "]"),
        ] {
            let lines = KEPT.replace(right, wrong);
            assert_ne!(lines, KEPT);
            let error = read_order_lines(&lines, Currency::EUR).unwrap_err();
            assert!(matches!(error, StorageError::Unexpected(..)), "{wrong}");
        }
    }
}
