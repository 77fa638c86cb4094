use cartwright_domain::Line;

use crate::StorageError;

/// The lines of a cart as the stores keep them: one JSON text in the row of their cart.
///
/// # Errors
/// [`StorageError::Unexpected`], which does not happen.
pub fn lines_to_json(lines: &[Line]) -> Result<String, StorageError> {
    serde_json::to_string(lines).map_err(|error| not_lines(error, "lines that cannot be written"))
}

/// The lines in a row of a cart.
///
/// # Errors
/// [`StorageError::Unexpected`] for a text that is no lines, or that breaks a rule of the domain.
pub fn lines_from_json(text: &str) -> Result<Vec<Line>, StorageError> {
    serde_json::from_str(text).map_err(|error| not_lines(error, "a cart with lines that are none"))
}

fn not_lines(error: serde_json::Error, what: &str) -> StorageError {
    StorageError::Unexpected(what.into(), Some(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{Currency, Money, ProductId, Quantity};
    use chrono::DateTime;

    use super::*;

    /// Rows that were written by an older version must still be read: this text is not to be changed.
    const KEPT: &str = r#"[{"product_id":"tea","name":"Tea \"Nr. 1\" ☕","price":{"minor":250,"currency":"EUR"},"quantity":3,"added_at":1795243289087745}]"#;

    #[test]
    fn what_was_kept_is_read_and_written_as_it_was() {
        let line = Line {
            product_id: ProductId::new("tea").unwrap(),
            name: "Tea \"Nr. 1\" ☕".into(),
            price: Money::from_minor(250, Currency::EUR).unwrap(),
            quantity: Quantity::new(3).unwrap(),
            added_at: DateTime::from_timestamp_micros(1_795_243_289_087_745).unwrap(),
        };
        let lines = [line];
        assert_eq!(lines_from_json(KEPT).unwrap(), lines);
        assert_eq!(lines_to_json(&lines).unwrap(), KEPT);
        assert_eq!(lines_to_json(&[]).unwrap(), "[]");
    }

    #[test]
    fn what_breaks_a_rule_is_an_error_and_not_a_guess() {
        for (right, wrong) in [
            ("\"quantity\":3", "\"quantity\":0"),
            ("\"quantity\":3", "\"quantity\":1001"),
            ("\"minor\":250", "\"minor\":-1"),
            ("\"minor\":250", "\"minor\":9000000000000000000"),
            ("\"EUR\"", "\"E\""),
            ("\"product_id\":\"tea\"", "\"product_id\":\"\""),
            ("1795243289087745", "9000000000000000000"),
            ("]", ""),
        ] {
            assert!(KEPT.contains(right));
            let error = lines_from_json(&KEPT.replace(right, wrong)).unwrap_err();
            assert!(matches!(error, StorageError::Unexpected(..)), "{wrong}");
        }
    }
}
