//! Secrets that were rotated out and are still good, as stores keep them: the last one by itself, those before it as JSON.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::TargetSecret;
use crate::StorageError;

/// A secret, and until when messages are signed with it.
pub type GoodUntil = (TargetSecret, DateTime<Utc>);

/// Takes the last of them, the first in the list, from those before it.
pub fn pack_secrets(previous: &[GoodUntil]) -> (Option<&GoodUntil>, String) {
    let (last, older) = match previous.split_first() {
        Some((last, older)) => (Some(last), older),
        None => (None, previous),
    };
    let older: serde_json::Value =
        older.iter().map(|(secret, until)| json!([secret.expose(), until.timestamp_micros()])).collect();
    (last, older.to_string())
}

/// Puts them together again.
///
/// # Errors
/// [`StorageError::Unexpected`] when that is not what [`pack_secrets`] made.
pub fn unpack_secrets(last: Option<GoodUntil>, older: &str) -> Result<Vec<GoodUntil>, StorageError> {
    // The text of the error may show what it met.
    let older: Vec<(String, i64)> = serde_json::from_str(older).map_err(|error| {
        StorageError::unexpected(format!("secrets that cannot be read at column {}", error.column()))
    })?;
    let older = older.into_iter().map(|(secret, until)| {
        let until = DateTime::from_timestamp_micros(until)
            .ok_or_else(|| StorageError::unexpected("a secret that is good until no time"))?;
        Ok((TargetSecret::new(secret), until))
    });
    last.into_iter().map(Ok).chain(older).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        let secret = |text: &str| TargetSecret::new(text.to_owned());
        let all = [(secret("c\"'☕"), at(3)), (secret("b"), at(2)), (secret("a"), at(-1))];
        for many in 0..=3 {
            let (last, older) = pack_secrets(&all[..many]);
            assert_eq!(unpack_secrets(last.cloned(), &older).unwrap(), all[..many]);
        }
    }

    #[test]
    fn what_is_something_else_is_an_error_that_does_not_show_it() {
        for bad in ["", "{}", r#"["hush"]"#, r#"[["hush"]]"#, r#"[["hush", 9223372036854775807]]"#] {
            let error = unpack_secrets(None, bad).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hush"), "{error:?}");
        }
    }
}
