use super::*;

const SLOW: Duration = Duration::from_millis(5);

const LIMITS: Limits =
    Limits { batch: 100, waiting: 1000, at_once: 1, slow: SLOW, as_many_follow: false, gathering: None };

fn gathering(millis: u64) -> Option<Gathering> {
    Some(Gathering { at_most: Duration::from_millis(millis), percent: 94 })
}

fn combiner(at_once: usize, batch: usize, waiting: usize, run: &Run<u32, u32>) -> Combiner<u32, u32> {
    let limits = Limits { batch, waiting, at_once, ..LIMITS };
    Combiner::new(1, limits, &TaskTracker::new(), run)
}

/// Answers each number with the size of its batch, after `work`.
fn sizes<F: Future<Output = ()> + Send + 'static>(
    work: impl Fn(Turn<u32, u32>) -> F + Send + Sync + 'static,
) -> Run<u32, u32> {
    let work = Arc::new(work);
    Arc::new(move |mut turn| {
        let work = Arc::clone(&work);
        Box::pin(async move {
            let batch = turn.batch();
            work(turn).await;
            let size = u32::try_from(batch.len()).unwrap();
            for one in batch {
                one.answer(size);
            }
        })
    })
}

fn submit(combiner: &Combiner<u32, u32>, n: u32) -> tokio::task::JoinHandle<Result<u32, NotTaken>> {
    tokio::spawn(combiner.submit(n, &Handle::current()))
}

async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn those_who_come_during_a_batch_go_together() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let held = Arc::clone(&gate);
    let run = sizes(move |turn| {
        let gate = Arc::clone(&held);
        async move {
            gate.acquire().await.unwrap().forget();
            drop(turn);
        }
    });
    let combiner = combiner(1, 100, 1000, &run);
    let first = submit(&combiner, 1);
    settle().await;
    let rest: Vec<_> = (0..48).map(|n| submit(&combiner, n)).collect();
    settle().await;
    gate.add_permits(2);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    for task in rest {
        assert_eq!(task.await.unwrap().unwrap(), 48);
    }
}

#[tokio::test]
async fn those_who_were_answered_together_go_together_again() {
    let run = sizes(|turn| async move { drop(turn) });
    let limits = Limits { at_once: 4, gathering: gathering(3_600_000), ..LIMITS };
    let combiner = Combiner::new(1, limits, &TaskTracker::new(), &run);
    let together = |count| (0..count).map(|n| submit(&combiner, n)).collect::<Vec<_>>();
    for task in together(32) {
        assert_eq!(task.await.unwrap().unwrap(), 32);
    }
    // Thirty of the thirty-two are enough, the first alone is not.
    let mut back = together(1);
    settle().await;
    back.extend(together(28));
    settle().await;
    assert_eq!(combiner.lanes[0].lock().waiting.len(), 29);
    back.extend(together(1));
    for task in back {
        assert_eq!(task.await.unwrap().unwrap(), 30);
    }
}

#[tokio::test]
async fn nobody_is_waited_for_much_longer_than_said() {
    let run = sizes(|turn| async move { drop(turn) });
    let limits = Limits { gathering: gathering(30), ..LIMITS };
    let combiner = Combiner::new(1, limits, &TaskTracker::new(), &run);
    let many: Vec<_> = (0..32).map(|n| submit(&combiner, n)).collect();
    for task in many {
        assert_eq!(task.await.unwrap().unwrap(), 32);
    }
    let began = Instant::now();
    assert_eq!(submit(&combiner, 1).await.unwrap().unwrap(), 1);
    assert!(began.elapsed() < Duration::from_secs(10));
    // And then the last batch was of one: nothing to wait for.
    assert_eq!(submit(&combiner, 2).await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn who_is_not_answered_yet_is_waited_for() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let held = Arc::clone(&gate);
    let run: Run<usize, Result<usize, ()>> = Arc::new(move |turn| {
        let gate = Arc::clone(&held);
        Box::pin(turn.carry_out_and(
            async |batch| Ok(vec![batch.len(); batch.len()]),
            async move |sizes| {
                gate.acquire().await.unwrap().forget();
                Ok(sizes)
            },
        ))
    });
    let limits = Limits { at_once: 2, slow: Duration::from_secs(3600), gathering: gathering(30), ..LIMITS };
    let combiner = Combiner::new(1, limits, &TaskTracker::new(), &run);
    let submit = |n| tokio::spawn(combiner.submit(n, &Handle::current()));
    let many: Vec<_> = (0..32).map(submit).collect();
    settle().await;
    let early = submit(32);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(combiner.lanes[0].lock().waiting.len(), 1, "nobody can have come back");
    gate.add_permits(2);
    for task in many {
        assert_eq!(task.await.unwrap(), Ok(Ok(32)));
    }
    let soon = tokio::time::timeout(Duration::from_secs(10), early);
    assert_eq!(soon.await.expect("not waited for longer").unwrap(), Ok(Ok(1)));
}

/// One alone takes long, and those after it are done and come back; that the one ends meanwhile changes nothing for them.
#[tokio::test]
async fn who_comes_back_is_waited_for_also_when_an_older_batch_ends() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let held = Arc::clone(&gate);
    let run: Run<u32, u32> = Arc::new(move |mut turn| {
        let gate = Arc::clone(&held);
        Box::pin(async move {
            let batch = turn.batch();
            if batch.len() == 1 {
                gate.acquire().await.unwrap().forget();
            }
            drop(turn);
            batch.into_iter().for_each(|one| one.answer(1));
        })
    });
    let limits = Limits { at_once: 3, gathering: gathering(3_600_000), ..LIMITS };
    let combiner = Combiner::new(1, limits, &TaskTracker::new(), &run);
    let slow = submit(&combiner, 0);
    tokio::time::sleep(SLOW * 4).await;
    let many: Vec<_> = (0..32).map(|n| submit(&combiner, n)).collect();
    for task in many {
        task.await.unwrap().unwrap();
    }
    gate.add_permits(1);
    slow.await.unwrap().unwrap();
    let early = submit(&combiner, 1);
    settle().await;
    assert_eq!(combiner.lanes[0].lock().waiting.len(), 1);
    early.abort();
}

