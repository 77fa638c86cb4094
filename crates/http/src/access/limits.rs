//! How often callers may ask.

use std::{net::IpAddr, sync::Arc};

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use cartwright_limits::{Ask, Decision, Fields, LimitKey, Quota, RateLimiter, TrustedProxies};

use super::Caller;

/// Requests that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Whatever is only looked at.
    Reads,
    /// What makes the database search, rank or count.
    Searches,
    /// Whatever is changed, but for the following.
    Writes,
    /// What is bought or held.
    Orders,
    /// What makes guests and sessions.
    Logins,
    /// What is not counted: whether a node is up, and the documentation.
    Free,
}

impl Group {
    /// In keys, headers and metrics.
    fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Searches => "searches",
            Self::Writes => "writes",
            Self::Orders => "orders",
            Self::Logins => "logins",
            Self::Free => "free",
        }
    }
}

/// How often somebody may ask, by what he asks for. `None`: as often as he likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// What is only looked at.
    pub reads: Option<Quota>,
    /// Searches, lists and rankings.
    pub searches: Option<Quota>,
    /// Changes of carts, and of whatever else is his own.
    pub writes: Option<Quota>,
    /// Orders, checkouts and holds.
    pub orders: Option<Quota>,
    /// New guests and sessions.
    pub logins: Option<Quota>,
}

impl Quotas {
    fn of(&self, group: Group) -> Option<Quota> {
        match group {
            Group::Reads => self.reads,
            Group::Searches => self.searches,
            Group::Writes => self.writes,
            Group::Orders => self.orders,
            Group::Logins => self.logins,
            Group::Free => None,
        }
    }
}

/// Counts requests, and refuses those that are too many.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Who counts: for this process, or for all that share a Redis.
    pub limiter: Arc<dyn RateLimiter>,
    /// How often a user or a guest may ask. Operators and services are not counted.
    pub users: Quotas,
    /// How often all may ask who share an address; those of this machine are not counted. `logins` is also how many tokens that are not good may come from there.
    pub addresses: Quotas,
    /// Whom to believe for whom he asks.
    pub proxies: TrustedProxies,
}

/// What became of a request that was counted.
pub(super) struct Counted {
    pub(super) admitted: bool,
    /// To be told so.
    fields: Option<Fields>,
}

impl Limits {
    /// Whether requests of these are counted at all.
    pub(crate) fn count(&self, group: Group) -> bool {
        self.users.of(group).is_some() || self.addresses.of(group).is_some()
    }

    /// Counts a request of somebody. One round trip at most.
    pub(super) async fn admit(&self, request: &HttpRequest, caller: &Caller, group: Group) -> Counted {
        let user = caller
            .owner()
            .zip(self.users.of(group))
            .map(|(owner, quota)| Ask { key: LimitKey::user(group.name(), owner.as_str()), quota });
        let address = self
            .address(request)
            .zip(self.addresses.of(group))
            .map(|(address, quota)| Ask { key: LimitKey::address(group.name(), address), quota });
        self.ask(user.into_iter().chain(address).collect()).await
    }

    /// Counts a token that is not good. Who sends too many of them is not told of each that it is not.
    pub(super) async fn admit_failure(&self, request: &HttpRequest) -> Counted {
        let ask = self
            .address(request)
            .zip(self.addresses.logins)
            .map(|(address, quota)| Ask { key: LimitKey::address("failures", address), quota });
        self.ask(ask.into_iter().collect()).await
    }

    async fn ask(&self, asks: Vec<Ask>) -> Counted {
        if asks.is_empty() {
            return Counted { admitted: true, fields: None };
        }
        let decisions = self.limiter.check(&asks).await;
        Counted { admitted: Decision::admits(&decisions), fields: Fields::of(asks.iter().zip(&decisions)) }
    }

    /// From where he asks. `None`: from this machine. It may be a proxy that nobody has told us of, and all its shoppers
    /// together are not one.
    fn address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip();
        let lines = request.headers().get_all(self.proxies.header().name()).map(HeaderValue::as_bytes);
        Some(self.proxies.client_address(peer, lines)).filter(|address| !address.to_canonical().is_loopback())
    }
}

impl Counted {
    /// Says how much is left.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        for (name, value) in self.fields.into_iter().flat_map(Fields::into_pairs) {
            if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}
