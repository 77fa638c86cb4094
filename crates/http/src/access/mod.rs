//! Who is calling, and whether he may: asked once for each request, before its handler.

mod caller;
mod credentials;
mod door;
mod limits;
mod load;
mod table;

pub use credentials::Access;
pub(crate) use credentials::GUEST_COOKIE;
pub use limits::{Limits, Quotas};
pub use load::{Load, MostUnderWay};

pub(crate) use caller::{Caller, sent_by_another_site};
pub(crate) use door::{Door, Refused, Rules};
pub(crate) use limits::Group;
pub(crate) use load::describe;
pub(crate) use table::{Rule, TABLE, rule};

/// Who may call an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever likes. Credentials are not looked at.
    Anyone,
    /// Whoever likes; who says who he is, is known.
    Known,
    /// A user or a guest, who gets what is his own; operators and services get what is anybody's.
    Caller,
    /// He whom the path names as `user_id`; operators and services for him.
    Named,
    /// Operators and services.
    Staff,
    /// Operators.
    Operators,
}
