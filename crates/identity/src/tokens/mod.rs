//! Tokens: JSON Web Tokens (RFC 7519), signed (RFC 7515), verified as RFC 8725 recommends.
//!
//! In the order in which a token meets them: `seen` (was it verified lately?), `compact` (its parts and its header), `keys`
//! (which key, and is the signature by it?), `jwks` (are there newer keys?), `claims` (what does it say?).

mod algorithm;
mod claims;
mod compact;
mod json;
mod jwks;
mod keys;
mod metrics;
mod mint;
mod public;
mod rejected;
mod secret;
mod seen;
mod settings;
mod verify;

pub use algorithm::Algorithm;
pub use claims::Verified;
pub use jwks::{BadUrl, JwksSettings, JwksUrl};
pub use metrics::describe_metrics;
pub use mint::{BadSigningKey, Claims, MintError, SigningKey, mint};
pub use public::{BadKey, PublicKey};
pub use rejected::{Reason, Rejected};
pub use secret::{BadSecret, Secret};
pub use settings::{BadSettings, JwtSettings, Named};
pub use verify::{KeyStatus, Verifier};
