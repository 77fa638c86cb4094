//! Why a receiver is not asked.

use std::net::IpAddr;

use crate::Reach;

/// What is wrong with a URL, or with where it leads, and what would be right.
///
/// Nothing of a URL is repeated but its host: names, passwords, path and query may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no URL that a webhook could be sent to.
    #[error("the URL cannot be read ({0}); one like https://hooks.example.com/orders would be right")]
    Unreadable(String),
    /// It has more bytes than anybody needs.
    #[error("the URL is too long: {0} bytes at most would be right")]
    TooLong(usize),
    /// Some readers skip these characters, others do not, and so they would read different hosts.
    #[error(
        "the URL has a blank, a control character or a backslash; percent-encoded (%20, %5C) they would be right, after the host"
    )]
    Characters,
    /// Neither `https`, nor `http` where that is allowed.
    #[error("the URL does not begin with https://, which would be right{}", if *http { "; so would http://" } else { "" })]
    Scheme {
        /// Whether `http` would have been allowed.
        http: bool,
    },
    /// A name or a password, or another host that was dressed up as such.
    #[error(
        "the URL has a name or a password (`…@`); without would be right, receivers know us by the signature"
    )]
    Userinfo,
    /// What follows a `#` is not sent.
    #[error("the URL has a fragment (`#…`), which receivers are never sent; without would be right")]
    Fragment,
    /// Not one of the allowed ports.
    #[error("port {port} of {host} is not allowed; {right} would be right")]
    Port {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Those that are allowed.
        right: String,
    },
    /// The host can be read in more than one way: an address in an odd notation, a percent-encoded name, one in letters
    /// that look like others, or with a full stop at its end.
    #[error(
        "the host is written in a way that is read differently by different programs; {meant} would be right"
    )]
    NotAsMeant {
        /// How we read it.
        meant: String,
    },
    /// The name is one that is known in a private network only, or on this machine.
    #[error(
        "{host} is a name of this machine or of a private network; a name that is known everywhere would be right"
    )]
    PrivateName {
        /// The name.
        host: String,
    },
    /// The address is not one on the public internet, or in a network that is allowed.
    #[error("{host} is at {address}, {reach}; a receiver all of whose addresses are public would be right")]
    Address {
        /// The host, as in the URL.
        host: String,
        /// Its address, or one of them.
        address: IpAddr,
        /// Where that leads.
        reach: Reach,
    },
    /// There is a list of allowed hosts, without this one.
    #[error("{host} is not on the list of allowed hosts; one that is would be right")]
    NotListed {
        /// The host.
        host: String,
    },
}
