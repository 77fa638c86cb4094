use anyhow::ensure;
use serde::Deserialize;

use super::Server;

/// Who callers are.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    /// How a caller is recognised.
    pub(crate) mode: AuthMode,
    /// Serve on an address that is not loopback although callers are believed. Only behind a gateway that
    /// authenticates them: whoever reaches the port may change every cart.
    pub(crate) force: bool,
}

/// How a caller is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AuthMode {
    /// By what it says: `X-User-ID`, or the user in the path.
    TrustedHeader,
}

impl Default for Auth {
    fn default() -> Self {
        Self { mode: AuthMode::TrustedHeader, force: false }
    }
}

impl Auth {
    pub(super) fn check(&self, server: &Server) -> anyhow::Result<()> {
        match self.mode {
            AuthMode::TrustedHeader => ensure!(
                self.force || server.listen.ip().is_loopback(),
                "configuration key `auth.mode`: with trusted-header every caller is believed, so `server.listen` \
                 ({}) must be a loopback address; behind a gateway that authenticates, set `auth.force = true`",
                server.listen
            ),
        }
        Ok(())
    }
}
