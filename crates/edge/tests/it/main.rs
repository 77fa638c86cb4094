//! The edge, told for real: Varnish with the configuration that is shipped, and a small origin behind it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod client;
#[cfg(feature = "cloudfront")]
mod cloudfront;
mod configuration;
mod failures;
mod origin;
mod purger;
mod purging;

use std::time::Duration;

use cartwright_edge::{Pace, Purger};
use cartwright_testkit::Varnish;
use origin::Origin;

/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is shipped, before this origin.
fn configuration(origin: &Origin) -> String {
    let shipped = include_str!("../../../../deploy/varnish/default.vcl");
    let here = shipped.replace(".port = \"8000\"", &format!(".port = \"{}\"", origin.port()));
    assert_ne!(here, shipped);
    here
}

fn varnish(origin: &Origin) -> Varnish {
    Varnish::start(&configuration(origin)).unwrap()
}

fn edge(varnish: &Varnish) -> std::sync::Arc<cartwright_edge::Varnish> {
    let url = format!("http://127.0.0.1:{}", varnish.port());
    std::sync::Arc::new(cartwright_edge::Varnish::new(&url).unwrap())
}

fn purger(varnish: &Varnish) -> Purger {
    Purger::builder().edge("varnish", edge(varnish), Pace::VARNISH).start()
}
