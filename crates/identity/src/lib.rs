//! Who is calling.
//!
//! ```text
//!  a JSON Web Token ──► Verifier ──► Verified ─┐
//!                          ▲                   │
//!                    keys, fetched             ├──► Principal: who, and with which scopes
//!                                              │
//!  a guest's token ──► GuestToken::owner ──────┘
//! ```
//!
//! A [`Principal`] is what the rest of the shop goes by. How he has proved who he is stays here.
//!
//! What is kept of a person is in three rooms of their own: [`sessions`], [`profiles`], and [`people`], where somebody is erased
//! or handed what there is of him. They know the traits of storage and cache only.
//!
//! # What is promised of tokens
//!
//! *The key decides the algorithm, and never the token.* RSA keys verify RS256, keys on P-256 ES256, Ed25519 keys EdDSA and
//! secrets HS256, and nothing else. So `none` is no algorithm, and a public key is nobody's secret; it is not even accepted
//! as one in the settings.
//!
//! *Keys come from the settings.* Those in a token's header (`jwk`, `jku`, `x5u`, `x5c`) are never read: some issuers send
//! them along, so they are not refused either. `kid` is compared with names, and used for nothing else.
//!
//! *One token is one text.* Three parts of base64url without padding or odd bits; no member of header or claims stands
//! twice, at the top level, which is all that is read.
//!
//! *A token says all it must.* `exp`, always; `iss` and `aud` as in the [settings](JwtSettings); `sub`, the id of a user,
//! which never looks like a guest's. Only a token with the scope `service` may do without: it is a program's, and nobody's
//! user. `exp`, `nbf` and `iat` are whole seconds; a fraction, which RFC 7519 would allow, is refused.
//!
//! *Scopes are what was granted for this token:* the words `admin` and `service` in `scope` (RFC 8693, RFC 9068), and in
//! `scp`, which is the same at some issuers; each a text with blanks, or a list. `roles` and `groups` say what somebody is in
//! his house, and nothing about this shop.
//!
//! *A withdrawn key stops its tokens*, those that are remembered too, as soon as its absence is seen: after
//! [`JwksSettings::refresh`] at the latest. A new key works as soon as a token names it: after [`JwksSettings::cooldown`] at
//! the latest. Without the server keys are believed for [`JwksSettings::max_stale`].
//!
//! *Who is refused hears that he is, and not why.* [`Rejected::reason`] is for metrics and logs, and has nothing of the token
//! in it.
//!
//! What is not here: withdrawing a single token before its `exp` (make them short), and encrypted tokens.
//!
//! # Why not `jsonwebtoken`
//!
//! It reads the machine's clock, takes fractions and lists where there should be none, and picks its cryptography once for
//! the whole process, which is not a library's to decide. Without its validation and its cryptography, what is left of it is
//! the taking apart. The signatures are [ring](https://docs.rs/ring)'s, which TLS brings in anyway: no second cryptography to
//! build, and RSA, P-256 and Ed25519 in assembler. The examples of RFC 7515 and RFC 8037 are among the tests.
//!
//! # Example
//!
//! ```
//! use cartwright_domain::{Clock, SystemClock};
//! use cartwright_identity::{Claims, GuestToken, JwtSettings, Principal, Scopes, Secret, SigningKey, Verifier, Who, mint};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = Secret::new("not this one, but 32 random bytes or more")?;
//! let verifier = Verifier::start(JwtSettings {
//!     secrets: vec![secret.clone().into()],
//!     issuers: vec!["https://login.example.com".to_owned()],
//!     audiences: vec!["shop".to_owned()],
//!     ..JwtSettings::default()
//! })
//! .await?;
//!
//! let token = mint(&SigningKey::secret(secret), None, &Claims {
//!     subject: Some("ana".to_owned()),
//!     scopes: Scopes::NONE,
//!     issuer: Some("https://login.example.com".to_owned()),
//!     audience: Some("shop".to_owned()),
//!     issued_at: SystemClock.now(),
//!     lifetime: Duration::from_secs(600),
//! })?;
//! let verified = verifier.verify(&token).await?;
//! assert_eq!(verified.principal(), &Principal::user("ana")?);
//! // The next request with it need not wait.
//! assert!(verifier.recall(&token).is_some());
//!
//! let guest = GuestToken::generate();
//! assert_eq!(Principal::guest(&guest).who(), &Who::Guest(guest.owner()));
//! # Ok(()) }
//! ```

mod guest;
pub mod people;
mod principal;
pub mod profiles;
mod scopes;
pub mod sessions;
mod tokens;

pub use guest::{BadGuestToken, GuestToken};
pub use principal::{BadUser, Principal, Who};
pub use scopes::Scopes;
pub use tokens::{
    Algorithm, BadKey, BadSecret, BadSettings, BadSigningKey, BadUrl, Claims, JwksSettings, JwksUrl,
    JwtSettings, KeyStatus, MintError, Named, PublicKey, Reason, Rejected, Secret, SigningKey, Verified,
    Verifier, describe_metrics, mint,
};
