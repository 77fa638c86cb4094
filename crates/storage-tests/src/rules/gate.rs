use std::time::{Duration, Instant};

use cartwright_domain::{Gate, GateState, OpenGate, ReadSet};

use crate::{Kit, kit::PATIENCE};

fn reading(endpoint: &str) -> ReadSet {
    ReadSet { endpoints: vec![endpoint.to_owned()], attached: vec![format!("{endpoint}'s address")] }
}

fn open_gate(namespace: &str) -> OpenGate {
    OpenGate {
        namespace: namespace.to_owned(),
        primary: "run-id \"1\"".to_owned(),
        replicas: reading("r1"),
        previous: None,
    }
}

/// A new database has the initial gate.
pub async fn a_new_gate_is_closed(kit: Kit) {
    assert_eq!(kit.store.gate().await.unwrap(), Gate::initial());
}

/// Opening and closing name the epoch they mean; each works once, and the epoch grows by one.
pub async fn the_gate_opens_and_closes_once_per_epoch(kit: Kit) {
    let store = &kit.store;
    let pause = Duration::ZERO;
    assert!(!store.close_gate(0, pause).await.unwrap(), "it is closed already");
    assert!(!store.open_gate(1, &open_gate("n")).await.unwrap(), "another epoch");
    assert_eq!(store.gate().await.unwrap(), Gate::initial());

    let with_previous = OpenGate { previous: Some(reading("r0")), ..open_gate("n1") };
    assert!(store.open_gate(0, &with_previous).await.unwrap());
    let open = Gate { epoch: 1, state: GateState::Open(open_gate("n1")) };
    assert_eq!(store.gate().await.unwrap(), open, "`previous` is not kept at an opening");
    assert!(!store.open_gate(0, &open_gate("n2")).await.unwrap());
    assert!(!store.open_gate(1, &open_gate("n2")).await.unwrap(), "it is open already");
    assert!(!store.close_gate(0, pause).await.unwrap());
    assert!(!store.close_gate(2, pause).await.unwrap());
    assert_eq!(store.gate().await.unwrap(), open);

    assert!(store.close_gate(1, pause).await.unwrap());
    assert!(!store.close_gate(1, pause).await.unwrap());
    let gate = store.gate().await.unwrap();
    assert_eq!((gate.epoch, gate.open()), (2, None));
    assert!(store.open_gate(2, &open_gate("n3")).await.unwrap());
    let gate = store.gate().await.unwrap();
    assert_eq!((gate.epoch, gate.open()), (3, Some(&open_gate("n3"))));
}

/// Of many that close or open the same epoch at once, one does it.
pub async fn concurrent_closings_count_once(kit: Kit) {
    for round in 0..3 {
        let opening: Vec<_> = (0..4)
            .map(|n| {
                let store = kit.store.clone();
                tokio::spawn(async move { store.open_gate(2 * round, &open_gate(&n.to_string())).await })
            })
            .collect();
        let mut did = 0;
        for task in opening {
            did += u32::from(task.await.unwrap().unwrap());
        }
        let closing: Vec<_> = (0..4)
            .map(|_| {
                let store = kit.store.clone();
                tokio::spawn(async move { store.close_gate(2 * round + 1, Duration::ZERO).await })
            })
            .collect();
        for task in closing {
            did += u32::from(task.await.unwrap().unwrap());
        }
        assert_eq!(did, 2, "one opening and one closing");
        assert_eq!(kit.store.gate().await.unwrap().epoch, 2 * round + 2);
    }
}

/// A closed gate may not be opened before its pause is over; closings soon after an opening pause longer each time.
pub async fn quick_closings_pause_longer(kit: Kit) {
    let store = &kit.store;
    let pause = Duration::from_millis(300);
    let mut paused = Vec::new();
    for round in 0..3 {
        assert!(store.open_gate(2 * round, &open_gate("n")).await.unwrap());
        // Taken before the closing, so that what is measured is never less than the pause.
        let closing = Instant::now();
        assert!(store.close_gate(2 * round + 1, pause).await.unwrap());
        while store.gate().await.unwrap().state != (GateState::Closed { may_open: true }) {
            assert!(closing.elapsed() < PATIENCE, "it never may open");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        paused.push(closing.elapsed());
    }
    for (paused, doubled) in paused.iter().zip([1, 2, 4]) {
        // A database may keep milliseconds only.
        assert!(*paused + Duration::from_millis(2) >= pause * doubled, "{paused:?}");
    }
}

/// The replicas change only from exactly what is stored, in the epoch named, without a new epoch.
pub async fn replicas_change_by_compare_and_set(kit: Kit) {
    let store = &kit.store;
    let first = open_gate("n1");
    let (r1, r2) = (reading("r1"), ReadSet::default());
    assert!(!store.change_replicas(0, &first, &r2, None).await.unwrap(), "it is closed");
    assert!(store.open_gate(0, &first).await.unwrap());
    assert!(!store.change_replicas(0, &first, &r2, Some(&r1)).await.unwrap(), "another epoch");
    let others = [
        OpenGate { namespace: "n2".to_owned(), ..first.clone() },
        OpenGate { primary: "other".to_owned(), ..first.clone() },
        OpenGate { replicas: r2.clone(), ..first.clone() },
        OpenGate { previous: Some(r2.clone()), ..first.clone() },
    ];
    for other in &others {
        assert!(!store.change_replicas(1, other, &r2, Some(&r1)).await.unwrap(), "{other:?}");
    }
    assert!(store.change_replicas(1, &first, &r2, Some(&r1)).await.unwrap());
    assert!(!store.change_replicas(1, &first, &r2, Some(&r1)).await.unwrap(), "once");
    let second = OpenGate { replicas: r2.clone(), previous: Some(r1), ..first };
    assert_eq!(store.gate().await.unwrap(), Gate { epoch: 1, state: GateState::Open(second.clone()) });
    assert!(store.change_replicas(1, &second, &r2, None).await.unwrap());
    let third = OpenGate { previous: None, ..second };
    assert_eq!(store.gate().await.unwrap(), Gate { epoch: 1, state: GateState::Open(third.clone()) });
    assert!(store.close_gate(1, Duration::ZERO).await.unwrap());
    assert!(!store.change_replicas(1, &third, &r2, None).await.unwrap());
    assert!(!store.change_replicas(2, &third, &r2, None).await.unwrap());
}

/// A migrated database answers.
pub async fn ping_answers(kit: Kit) {
    kit.store.ping().await.unwrap();
}
