//! One signed webhook, sent once, and only to where it may go.
//!
//! ```text
//!  a URL ──► Target::parse      https, a public name or address, written as it is meant
//!              │
//!  Sender::send ──► Resolve     the name is looked up once, and every address is judged
//!              │
//!              ├─► connect      to one of exactly those addresses; TLS for the name in the URL
//!              ├─► POST         signed as in the Standard Webhooks specification
//!              ▼
//!     Delivered or Failed       with the status, the time it took and the beginning of the answer
//! ```
//!
//! A receiver's URL comes from outside, and the request goes out from inside: whoever may choose the URL could ask our
//! own network for things through us. So what may be asked is decided here, in one place, by a [`Policy`].
//!
//! # What is promised
//!
//! *No connection to an address that was not judged.* A name is looked up by the [`Sender`] itself, and the connection is
//! made to an address out of that same answer. There is no second look-up, so a name that changes its mind in between
//! (DNS rebinding) changes nothing. One address among public ones that is not public refuses them all.
//!
//! *No way around.* Redirects are answers that failed, and proxies in the environment are not looked at.
//!
//! *No address of a cloud's metadata, under any policy,* nor link-local, multicast, tunnelled or reserved ones.
//!
//! *Secrets stay in.* Neither they, nor payloads, nor the path and query of a URL, which often hold one, are in any
//! `Debug`, error or log.
//!
//! *Bounded.* Time, head and body of an answer have limits. What a receiver says after the limit is not read.
//!
//! What is not here: when to send, how often to try again, and to whom. A queue asks [`Failed::is_retryable`],
//! [`Failed::retry_after`] and [`Failed::is_gone`]. Receivers may see a message more than once, and know it by its id.
//!
//! # Example
//!
//! ```
//! use cartwright_webhooks::{Headers, Message, Policy, Secrets, Sender, Signature, Target};
//!
//! # async fn example(now: chrono::DateTime<chrono::Utc>) -> Result<(), Box<dyn std::error::Error>> {
//! let sender = Sender::new(Policy::default())?;
//! let target = Target::parse("https://hooks.example.com/orders", sender.policy())?;
//! let secrets = Secrets::only("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse()?);
//! let message = Message { id: "msg_1".parse()?, at: now, payload: r#"{"type":"order.created"}"#.into() };
//!
//! match sender.send(&target, &secrets, &message).await {
//!     Ok(delivered) => println!("{} in {:?}", delivered.status, delivered.duration),
//!     Err(failed) if failed.is_gone() => println!("the receiver wants no more"),
//!     Err(failed) if failed.is_retryable() => println!("later: {}", failed.reason.explain()),
//!     Err(failed) => println!("never: {}", failed.reason.explain()),
//! }
//! # Ok(()) }
//!
//! // At the receiver:
//! # let now = chrono::DateTime::from_timestamp(1_649_367_553, 0).unwrap();
//! let secrets = Secrets::only("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse()?);
//! let headers = Headers {
//!     id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
//!     timestamp: "1649367553",
//!     signature: "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
//! };
//! let payload = br#"{"email":"test@example.com","username":"test_user"}"#;
//! headers.verify(&secrets, payload, now, Signature::TOLERANCE)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod connect;
mod location;
mod message;
mod outcome;
mod policy;
mod reach;
mod refusal;
mod resolve;
mod secret;
mod sender;
mod signature;
mod target;

pub use answer::Excerpt;
pub use location::Location;
pub use message::{BadMessageId, Message, MessageId};
pub use outcome::{Delivered, Failed, Phase, Reason, Unreachable};
pub use policy::{BadHostPattern, HostPattern, Policy, Ports};
pub use reach::Reach;
pub use refusal::Refusal;
pub use resolve::{Resolve, SystemResolver};
pub use secret::{BadSecret, Secret, Secrets};
pub use sender::{BadSetup, Sender, SenderBuilder};
pub use signature::{Forged, Headers, Signature};
pub use target::Target;
