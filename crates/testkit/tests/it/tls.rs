//! Servers that speak TLS.

use std::sync::Arc;

use cartwright_testkit::{Postgres, RedisServer, RedisTopology, TlsFiles};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::PATIENCE;
use crate::redis_servers::set_and_wait;

#[tokio::test]
async fn redis_speaks_tls_also_between_servers() {
    let files = TlsFiles::generate(&["redis.test"]).unwrap();
    assert!(files.is_temporary());
    let redis = RedisTopology::start_with(&RedisServer::builder().tls(&files), 1).unwrap();
    assert!(redis.primary.url().starts_with("rediss://"));
    assert_eq!(set_and_wait(&redis.primary, "1", 1, PATIENCE).await, 1);
    assert_eq!(redis.replicas[0].query::<String>(&["GET", "cart"]).await, "1");
    let plain = redis::Client::open(format!("redis://127.0.0.1:{}/", redis.primary.port())).unwrap();
    assert!(plain.get_multiplexed_async_connection().await.is_err());
}

#[tokio::test]
async fn postgres_speaks_tls_to_who_trusts_the_authority() {
    let files = TlsFiles::generate(&[]).unwrap();
    let postgres = Postgres::builder().tls(&files).start().unwrap();
    let stranger = TlsFiles::generate(&[]).unwrap();
    assert!(is_encrypted(&postgres, &files).await.unwrap());
    assert!(is_encrypted(&postgres, &stranger).await.is_err());
}

/// Whether the connection of a client that trusts the authority, and insists on TLS, is encrypted.
async fn is_encrypted(postgres: &Postgres, files: &TlsFiles) -> Result<bool, tokio_postgres::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&files.ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let url = format!("{}?sslmode=require", postgres.url("postgres"));
    let (client, connection) = tokio_postgres::connect(&url, MakeRustlsConnect::new(config)).await?;
    tokio::spawn(connection);
    let row = client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await?;
    Ok(row.get(0))
}
