//! Who sends a request, and whether he may.

use actix_web::{
    HttpMessage, HttpRequest,
    http::{
        Method,
        header::{HeaderName, ORIGIN},
    },
};
use cartwright_domain::OwnerId;
use cartwright_identity::Scopes;

use super::Who;
use crate::problem::{Problem, Refusal};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who sends a request. Nobody, until he has said who he is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// The user that he is.
    pub(super) user: Option<OwnerId>,
    /// The guest that he was, or still is.
    pub(super) guest: Option<OwnerId>,
    pub(super) scopes: Scopes,
    /// Whether a browser would say the same for any page that sends a request: of a cookie, or of nothing at all.
    pub(super) ambient: bool,
}

impl Caller {
    /// Of a request that has come through the door.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// Whose cart, orders and holds are his own.
    pub(crate) fn owner(&self) -> Option<&OwnerId> {
        self.user.as_ref().or(self.guest.as_ref())
    }

    /// The user that he is.
    pub(crate) fn user(&self) -> Option<&OwnerId> {
        self.user.as_ref()
    }

    /// The guest whose token came with the request.
    pub(crate) fn guest(&self) -> Option<&OwnerId> {
        self.guest.as_ref()
    }

    /// Whether he runs the shop, or is a part of it.
    pub(crate) fn is_staff(&self) -> bool {
        self.scopes.contains(Scopes::ADMIN) || self.scopes.contains(Scopes::SERVICE)
    }

    /// Whose things are there for him. `None`: everybody's.
    pub(crate) fn sees(&self) -> Result<Option<OwnerId>, Problem> {
        match self.owner() {
            _ if self.is_staff() => Ok(None),
            Some(owner) => Ok(Some(owner.clone())),
            None => Err(Refusal::NoCredentials.into()),
        }
    }

    /// Whether somebody's things are his, or his to take care of.
    pub(crate) fn is_or_may_act_for(&self, somebody: &OwnerId) -> bool {
        self.is_staff() || self.is(somebody.as_str())
    }

    fn is_nobody(&self) -> bool {
        self.owner().is_none() && !self.is_staff()
    }

    fn is(&self, named: &str) -> bool {
        [&self.user, &self.guest].into_iter().flatten().any(|id| id.as_str() == named)
    }

    /// Whether he may. `named`: the `user_id` of the path.
    pub(super) fn may(&self, who: Who, named: Option<&str>) -> Result<(), Problem> {
        let right = match who {
            Who::Anyone | Who::Known => return Ok(()),
            _ if self.is_nobody() => return Err(Refusal::NoCredentials.into()),
            Who::Caller => return Ok(()),
            Who::Named => self.is_staff() || named.is_some_and(|named| self.is(named)),
            Who::Staff => self.is_staff(),
            Who::Operators => self.scopes.contains(Scopes::ADMIN),
        };
        match who {
            _ if right => Ok(()),
            Who::Named => Err(Refusal::NotYours.into()),
            _ => Err(Refusal::OperatorsOnly.into()),
        }
    }

    /// It must be he who asks, and not some page that he has open in his browser: browsers say from where a request comes.
    pub(super) fn came_by_himself(&self, request: &HttpRequest, origins: &[String]) -> Result<(), Problem> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if self.ambient && !reads && sent_by_another_site(request, origins) {
            return Err(Refusal::CrossSite.into());
        }
        Ok(())
    }
}

/// Whether a browser says that a page of another site sent this, and not one that may.
pub(crate) fn sent_by_another_site(request: &HttpRequest, origins: &[String]) -> bool {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let elsewhere = matches!(header(FETCH_SITE), Some("cross-site" | "same-site"));
    let allowed = |origin: &str| origins.iter().any(|known| known == origin);
    elsewhere && !header(ORIGIN).is_some_and(allowed)
}
