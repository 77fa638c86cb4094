//! Where a request comes from, behind proxies.

use std::{
    net::{IpAddr, SocketAddr},
    str,
};

use ipnet::IpNet;

/// More proxies than there are in a row: how many entries are looked at.
const MOST_HOPS: usize = 32;

/// Proxies whose word is believed, and the header in which they write it.
///
/// The default believes nobody: a request comes from whoever has opened the connection.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ProxyHeader,
}

/// The header in which the proxies say where a request comes from.
///
/// They must write it in each request that passes, and only this one is looked at: another one may be of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: addresses, to which each proxy adds the one that it was connected from.
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239.
    Forwarded,
}

/// Why a text is no network of proxies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Neither an address nor a network.
    #[error("proxies are an address such as 10.0.0.7 or a network such as 10.0.0.0/8 or fd00::/8, not {0:?}")]
    Network(String),
    /// With all addresses trusted, whatever a client writes would be believed.
    #[error("{0} are all addresses: name the networks that the proxies are in")]
    Everybody(IpNet),
}

impl ProxyHeader {
    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

impl TrustedProxies {
    /// Believes what comes from these networks. Each is an address (`10.0.0.7`), or a network (`10.0.0.0/8`,
    /// `fd00::/8`).
    ///
    /// # Errors
    /// [`ProxyError`] names the first text that is none, or that trusts everybody.
    pub fn new<'a>(
        header: ProxyHeader,
        networks: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ProxyError> {
        let network = |text: &str| {
            let text = text.trim();
            let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
            match address.or_else(|_| text.parse::<IpNet>()) {
                Ok(network) if network.prefix_len() == 0 => Err(ProxyError::Everybody(network)),
                Ok(network) => Ok(network),
                Err(_) => Err(ProxyError::Network(text.to_owned())),
            }
        };
        let networks = networks.into_iter().map(network).collect::<Result<_, _>>()?;
        Ok(Self { networks, header })
    }

    /// The header that [`client_address`](Self::client_address) is to be given.
    pub fn header(&self) -> ProxyHeader {
        self.header
    }

