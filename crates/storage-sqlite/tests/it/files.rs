use std::{error::Error, fs, path::Path};

use cartwright_domain::Clock;
use cartwright_storage::{CartStore, Erasure, StorageError};
use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
use cartwright_storage_tests::{Kit, add, claimed, migrations, owner, rules::live};
use tempfile::TempDir;

use crate::fresh;

async fn open(path: &Path) -> Result<SqliteStore, StorageError> {
    SqliteStore::open(path, SqliteOptions::default()).await
}

/// The error with all its causes, as it is logged.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_second_opener_is_told_what_to_do() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.db");
    let first = open(&path).await.unwrap();
    let refused = open(&path).await.unwrap_err();
    assert!(matches!(refused, StorageError::Unavailable(_)));
    let text = chain(&refused);
    assert!(text.contains("another Cartwright process uses ") && text.contains("shop.db;"), "{text}");
    assert!(text.ends_with("run one process on SQLite, or use PostgreSQL"), "{text}");
    drop(first);
    open(&path).await.unwrap();
}

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("some/folder/shop.db");
    let store = open(&path).await.unwrap();
    assert!(store.ping().await.is_err(), "not migrated");
    assert_eq!(store.pending_migrations().await.unwrap(), migrations("sqlite"));
    assert!(store.ping().await.is_err(), "looking does not migrate");
    assert_eq!(store.migrate().await.unwrap(), migrations("sqlite"));
    assert_eq!(store.migrate().await.unwrap(), [""; 0]);
    let kit = Kit::new(store);
    kit.list(&["tea"]).await;
    let request = claimed(add("ana", "tea", 3), "k", b"x");
    let answer = kit.done(request.clone()).await;
    drop(kit);

    let store = open(&path).await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), [""; 0]);
    store.ping().await.unwrap();
    let kit = Kit::new(store);
    assert_eq!(kit.cart("ana").await, *answer.cart);
    assert_eq!(kit.one(request).await, cartwright_storage::Outcome::Replayed(answer));
}

/// The files as they are at the moment of the answer are what a crash leaves behind.
#[tokio::test]
async fn an_acknowledged_batch_is_in_the_files() {
    let (store, folder) = fresh().await;
    let kit = Kit::new(store);
    kit.list(&["tea"]).await;
    for n in 1..=20 {
        kit.done(add("ana", "tea", 1)).await;
        let crashed = TempDir::new().unwrap();
        for name in ["shop.db", "shop.db-wal"] {
            fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
        }
        let survivor = open(&crashed.path().join("shop.db")).await.unwrap();
        let cart = survivor.load(&[owner("ana")]).await.unwrap().remove(0);
        assert_eq!((cart.version(), cart.total_quantity()), (n, n));
    }
}

#[tokio::test]
async fn what_is_no_database_is_called_so() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.db");
    fs::write(&path, "certainly not a database, and longer than a header of one hundred bytes ".repeat(9))
        .unwrap();
    let refused = open(&path).await.unwrap_err();
    assert!(
        matches!(&refused, StorageError::Unexpected(what, _) if what.contains("no SQLite database")),
        "{refused:?}"
    );
    // The attempt leaves nothing locked: with a good file in its place it works.
    fs::remove_file(&path).unwrap();
    open(&path).await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_called_so() {
    let (store, folder) = fresh().await;
    let path = folder.path().join("shop.db");
    let kit = Kit::new(store);
    kit.list(
        &(0..200).map(|n| format!("p{n}")).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    drop(kit);
    let mut bytes = fs::read(&path).unwrap();
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xAA);
    fs::write(&path, bytes).unwrap();
    // The damage reaches the schema, which is read as soon as the file is opened.
    let error = open(&path).await.unwrap_err();
    assert!(matches!(&error, StorageError::Unexpected(what, _) if what.contains("damaged")), "{error:?}");
}

#[tokio::test]
async fn a_path_that_cannot_be_made_is_called_so() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let refused = open(&folder.path().join("file/shop.db")).await.unwrap_err();
    let text = chain(&refused);
    assert!(matches!(refused, StorageError::Unavailable(_)) && text.contains("cannot be used"), "{text}");
    // A folder where the file should be.
    let refused = open(folder.path()).await.unwrap_err();
    assert!(chain(&refused).contains("cannot be opened as a SQLite database"), "{refused:?}");
}

/// Names that SQLite would take for something else are files.
#[tokio::test]
async fn special_names_are_plain_files() {
    let folder = TempDir::new().unwrap();
    for name in [":memory:", "file:shop?mode=memory", "with space & ünïcode %20.db"] {
        let store = open(&folder.path().join(name)).await.unwrap();
        store.migrate().await.unwrap();
        store.ping().await.unwrap();
        assert!(folder.path().join(name).is_file(), "{name}");
    }
}

/// The file as it is without the pages that nothing is in any more.
fn compact(path: &Path) -> Vec<u8> {
    use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
    let copy = path.with_extension("copy");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    let bytes = fs::read(&copy).unwrap();
    fs::remove_file(copy).unwrap();
    bytes
}

fn times(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

/// Events stay until they are old: see "Erasing somebody" in the handbook.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_events_names_who_was_forgotten() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.db");
    let store = open(&path).await.unwrap();
    store.migrate().await.unwrap();
    let kit = Kit::new(store);
    kit.offer(&[("tea", 100)]).await;
    live(&kit, "ana-4711").await;
    let before = times(&compact(&path), "ana-4711");
    let erasure = Erasure::new(owner("ana-4711"), [7; 16]).unwrap();
    kit.store.erase_owner(&erasure, &kit.fence, kit.clock.now()).await.unwrap();
    let after = times(&compact(&path), "ana-4711");
    assert!(after > 0 && after < before, "{after} of {before}");
    let removed = kit.store.clean_events(kit.clock.now() + chrono::TimeDelta::days(1), 1000).await;
    removed.unwrap();
    assert_eq!(times(&compact(&path), "ana-4711"), 0);
}
