//! Certificates for servers that speak TLS in a test.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

use crate::Error;

/// PEM files: a certificate authority made for this test, and a server certificate it has signed.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate of the server.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificate of the authority, for clients to trust.
    pub ca: PathBuf,
    /// Removes the folder with the last clone; `None` for files that somebody else made.
    folder: Option<std::sync::Arc<TempDir>>,
}

impl TlsFiles {
    /// Makes an authority and a server certificate for these names, and for `localhost`, `127.0.0.1`
    /// and `::1`. A text that is an IP address becomes an address in the certificate.
    ///
    /// # Errors
    ///
    /// [`Error::Certificates`] when a name cannot be in a certificate, [`Error::Io`].
    pub fn generate(names: &[&str]) -> Result<Self, Error> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "Cartwright test authority");
        let authority_key = KeyPair::generate()?;
        let authority_cert = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        all.extend(names.iter().map(|name| (*name).to_owned()));
        all.dedup();
        let mut server = CertificateParams::new(all)?;
        server.distinguished_name.push(DnType::CommonName, "Cartwright test server");
        server.use_authority_key_identifier_extension = true;
        let server_key = KeyPair::generate()?;
        let server_cert = server.signed_by(&server_key, &issuer)?;

        let folder = tempfile::Builder::new()
            .prefix("cartwright-tls-")
            .tempdir()
            .map_err(Error::io("create a folder for certificates"))?;
        let save = |name: &str, pem: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, pem).map_err(Error::io(format!("write {}", path.display())))?;
            Ok::<_, Error>(path)
        };
        let cert = save("server.pem", server_cert.pem())?;
        let key = save("server-key.pem", server_key.serialize_pem())?;
        let ca = save("ca.pem", authority_cert.pem())?;
        Ok(Self { cert, key, ca, folder: Some(std::sync::Arc::new(folder)) })
    }

    /// Refers to PEM files that exist already.
    #[must_use]
    pub fn existing(cert: impl AsRef<Path>, key: impl AsRef<Path>, ca: impl AsRef<Path>) -> Self {
        let own = |path: &Path| path.to_path_buf();
        Self { cert: own(cert.as_ref()), key: own(key.as_ref()), ca: own(ca.as_ref()), folder: None }
    }

    /// Whether the files go away with the last clone of this value.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.folder.is_some()
    }
}
