//! Tokens for development: what an issuer would give out, made with the keys at hand.

use std::time::Duration;

use anyhow::{Context, bail};
use cartwright_domain::{Clock, SystemClock};
use cartwright_identity::{Claims, Scopes, SigningKey, mint};

use crate::{
    cli::{Scope, TokenOptions},
    config::Settings,
    out,
};

/// Prints a token.
pub(crate) fn run(settings: &Settings, options: TokenOptions) -> anyhow::Result<()> {
    let auth = &settings.auth;
    let key = match (&options.key, auth.read_secret()?) {
        (Some(path), _) => {
            let unread = || format!("--key {}", path.display());
            let text = std::fs::read_to_string(path).with_context(unread)?;
            SigningKey::from_pem(&text).with_context(unread)?
        }
        (None, Some(secret)) => SigningKey::secret(secret),
        (None, None) => bail!(
            "there is nothing to sign with: set `auth.secret`, as in CARTWRIGHT__AUTH__SECRET=$(openssl rand -base64 48), \
             or give a private key with --key"
        ),
    };
    let scopes = options.scope.iter().map(|scope| match scope {
        Scope::Admin => Scopes::ADMIN,
        Scope::Service => Scopes::SERVICE,
    });
    let claims = Claims {
        subject: Some(options.subject),
        scopes: scopes.fold(Scopes::NONE, Scopes::with),
        issuer: auth.issuers.first().cloned(),
        audience: auth.audiences.first().cloned(),
        issued_at: SystemClock.now(),
        lifetime: Duration::from_secs(u64::from(options.minutes) * 60),
    };
    out::line(mint(&key, options.kid.as_deref(), &claims)?);
    Ok(())
}
