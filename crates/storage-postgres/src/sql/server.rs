use diesel::sql_types::{Bool, Text};

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
    /// The versions of the migrations that were applied.
    AppliedMigrations {}
    (Text)
    "SELECT version::text FROM __diesel_schema_migrations"
}
