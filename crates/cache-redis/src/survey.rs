//! Who takes writes, and which replicas certainly follow.

use cartwright_cache::Survey;
use cartwright_domain::ReadSet;

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// Identity of the process.
    pub run_id: String,
    /// Software version.
    pub version: String,
    /// Whether it takes writes.
    pub primary: bool,
    /// Identity of the replication stream.
    pub replication_id: String,
    /// Position in it, in bytes; for a replica what it has carried out.
    pub offset: u64,
    /// For a replica: whether its link to the primary is up.
    pub link_up: bool,
    /// For a replica: the primary it follows, as `host:port`.
    pub follows: Option<String>,
    /// For a primary: the replicas attached to it, as `host:port`, sorted.
    pub attached: Vec<String>,
    /// For a primary: whether all of them are past their first synchronisation.
    pub all_online: bool,
    /// The port it listens on.
    pub port: String,
    /// Whether it writes dumps. `None`: it does not tell.
    pub saves: Option<bool>,
    /// Whether it keeps an append-only file. `None`: it does not tell.
    pub appends: Option<bool>,
}

/// The value of a line `name:value`.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}

impl ServerReport {
    pub(crate) fn parse(info: &str) -> Option<Self> {
        let primary = field(info, "role")? == "master";
        let mut attached = Vec::new();
        let mut all_online = true;
        let replicas = info.lines().filter_map(|line| {
            let (name, value) = line.trim_end().split_once(':')?;
            let number = name.strip_prefix("slave")?;
            (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(value)
        });
        for replica in replicas {
            let part = |name: &str| {
                replica
                    .split(',')
                    .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, v)| v))
            };
            attached.push(format!("{}:{}", part("ip")?, part("port")?));
            all_online &= part("state")? == "online";
        }
        attached.sort();
        let offset = if primary { "master_repl_offset" } else { "slave_repl_offset" };
        Some(Self {
            run_id: field(info, "run_id")?.to_owned(),
            version: field(info, "redis_version").unwrap_or("unknown").to_owned(),
            primary,
            replication_id: field(info, "master_replid").unwrap_or_default().to_owned(),
            offset: field(info, offset).and_then(|n| n.parse().ok()).unwrap_or(0),
            link_up: field(info, "master_link_status") == Some("up"),
            follows: field(info, "master_host")
                .zip(field(info, "master_port"))
                .map(|(host, port)| format!("{host}:{port}")),
            attached,
            all_online,
            port: field(info, "tcp_port").unwrap_or_default().to_owned(),
            saves: None,
            appends: None,
        })
    }
}

/// Decides from what the servers said. `current` is the process that the open gate names: as long as it takes writes it
/// stays the primary, also when another one claims to be.
pub(crate) fn decide(reports: &[ServerReport], current: Option<&str>) -> Survey {
    let claims = || reports.iter().filter(|report| report.primary);
    let primary = claims()
        .find(|report| Some(report.run_id.as_str()) == current)
        .or_else(|| claims().max_by_key(|report| (report.attached.len(), report.offset)));
    let Some(primary) = primary else { return Survey::Unreachable };
    Survey::Found {
        primary: primary.run_id.clone(),
        replicas: read_set(primary, reports).unwrap_or_default(),
    }
}

