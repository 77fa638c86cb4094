use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::statement;

statement! {
    /// Whether the server replays another one's log, and so takes no writes.
    IsStandby {}
    (Bool)
    "SELECT pg_is_in_recovery()"
}

statement! {
    /// Whether any migration was ever applied.
    MigrationsTableExists {}
    (Bool)
    "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL"
}

statement! {
    /// Ends a transaction.
    Commit {}
    ()
    "COMMIT"
}

statement! {
    /// Lets this transaction end before it is on the disk: for what may be forgotten when the server crashes.
    CommitUnhurried {}
    (Text)
    "SELECT set_config('synchronous_commit', 'off', true)"
}

statement! {
    /// The versions of the migrations that were applied.
    AppliedMigrations {}
    (Text)
    "SELECT version::text FROM __diesel_schema_migrations"
}

statement! {
    /// The end of the log, in bytes. Where the next record goes: what was committed without waiting for the disk is
    /// before it, too.
    LogEnd {}
    (BigInt)
    "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
}

statement! {
    /// Whether the server replays another one's log and has come so far. One that was promoted does not replay any
    /// more, and its log has become another.
    HasReplayed { at_least: i64 as BigInt }
    (Bool)
    "SELECT pg_is_in_recovery() \
        AND coalesce(pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= $1, false)"
}

statement! {
    /// How much of another server's log it has replayed, in bytes. Nothing of one that takes writes.
    Replayed {}
    (Nullable<BigInt>)
    "SELECT CASE WHEN pg_is_in_recovery() \
                 THEN coalesce((pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint, 0) END"
}
