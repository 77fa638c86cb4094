use std::sync::Arc;

use anyhow::{Context, ensure};
use cartwright_http::Quotas;
use cartwright_limits::{ProxyHeader, Quota, RateLimiter, TrustedProxies};
use serde::Deserialize;

/// How often callers may ask.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Whether requests are counted at all.
    pub(crate) enabled: bool,
    /// Reads of one user or guest in a minute; 0: as many as he likes. Too high: one program reads all there is. Too low:
    /// pages that read many things at once stay empty.
    pub(crate) reads: u32,
    /// Searches, lists and rankings, likewise. They are counted by address only: nobody has to say who he is.
    pub(crate) searches: u32,
    /// Changes of carts, likewise. Too high: one program keeps the database busy. Too low: quick shoppers are refused.
    pub(crate) writes: u32,
    /// Orders, checkouts, holds and cancellations, likewise.
    pub(crate) orders: u32,
    /// New guests and sessions, likewise; and of an address, tokens that are not good.
    pub(crate) logins: u32,
    /// As many users as this may share an address: all of them together may ask so many times as often. 0: addresses are not
    /// counted; those of this machine never are. Too high: one machine does the work of many. Too low: offices and mobile networks are refused.
    pub(crate) users_of_an_address: u32,
    /// Users and addresses that are counted in this process, where there is no Redis. Too high: memory, some 100 bytes each.
    /// Too low: who asked least is forgotten.
    pub(crate) room: usize,
    /// Networks of proxies that say for whom they ask, as `10.0.0.0/8`.
    pub(crate) trusted_proxies: Vec<String>,
    /// Where they say it.
    pub(crate) proxy_header: Header,
}

/// Where proxies say for whom they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Header {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            reads: 0,
            searches: 0,
            writes: 100,
            orders: 100,
            logins: 30,
            users_of_an_address: 10,
            room: 100_000,
            trusted_proxies: Vec::new(),
            proxy_header: Header::XForwardedFor,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.quotas(1)?;
        self.quotas(self.users_of_an_address)?;
        self.proxies()?;
        ensure!(
            (1_000..=100_000_000).contains(&self.room),
            "configuration key `limits.room`: it is from 1000 to 100000000"
        );
        Ok(())
    }

    fn quotas(&self, times: u32) -> anyhow::Result<Quotas> {
        let quota = |key: &str, amount: u32| {
            let quota = Quota::per_minute(amount.saturating_mul(times));
            quota.with_context(|| format!("configuration key `limits.{key}`"))
        };
        Ok(Quotas {
            reads: quota("reads", self.reads)?,
            searches: quota("searches", self.searches)?,
            writes: quota("writes", self.writes)?,
            orders: quota("orders", self.orders)?,
            logins: quota("logins", self.logins)?,
        })
    }

    fn proxies(&self) -> anyhow::Result<TrustedProxies> {
        let header = match self.proxy_header {
            Header::XForwardedFor => ProxyHeader::XForwardedFor,
            Header::Forwarded => ProxyHeader::Forwarded,
        };
        let networks = self.trusted_proxies.iter().map(String::as_str);
        TrustedProxies::new(header, networks).context("configuration key `limits.trusted_proxies`")
    }

    /// What counts, by `limiter`. `None`: nothing is counted.
    pub(crate) fn start(
        &self,
        limiter: Arc<dyn RateLimiter>,
    ) -> anyhow::Result<Option<cartwright_http::Limits>> {
        if !self.enabled {
            return Ok(None);
        }
        let (users, addresses) = (self.quotas(1)?, self.quotas(self.users_of_an_address)?);
        Ok(Some(cartwright_http::Limits { limiter, users, addresses, proxies: self.proxies()? }))
    }
}
