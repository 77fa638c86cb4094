//! What a caller may do beyond his own things.

use std::fmt;

/// What a caller may do beyond what is his own. Most callers have none.
///
/// Scopes that this shop does not know are left out: a token may be good for other services too.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing but what is his own.
    pub const NONE: Self = Self(0);
    /// Runs the shop: products, statistics, jobs, everybody's carts and orders. The word is `admin`.
    pub const ADMIN: Self = Self(1);
    /// Another program, which acts for users. The word is `service`.
    pub const SERVICE: Self = Self(2);

    const NAMED: [(&str, Self); 2] = [("admin", Self::ADMIN), ("service", Self::SERVICE)];

    /// The known ones in a list separated by blanks, as in the claim `scope` of RFC 8693 and RFC 9068. Upper and lower case
    /// differ, as they do there.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.split(' ').map(Self::named).fold(Self::NONE, Self::with)
    }

    /// The one of this name; [`NONE`](Self::NONE) for a name that is not known.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::NAMED.iter().find(|(known, _)| *known == name).map_or(Self::NONE, |(_, scope)| *scope)
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of those are among these.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// As in the claim: names separated by blanks.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMED.iter().filter(|(_, scope)| self.contains(*scope));
        names.enumerate().try_for_each(|(at, (name, _))| {
            f.write_str(if at == 0 { "" } else { " " })?;
            f.write_str(name)
        })
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Scopes;

    #[test]
    fn known_names_are_read_and_others_left_out() {
        let both = Scopes::ADMIN.with(Scopes::SERVICE);
        for (text, scopes) in [
            ("", Scopes::NONE),
            ("admin", Scopes::ADMIN),
            ("openid service email", Scopes::SERVICE),
            ("service  admin admin", both),
            ("Admin ADMIN admin: admin\t administrator", Scopes::NONE),
            ("admin,service", Scopes::NONE),
        ] {
            assert_eq!(Scopes::parse(text), scopes, "{text:?}");
        }
        assert_eq!(Scopes::parse(&both.to_string()), both);
        assert_eq!(
            format!("{both} {both:?} {:?}", Scopes::NONE),
            "admin service Scopes(admin service) Scopes()"
        );
    }

    #[test]
    fn sets_contain_sets() {
        let both = Scopes::ADMIN.with(Scopes::SERVICE);
        assert!(both.contains(Scopes::ADMIN) && both.contains(both) && both.contains(Scopes::NONE));
        assert!(!Scopes::ADMIN.contains(both) && !Scopes::NONE.contains(Scopes::SERVICE));
        assert!(Scopes::NONE.is_empty() && !both.is_empty());
    }
}
