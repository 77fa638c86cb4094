use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

/// Longer names are hashed: this much is kept without an allocation, so that each key takes the same memory.
const LONGEST: usize = 23;
/// So many bytes of the hash are kept: a `#` and their text are as long as the longest name.
const OF_HASH: usize = 16;

/// Whose requests are counted together: one user's, or those from one address, in a group of routes.
///
/// Its text is `writes:u:ana`, or `writes:a:203.0.113.7`, the same on all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitKey {
    group: &'static str,
    kind: Kind,
    who: SmolStr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    User,
    Address,
}

impl LimitKey {
    /// The requests of a principal to a group of routes. `id` is what names him, which is not a secret of his: a short
    /// one is readable in Redis.
    pub fn user(group: &'static str, id: &str) -> Self {
        // What begins like a hash is hashed as well, so that nobody is named like the hash of somebody else.
        let plain = id.len() <= LONGEST && !id.starts_with('#') && id.bytes().all(|b| b.is_ascii_graphic());
        let who = if plain { SmolStr::new(id) } else { hashed(id) };
        Self { group, kind: Kind::User, who }
    }

    /// The requests from an address to a group of routes.
    ///
    /// A customer is given a network of IPv6 and not an address: its first 64 bits are what counts. An IPv4 address in
    /// an IPv6 one (`::ffff:a.b.c.d`) is the IPv4 address.
    pub fn address(group: &'static str, address: IpAddr) -> Self {
        let who = match address.to_canonical() {
            IpAddr::V4(address) => smol_str::format_smolstr!("{address}"),
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX));
                smol_str::format_smolstr!("{network}")
            }
        };
        Self { group, kind: Kind::Address, who }
    }

    /// The group of routes.
    pub fn group(&self) -> &'static str {
        self.group
    }

    /// What the limit is called in headers: `writes-user`, `writes-address`.
    pub fn policy(&self) -> impl fmt::Display {
        struct Policy(&'static str, Kind);
        impl fmt::Display for Policy {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)?;
                f.write_str(match self.1 {
                    Kind::User => "-user",
                    Kind::Address => "-address",
                })
            }
        }
        Policy(self.group, self.kind)
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.group)?;
        f.write_str(match self.kind {
            Kind::User => ":u:",
            Kind::Address => ":a:",
        })?;
        f.write_str(&self.who)
    }
}

fn hashed(id: &str) -> SmolStr {
    let hash = Sha256::digest(id.as_bytes());
    let mut text = String::with_capacity(LONGEST);
    text.push('#');
    URL_SAFE_NO_PAD.encode_string(hash.get(..OF_HASH).unwrap_or(&hash), &mut text);
    SmolStr::new(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> String {
        LimitKey::address("writes", text.parse().unwrap()).to_string()
    }

    #[test]
    fn addresses_are_counted_by_what_a_customer_is_given() {
        assert_eq!(address("203.0.113.7"), "writes:a:203.0.113.7");
        assert_eq!(address("::ffff:203.0.113.7"), "writes:a:203.0.113.7");
        assert_eq!(address("2001:db8:1:2:3:4:5:6"), "writes:a:2001:db8:1:2::");
        assert_eq!(address("2001:db8:1:2::1"), "writes:a:2001:db8:1:2::");
        assert_ne!(address("2001:db8:1:3::1"), address("2001:db8:1:2::1"));
        assert_eq!(address("::1"), "writes:a:::");
    }

    #[test]
    fn users_groups_and_addresses_do_not_mix() {
        let user = LimitKey::user("writes", "203.0.113.7");
        assert_eq!(user.to_string(), "writes:u:203.0.113.7");
        assert_ne!(user, LimitKey::address("writes", "203.0.113.7".parse().unwrap()));
        assert_ne!(user, LimitKey::user("reads", "203.0.113.7"));
        assert_eq!(user.policy().to_string(), "writes-user");
        assert_eq!(LimitKey::address("reads", "::1".parse().unwrap()).policy().to_string(), "reads-address");
    }

    #[test]
    fn nobody_is_named_like_the_hash_of_somebody_else() {
        let long = "x".repeat(24);
        let hash = LimitKey::user("writes", &long);
        assert_eq!(hash.to_string(), "writes:u:#pknbsFlliQwLp0Wib9bXpA");
        assert_ne!(LimitKey::user("writes", hash.to_string().trim_start_matches("writes:u:")), hash);
        assert_ne!(LimitKey::user("writes", &"x".repeat(25)), hash);
    }

    proptest! {
        #[test]
        fn a_key_is_short_and_readable_whatever_it_is_of(id in any::<String>(), bits in any::<u128>()) {
            let user = LimitKey::user("g", &id);
            let address = LimitKey::address("g", IpAddr::V6(Ipv6Addr::from_bits(bits)));
            for key in [&user, &address] {
                prop_assert!(!key.who.is_heap_allocated());
                prop_assert!(key.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }

        #[test]
        fn different_users_have_different_keys(a in ".{0,40}", b in ".{0,40}") {
            prop_assert_eq!(a == b, LimitKey::user("g", &a) == LimitKey::user("g", &b));
        }
    }
}
