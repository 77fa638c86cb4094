use cartwright_storage::StorageError;
use diesel::{
    RunQueryDsl, SqliteConnection,
    migration::{Migration, MigrationSource},
    sql_types::Text,
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{error::storage_error, statement::Statement};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

fn failed(error: BoxedError) -> StorageError {
    StorageError::Unexpected("a migration failed".to_owned(), Some(error))
}

fn names(migrations: &[Box<dyn Migration<Sqlite>>]) -> Vec<String> {
    let mut names: Vec<String> = migrations.iter().map(|migration| migration.name().to_string()).collect();
    names.sort();
    names
}

pub(crate) fn pending(connection: &mut SqliteConnection) -> Result<Vec<String>, StorageError> {
    Ok(names(&connection.pending_migrations(MIGRATIONS).map_err(failed)?))
}

pub(crate) fn run(connection: &mut SqliteConnection) -> Result<Vec<String>, StorageError> {
    let pending = pending(connection)?;
    connection.run_pending_migrations(MIGRATIONS).map_err(failed)?;
    Ok(pending)
}

/// Whether every migration that this program knows has been applied. Only reads.
pub(crate) fn check(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    let applied: Vec<String> = Statement::<Text>::new("SELECT version FROM __diesel_schema_migrations", &[])
        .load(connection)
        .map_err(storage_error)?;
    let known = MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(failed)?;
    match known.iter().find(|known| !applied.contains(&known.name().version().to_string())) {
        Some(missing) => {
            Err(StorageError::unexpected(format!("the database lacks migration {}", missing.name())))
        }
        None => Ok(()),
    }
}
