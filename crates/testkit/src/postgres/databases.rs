//! Databases of a cluster: a private one per test, copied from a template that was migrated once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;
use tokio_postgres::{Config, NoTls};

use super::Postgres;
use crate::error;

/// The templates that were made, by key. Held over the migration, so that it runs once.
#[derive(Debug, Default)]
pub(super) struct Templates(Mutex<HashMap<String, String>>);

impl Postgres {
    /// Creates an empty database and returns its URL.
    ///
    /// # Panics
    ///
    /// When the server refuses, as do the other two methods.
    pub async fn fresh_database(&self) -> String {
        self.fresh_database_from("template1").await
    }

    /// Creates a database as a copy of another one, to which nobody may be connected, and returns its
    /// URL.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn fresh_database_from(&self, template: &str) -> String {
        let name = unique_name("test");
        self.execute(&format!("CREATE DATABASE {} TEMPLATE {}", quote(&name), quote(template))).await;
        self.url(&name)
    }

    /// Creates a database as a copy of one that `prepare` has filled, and returns its URL.
    ///
    /// The first call with a `key` creates a database and passes its URL to `prepare`, which runs the
    /// migrations and closes its connections; later and concurrent calls with that key only copy, in
    /// some tens of milliseconds.
    ///
    /// # Panics
    ///
    /// When the server refuses or `prepare` panics.
    pub async fn fresh_database_with<F, P>(&self, key: &str, prepare: F) -> String
    where
        F: FnOnce(String) -> P,
        P: Future<Output = ()>,
    {
        let mut templates = self.templates.0.lock().await;
        let template = match templates.get(key) {
            Some(template) => template.clone(),
            None => {
                let template = unique_name("template");
                self.execute(&format!("CREATE DATABASE {}", quote(&template))).await;
                prepare(self.url(&template)).await;
                // From now on nobody may connect, and those who still are must leave: a template with
                // connections cannot be copied.
                self.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", quote(&template))).await;
                self.execute(&format!(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{template}'"
                ))
                .await;
                templates.insert(key.to_owned(), template.clone());
                template
            }
        };
        drop(templates);
        self.fresh_database_from(&template).await
    }

    /// Runs a statement in the database `postgres`, over the Unix socket.
    pub(super) async fn execute(&self, statement: &str) {
        let mut config = Config::new();
        config.host_path(self.socket_dir()).port(self.port()).user("postgres").dbname("postgres");
        let outcome = async {
            let (client, connection) = config.connect(NoTls).await?;
            // Driven here and not spawned: the test's runtime may end before a spawned task does.
            let run = async {
                let outcome = client.batch_execute(statement).await;
                drop(client);
                outcome
            };
            let (outcome, closed) = tokio::join!(run, connection);
            outcome.and(closed)
        };
        if let Err(failure) = outcome.await {
            panic!("{statement}: {}", error::chain(&failure));
        }
    }
}

/// A name that no other database of the cluster has.
fn unique_name(kind: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{kind}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An SQL identifier.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
