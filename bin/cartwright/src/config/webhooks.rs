use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use cartwright_webhooks::{HostPattern, Policy, Ports};
use serde::{Deserialize, Deserializer, de::Error};

/// Where webhooks may go, and what they may cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Webhooks {
    /// The hosts that may be reached: names, `*.example.com` for all below one, addresses. Empty: any.
    pub(crate) hosts: Vec<String>,
    /// Ports that may be reached beside 443.
    #[serde(deserialize_with = "ports")]
    pub(crate) ports: Vec<u16>,
    /// Whether private networks may be reached, this machine among them. Whoever may add a target could then have requests
    /// sent to whatever listens there. A cloud's metadata is out of reach even so.
    pub(crate) allow_private: bool,
    /// Whether URLs may begin with `http://`. Everybody on the way could read what is sent.
    pub(crate) allow_http: bool,
    /// A PEM file of certificate authorities instead of the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Seconds that an attempt may take. Too high: receivers that hang hold up the others. Too low: slow ones get it twice.
    pub(crate) timeout_seconds: u64,
    /// Deliveries that are under way at a time in one process, beside `jobs.concurrency`. Too high: connections of this
    /// machine, and of the database at their ends. Too low: receivers that hang hold up the others.
    pub(crate) concurrency: usize,
    /// Hours for which messages are signed with the old secret, too, after it was rotated. Too high: one that leaked is good
    /// for long. Too low: the receiver does not know the new one yet.
    pub(crate) overlap_hours: u32,
    /// How many targets there may be. Too high: each event is a job for each of them.
    pub(crate) targets: u32,
}

/// A list of ports. In the environment a list of one is a number, and the elements of others are texts.
fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Port {
        Number(u16),
        Text(String),
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ports {
        One(Port),
        Several(Vec<Port>),
    }
    let read = |port| match port {
        Port::Number(port) => Ok(port),
        Port::Text(text) => {
            text.trim().parse().map_err(|_error| D::Error::custom("a port is from 0 to 65535"))
        }
    };
    match Ports::deserialize(deserializer)? {
        Ports::One(port) => Ok(vec![read(port)?]),
        Ports::Several(ports) => ports.into_iter().map(read).collect(),
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        let (policy, service) = (Policy::default(), cartwright_events::Settings::default());
        Self {
            hosts: Vec::new(),
            ports: Vec::new(),
            allow_private: policy.allow_private,
            allow_http: policy.allow_http,
            ca_file: None,
            timeout_seconds: policy.timeout.as_secs(),
            concurrency: 32,
            overlap_hours: 24,
            targets: service.targets,
        }
    }
}

impl Webhooks {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, value, least, most) in [
            ("timeout_seconds", self.timeout_seconds, 1, 60),
            ("concurrency", self.concurrency as u64, 1, 1_000),
            ("overlap_hours", self.overlap_hours.into(), 0, 10_000),
            ("targets", self.targets.into(), 0, 1_000),
        ] {
            ensure!(
                (least..=most).contains(&value),
                "configuration key `webhooks.{key}`: it is from {least} to {most}"
            );
        }
        self.policy().map(drop)
    }

    /// What is allowed.
    pub(crate) fn policy(&self) -> anyhow::Result<Policy> {
        let hosts = self.hosts.iter().map(|host| host.parse::<HostPattern>());
        let hosts: Vec<HostPattern> =
            hosts.collect::<Result<_, _>>().context("configuration key `webhooks.hosts`")?;
        let policy = Policy::default();
        let timeout = Duration::from_secs(self.timeout_seconds);
        Ok(Policy {
            allow_http: self.allow_http,
            allow_private: self.allow_private,
            hosts: (!hosts.is_empty()).then_some(hosts),
            ports: if self.ports.is_empty() { Ports::Usual } else { Ports::Also(self.ports.clone()) },
            connect_timeout: policy.connect_timeout.min(timeout),
            timeout,
            ..policy
        })
    }
}
