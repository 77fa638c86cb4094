use std::{path::Path, sync::Arc};

use cartwright_storage::StorageError;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::options::{Target, TlsMode};

/// TLS as the URL wants it. Also made when it wants none: then it is not asked.
pub(crate) fn connector(target: &Target) -> Result<MakeRustlsConnect, StorageError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed("TLS could not be set up", error))?;
    let config = match target.tls {
        TlsMode::VerifyFull => builder.with_root_certificates(roots(target.roots.as_deref())?),
        TlsMode::VerifyCa => {
            let roots = Some(roots(target.roots.as_deref())?);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName { provider, roots }))
        }
        TlsMode::Require | TlsMode::Prefer | TlsMode::Disable => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName { provider, roots: None }))
        }
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn failed(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Unexpected(what.into(), Some(Box::new(error)))
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, StorageError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => {
            let unreadable = |error| failed(&format!("sslrootcert {} cannot be read", path.display()), error);
            for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
                let certificate = certificate.map_err(unreadable)?;
                roots
                    .add(certificate)
                    .map_err(|error| failed("a certificate in sslrootcert is bad", error))?;
            }
        }
        // Systems ship odd certificates among hundreds of good ones: those are skipped.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(StorageError::unexpected("there is no certificate authority to verify the database by"));
    }
    Ok(roots)
}

/// Checks that the certificate comes from one of `roots`, if given, but not whose it is.
#[derive(Debug)]
struct AnyName {
    provider: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
