//! Sends.

use std::{error::Error, fmt, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::time::{Instant, timeout};

use crate::{
    Delivered, Excerpt, Failed, Headers, Location, Message, Phase, Policy, Reason, Refusal, Resolve, Secrets,
    Signature, SystemResolver, Target, Unreachable,
    answer::{Listened, retry_after},
    connect::{Guard, Patient},
};

const USER_AGENT: &str = concat!("Cartwright-Webhooks/", env!("CARGO_PKG_VERSION"));
/// Of an answer's head, in bytes.
const LONGEST_HEAD: usize = 16 << 10;
/// Connections that are kept for one host and port.
const KEPT: usize = 2;

/// Sends webhooks where a [`Policy`] allows it. Clones are cheap and share their connections.
///
/// A connection is kept for a while, for the next message to the same scheme, host and port: its address was judged by
/// the same policy when it was opened. An answer that was not read to its end closes its connection, so that nothing of
/// it is left for the next. A connection lives on the runtime of the message that opened it.
#[derive(Clone)]
pub struct Sender {
    policy: Arc<Policy>,
    guard: Guard,
    client: Client<Patient<HttpsConnector<Guard>>, Full<Bytes>>,
}

/// A sender cannot be made so.
#[derive(Debug, thiserror::Error)]
pub enum BadSetup {
    /// Nobody vouches for receivers.
    #[error(
        "there is no certificate authority to verify receivers by; the package ca-certificates, or a PEM file of one's own, would be right"
    )]
    NoAuthority,
    /// What should be certificates is something else.
    #[error("the certificate authorities are not in PEM format")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// rustls does not want one of the certificates, or the protocol versions.
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
}

impl Sender {
    /// A sender that finds addresses by the system, and believes the system's certificate authorities.
    ///
    /// # Errors
    /// [`BadSetup::NoAuthority`] when the system has none.
    pub fn new(policy: Policy) -> Result<Self, BadSetup> {
        Self::builder(policy).build()
    }

    /// A sender to be set up.
    pub fn builder(policy: Policy) -> SenderBuilder {
        SenderBuilder { policy, resolver: Arc::new(SystemResolver), authorities: None }
    }

    /// What is allowed.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Looks where the target leads at the moment, and sends nothing: for the moment at which a customer types it in. The
    /// addresses may be others when a message is sent; they are judged again then.
    ///
    /// # Errors
    /// [`Reason::Refused`], or that the name cannot be resolved.
    pub async fn check(&self, target: &Target) -> Result<Vec<IpAddr>, Reason> {
        target.permit(&self.policy).map_err(Reason::Refused)?;
        let host = target.host();
        match timeout(self.policy.connect_timeout, self.guard.addresses(&host)).await {
            Ok(found) => found,
            Err(_) => Err(Reason::TimedOut(Phase::Connecting)),
        }
    }

    /// Sends a message once.
    ///
    /// A status of 2xx is a delivery, also when the body after it is slow, broken or too long: the receiver has the
    /// message, and the body is for people.
    ///
    /// # Errors
    /// [`Failed`] says why, and whether trying again makes sense.
    pub async fn send(
        &self,
        target: &Target,
        secrets: &Secrets,
        message: &Message,
    ) -> Result<Delivered, Failed> {
        let begun = Instant::now();
        let failed = |reason| Failed { reason, duration: begun.elapsed(), excerpt: None };

        // The policy under which it was parsed may have been another.
        target.permit(&self.policy).map_err(Reason::Refused).map_err(failed)?;
        let request = request(target, secrets, message).map_err(failed)?;
        let answer = self.ask(request).await.map_err(failed)?;

        let (head, body) = answer.into_parts();
        let reason = verdict(&head, message.at);
        let remaining = self.policy.timeout.saturating_sub(begun.elapsed());
        let excerpt = excerpt(body, self.policy.max_response, remaining).await;
        let duration = begun.elapsed();
        match reason {
            None => Ok(Delivered { status: head.status.as_u16(), duration, excerpt }),
            Some(reason) => Err(Failed { reason, duration, excerpt: Some(excerpt) }),
        }
    }

    /// The answer, when its head is there.
    async fn ask(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<impl BodyExt<Data = Bytes> + Unpin + use<>>, Reason> {
        match timeout(self.policy.timeout, self.client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(named(error)),
            Err(_) => Err(Reason::TimedOut(Phase::Answering)),
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Sets up a [`Sender`].
#[derive(Debug)]
pub struct SenderBuilder {
    policy: Policy,
    resolver: Arc<dyn Resolve>,
    authorities: Option<Vec<u8>>,
}

impl SenderBuilder {
    /// Finds addresses in this way instead of the system's.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Believes the certificate authorities in this PEM text, instead of the system's: for an intranet with one of its own.
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// The sender.
    ///
    /// # Errors
    /// [`BadSetup`].
    pub fn build(self) -> Result<Sender, BadSetup> {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(BadSetup::Tls)?
            .with_root_certificates(roots(self.authorities.as_deref())?)
            .with_no_client_auth();
        let policy = Arc::new(self.policy);
        let guard = Guard::new(Arc::clone(&policy), self.resolver);
        let connector = Patient::new(HttpsConnector::from((guard.clone(), tls)), Arc::clone(&policy));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(policy.keep)
            .pool_max_idle_per_host(if policy.keep == Duration::ZERO { 0 } else { KEPT })
            .http1_max_buf_size(LONGEST_HEAD)
            .build(connector);
        Ok(Sender { policy, guard, client })
    }
}

fn roots(pem: Option<&[u8]>) -> Result<RootCertStore, BadSetup> {
    let mut roots = RootCertStore::empty();
    match pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(BadSetup::Pem)?).map_err(BadSetup::Tls)?;
            }
        }
        // Systems ship odd certificates among hundreds of good ones: those are skipped.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() { Err(BadSetup::NoAuthority) } else { Ok(roots) }
}

fn request(target: &Target, secrets: &Secrets, message: &Message) -> Result<Request<Full<Bytes>>, Reason> {
    Request::builder()
        .method(Method::POST)
        .uri(target.uri().clone())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "*/*")
        .header(Headers::ID, message.id.as_str())
        .header(Headers::TIMESTAMP, message.at.timestamp())
        .header(Headers::SIGNATURE, Signature::sign(secrets, message).as_str())
        .body(Full::new(message.payload.clone()))
        .map_err(|error| Reason::Refused(Refusal::Unreadable(error.to_string())))
}

/// What the head of an answer means. `None`: delivered.
fn verdict(head: &http::response::Parts, now: DateTime<Utc>) -> Option<Reason> {
    let code = head.status.as_u16();
    match code {
        200..=299 => None,
        300..=399 => Some(Reason::Redirect { code, location: Location::of(&head.headers) }),
        _ => Some(Reason::Status { code, retry_after: retry_after(&head.headers, now) }),
    }
}

/// What there is of the body until it ends, is too long, breaks off, or time is up.
async fn excerpt<B>(body: B, limit: usize, patience: Duration) -> Excerpt
where
    B: BodyExt<Data = Bytes> + Unpin,
{
    let mut listened = Listened::default();
    // What has come until then is kept.
    let _ = timeout(patience, listened.listen(body, limit)).await;
    listened.excerpt()
}

/// Our own reason, if the connection failed for one; else the connection was there and failed later.
fn named(error: legacy::Error) -> Reason {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(found) = cause {
        if let Some(reason) = found.downcast_ref::<Reason>() {
            return reason.clone();
        }
        cause = found.source();
    }
    Reason::Unreachable(Unreachable::Broken(Arc::new(error)))
}
