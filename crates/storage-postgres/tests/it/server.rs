//! Which servers are accepted, and how.

use cartwright_storage::{CartStore, StorageError};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_testkit::{Postgres, TlsFiles};

use crate::kit::{chain, direct, fresh_url};

async fn connect(url: &str) -> Result<PostgresStore, StorageError> {
    PostgresStore::connect(PostgresOptions::new(url)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tls_modes_check_what_they_promise() {
    let files = TlsFiles::generate(&[]).unwrap();
    let stranger = TlsFiles::generate(&[]).unwrap();
    let server = Postgres::builder().tls(&files).start().unwrap();
    let url = server.fresh_database().await;
    // The same server under a name that is not in its certificate.
    let (other_name, at) = (url.replace("127.0.0.1", "db.example"), "hostaddr=127.0.0.1");
    let admin = direct(&url).await;
    let (ours, theirs) = (files.ca.display(), stranger.ca.display());
    let uses_tls = "SELECT count(*) FILTER (WHERE ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                    WHERE application_name = 'cartwright'";
    for (url, parameters, tls) in [
        (&url, "sslmode=disable".to_owned(), false),
        (&url, String::new(), true),
        (&url, "sslmode=prefer".to_owned(), true),
        (&url, "sslmode=require".to_owned(), true),
        (&url, format!("sslmode=require&sslrootcert={ours}"), true),
        (&url, format!("sslmode=verify-ca&sslrootcert={ours}"), true),
        (&url, format!("sslmode=verify-full&sslrootcert={ours}"), true),
        (&other_name, format!("{at}&sslmode=verify-ca&sslrootcert={ours}"), true),
    ] {
        let store = connect(&format!("{url}?{parameters}")).await.map_err(|error| chain(&error)).unwrap();
        assert!(store.ping().await.is_err(), "it was asked, but has no schema");
        let row = admin.query_one(uses_tls, &[]).await.unwrap();
        let (encrypted, all): (i64, i64) = (row.get(0), row.get(1));
        assert!(all > 0);
        assert_eq!(encrypted > 0, tls, "{parameters}");
        drop(store);
        cartwright_testkit::eventually(std::time::Duration::from_secs(10), || async {
            admin.query_one(uses_tls, &[]).await.unwrap().get::<_, i64>(1) == 0
        })
        .await;
    }
    for (url, parameters) in [
        (&url, format!("sslmode=require&sslrootcert={theirs}")),
        (&url, format!("sslmode=verify-ca&sslrootcert={theirs}")),
        (&url, format!("sslmode=verify-full&sslrootcert={theirs}")),
        (&url, "sslmode=verify-full".to_owned()),
        (&other_name, format!("{at}&sslmode=verify-full&sslrootcert={ours}")),
    ] {
        let error = connect(&format!("{url}?{parameters}")).await.unwrap_err();
        assert!(matches!(error, StorageError::Unavailable(_)), "{parameters}: {}", chain(&error));
        assert!(chain(&error).contains("certificate"), "{parameters}: {}", chain(&error));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_the_address_is_told_at_once() {
    let port = cartwright_testkit::ports::free_port();
    let error = connect(&format!("postgres://u:secret@127.0.0.1:{port}/d")).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)));
    assert!(chain(&error).contains("refused"), "{}", chain(&error));
    assert!(!format!("{error:?} {}", chain(&error)).contains("secret"));

    let error = connect(&Postgres::shared().url("nowhere")).await.unwrap_err();
    assert!(chain(&error).contains("\"nowhere\" does not exist"), "{}", chain(&error));

    let error = connect("postgres://127.0.0.1/d?sslrootcert=/none&sslmode=verify-ca").await.unwrap_err();
    assert!(matches!(error, StorageError::Unexpected(..)));
    assert!(error.to_string().contains("/none"), "{error}");
}

/// A standby is played by a function of the same name that the search path finds first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_refused() {
    let url = fresh_url().await;
    let server = direct(&url).await;
    let play = "CREATE SCHEMA play; \
                CREATE FUNCTION play.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'; \
                DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = play, pg_catalog, public', \
                                           current_database()); END $$";
    server.batch_execute(play).await.unwrap();
    let error = connect(&url).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)));
    assert!(chain(&error).contains("standby"), "{}", chain(&error));
}
