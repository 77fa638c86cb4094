//! Where an address leads.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The kind of network that an address belongs to, after IANA's registries of special-purpose addresses.
///
/// IPv6 addresses that stand for an IPv4 address on the wire (`::ffff:a.b.c.d`, and NAT64's `64:ff9b::a.b.c.d`) are what
/// that one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The public internet.
    Global,
    /// This machine: `127.0.0.0/8`, `::1`.
    Loopback,
    /// A private network: `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`.
    Private,
    /// Between a provider and its customers: `100.64.0.0/10`.
    Shared,
    /// A private network of IPv6: `fc00::/7`.
    UniqueLocal,
    /// Credentials and orders of a cloud for its machines: `169.254.169.254`, `fd00:ec2::254` and their like.
    Metadata,
    /// This cable: `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// No address, or "this network": `0.0.0.0/8`, `::`.
    Unspecified,
    /// Many at once: `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// All at once: `255.255.255.255`.
    Broadcast,
    /// For examples: `192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32`, `3fff::/20`.
    Documentation,
    /// For measuring devices: `198.18.0.0/15`, `2001:2::/48`.
    Benchmarking,
    /// IPv4 inside of IPv6, in ways that nobody receives webhooks by: 6to4, Teredo, ISATAP, local NAT64, and what is
    /// deprecated. They may end anywhere.
    Tunnel,
    /// All that nobody may use.
    Reserved,
}

