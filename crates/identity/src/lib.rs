//! Who is calling.

mod guest;
mod principal;
mod scopes;
mod tokens;

pub use guest::{BadGuestToken, GuestToken};
pub use principal::{BadUser, Principal, Who};
pub use scopes::Scopes;
pub use tokens::{
    Algorithm, BadKey, BadSecret, BadSettings, BadSigningKey, BadUrl, Claims, JwksSettings, JwksUrl,
    JwtSettings, KeyStatus, MintError, Named, Reason, Rejected, Secret, SigningKey, Verified, Verifier,
    describe_metrics, mint,
};
