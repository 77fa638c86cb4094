//! Who asks.

use cartwright_domain::{IdError, OwnerId};

use crate::{GuestToken, Scopes, guest};

/// Who asks, and what he may do.
///
/// A user's id never begins with `guest-`, whichever way it came, and nobody becomes a guest without his token: the two
/// constructors see to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    who: Who,
    scopes: Scopes,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// A user, who has a cart, orders and a profile under this id.
    User(OwnerId),
    /// Whoever has the token of this cart.
    Guest(OwnerId),
    /// Another program, by the name in its token, if it has one that is an id. It is nobody's user: a program called
    /// `ana` does not have Ana's cart.
    Service(Option<OwnerId>),
    /// Somebody who does not say who he is.
    Nobody,
}

/// A text that is not the id of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUser {
    /// Not an id at all.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The id of a guest's cart, which only his token opens.
    #[error("ids that begin with `{}` belong to guests; a user's id begins otherwise", guest::PREFIX)]
    Reserved,
}

impl Principal {
    /// A user without scopes.
    ///
    /// # Errors
    /// [`BadUser`].
    pub fn user(id: &str) -> Result<Self, BadUser> {
        user_id(id).map(|id| Self::of(Who::User(id)))
    }

    /// A guest.
    #[must_use]
    pub fn guest(token: &GuestToken) -> Self {
        Self::of(Who::Guest(token.owner()))
    }

    /// Another program, with the scope [`Scopes::SERVICE`].
    ///
    /// # Errors
    /// [`BadUser`], when there is a name and it could not be a user's either.
    pub fn service(name: Option<&str>) -> Result<Self, BadUser> {
        let name = name.map(user_id).transpose()?;
        Ok(Self::of(Who::Service(name)).with_scopes(Scopes::SERVICE))
    }

    /// Somebody who does not say who he is.
    #[must_use]
    pub fn nobody() -> Self {
        Self::of(Who::Nobody)
    }

    fn of(who: Who) -> Self {
        Self { who, scopes: Scopes::NONE }
    }

    /// The same with more scopes.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = self.scopes.with(scopes);
        self
    }

    /// Who asks.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// What he may do beyond what is his own.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// Under which id he has a cart. `None`: he has none, being a program or nobody.
    pub fn owner(&self) -> Option<&OwnerId> {
        match &self.who {
            Who::User(id) | Who::Guest(id) => Some(id),
            Who::Service(_) | Who::Nobody => None,
        }
    }
}

/// An id that users may have.
pub(crate) fn user_id(text: &str) -> Result<OwnerId, BadUser> {
    let id = OwnerId::new(text)?;
    if guest::is_reserved(&id) { Err(BadUser::Reserved) } else { Ok(id) }
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{IdError, OwnerId};

    use super::{BadUser, Principal, Who};
    use crate::{GuestToken, Scopes};

    #[test]
    fn users_have_ids_that_are_not_those_of_guests() {
        let ana = Principal::user("ana").unwrap().with_scopes(Scopes::ADMIN);
        let id = OwnerId::new("ana").unwrap();
        assert_eq!(
            (ana.who(), ana.owner(), ana.scopes()),
            (&Who::User(id.clone()), Some(&id), Scopes::ADMIN)
        );
        let guest = GuestToken::generate().owner();
        for reserved in ["guest-", "guest-1", guest.as_str(), "Guest-1", "GUEST-"] {
            assert_eq!(Principal::user(reserved), Err(BadUser::Reserved), "{reserved}");
            assert_eq!(Principal::service(Some(reserved)), Err(BadUser::Reserved), "{reserved}");
        }
        assert_eq!(Principal::user("a b"), Err(BadUser::Id(IdError::Character(' '))));
        assert!(Principal::user("guest").is_ok() && Principal::user("a-guest-1").is_ok());
        assert!(BadUser::Reserved.to_string().contains("`guest-`"));
    }

    #[test]
    fn guests_services_and_nobody() {
        let token = GuestToken::generate();
        let guest = Principal::guest(&token);
        assert_eq!((guest.who(), guest.owner()), (&Who::Guest(token.owner()), Some(&token.owner())));
        let service = Principal::service(Some("billing")).unwrap();
        assert_eq!((service.owner(), service.scopes()), (None, Scopes::SERVICE));
        assert_eq!(Principal::service(None).unwrap().who(), &Who::Service(None));
        assert_eq!((Principal::nobody().owner(), Principal::nobody().scopes()), (None, Scopes::NONE));
    }
}
