//! Webhooks sent to real sockets: what is delivered, what fails and how, and what is not even asked.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod answers;
mod any_url;
mod delivery;
mod hostile;
mod hostile_addresses;
mod hostile_urls;
mod receiver;
mod resolver;
mod tls;

use std::{sync::Arc, time::Duration};

use cartwright_webhooks::{Message, Policy, Ports, Resolve, Secrets, Sender, Target};
use chrono::DateTime;

/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);
/// For what is expected to take too long.
const SHORT: Duration = Duration::from_millis(300);
const AT: i64 = 1_700_000_000;

/// What reaches the test's own receivers.
fn open() -> Policy {
    Policy {
        allow_http: true,
        allow_private: true,
        ports: Ports::Any,
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        keep: PATIENCE,
        ..Policy::default()
    }
}

/// As customers' URLs are treated, but for the port and the scheme, so that a receiver of the test could be reached.
fn strict() -> Policy {
    Policy { allow_private: false, ..open() }
}

fn sender(policy: Policy, resolver: &Arc<impl Resolve>) -> Sender {
    let resolver: Arc<dyn Resolve> = Arc::clone(resolver) as Arc<dyn Resolve>;
    Sender::builder(policy).resolver(resolver).authorities(&*tls::authority().0).build().unwrap()
}

fn target(url: &str) -> Target {
    Target::parse(url, &open()).unwrap()
}

fn secrets() -> Secrets {
    Secrets::only("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap())
}

fn message() -> Message {
    let at = DateTime::from_timestamp(AT, 0).unwrap();
    Message { id: "msg_1".parse().unwrap(), at, payload: r#"{"type":"order.created"}"#.into() }
}