    /// The address of the client of a request that came from `peer`, which has opened the connection, with all lines of
    /// [`header`](Self::header), in the order in which they came.
    ///
    /// Entries are read from the right, as each proxy adds his own there, and only as long as they were written by one
    /// that is trusted: the first address that is not trusted is the client. Where a trusted proxy has written something
    /// else than an address, it is that proxy: it must not be what a client says about itself.
    pub fn client_address<'a>(&self, peer: IpAddr, lines: impl IntoIterator<Item = &'a [u8]>) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let lines: Vec<&[u8]> = lines.into_iter().collect();
        let entries = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        for entry in entries.take(MOST_HOPS).map(<[u8]>::trim_ascii) {
            if entry.is_empty() {
                continue;
            }
            let address = match self.header {
                ProxyHeader::XForwardedFor => str::from_utf8(entry).ok().and_then(node),
                ProxyHeader::Forwarded => str::from_utf8(entry).ok().and_then(forwarded_for),
            };
            let Some(address) = address else { return client };
            client = address;
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:4711`.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(inside) => inside.parse().map(IpAddr::V6).ok()?,
        None => text.parse().or_else(|_| text.parse().map(|with_port: SocketAddr| with_port.ip())).ok()?,
    };
    Some(address.to_canonical())
}

/// The address after `for=` in one element of `Forwarded`.
///
/// Elements are told apart by their commas, without minding quotes: who reads from the left can be led astray by a quote
/// that a client has opened. A comma inside of quotes then cuts an element in two, of which neither has all of its
/// quotes; and an escaped one is in no address. Both make it garbage.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim_ascii().split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None => value,
        };
        if value.contains(['"', '\\']) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && found.replace(node(value)?).is_some() {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROXIES: [&str; 3] = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"];

    fn trusted(header: ProxyHeader) -> TrustedProxies {
        TrustedProxies::new(header, PROXIES).unwrap()
    }

    fn client(header: ProxyHeader, peer: &str, lines: &[&str]) -> String {
        let lines = lines.iter().map(|line| line.as_bytes());
        trusted(header).client_address(peer.parse().unwrap(), lines).to_string()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        for (peer, lines, expected) in [
            // Nobody is believed who is not trusted.
            ("203.0.113.7", &["198.51.100.1"][..], "203.0.113.7"),
            ("::ffff:203.0.113.7", &["198.51.100.1"], "203.0.113.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // The leftmost is what the client says.
            ("10.0.0.1", &["198.51.100.99, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.99, 198.51.100.1, 192.0.2.1"], "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.1,10.2.3.4 ,fd00::7"], "192.0.2.1"),
            // Several lines are one.
            ("10.0.0.1", &["198.51.100.99", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1,,", " ,\t, 10.0.0.2"], "198.51.100.1"),
            // Ports, brackets, IPv6, IPv4 in IPv6.
            ("10.0.0.1", &["198.51.100.1:65535"], "198.51.100.1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", &["198.51.100.1, ::ffff:10.0.0.3"], "198.51.100.1"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            // What is no address ends the walk at who wrote it.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.1:"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:65536"], "10.0.0.1"),
            ("10.0.0.1", &["[198.51.100.1]"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db8::1"], "10.0.0.1"),
            ("10.0.0.1", &["2001:db8::1%eth0"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1 198.51.100.2"], "10.0.0.1"),
            ("10.0.0.1", &["0x0a.1"], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1"], "10.0.0.1"),
        ] {
            assert_eq!(client(ProxyHeader::XForwardedFor, peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        for (peer, lines, expected) in [
            ("203.0.113.7", &["for=198.51.100.1"][..], "203.0.113.7"),
            ("10.0.0.1", &["for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["For=\"198.51.100.1:4711\";proto=https; by=10.0.0.9"], "198.51.100.1"),
            ("10.0.0.1", &["for=\"[2001:db8::17]:4711\""], "2001:db8::17"),
            (
                "10.0.0.1",
                &["for=198.51.100.99, for=198.51.100.1;host=a.example", "for=192.0.2.1"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &["for=198.51.100.1, for=_hidden"], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1, for=unknown, for=192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["for=198.51.100.1, proto=https"], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1;for=198.51.100.2"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "10.0.0.1"),
            // A client opens a quote, and its proxy adds to it.
            ("10.0.0.1", &["for=\", for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["for=\"198.51.100.99, for=198.51.100.1"], "198.51.100.1"),
            // A client's Host, quoted by its proxy.
            ("10.0.0.1", &["for=198.51.100.1;host=\"a, for=198.51.100.99\""], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1;host=\"a, for=198.51.100.99;x=\""], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1;host=\"a, for=198.51.100.99;x=\\\"\""], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1;host=\"a, for=198.51.100.99;x=\\\"y\\\"\""], "10.0.0.1"),
        ] {
            assert_eq!(client(ProxyHeader::Forwarded, peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn what_is_not_text_is_not_passed_over() {
        let lines: [&[u8]; 2] = [b"198.51.100.99", b"198.51.100.1\xff, 10.0.0.2"];
        let found = trusted(ProxyHeader::XForwardedFor).client_address("10.0.0.1".parse().unwrap(), lines);
        assert_eq!(found.to_string(), "10.0.0.2");
    }

    #[test]
    fn a_header_of_any_size_is_read_to_a_bound() {
        let entries = |count| vec!["10.0.0.2"; count].join(",");
        let long = |count| client(ProxyHeader::XForwardedFor, "10.0.0.1", &["198.51.100.1", &entries(count)]);
        assert_eq!(long(MOST_HOPS - 1), "198.51.100.1");
        assert_eq!(long(MOST_HOPS), "10.0.0.2");
        assert_eq!(long(100_000), "10.0.0.2");
        let empty = ",".repeat(100_000);
        assert_eq!(client(ProxyHeader::XForwardedFor, "10.0.0.1", &["198.51.100.1", &empty]), "10.0.0.1");
    }

    #[test]
    fn what_is_trusted_is_checked() {
        let new = |text| TrustedProxies::new(ProxyHeader::Forwarded, [text]).map(|trusted| trusted.networks);
        assert_eq!(new(" 10.1.2.3 ").unwrap(), ["10.1.2.3/32".parse::<IpNet>().unwrap()]);
        assert_eq!(new("::ffff:10.1.2.3").unwrap(), ["10.1.2.3/32".parse::<IpNet>().unwrap()]);
        assert_eq!(new("10.1.2.3/8").unwrap().len(), 1);
        assert_eq!(new("10.0.0.0/33").unwrap_err(), ProxyError::Network("10.0.0.0/33".to_owned()));
        assert!(matches!(new("proxy.example"), Err(ProxyError::Network(_))));
        assert!(matches!(new("0.0.0.0/0"), Err(ProxyError::Everybody(_))));
        assert!(matches!(new("::/0"), Err(ProxyError::Everybody(_))));
        let nobody = TrustedProxies::default();
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(nobody.client_address(local, [&b"198.51.100.1"[..]]), local);
        assert_eq!(nobody.header().name(), "x-forwarded-for");
    }

    fn headers() -> impl Strategy<Value = ProxyHeader> {
        prop_oneof![Just(ProxyHeader::XForwardedFor), Just(ProxyHeader::Forwarded)]
    }

    /// Bytes as attackers send them: some at random, some of the kind that means something.
    fn said() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            any::<Vec<u8>>(),
            "[0-9a-f.:,;=\"\\\\ \\[\\]]{0,20}".prop_map(String::into_bytes),
            prop_oneof![
                Just("for="),
                Just("10.0.0.3"),
                Just("198.51.100.99"),
                Just(","),
                Just("\""),
                Just(";host=\"")
            ]
            .prop_map(|text| text.as_bytes().to_vec()),
        ];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    fn untrusted() -> impl Strategy<Value = IpAddr> {
        any::<IpAddr>()
            .prop_map(|address| address.to_canonical())
            .prop_filter("somebody else", |address| !trusted(ProxyHeader::Forwarded).trusts(*address))
    }

    proptest! {
        #[test]
        fn who_is_not_trusted_says_nothing(
            header in headers(), peer in untrusted(), lines in proptest::collection::vec(said(), 0..4),
        ) {
            let found = trusted(header).client_address(peer, lines.iter().map(Vec::as_slice));
            prop_assert_eq!(found, peer);
        }

        /// Whatever a client has sent: his proxy adds where he is, in the same line or the next, and so do the proxies
        /// behind.
        #[test]
        fn a_client_is_where_his_proxy_saw_him(
            header in headers(), client in untrusted(), lines in proptest::collection::vec(said(), 0..4),
            same_line in any::<bool>(), proxies in 0usize..4,
        ) {
            let entry = |address: IpAddr| match header {
                ProxyHeader::XForwardedFor => address.to_string(),
                ProxyHeader::Forwarded => format!("for=\"{}\";proto=https", SocketAddr::new(address, 4711)),
            };
            let mut lines = lines;
            for address in std::iter::once(client).chain((0..proxies).map(|_| IpAddr::from([10, 0, 0, 2]))) {
                match lines.last_mut().filter(|_| same_line) {
                    Some(line) => line.extend(format!(", {}", entry(address)).bytes()),
                    None => lines.push(entry(address).into_bytes()),
                }
            }
            let found = trusted(header).client_address([10, 0, 0, 1].into(), lines.iter().map(Vec::as_slice));
            prop_assert_eq!(found, client);
        }
    }
}
