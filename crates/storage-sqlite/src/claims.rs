//! Idempotency keys. The writer's lock is also theirs: none is ever in flight.

use std::{collections::HashMap, fmt::Write as _};

use cartwright_storage::{IdempotencyClaim, KEY_LIFETIME, KeyState, StorageError};
use chrono::{DateTime, Utc};
use diesel::{
    RunQueryDsl, SqliteConnection,
    sql_types::{BigInt, Binary, Text},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::storage_error,
    rows::json,
    statement::{Bind, Statement},
    write::{exactly, put},
};

/// The used keys. `+` keeps the planner off the index by age: the primary key finds one row, the age is checked then.
pub(crate) const LOAD_KEYS: &str = "\
    SELECT wanted.key, used.fingerprint, used.answer \
    FROM json_each(?) AS wanted \
    CROSS JOIN idempotency_keys AS used \
        ON used.principal = wanted.value ->> 0 AND used.key = wanted.value ->> 1 \
    WHERE +used.created_at > ?";

/// A key that is there already has expired.
const PUT_ANSWERS: &str = "\
    INSERT INTO idempotency_keys (principal, key, fingerprint, answer, created_at) \
    SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4 FROM json_each(?) WHERE true \
    ON CONFLICT (principal, key) DO UPDATE SET \
        fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at";

/// The claims whose key is not free, by what they come with.
pub(crate) fn load<A: DeserializeOwned>(
    connection: &mut SqliteConnection,
    claims: &[(usize, &IdempotencyClaim)],
    now: DateTime<Utc>,
) -> Result<HashMap<usize, KeyState<A>>, StorageError> {
    if claims.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<(&str, &str)> =
        claims.iter().map(|(_, claim)| (&*claim.principal, &*claim.key)).collect();
    let wanted = json(&wanted)?;
    let binds = [Bind::Text(&wanted), Bind::Int((now - KEY_LIFETIME).timestamp_micros())];
    let rows = Statement::<(BigInt, Binary, Text)>::new(LOAD_KEYS, &binds)
        .load::<(i64, Vec<u8>, String)>(connection)
        .map_err(storage_error)?;
    let state = |(at, fingerprint, answer): (i64, Vec<u8>, String)| {
        let claimed = usize::try_from(at).ok().and_then(|at| claims.get(at));
        let (at, claim) = claimed.ok_or_else(|| StorageError::unexpected("a key that was not asked for"))?;
        Ok((*at, KeyState::kept(claim, &fingerprint, &answer)?))
    };
    rows.into_iter().map(state).collect()
}

/// Keeps answers under their claims.
pub(crate) fn keep<'a, A: Serialize + 'a>(
    connection: &mut SqliteConnection,
    kept: impl IntoIterator<Item = (&'a IdempotencyClaim, &'a A)>,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let rows = kept.into_iter().map(|(claim, answer)| {
        let answer = json(answer)?;
        Ok((&*claim.principal, &*claim.key, hex(&claim.fingerprint), answer, now.timestamp_micros()))
    });
    let rows = rows.collect::<Result<Vec<_>, StorageError>>()?;
    exactly(put(connection, PUT_ANSWERS, &rows)?, rows.len(), "answers were kept")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
