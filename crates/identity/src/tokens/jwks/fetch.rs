//! Asks for the keys.

use std::{error::Error, fmt, fs, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, CACHE_CONTROL, ETAG, IF_NONE_MATCH, USER_AGENT},
};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::time::timeout;

use super::{
    JwksSettings,
    document::{BadDocument, Document},
};
use crate::tokens::BadSettings;

const AGENT: &str = concat!("Cartwright/", env!("CARGO_PKG_VERSION"));
/// Of an answer's body, in bytes.
const LONGEST: usize = 1 << 20;
/// Of its head.
const LONGEST_HEAD: usize = 16 << 10;

type Cause = Box<dyn Error + Send + Sync>;

/// Asks one address. It follows no redirect: an address that moves is for the operator to change.
pub(crate) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    uri: Uri,
    patience: Duration,
    /// Of the last answer that was read.
    etag: Option<HeaderValue>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// `None`: the same as last time.
    pub(crate) document: Option<Document>,
    /// For how long it may be kept, if it says so.
    pub(crate) max_age: Option<Duration>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("it cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    #[error("it answers {0}, and 200 would be right; redirects are not followed")]
    Status(StatusCode),
    #[error("it answers with more than {LONGEST} bytes")]
    TooLong,
    #[error("its answer broke off")]
    Broken(#[source] Cause),
    #[error("its answer is not a set of keys")]
    Document(#[source] BadDocument),
}

impl Fetcher {
    pub(crate) fn new(settings: &JwksSettings) -> Result<Self, BadSettings> {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(BadSettings::Tls)?
            .with_root_certificates(roots(settings)?)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            // Once a minute a connection of its own, to where the name leads by then.
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(LONGEST_HEAD)
            .build(connector);
        let (uri, patience) = (settings.url.uri.clone(), settings.timeout);
        Ok(Self { client, uri, patience, etag: None })
    }

    pub(crate) async fn fetch(&mut self) -> Result<Answer, FetchError> {
        let asked = timeout(self.patience, self.ask()).await;
        let (head, body) = asked.ok().ok_or(FetchError::TimedOut(self.patience))??;
        let max_age = max_age(&head);
        let Some(body) = body else { return Ok(Answer { document: None, max_age }) };
        let document = Document::read(&body).map_err(FetchError::Document)?;
        self.etag = head.get(ETAG).cloned();
        Ok(Answer { document: Some(document), max_age })
    }

    /// The head and the body; no body if it is the same as last time.
    async fn ask(&self) -> Result<(HeaderMap, Option<Bytes>), FetchError> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        if let Some(etag) = &self.etag {
            headers.insert(IF_NONE_MATCH, etag.clone());
        }
        let answer = self.client.request(request).await.map_err(FetchError::Unreachable)?;
        match answer.status() {
            StatusCode::OK => {
                let (head, body) = answer.into_parts();
                Ok((head.headers, Some(whole(body).await?)))
            }
            StatusCode::NOT_MODIFIED if self.etag.is_some() => Ok((headers_of(answer), None)),
            status => Err(FetchError::Status(status)),
        }
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

fn headers_of<B>(answer: Response<B>) -> HeaderMap {
    answer.into_parts().0.headers
}

async fn whole<B>(body: B) -> Result<Bytes, FetchError>
where
    B: http_body_util::BodyExt<Data = Bytes, Error: Into<Cause>>,
{
    match Limited::new(body, LONGEST).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLong),
        Err(error) => Err(FetchError::Broken(error)),
    }
}

/// `None` for 0 as well: that forbids to keep an answer, and does not say that keys change all the time.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(','));
    let seconds = directives.find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.trim().trim_matches('"').parse().ok())?
    });
    seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

fn roots(settings: &JwksSettings) -> Result<RootCertStore, BadSettings> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_file {
        Some(path) => {
            let unreadable = |error| BadSettings::CaFile(path.clone(), error);
            let pem = fs::read(path).map_err(unreadable)?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate =
                    certificate.map_err(|error| unreadable(std::io::Error::other(error.to_string())))?;
                roots.add(certificate).map_err(BadSettings::Tls)?;
            }
        }
        // Systems ship odd certificates among hundreds of good ones: those are skipped. And keys from this machine need
        // none of them.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let needs_one = settings.url.uri.scheme_str() == Some("https") || settings.ca_file.is_some();
    if roots.is_empty() && needs_one { Err(BadSettings::NoAuthority) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};

    use super::max_age;

    #[test]
    fn how_long_an_answer_may_be_kept() {
        for (text, seconds) in [
            ("max-age=60", Some(60)),
            ("public, MAX-AGE = \"15\" , must-revalidate", Some(15)),
            ("s-maxage=5", None),
            ("no-cache, no-store, max-age=0, must-revalidate", None),
            ("max-age=soon", None),
            ("max-age=-1", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(text))]);
            assert_eq!(max_age(&headers), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
