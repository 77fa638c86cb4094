//! How callers are recognised.

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, HeaderName, HeaderValue},
    web::Data,
};
use cartwright_domain::OwnerId;
use cartwright_identity::{GuestToken, Principal, Scopes, Verifier};

use super::Caller;
use crate::{
    AppState,
    problem::{Problem, Refusal},
};

const USER: HeaderName = HeaderName::from_static("x-user-id");
const SCOPES: HeaderName = HeaderName::from_static("x-user-scopes");
const GUEST: HeaderName = HeaderName::from_static("x-guest-token");
/// The cookie that has a guest's token.
pub(crate) const GUEST_COOKIE: &str = "cartwright_guest";

/// How callers are recognised.
#[derive(Debug, Clone)]
pub enum Access {
    /// They are believed: `X-User-ID` says who it is, `X-User-Scopes` what he may (`admin`, `service`). For development, and
    /// behind a gateway that authenticates callers and sets both headers.
    TrustedHeader {
        /// Whether who sends neither is an operator.
        anonymous_admin: bool,
    },
    /// By an access token in `Authorization`. `X-User-ID` and `X-User-Scopes` are not looked at.
    Tokens(Verifier),
}

/// Who calls, as far as it is known at once.
pub(super) enum Known {
    Caller(Caller),
    /// Somebody with a token that was not seen lately.
    Bearer(Bearer),
    /// Somebody whose credentials are not even of the right form.
    Refused,
}

/// A token to be verified.
pub(super) struct Bearer {
    verifier: Verifier,
    authorization: HeaderValue,
    guest: Option<OwnerId>,
}

impl Access {
    /// The header by which a user says who he is.
    pub(crate) fn header_of(request: &HttpRequest) -> &'static str {
        match request.app_data::<Data<AppState>>().map(|state| &state.access) {
            Some(Self::Tokens(_)) => "Authorization",
            _ => "X-User-ID",
        }
    }

    /// Who says that he calls.
    pub(super) fn look(&self, request: &HttpRequest) -> Result<Known, Problem> {
        let known = Guest::of(request).and_then(|guest| match self {
            Self::TrustedHeader { anonymous_admin } => {
                believed(request, guest, *anonymous_admin).map(Known::Caller)
            }
            Self::Tokens(verifier) => with_token(request, guest, verifier),
        });
        match known {
            // To be counted as all that are not good.
            Err(Problem::Refused(Refusal::BadCredentials)) => Ok(Known::Refused),
            other => other,
        }
    }
}

fn believed(request: &HttpRequest, guest: Guest, anonymous_admin: bool) -> Result<Caller, Problem> {
    let user = one(request, &USER)?.map(|value| {
        OwnerId::new(&String::from_utf8_lossy(value.as_bytes()))
            .map_err(|error| Problem::invalid("/header/X-User-ID", "invalid_id", error))
    });
    let user = user.transpose()?;
    let scopes = one(request, &SCOPES)?.map(|value| Scopes::parse(value.to_str().unwrap_or_default()));
    let silent = user.is_none() && scopes.is_none();
    let ambient = silent && guest.header.is_none();
    let scopes = scopes.unwrap_or(if ambient && anonymous_admin { Scopes::ADMIN } else { Scopes::NONE });
    Ok(Caller { user, guest: guest.owner(), scopes, ambient })
}

fn with_token(request: &HttpRequest, guest: Guest, verifier: &Verifier) -> Result<Known, Problem> {
    let Some(authorization) = one(request, &AUTHORIZATION)? else {
        let ambient = guest.header.is_none();
        return Ok(Known::Caller(Caller { guest: guest.owner(), ambient, ..Caller::default() }));
    };
    let token = bearer(authorization)?;
    Ok(match verifier.recall(token) {
        Some(verified) => Known::Caller(caller(verified.principal(), guest.owner())),
        None => Known::Bearer(Bearer {
            verifier: verifier.clone(),
            authorization: authorization.clone(),
            guest: guest.owner(),
        }),
    })
}

impl Bearer {
    /// Who it is, if the token is good.
    pub(super) async fn verify(self) -> Result<Caller, Problem> {
        match self.verifier.verify(bearer(&self.authorization)?).await {
            Ok(verified) => Ok(caller(verified.principal(), self.guest)),
            Err(rejected) if rejected.is_unavailable() => Err(Refusal::NoKeys.into()),
            Err(_) => Err(Refusal::BadCredentials.into()),
        }
    }
}

fn caller(principal: &Principal, guest: Option<OwnerId>) -> Caller {
    Caller { user: principal.owner().cloned(), guest, scopes: principal.scopes(), ambient: false }
}

/// What stands behind `Bearer`.
fn bearer(authorization: &HeaderValue) -> Result<&str, Problem> {
    let text = authorization.to_str().map_err(|_unseen| Problem::Refused(Refusal::BadCredentials))?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::BadCredentials)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim_start())
    } else {
        Err(Refusal::BadCredentials.into())
    }
}

/// A header that may stand there once: of two, somebody on the way may have looked at the other one.
fn one<'a>(request: &'a HttpRequest, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = request.headers().get_all(name);
    let first = values.next();
    if values.next().is_some() { Err(Refusal::BadCredentials.into()) } else { Ok(first) }
}

/// A guest, by the header or by the cookie.
struct Guest {
    header: Option<OwnerId>,
    cookie: Option<OwnerId>,
}

impl Guest {
    /// A cookie that is no token was set by somebody else.
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let token = |text: &str| text.parse::<GuestToken>().map(|token| token.owner()).ok();
        let header = match one(request, &GUEST)? {
            Some(value) => Some(value.to_str().ok().and_then(token).ok_or(Refusal::BadCredentials)?),
            None => None,
        };
        let cookie = request.cookie(GUEST_COOKIE).and_then(|cookie| token(cookie.value()));
        Ok(Self { header, cookie })
    }

    fn owner(self) -> Option<OwnerId> {
        self.header.or(self.cookie)
    }
}
