use diesel::sql_types::{Array, BigInt, Integer};

use super::statement;

statement! {
    /// Waits for locks in the order of the array: a function scan returns its rows in order, and the lock is taken
    /// as each row is put out. All nodes sort their keys, so two batches never wait for each other in a circle.
    LockCarts { keys: Vec<i64> as Array<BigInt> }
    ()
    "SELECT pg_advisory_xact_lock(k.key) FROM unnest($1) AS k (key)"
}

statement! {
    /// Tries locks without waiting; returns the positions, from 1, of those that somebody else holds.
    TryLockKeys { keys: Vec<i64> as Array<BigInt> }
    (BigInt)
    "SELECT k.at FROM unnest($1) WITH ORDINALITY AS k (key, at) WHERE NOT pg_try_advisory_xact_lock(k.key)"
}

statement! {
    /// As [`TryLockKeys`], shared: holders do not exclude each other, but they exclude writers.
    TryLockCartsShared { keys: Vec<i64> as Array<BigInt> }
    (BigInt)
    "SELECT k.at FROM unnest($1) WITH ORDINALITY AS k (key, at) WHERE NOT pg_try_advisory_xact_lock_shared(k.key)"
}

statement! {
    /// Waits for whoever counts orders.
    LockStatistics { high: i32 as Integer, low: i32 as Integer }
    ()
    "SELECT pg_advisory_xact_lock($1, $2)"
}
