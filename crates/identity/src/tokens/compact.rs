//! A token taken apart, before anything of it is believed.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Algorithm, Reason, json::Members};

/// A longer `kid` is nobody's.
const LONGEST_KID: usize = 256;

/// What of a token is needed to find its key and to verify its signature.
#[derive(Debug)]
pub(crate) struct Compact<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    /// Header and claims as they came, which is what is signed.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
    /// The claims, in base64url still: they are nobody's business before the signature is verified.
    claims: &'a str,
}

impl<'a> Compact<'a> {
    /// Takes it apart and reads the header. `types`: which `typ` are accepted.
    ///
    /// Of the header, `alg`, `kid`, `typ` and `crit` are looked at. Keys and addresses of keys in it (`jwk`, `jku`, `x5u`,
    /// `x5c`) are not even read: who has made a token does not say by which key to believe it.
    pub(crate) fn parse(token: &'a str, types: &[String]) -> Result<Self, Reason> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Reason::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(Reason::Form)?;
        let header = decode(header)?;
        // A fourth part would be in the claims, and a dot is no base64.
        if claims.is_empty() || claims.contains('.') {
            return Err(Reason::Form);
        }
        let signature = decode(signature)?;

        let header = Members::read(&header).ok_or(Reason::Header)?;
        let text = |name| header.text(name).ok().ok_or(Reason::Header);
        let (algorithm, kid, kind) = (text("alg")?.ok_or(Reason::Header)?, text("kid")?, text("typ")?);
        if header.has("crit") {
            return Err(Reason::Critical);
        }
        let kind = kind.unwrap_or(Cow::Borrowed("JWT"));
        if !types.iter().any(|accepted| media_type(accepted).eq_ignore_ascii_case(media_type(&kind))) {
            return Err(Reason::Type);
        }
        if kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KID) {
            return Err(Reason::UnknownKey);
        }
        let algorithm = Algorithm::named(&algorithm).ok_or(Reason::Algorithm)?;
        let kid = kid.map(Cow::into_owned);
        Ok(Self { algorithm, kid, signed: signed.as_bytes(), signature, claims })
    }

    /// The claims' JSON. To be called when the signature has been verified.
    pub(crate) fn claims(&self) -> Result<Vec<u8>, Reason> {
        decode(self.claims)
    }
}

/// Refuses padding, other alphabets, blanks, and bits behind the last byte: one token has one text.
fn decode(part: &str) -> Result<Vec<u8>, Reason> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok().ok_or(Reason::Form)?;
    if bytes.is_empty() { Err(Reason::Form) } else { Ok(bytes) }
}

/// Without what RFC 7515, 4.1.9, recommends to leave out.
fn media_type(kind: &str) -> &str {
    const APPLICATION: &str = "application/";
    match kind.split_at_checked(APPLICATION.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(APPLICATION) => rest,
        _ => kind,
    }
}
