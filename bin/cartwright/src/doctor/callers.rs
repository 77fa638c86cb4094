//! Whether those who are to be let in are, and nobody else.

use cartwright_http::Access;
use cartwright_identity::Verifier;

use super::Findings;
use crate::{
    config::{Auth, Settings},
    describe,
};

pub(super) async fn callers(findings: &mut Findings, settings: &Settings) {
    let Settings { auth, server, limits, .. } = settings;
    match auth.access(server).await {
        Err(error) => findings.fail("auth", describe(&error), "see docs/OPERATIONS.md, Who is calling"),
        Ok(Access::Tokens(verifier)) => tokens(findings, auth, &verifier),
        Ok(Access::TrustedHeader { anonymous_admin }) => {
            findings.ok(
                "auth.mode",
                "trusted-header: callers are who they say they are, which is for development",
            );
            if auth.force {
                findings.warn(
                    "auth.force",
                    "callers are believed on whatever address",
                    "only behind a gateway that authenticates them",
                );
            }
            if anonymous_admin && !server.listen.ip().is_loopback() {
                findings.warn(
                    "auth.anonymous_admin",
                    "whoever reaches the address and says nothing of himself runs the shop",
                    "leave it out, and have the gateway send X-User-Scopes: admin for operators",
                );
            }
        }
    }
    if !limits.enabled {
        findings.warn("limits.enabled", "nobody is kept from asking too often", "set it to true");
    } else if limits.trusted_proxies.is_empty() && !server.listen.ip().is_loopback() {
        findings.ok(
            "limits.trusted_proxies",
            "none: behind a proxy all would share its address; name its network then",
        );
    }
}

fn tokens(findings: &mut Findings, auth: &Auth, verifier: &Verifier) {
    let status = verifier.status();
    match (&status.error, status.fetched) {
        (Some(error), fetched) => {
            let mend = "check auth.jwks_url, that it is reached from here, and auth.jwks_ca_file";
            if status.fixed == 0 && fetched == Some(0) {
                findings.fail("auth.jwks_url", error, mend);
            } else {
                findings.warn("auth.jwks_url", error, mend);
            }
        }
        (None, Some(0)) => findings.fail(
            "auth.jwks_url",
            "there is no key among what was fetched that can be used",
            "keys are RSA of 2048 bits or more, P-256 or Ed25519, and for signatures",
        ),
        (None, fetched) => findings.ok(
            "auth.mode",
            format_args!("jwt: {} keys configured, {} fetched", status.fixed, fetched.unwrap_or_default()),
        ),
    }
    if auth.audiences.is_empty() {
        findings.warn(
            "auth.audiences",
            "none: tokens that say for whom they are made (aud) are refused, and those that do not are taken",
            "set it to the name that your identity provider has for this API",
        );
    }
    if auth.issuers.is_empty() && auth.jwks_url.is_some() {
        findings.warn(
            "auth.issuers",
            "whoever's tokens are taken, if the key is right",
            "set it to your identity provider",
        );
    }
}
