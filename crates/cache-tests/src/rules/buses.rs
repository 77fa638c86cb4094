use std::time::{Duration, Instant};

use cartwright_cache::{CartEvent, Update};

use crate::{
    Buses,
    kit::{Listener, PATIENCE, owner},
};

fn events(name: &str, versions: std::ops::Range<u64>) -> Vec<CartEvent> {
    versions.map(|version| CartEvent { owner: owner(name), version }).collect()
}

/// Nobody hears of somebody else's cart.
pub async fn listeners_hear_their_own_carts_only(buses: Buses) {
    let mut ana = Listener::tuned(&*buses.one, &owner("ana"), &*buses.one).await;
    let mut bob = Listener::tuned(&*buses.one, &owner("bob"), &*buses.one).await;
    buses.one.publish(&events("bob", 1000..1008)).await;
    buses.one.publish(&events("eve", 2000..2008)).await;
    bob.hear(&*buses.one, 1008).await;
    // Whatever ana was told of bob would have come before this; `hear` accepts nothing above it.
    ana.hear(&*buses.one, 2).await;
}

/// Two tabs of one shopper.
pub async fn all_listeners_of_a_cart_hear(buses: Buses) {
    let ana = owner("ana");
    let mut tabs = Vec::new();
    for _ in 0..3 {
        tabs.push(Listener::tuned(&*buses.one, &ana, &*buses.one).await);
        tabs.push(Listener::tuned(&*buses.other, &ana, &*buses.one).await);
    }
    buses.publish(&ana, 50).await;
    for tab in &mut tabs {
        let deadline = Instant::now() + PATIENCE;
        while tab.next().await != Update::Version(50) {
            assert!(Instant::now() < deadline);
        }
    }
}

/// Both ways.
pub async fn what_one_node_publishes_the_other_hears(buses: Buses) {
    let mut there = Listener::tuned(&*buses.other, &owner("ana"), &*buses.one).await;
    let mut here = Listener::tuned(&*buses.one, &owner("ana"), &*buses.other).await;
    there.hear(&*buses.one, 7).await;
    here.hear(&*buses.other, 8).await;
}

/// Up to the one that stands for "changed".
pub async fn a_version_is_told_as_it_was_published(buses: Buses) {
    let mut listener = Listener::tuned(&*buses.other, &owner("ana"), &*buses.one).await;
    for version in [2, 255, (1 << 53) + 1, i64::MAX as u64, u64::MAX] {
        listener.hear(&*buses.one, version).await;
    }
}

/// Thousands of subscriptions that ended are in nobody's way.
pub async fn listeners_come_and_go(buses: Buses) {
    for n in 0..2_000 {
        drop(buses.one.subscribe(&owner(&format!("visitor-{}", n % 50))));
    }
    let mut listener = Listener::tuned(&*buses.one, &owner("visitor-3"), &*buses.other).await;
    listener.hear(&*buses.other, 2).await;
}

/// Leaving and coming in quick succession ends with somebody who hears.
pub async fn the_last_listener_leaving_does_not_deafen_the_next(buses: Buses) {
    let ana = owner("ana");
    let mut present = Listener::tuned(&*buses.one, &ana, &*buses.other).await;
    for version in 2..12 {
        drop(present);
        present = Listener::tuned(&*buses.one, &ana, &*buses.other).await;
        present.hear(&*buses.other, version).await;
    }
}

/// Who cannot follow is told so, and hears again afterwards.
pub async fn a_slow_listener_is_told_that_it_missed_something(buses: Buses) {
    let mut slow = Listener::tuned(&*buses.one, &owner("ana"), &*buses.one).await;
    while slow.within(Duration::from_millis(100)).await.is_some() {} // what was heard while tuning in
    buses.one.publish(&events("ana", 100..2_100)).await;
    let deadline = Instant::now() + PATIENCE;
    while slow.next().await != Update::Missed {
        assert!(Instant::now() < deadline, "2,000 updates are more than anybody keeps");
    }
    slow.hear(&*buses.one, 3_000).await;
}

/// Publishing waits for no listener.
pub async fn a_slow_listener_holds_up_nobody(buses: Buses) {
    let _slow = Listener::tuned(&*buses.one, &owner("ana"), &*buses.one).await;
    let mut quick = Listener::tuned(&*buses.one, &owner("bob"), &*buses.one).await;
    let publishing = async {
        for round in 0..20 {
            buses.one.publish(&events("ana", round * 100..(round + 1) * 100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, publishing).await.expect("publishing waits for nobody");
    quick.hear(&*buses.one, 2).await;
}

/// A channel's name is made of the owner's.
pub async fn every_legal_owner_is_heard(buses: Buses) {
    let long = "x".repeat(100);
    for name in ["a", "A", ":", "a:b", "a.b", "user@shop", "-", "_", "0", &long] {
        let mut listener = Listener::tuned(&*buses.other, &owner(name), &*buses.one).await;
        listener.hear(&*buses.one, 2).await;
    }
}

/// An empty list, and news that nobody listens to.
pub async fn publishing_nothing_is_nothing(buses: Buses) {
    buses.one.publish(&[]).await;
    buses.publish(&owner("nobody"), 1).await;
    let mut listener = Listener::tuned(&*buses.one, &owner("ana"), &*buses.one).await;
    listener.hear(&*buses.one, 2).await;
}