#[tokio::test]
async fn a_slow_batch_is_not_waited_for_but_no_more_run_than_allowed() {
    let run = sizes(move |turn| async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(turn);
    });
    let stuck = combiner(2, 100, 1000, &run);
    let first = submit(&stuck, 1);
    settle().await;
    let second = submit(&stuck, 2); // waits already when the first turns out to be slow
    settle().await;
    assert_eq!(stuck.lanes[0].lock().running, 1);
    tokio::time::sleep(SLOW * 4).await;
    assert_eq!(stuck.lanes[0].lock().running, 2);
    tokio::time::sleep(SLOW * 2).await;
    let third = submit(&stuck, 3);
    settle().await;
    assert_eq!(stuck.lanes[0].lock().running, 2);
    assert_eq!(stuck.lanes[0].lock().waiting.len(), 1);
    for task in [first, second, third] {
        task.abort();
    }
}

#[tokio::test]
async fn as_many_as_are_under_way_do_not_wait_for_them() {
    let stuck = sizes(move |turn| async move {
        std::future::pending::<()>().await;
        drop(turn);
    });
    let under_way = async |as_many_follow| {
        let limits = Limits { at_once: 3, slow: Duration::from_secs(3600), as_many_follow, ..LIMITS };
        let combiner = Combiner::new(1, limits, &TaskTracker::new(), &stuck);
        let mut tasks = Vec::new();
        let mut seen = Vec::new();
        for come in [3, 2, 1, 2, 1, 9] {
            tasks.extend((0..come).map(|n| submit(&combiner, n)));
            settle().await;
            let state = combiner.lanes[0].lock();
            seen.push((state.running, state.waiting.len()));
        }
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        seen
    };
    // Three; two wait until there are three. Nobody follows those who have followed.
    assert_eq!(under_way(true).await, [(1, 0), (1, 2), (2, 0), (2, 2), (2, 3), (2, 12)]);
    assert_eq!(under_way(false).await, [(1, 0), (1, 2), (1, 3), (1, 5), (1, 6), (1, 15)]);
}

#[tokio::test]
async fn a_panic_loses_its_batch_only() {
    let run: Run<u32, u32> = Arc::new(|mut turn| {
        Box::pin(async move {
            for one in turn.batch() {
                assert_ne!(one.request, 13, "unlucky");
                one.answer(1);
            }
        })
    });
    let combiner = combiner(1, 1, 10, &run);
    assert!(matches!(submit(&combiner, 13).await.unwrap(), Err(NotTaken::Lost)));
    assert_eq!(submit(&combiner, 14).await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_full_lane_refuses() {
    let run = sizes(|turn| async move {
        std::future::pending::<()>().await;
        drop(turn);
    });
    let combiner = combiner(1, 1, 1, &run);
    for n in 0..2 {
        submit(&combiner, n);
        settle().await;
    }
    assert!(matches!(submit(&combiner, 9).await.unwrap(), Err(NotTaken::Overloaded)));
}

/// Batches of a runtime end with it; the lane goes on, on another one.
#[tokio::test]
async fn a_runtime_that_ends_loses_its_own_batches_only() {
    let run = sizes(|turn| async move {
        if tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread {
            std::future::pending::<()>().await;
        }
        drop(turn);
    });
    let combiner = combiner(1, 1, 10, &run);
    let ending = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let begun = combiner.submit(1, ending.handle());
    tokio::time::sleep(Duration::from_millis(10)).await;
    let waiting = combiner.submit(2, ending.handle());
    ending.shutdown_background();
    assert!(matches!(begun.await, Err(NotTaken::Lost)));
    assert!(matches!(waiting.await, Err(NotTaken::Lost)));
    assert_eq!(submit(&combiner, 3).await.unwrap().unwrap(), 1);
}
