//! Tokens of a test's own.

use std::time::Duration;

use cartwright_domain::{Clock, SystemClock};
use cartwright_identity::{Claims, JwtSettings, Scopes, Secret, SigningKey, Verifier, mint};
use cartwright_testkit::evidence;

/// Makes tokens, and knows who believes them.
pub(crate) struct Mint(Secret);

impl Mint {
    pub(crate) fn new() -> Self {
        let secret = "a secret of a test, of thirty-two bytes and more";
        evidence::secret(secret);
        Self(Secret::new(secret).unwrap())
    }

    /// A good one, for an hour.
    pub(crate) fn token(&self, user: &str, scopes: &str) -> String {
        let claims = Claims {
            subject: Some(user.to_owned()),
            scopes: Scopes::parse(scopes),
            issuer: None,
            audience: None,
            issued_at: SystemClock.now(),
            lifetime: Duration::from_secs(3600),
        };
        let token = mint(&SigningKey::secret(self.0.clone()), None, &claims).unwrap();
        evidence::secret(&token);
        token
    }

    pub(crate) async fn verifier(&self) -> Verifier {
        let settings = JwtSettings { secrets: vec![self.0.clone().into()], ..JwtSettings::default() };
        Verifier::start(settings).await.unwrap()
    }
}