impl Reach {
    /// Where the address leads.
    ///
    /// ```
    /// use cartwright_webhooks::Reach;
    ///
    /// assert_eq!(Reach::of("9.9.9.9".parse()?), Reach::Global);
    /// assert_eq!(Reach::of("::ffff:10.0.0.1".parse()?), Reach::Private);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            // AWS, Google, Azure and most others; tasks of Amazon ECS; Alibaba; Oracle; Azure's second, which is public
            // by its number only.
            [169, 254, 169, 254]
            | [169, 254, 170, 2]
            | [100, 100, 100, 200]
            | [192, 0, 0, 192]
            | [168, 63, 129, 16] => Self::Metadata,
            [0, ..] => Self::Unspecified,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [100, 64..=127, ..] => Self::Shared,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Self::Documentation,
            [192, 88, 99, _] => Self::Tunnel,
            [198, 18..=19, ..] => Self::Benchmarking,
            [224..=239, ..] => Self::Multicast,
            [255, 255, 255, 255] => Self::Broadcast,
            [192, 0, 0, _] | [240..=255, ..] => Self::Reserved,
            _ => Self::Global,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Unspecified,
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // Mapped; NAT64 by its well-known prefix, which is how a machine without IPv4 reaches receivers without IPv6.
            [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
                Self::of_v4(Ipv4Addr::new(a, b, c, d))
            }
            // Compatible, translated, NAT64 of one's own; Teredo, 6to4.
            [0, 0, 0, 0, 0, 0, ..]
            | [0, 0, 0, 0, 0xffff, 0, ..]
            | [0x64, 0xff9b, 1, ..]
            | [0x2001, 0, ..]
            | [0x2002, ..] => Self::Tunnel,
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Self::Documentation,
            [0x2001, 2, 0, ..] => Self::Benchmarking,
            [0x2001, 0..=0x1ff, ..] => Self::Reserved,
            // AWS and Google.
            [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => Self::Metadata,
            [0xfc00..=0xfdff, ..] => Self::UniqueLocal,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xff00..=0xffff, ..] => Self::Multicast,
            // ISATAP may have any prefix.
            [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Self::Tunnel,
            [0x2000..=0x3fff, ..] => Self::Global,
            _ => Self::Reserved,
        }
    }

    /// Whether a webhook may go there. Private networks can be allowed; what gives credentials away, or is not one
    /// machine, cannot.
    pub(crate) fn permitted(self, allow_private: bool) -> bool {
        match self {
            Self::Global => true,
            Self::Loopback | Self::Private | Self::Shared | Self::UniqueLocal => allow_private,
            Self::Metadata
            | Self::LinkLocal
            | Self::Unspecified
            | Self::Multicast
            | Self::Broadcast
            | Self::Documentation
            | Self::Benchmarking
            | Self::Tunnel
            | Self::Reserved => false,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "a public address",
            Self::Loopback => "a loopback address",
            Self::Private => "an address of a private network",
            Self::Shared => "an address shared by a provider's customers",
            Self::UniqueLocal => "a unique local address",
            Self::Metadata => "an address of a cloud's metadata service",
            Self::LinkLocal => "a link-local address",
            Self::Unspecified => "an unspecified address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Tunnel => "an address of a tunnel",
            Self::Reserved => "a reserved address",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::Reach;

    /// First and last of each range, and what lies beside it.
    #[test]
    fn ranges_begin_and_end_where_they_should() {
        use Reach::*;
        for (address, reach) in [
            ("0.0.0.0", Unspecified),
            ("0.255.255.255", Unspecified),
            ("1.0.0.0", Global),
            ("9.255.255.255", Global),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("11.0.0.0", Global),
            ("100.63.255.255", Global),
            ("100.64.0.0", Shared),
            ("100.100.100.200", Metadata),
            ("100.127.255.255", Shared),
            ("100.128.0.0", Global),
            ("126.255.255.255", Global),
            ("127.0.0.0", Loopback),
            ("127.255.255.255", Loopback),
            ("128.0.0.0", Global),
            ("168.63.129.16", Metadata),
            ("168.63.129.17", Global),
            ("169.253.255.255", Global),
            ("169.254.0.0", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("169.254.255.255", LinkLocal),
            ("169.255.0.0", Global),
            ("172.15.255.255", Global),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("172.32.0.0", Global),
            ("191.255.255.255", Global),
            ("192.0.0.1", Reserved),
            ("192.0.0.192", Metadata),
            ("192.0.1.0", Global),
            ("192.0.2.0", Documentation),
            ("192.0.3.0", Global),
            ("192.88.99.1", Tunnel),
            ("192.167.255.255", Global),
            ("192.168.0.0", Private),
            ("192.168.255.255", Private),
            ("192.169.0.0", Global),
            ("198.17.255.255", Global),
            ("198.18.0.0", Benchmarking),
            ("198.19.255.255", Benchmarking),
            ("198.20.0.0", Global),
            ("198.51.100.7", Documentation),
            ("203.0.113.7", Documentation),
            ("223.255.255.255", Global),
            ("224.0.0.0", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.0", Reserved),
            ("255.255.255.254", Reserved),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("::1", Loopback),
            ("::2", Tunnel),
            ("::127.0.0.1", Tunnel),
            ("::8.8.8.8", Tunnel),
            ("::ffff:8.8.8.8", Global),
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:0:127.0.0.1", Tunnel),
            ("64:ff9b::8.8.8.8", Global),
            ("64:ff9b::10.0.0.1", Private),
            ("64:ff9b:1::8.8.8.8", Tunnel),
            ("100::1", Reserved),
            ("1fff:ffff::1", Reserved),
            ("2000::1", Global),
            ("2001::1", Tunnel),
            ("2001:2::1", Benchmarking),
            ("2001:2:1::1", Reserved),
            ("2001:20::1", Reserved),
            ("2001:1ff:ffff::1", Reserved),
            ("2001:200::1", Global),
            ("2001:db8::1", Documentation),
            ("2001:db9::1", Global),
            ("2002:7f00:1::1", Tunnel),
            ("2606:4700:4700::1111", Global),
            ("2606:4700::5efe:10.0.0.1", Tunnel),
            ("2606:4700::200:5efe:10.0.0.1", Tunnel),
            ("3fff:fff::1", Documentation),
            ("3fff:1000::1", Global),
            ("4000::1", Reserved),
            ("5f00::1", Reserved),
            ("fbff::1", Reserved),
            ("fc00::1", UniqueLocal),
            ("fd00:ec2::254", Metadata),
            ("fd00:ec2::23", Metadata),
            ("fd20:ce::254", Metadata),
            ("fdff::1", UniqueLocal),
            ("fe00::1", Reserved),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", Reserved),
            ("ff02::1", Multicast),
        ] {
            assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
        }
    }

    #[test]
    fn private_networks_can_be_allowed_and_metadata_cannot() {
        for address in ["127.0.0.1", "10.0.0.1", "100.64.0.1", "::1", "fd12::1", "::ffff:192.168.0.1"] {
            let reach = Reach::of(address.parse().unwrap());
            assert!(reach.permitted(true) && !reach.permitted(false), "{address}");
        }
        for address in
            ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "fe80::1", "0.0.0.0", "::"]
        {
            assert!(!Reach::of(address.parse().unwrap()).permitted(true), "{address}");
        }
    }

    proptest! {
        /// No way of writing an IPv4 address into IPv6 makes it better than it is.
        #[test]
        fn nothing_is_hidden_in_ipv6(bits in any::<u32>(), rest in any::<u64>()) {
            let plain = Reach::of(IpAddr::V4(Ipv4Addr::from_bits(bits)));
            let low = u128::from(bits);
            for prefix in [0x0_ffff_u128 << 32, 0x0064_ff9b_u128 << 96] {
                prop_assert_eq!(Reach::of(IpAddr::V6(Ipv6Addr::from_bits(prefix | low))), plain);
            }
            for (prefix, shift) in [(0x2002_u128 << 112, 80), (0x2001_u128 << 112, 64), (0x2001_u128 << 112, 0)] {
                let address = Ipv6Addr::from_bits(prefix | low << shift | u128::from(rest) >> (32 * u32::from(shift == 0)));
                prop_assert_ne!(Reach::of(IpAddr::V6(address)), Reach::Global);
            }
        }
    }
}
