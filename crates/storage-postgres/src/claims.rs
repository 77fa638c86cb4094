//! Idempotency keys under their locks.

use std::{collections::HashMap, time::Duration};

use cartwright_storage::{IdempotencyClaim, KEY_LIFETIME, KeyState, StorageError};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    lock_keys, read,
    sql::{KeepAnswers, KeyRow, LoadKeys, TryLockKeys},
    transaction::Failure,
};

/// How long to wait before a taken lock is tried again, each time.
const PAUSES: [Duration; 3] = [Duration::from_millis(1), Duration::from_millis(2), Duration::from_millis(5)];

/// What is known of the claims of a batch.
#[derive(Default)]
pub(crate) struct Claimed {
    /// Positions of claims whose lock somebody else holds, from 1.
    pub(crate) busy: Vec<(i64,)>,
    /// Answers that were kept, by the position of their claim, from 1. Of busy claims they mean nothing.
    pub(crate) rows: Vec<KeyRow>,
}

/// Tries the locks; returns the positions of those that are taken.
pub(crate) async fn lock(
    mut connection: &AsyncPgConnection,
    claims: &[&IdempotencyClaim],
) -> QueryResult<Vec<(i64,)>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let keys = claims.iter().map(|claim| lock_keys::claim(claim)).collect();
    TryLockKeys { keys }.load(&mut connection).await
}

/// Reads the answers; to be sent after [`lock`].
pub(crate) async fn load(
    mut connection: &AsyncPgConnection,
    claims: &[&IdempotencyClaim],
) -> QueryResult<Vec<KeyRow>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let principals = claims.iter().map(|claim| claim.principal.as_str()).collect();
    let keys = claims.iter().map(|claim| claim.key.as_str()).collect();
    LoadKeys { principals, keys }.load(&mut connection).await
}

/// Tries those that were taken again, a few milliseconds long.
///
/// PostgreSQL gives the locks of a transaction back one after the other. Who waited for its cart may look at its key
/// in between: that request is not in flight, it has been answered, and so must this one be.
pub(crate) async fn try_again(
    connection: &AsyncPgConnection,
    claims: &[&IdempotencyClaim],
    mut claimed: Claimed,
) -> Result<Claimed, Failure> {
    for pause in PAUSES {
        if claimed.busy.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        let tried: Vec<i64> = claimed.busy.iter().map(|(at,)| *at).collect();
        let again: Vec<&IdempotencyClaim> =
            tried.iter().map(|at| read::at(claims, *at).copied()).collect::<Result<_, StorageError>>()?;
        let (busy, rows) = join!(lock(connection, &again), load(connection, &again));
        // Positions among those that were tried again become positions among all.
        claimed.busy = busy?
            .into_iter()
            .map(|(at,)| Ok((*read::at(&tried, at)?,)))
            .collect::<Result<_, StorageError>>()?;
        claimed.rows.retain(|(at, ..)| !tried.contains(at));
        for (at, fingerprint, answer, kept_at) in rows? {
            claimed.rows.push((*read::at(&tried, at)?, fingerprint, answer, kept_at));
        }
    }
    Ok(claimed)
}

/// The claims whose key is not free, by their position from 1.
pub(crate) fn states<A: DeserializeOwned>(
    claims: &[&IdempotencyClaim],
    claimed: Claimed,
    now: DateTime<Utc>,
) -> Result<HashMap<i64, KeyState<A>>, StorageError> {
    let expired = now - KEY_LIFETIME;
    let mut states = HashMap::new();
    for (at, fingerprint, answer, kept_at) in claimed.rows {
        if kept_at > expired {
            states.insert(at, KeyState::kept(read::at(claims, at)?, &fingerprint, &answer)?);
        }
    }
    states.extend(claimed.busy.into_iter().map(|(at,)| (at, KeyState::InFlight)));
    Ok(states)
}

/// The statement that keeps answers under their claims. It must write as many rows.
pub(crate) fn keep<'a, A: Serialize + 'a>(
    kept: impl IntoIterator<Item = (&'a IdempotencyClaim, &'a A)>,
    now: DateTime<Utc>,
) -> Result<KeepAnswers<'a>, StorageError> {
    let mut keep = KeepAnswers {
        principals: Vec::new(),
        keys: Vec::new(),
        fingerprints: Vec::new(),
        answers: Vec::new(),
        now,
        expired: now - KEY_LIFETIME,
    };
    for (claim, answer) in kept {
        keep.principals.push(&claim.principal);
        keep.keys.push(&claim.key);
        keep.fingerprints.push(&claim.fingerprint);
        let answer = serde_json::to_string(answer).map_err(read::bad("an answer that cannot be kept"))?;
        keep.answers.push(answer);
    }
    Ok(keep)
}
