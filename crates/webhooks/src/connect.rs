//! Connections, to addresses that were judged.

use std::{
    error::Error,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tower_service::Service;

use crate::{Phase, Policy, Reason, Refusal, Resolve, Unreachable, target::judge};

/// Addresses of one name that are tried at most. A name with hundreds is not there to be reached.
const MOST_TRIED: usize = 8;

type BoxError = Box<dyn Error + Send + Sync>;
type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Finds addresses, judges them, and connects to one that was judged.
///
/// It is the only place where the crate opens a connection: hyper's client asks it whenever it needs one, with the host
/// and port of the request, and TLS is made on top of what it returns, for the name of the request.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolve>,
}

impl Guard {
    pub(crate) fn new(policy: Arc<Policy>, resolver: Arc<dyn Resolve>) -> Self {
        Self { policy, resolver }
    }

    /// The addresses of the host, all of them allowed.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Reason> {
        let unbracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let found =
            match unbracketed.parse::<IpAddr>() {
                Ok(address) => vec![address],
                Err(_) => self.resolver.resolve(host).await.map_err(|error| {
                    Reason::Unreachable(Unreachable::Name(host.to_owned(), Arc::new(error)))
                })?,
            };
        if found.is_empty() {
            return Err(Reason::Unreachable(Unreachable::NoAddress(host.to_owned())));
        }
        // One bad address spoils the good ones: whoever answers so wants us to come to the bad one sooner or later.
        for address in &found {
            judge(unbracketed, *address, &self.policy).map_err(Reason::Refused)?;
        }
        Ok(found)
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<TcpStream>, Reason> {
        let begun = Instant::now();
        let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(usual);
        let host = uri.host().ok_or_else(|| Reason::Refused(Refusal::Unreadable("it has no host".into())))?;
        let addresses = self.addresses(host).await?;
        let tried = addresses.len().min(MOST_TRIED);
        let mut last = Reason::TimedOut(Phase::Connecting);
        for (address, left) in addresses.into_iter().zip((1..=tried).rev()) {
            // An address that is silent leaves time for the others.
            let remaining = self.policy.connect_timeout.saturating_sub(begun.elapsed());
            let patience = remaining / u32::try_from(left).unwrap_or(1);
            last = match timeout(patience, TcpStream::connect(SocketAddr::new(address, port))).await {
                Ok(Ok(stream)) => {
                    // Small requests should not wait for an acknowledgement; failing that costs time only.
                    let _ = stream.set_nodelay(true);
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(error)) => Reason::Unreachable(Unreachable::Connection(Arc::new(error))),
                Err(_) => Reason::TimedOut(Phase::Connecting),
            };
        }
        Err(last)
    }
}

impl Service<Uri> for Guard {
    type Response = TokioIo<TcpStream>;
    type Error = Reason;
    type Future = BoxFuture<Self::Response, Reason>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// Puts a limit on connecting as a whole, TLS included, and names what failed.
#[derive(Debug, Clone)]
pub(crate) struct Patient<S> {
    inner: S,
    policy: Arc<Policy>,
}

impl<S> Patient<S> {
    pub(crate) fn new(inner: S, policy: Arc<Policy>) -> Self {
        Self { inner, policy }
    }
}

impl<S> Service<Uri> for Patient<S>
where
    S: Service<Uri, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Reason;
    type Future = BoxFuture<S::Response, Reason>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        self.inner.poll_ready(context).map_err(named)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let patience = self.policy.connect_timeout;
        let connecting = self.inner.call(uri);
        Box::pin(async move {
            match timeout(patience, connecting).await {
                Ok(connected) => connected.map_err(named),
                Err(_) => Err(Reason::TimedOut(Phase::Connecting)),
            }
        })
    }
}

/// What is not from the guard is from TLS.
fn named(error: BoxError) -> Reason {
    match error.downcast::<Reason>() {
        Ok(reason) => *reason,
        Err(error) => Reason::Unreachable(Unreachable::Tls(error.into())),
    }
}
