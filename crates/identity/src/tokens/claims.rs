//! What a token says, once it is known who says it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Reason,
    json::{Members, WrongType},
};
use crate::{BadUser, Principal, Scopes, principal::user_id};

/// The last second of the year 9999. What is later was meant in milliseconds, or as an attack.
const LATEST: u64 = 253_402_300_799;

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub(crate) principal: Principal,
    pub(crate) expires_at: DateTime<Utc>,
    /// With the leeway.
    pub(crate) until: DateTime<Utc>,
}

impl Verified {
    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// When the token ends, by its `exp`. It is accepted for the leeway longer.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }
}

/// What claims must be.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Empty: any.
    pub(crate) issuers: Vec<String>,
    /// Empty: only tokens that are for nobody in particular.
    pub(crate) audiences: Vec<String>,
    pub(crate) leeway: TimeDelta,
}

impl Rules {
    /// Judges claims whose signature is good. Which of them is wrong can be told by the time it takes, but only by who has
    /// a good signature, and what he has in it he knows.
    pub(crate) fn judge(&self, claims: &[u8], now: DateTime<Utc>) -> Result<Verified, Reason> {
        let claims = Members::read(claims).ok_or(Reason::Claims)?;
        let expires_at = time(&claims, "exp")?.ok_or(Reason::Times)?;
        let begins = [time(&claims, "nbf")?, time(&claims, "iat")?];
        // RFC 7519, 4.1.4: not accepted on or after it.
        let until = expires_at + self.leeway;
        if now >= until {
            return Err(Reason::Expired);
        }
        if begins.into_iter().flatten().any(|begin| begin - self.leeway > now) {
            return Err(Reason::NotYet);
        }
        self.issued_by(&claims)?;
        self.meant_for(&claims)?;
        Ok(Verified { principal: principal(&claims)?, expires_at, until })
    }

    fn issued_by(&self, claims: &Members<'_>) -> Result<(), Reason> {
        let issuer = claims.text("iss").map_err(|WrongType| Reason::Issuer)?;
        let is_ours = issuer.is_some_and(|issuer| self.issuers.iter().any(|ours| *ours == issuer));
        if is_ours || self.issuers.is_empty() { Ok(()) } else { Err(Reason::Issuer) }
    }

    fn meant_for(&self, claims: &Members<'_>) -> Result<(), Reason> {
        let audience = claims.texts("aud").map_err(|WrongType| Reason::Audience)?;
        let fits = match audience {
            // RFC 7519, 4.1.3: who is not named in it must not accept it, nor who has no name.
            Some(names) => names.iter().any(|name| self.audiences.iter().any(|ours| ours == name)),
            None => self.audiences.is_empty(),
        };
        if fits { Ok(()) } else { Err(Reason::Audience) }
    }
}

fn time(claims: &Members<'_>, name: &str) -> Result<Option<DateTime<Utc>>, Reason> {
    let Some(seconds) = claims.number(name).map_err(|WrongType| Reason::Times)? else { return Ok(None) };
    let seconds = i64::try_from(seconds.min(LATEST + 1)).unwrap_or(i64::MAX);
    let time = DateTime::from_timestamp(seconds, 0).filter(|_| seconds.unsigned_abs() <= LATEST);
    time.map(Some).ok_or(Reason::Times)
}

fn principal(claims: &Members<'_>) -> Result<Principal, Reason> {
    let mut scopes = Scopes::NONE;
    for name in ["scope", "scp"] {
        let texts = claims.texts(name).map_err(|WrongType| Reason::Scope)?;
        scopes = texts.iter().flatten().map(|text| Scopes::parse(text)).fold(scopes, Scopes::with);
    }
    let subject = claims.text("sub").map_err(|WrongType| Reason::Subject)?;
    let principal = if scopes.contains(Scopes::SERVICE) {
        // A program may have any name, or none; but not a guest's.
        let name = match subject.as_deref().map(user_id) {
            Some(Err(BadUser::Reserved)) => return Err(Reason::Subject),
            Some(Err(BadUser::Id(_))) | None => None,
            Some(Ok(_)) => subject.as_deref(),
        };
        Principal::service(name)
    } else {
        Principal::user(&subject.ok_or(Reason::Subject)?)
    };
    let principal = principal.ok().ok_or(Reason::Subject)?;
    Ok(principal.with_scopes(scopes))
}