/// The replicas to read from: all that follow, provided that nobody else is attached. An acknowledgement counts heads,
/// not names; only when the heads are known does it mean something.
fn read_set(primary: &ServerReport, reports: &[ServerReport]) -> Option<ReadSet> {
    let mut following: Vec<&ServerReport> = reports
        .iter()
        .filter(|r| !r.primary && r.link_up && r.replication_id == primary.replication_id)
        .collect();
    following.sort_by(|a, b| a.run_id.cmp(&b.run_id));
    following.dedup_by(|a, b| a.run_id == b.run_id); // one server configured twice
    // All name the same primary, at its port: none hangs on another replica.
    let follows = following.first()?.follows.as_ref()?;
    if following.iter().any(|r| r.follows.as_ref() != Some(follows))
        || follows.rsplit_once(':').map(|(_, port)| port) != Some(primary.port.as_str())
    {
        return None;
    }
    let mut ports: Vec<&str> = following.iter().map(|r| r.port.as_str()).collect();
    let mut attached: Vec<&str> =
        primary.attached.iter().filter_map(|name| name.rsplit_once(':').map(|(_, port)| port)).collect();
    ports.sort_unstable();
    attached.sort_unstable();
    (primary.all_online && ports == attached).then(|| ReadSet {
        endpoints: following.iter().map(|r| r.run_id.clone()).collect(),
        attached: primary.attached.clone(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// As servers, proxies and versions to come may write it.
    fn info() -> impl Strategy<Value = String> {
        let name = "role|run_id|slave[0-9]{0,30}|master_[a-z_]{0,12}|[a-z_:]{0,8}|\\PC{0,5}";
        let value = "master|slave|up|-?[0-9]{0,25}|(ip=|port=|state=online|,|=|[0-9.:]){0,8}|\\PC{0,8}";
        let line = (name, value, "\r?\n|\r|").prop_map(|(name, value, end)| format!("{name}:{value}{end}"));
        (any::<bool>(), vec(line, 0..8)).prop_map(|(whole, lines)| {
            let front = if whole { "role:master\r\nrun_id:x\r\n" } else { "" };
            front.to_owned() + &lines.concat()
        })
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_of_itself_is_read_or_not(info in info()) {
            if let Some(report) = ServerReport::parse(&info) {
                prop_assert_eq!(field(&info, "run_id"), Some(&*report.run_id));
                prop_assert!(report.attached.is_sorted());
                prop_assert!(report.attached.iter().map(String::len).sum::<usize>() <= info.len());
            }
        }
    }

    fn primary(attached: &[&str]) -> ServerReport {
        let mut info =
            "run_id:p\r\nredis_version:7.0.15\r\ntcp_port:7000\r\nrole:master\r\nmaster_replid:x\r\n\
                        master_repl_offset:10\r\n"
                .to_owned();
        for (n, name) in attached.iter().enumerate() {
            let (ip, port) = name.rsplit_once(':').unwrap();
            info += &format!("slave{n}:ip={ip},port={port},state=online,offset=10,lag=0\r\n");
        }
        ServerReport::parse(&info).unwrap()
    }

    fn replica(run_id: &str, port: &str, follows: &str) -> ServerReport {
        let (host, master) = follows.rsplit_once(':').unwrap();
        ServerReport::parse(&format!(
            "run_id:{run_id}\r\ntcp_port:{port}\r\nrole:slave\r\nmaster_host:{host}\r\nmaster_port:{master}\r\n\
             master_link_status:up\r\nmaster_replid:x\r\nslave_repl_offset:9\r\n"
        ))
        .unwrap()
    }

    fn replicas(reports: &[ServerReport]) -> usize {
        match decide(reports, None) {
            Survey::Found { replicas, .. } => replicas.endpoints.len(),
            Survey::Unreachable => panic!("unreachable"),
        }
    }

    #[test]
    fn replicas_are_read_from_only_when_nobody_else_is_attached() {
        let p = primary(&["h:7001", "h:7002"]);
        let (a, b) = (replica("a", "7001", "h:7000"), replica("b", "7002", "h:7000"));
        assert_eq!(replicas(&[p.clone(), a.clone(), b.clone()]), 2);
        assert_eq!(replicas(&[p.clone(), a.clone()]), 0, "a stranger is attached");
        assert_eq!(replicas(&[primary(&["h:7001"]), a.clone(), b]), 0, "one is not attached");
        assert_eq!(replicas(&[p, a, replica("c", "7002", "h:7001")]), 0, "one hangs on the other");
    }

    #[test]
    fn the_primary_in_use_stays_while_it_takes_writes() {
        let mut promoted = primary(&["h:7002"]);
        promoted.run_id = "q".to_owned();
        let both = [primary(&[]), promoted.clone()];
        assert!(matches!(decide(&both, Some("p")), Survey::Found { primary, .. } if primary == "p"));
        assert!(matches!(decide(&both, Some("gone")), Survey::Found { primary, .. } if primary == "q"));
        assert_eq!(decide(&[replica("a", "7001", "h:7000")], Some("p")), Survey::Unreachable);
    }
}
