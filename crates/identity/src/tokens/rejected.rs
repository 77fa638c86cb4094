//! Why a token is not accepted.

/// A token that is not accepted.
///
/// For callers it is one and the same thing whatever the reason, but for this: with
/// [`is_unavailable`](Self::is_unavailable) it may be a good token, and they should try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", if self.is_unavailable() { "tokens cannot be verified at the moment" } else { "the token is not accepted" })]
pub struct Rejected(pub(crate) Reason);

impl Rejected {
    /// Why, for metrics and logs. Who sent the token should not hear it: it helps to make a better one.
    pub fn reason(self) -> Reason {
        self.0
    }

    /// Whether it is for want of keys, and not for the token: 503 rather than 401.
    pub fn is_unavailable(self) -> bool {
        self.0 == Reason::KeysUnavailable
    }
}

/// Why a token is not accepted. Nothing of the token is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// More bytes than the settings allow. Nothing of it was looked at.
    #[error("it is too long")]
    TooLong,
    /// Not three parts of canonical base64url, separated by dots, none of them empty.
    #[error("it is not three parts of base64url")]
    Form,
    /// The header is not a JSON object, has a member twice, or one that we need is of another type.
    #[error("its header cannot be read")]
    Header,
    /// The header's `typ` is not among the accepted ones: a token that was made for another purpose.
    #[error("its type is not accepted")]
    Type,
    /// The header has `crit`: it asks for something that is not done here.
    #[error("it has critical extensions")]
    Critical,
    /// `alg` is none of the four, or not the one of the key.
    #[error("its algorithm is not that of a key")]
    Algorithm,
    /// Its `kid` is that of no key.
    #[error("its key is not known")]
    UnknownKey,
    /// The signature is not by the key, or by any of the keys that come into question.
    #[error("its signature is wrong")]
    Signature,
    /// The claims are not a JSON object, or have a member twice.
    #[error("its claims cannot be read")]
    Claims,
    /// `exp` is missing, or `exp`, `nbf` or `iat` is not a whole number of seconds before the year 10000.
    #[error("its times are missing or no numbers")]
    Times,
    /// `exp` is over.
    #[error("it has expired")]
    Expired,
    /// `nbf` or `iat` is in the future.
    #[error("it is not valid yet")]
    NotYet,
    /// `iss` is not one of ours.
    #[error("its issuer is another")]
    Issuer,
    /// `aud` does not name us.
    #[error("it is for somebody else")]
    Audience,
    /// `sub` is missing, is not the id of a user, or is reserved for guests.
    #[error("its subject is not a user")]
    Subject,
    /// `scope` or `scp` is neither a text nor a list of texts.
    #[error("its scopes cannot be read")]
    Scope,
    /// The keys cannot be fetched, or those that were fetched last are too old.
    #[error("the keys cannot be fetched")]
    KeysUnavailable,
}

impl Reason {
    /// What it is counted as: few words, so that a metric stays small.
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            Self::TooLong | Self::Form | Self::Header | Self::Type | Self::Critical => "malformed",
            Self::Algorithm | Self::UnknownKey => "no_key",
            Self::Signature => "forged",
            Self::Expired => "expired",
            Self::Claims
            | Self::Times
            | Self::NotYet
            | Self::Issuer
            | Self::Audience
            | Self::Subject
            | Self::Scope => "claims",
            Self::KeysUnavailable => "unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Rejected};

    #[test]
    fn callers_hear_one_of_two_things() {
        assert_eq!(Rejected(Reason::Signature).to_string(), Rejected(Reason::Expired).to_string());
        let unavailable = Rejected(Reason::KeysUnavailable);
        assert!(unavailable.is_unavailable() && !Rejected(Reason::UnknownKey).is_unavailable());
        assert!(unavailable.to_string().contains("at the moment"));
    }
}
