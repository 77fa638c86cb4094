//! Rate limits: how many requests somebody may make in a while.
//!
//! ```
//! use cartwright_limits::{Ask, Decision, Fields, LimitKey, MemoryRateLimiter, Quota, RateLimiter};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = MemoryRateLimiter::new(100_000);
//! let per_user = Quota::per_minute(2)?.ok_or("0 would be no limit")?;
//! let per_address = Quota::per_minute(1000)?.ok_or("0 would be no limit")?;
//! let asks = [
//!     Ask { key: LimitKey::user("writes", "ana"), quota: per_user },
//!     Ask { key: LimitKey::address("writes", "203.0.113.7".parse()?), quota: per_address },
//! ];
//! assert!(Decision::admits(&limiter.check(&asks).await));
//! assert!(Decision::admits(&limiter.check(&asks).await));
//! let third = limiter.check(&asks).await;
//! assert!(!Decision::admits(&third));
//! let fields = Fields::of(asks.iter().zip(&third)).ok_or("something was asked")?;
//! assert_eq!(fields.policy, r#""writes-user";q=2;w=60, "writes-address";q=1000;w=60"#);
//! assert_eq!(fields.retry_after, Some(61)); // the minute began with the first request
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! A [`Quota`] of `amount` requests in `per` is kept by a **sliding window**: two counters for each key, of what was
//! admitted in the window that is under way, and in the one before. The first window begins with the first request of
//! the key. What was admitted in the window before counts for as much as is left of the one under way: all of it at its
//! beginning, half of it after half of `per`, and so on. A request is admitted while what counts is less than `amount`.
//!
//! * Whoever was not seen for a while may make `amount` requests at once.
//! * Whoever asks without a pause is admitted `amount` times in each `per`, from the first request on: exactly `amount`
//!   times in the first, and then at an even pace. A refused request costs nothing.
//! * Whoever makes his requests at the end of a window on purpose is admitted up to twice `amount` times in a stretch of
//!   `per` that lies across two windows: `amount` at once, and then never faster than `amount` in `per`. It evens out
//!   in the window after.
//! * A refusal says after how long the next request will be admitted, if nobody else uses the key: earlier it will not.
//!
//! A token bucket (GCRA) that lets `amount` requests through at once fills again from the first one on, so that a client
//! who never pauses gets twice `amount` in the first `per`; a smaller bucket would refuse a page that makes ten
//! requests at a time. A log of all admitted requests would be exact in every stretch, at `amount` numbers for a key.
//!
//! A request that is counted for several keys, such as its user and its address, is admitted when all of them admit it,
//! and counted for none otherwise: who is refused as a user does not use up what others at his address may do.

mod client;
mod figures;
mod headers;
mod key;
mod limiter;
mod memory;
mod quota;
mod standing;

pub use client::{ProxyError, ProxyHeader, TrustedProxies};
pub use figures::{Figures, describe_metrics};
pub use headers::{Fields, Tightest};
pub use key::LimitKey;
pub use limiter::{Ask, Decision, RateLimiter};
pub use memory::MemoryRateLimiter;
pub use quota::{Quota, QuotaError};
pub use standing::Standing;
