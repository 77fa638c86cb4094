use cartwright_storage::StorageError;
use diesel::{migration::MigrationSource, pg::Pg};
use diesel_async::{
    AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection, async_connection_wrapper::AsyncConnectionWrapper,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{
    lock_keys,
    sql::{AppliedMigrations, MigrationsTableExists},
    store::PostgresStore,
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl PostgresStore {
    /// Applies the migrations that the database lacks, and returns their names. Several nodes may do so at once: they
    /// wait for each other, at most a minute.
    ///
    /// # Errors
    /// [`StorageError`] when one failed; those before it stay applied.
    pub async fn migrate(&self) -> Result<Vec<String>, StorageError> {
        let mut connection = self.own_connection().await?;
        let (high, low) = lock_keys::MIGRATIONS;
        // The session lock goes with the connection, however this ends.
        let settings = format!(
            "SET statement_timeout = 0; SET lock_timeout = '60s'; SELECT pg_advisory_lock({high}, {low}); \
             SET lock_timeout = '10s'"
        );
        connection
            .batch_execute(&settings)
            .await
            .map_err(|error| StorageError::Unavailable(Box::new(error)))?;
        // Diesel's harness is synchronous: on a thread of its own it works under any kind of runtime.
        let applied = tokio::task::spawn_blocking(move || run(connection)).await;
        applied.map_err(|error| failed(Box::new(error)))?.map_err(failed)
    }

    /// The names of the migrations that the database lacks.
    ///
    /// # Errors
    /// [`StorageError`] when it cannot be asked.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StorageError> {
        let applied = self
            .run(async |connection| {
                let (any,): (bool,) = MigrationsTableExists {}.get_result(connection).await?;
                if any { AppliedMigrations {}.load::<(String,)>(connection).await } else { Ok(Vec::new()) }
            })
            .await?;
        let known = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(failed)?;
        let is_pending = |version: &str| !applied.iter().any(|(applied,)| applied == version);
        let mut pending: Vec<String> = known
            .iter()
            .filter(|migration| is_pending(&migration.name().version().to_string()))
            .map(|migration| migration.name().to_string())
            .collect();
        pending.sort();
        Ok(pending)
    }
}

fn run(connection: AsyncPgConnection) -> Result<Vec<String>, Cause> {
    let mut connection: AsyncConnectionWrapper<AsyncPgConnection> = connection.into();
    let mut applied = Vec::new();
    for migration in connection.pending_migrations(MIGRATIONS)? {
        connection.run_migration(&*migration)?;
        applied.push(migration.name().to_string());
    }
    Ok(applied)
}

fn failed(cause: Cause) -> StorageError {
    StorageError::Unexpected("the database could not be migrated".into(), Some(cause))
}
