use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use cartwright_http::Access;
use cartwright_identity::{JwksSettings, JwtSettings, PublicKey, Secret, Verifier};
use serde::Deserialize;

use super::{SecretText, SecretUrl, Server};

/// Who callers are.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    /// How a caller is recognised.
    pub(crate) mode: AuthMode,
    /// Serve on an address that is not loopback although callers are believed. Only behind a gateway that
    /// authenticates them: whoever reaches the port may change every cart.
    pub(crate) force: bool,
    /// Whether who says nothing of himself is an operator. When not set: on a loopback address.
    pub(crate) anonymous_admin: Option<bool>,
    /// A secret for tokens by HS256, of 32 bytes or more.
    pub(crate) secret: Option<SecretText>,
    /// A file with it, instead.
    pub(crate) secret_file: Option<PathBuf>,
    /// PEM files of public keys: RSA, P-256 or Ed25519.
    pub(crate) public_key_files: Vec<PathBuf>,
    /// Where more public keys are fetched.
    pub(crate) jwks_url: Option<SecretUrl>,
    /// How often, in seconds. Too high: a withdrawn key is believed for so long. Too low: requests for nothing.
    pub(crate) jwks_refresh_seconds: u64,
    /// How long keys are believed that cannot be fetched again, in seconds. Too high: a withdrawn key is believed for so
    /// long while the issuer is out of reach. Too low: nobody can log in when it is away for a while.
    pub(crate) jwks_max_stale_seconds: u64,
    /// Certificate authorities that vouch for the address, a PEM file, instead of the system's.
    pub(crate) jwks_ca_file: Option<PathBuf>,
    /// Of which issuers tokens are taken (`iss`).
    pub(crate) issuers: Vec<String>,
    /// For whom tokens must be made (`aud`).
    pub(crate) audiences: Vec<String>,
    /// By how much clocks may differ, in seconds. Too high: tokens live longer. Too low: good ones are refused.
    pub(crate) leeway_seconds: u64,
    /// The `typ` that tokens may have.
    pub(crate) token_types: Vec<String>,
    /// Verified tokens that are remembered. Too high: memory (some 300 bytes each). Too low: signatures are verified again.
    pub(crate) remembered_tokens: usize,
}

/// How a caller is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AuthMode {
    /// By what it says: `X-User-ID`, or the user in the path.
    TrustedHeader,
    /// By an access token.
    Jwt,
}

impl Default for Auth {
    fn default() -> Self {
        let JwtSettings { types, remembered, leeway, .. } = JwtSettings::default();
        Self {
            mode: AuthMode::TrustedHeader,
            force: false,
            anonymous_admin: None,
            secret: None,
            secret_file: None,
            public_key_files: Vec::new(),
            jwks_url: None,
            jwks_refresh_seconds: 60,
            jwks_max_stale_seconds: 3600,
            jwks_ca_file: None,
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway_seconds: leeway.as_secs(),
            token_types: types,
            remembered_tokens: remembered,
        }
    }
}

impl Auth {
    pub(super) fn check(&self, server: &Server) -> anyhow::Result<()> {
        match self.mode {
            AuthMode::TrustedHeader => ensure!(
                self.force || server.listen.ip().is_loopback(),
                "configuration key `auth.mode`: with trusted-header every caller is believed, so `server.listen` \
                 ({}) must be a loopback address; use `jwt`, or, behind a gateway that authenticates, set \
                 `auth.force = true`",
                server.listen
            ),
            AuthMode::Jwt => {
                ensure!(
                    self.anonymous_admin != Some(true),
                    "configuration key `auth.anonymous_admin`: with jwt, operators have tokens with the scope admin"
                );
                ensure!(
                    self.secret.is_none() || self.secret_file.is_none(),
                    "configuration key `auth.secret`: set it or `auth.secret_file`, not both"
                );
                self.tokens()?;
            }
        }
        Ok(())
    }

    /// How callers are recognised, from now on. In a runtime, which must outlive it: keys are fetched in the background.
    pub(crate) async fn access(&self, server: &Server) -> anyhow::Result<Access> {
        Ok(match self.mode {
            AuthMode::TrustedHeader => Access::TrustedHeader {
                anonymous_admin: self.anonymous_admin.unwrap_or(server.listen.ip().is_loopback()),
            },
            AuthMode::Jwt => Access::Tokens(Verifier::start(self.tokens()?).await.context("section `auth`")?),
        })
    }

    /// By which tokens.
    pub(crate) fn tokens(&self) -> anyhow::Result<JwtSettings> {
        let mut settings = JwtSettings {
            issuers: self.issuers.clone(),
            audiences: self.audiences.clone(),
            leeway: Duration::from_secs(self.leeway_seconds),
            types: self.token_types.clone(),
            remembered: self.remembered_tokens,
            ..JwtSettings::default()
        };
        if let Some(secret) = self.read_secret()? {
            settings.secrets.push(secret.into());
        }
        for path in &self.public_key_files {
            let unread =
                || format!("configuration key `auth.public_key_files`: {} cannot be read", path.display());
            let key: PublicKey =
                std::fs::read_to_string(path).with_context(unread)?.parse().with_context(unread)?;
            settings.public_keys.push(key.into());
        }
        if let Some(url) = &self.jwks_url {
            let mut jwks =
                JwksSettings::new(url.expose().parse().context("configuration key `auth.jwks_url`")?);
            jwks.refresh = Duration::from_secs(self.jwks_refresh_seconds);
            jwks.max_stale = Duration::from_secs(self.jwks_max_stale_seconds);
            jwks.ca_file.clone_from(&self.jwks_ca_file);
            settings.jwks = Some(jwks);
        }
        settings.check().context("section `auth`")?;
        Ok(settings)
    }

    /// The secret of HS256, if there is one.
    pub(crate) fn read_secret(&self) -> anyhow::Result<Option<Secret>> {
        if let Some(text) = &self.secret {
            return Secret::new(text.expose()).map(Some).context("configuration key `auth.secret`");
        }
        let Some(path) = &self.secret_file else { return Ok(None) };
        let unread = || format!("configuration key `auth.secret_file`: {} cannot be read", path.display());
        let text = std::fs::read_to_string(path).with_context(unread)?;
        Secret::new(text.trim_end()).map(Some).context("configuration key `auth.secret_file`")
    }
}
