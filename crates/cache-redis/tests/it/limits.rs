//! Rate limits on real servers: the conformance suite, what stands on the server, and what happens without it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cache::{CartCache, Survey};
use cartwright_cache_redis::{RedisOptions, RedisRateLimiter};
use cartwright_cache_tests::limits::{Limiters, address, quota, user};
use cartwright_domain::{Gate, GateState, OpenGate};
use cartwright_limits::{Ask, Decision, Quota, RateLimiter, Standing};
use cartwright_testkit::{ChaosProxy, Mode, RedisServer, eventually};

use crate::kit::{DEADLINE, InUse, Servers, servers};

const HOUR: Duration = Duration::from_secs(3600);
/// Keys that there is room for without Redis.
const ROOM: usize = 1000;

/// One that waits for a slow machine.
fn beside(node: &InUse) -> RedisRateLimiter {
    RedisRateLimiter::beside(node.redis(), ROOM).with_patience(DEADLINE)
}

async fn fresh() -> (Limiters, (InUse, InUse)) {
    let options = servers().await.options();
    let one = InUse::start(&options).await;
    let other = one.join(&options).await;
    (Limiters { one: Arc::new(beside(&one)), other: Arc::new(beside(&other)) }, (one, other))
}

cartwright_cache_tests::limit_conformance!(fresh);

async fn one(limiter: &RedisRateLimiter, ask: &Ask) -> Decision {
    limiter.check(std::slice::from_ref(ask)).await.remove(0)
}

/// When its window began, and what was admitted before and in it.
async fn value(redis: &RedisServer, ask: &Ask) -> Option<[u64; 3]> {
    let text: Option<String> = redis.query(&["GET", &key(ask)]).await;
    let numbers = |text: String| text.split(' ').map(|number| number.parse().unwrap()).collect::<Vec<_>>();
    text.map(|text| numbers(text).try_into().unwrap())
}

fn key(ask: &Ask) -> String {
    format!("limit:{}", ask.key)
}

async fn now(redis: &RedisServer) -> u64 {
    let (seconds, micros): (u64, u64) = redis.query(&["TIME"]).await;
    seconds * 1000 + micros / 1000
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_small_says_what_it_is_and_does_not_grow() {
    let servers = servers().await;
    let node = InUse::start(&servers.options()).await;
    let primary = &servers.0.primary;
    let asks = [user(&"long".repeat(20), quota(100, HOUR)), address(quota(3, HOUR))];
    let began = now(primary).await;
    assert!(Decision::admits(&beside(&node).check(&asks).await));
    let mut sizes = Vec::new();
    for ask in &asks {
        let value = value(primary, ask).await.expect("it was counted");
        assert!((began..=now(primary).await).contains(&value[0]));
        assert_eq!(value[1..], [0, 1]);
        let left: u64 = primary.query(&["PTTL", &key(ask)]).await;
        assert!((3_600_000..=7_200_000).contains(&left), "{left} ms");
        sizes.push(primary.query::<usize>(&["MEMORY", "USAGE", &key(ask)]).await);
    }
    assert!(sizes.iter().all(|size| *size <= 200), "{sizes:?} bytes");
    for _ in 0..50 {
        beside(&node).check(&asks).await; // each a node that remembers nothing
    }
    for (ask, size) in asks.iter().zip(sizes) {
        assert_eq!(value(primary, ask).await.unwrap()[1..], [0, 3]);
        assert_eq!(primary.query::<usize>(&["MEMORY", "USAGE", &key(ask)]).await, size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_when_their_time_is_over() {
    let servers = tokio::task::spawn_blocking(Servers::start).await.unwrap();
    let node = InUse::start(&servers.options()).await;
    let (limiter, primary) = (beside(&node), &servers.0.primary);
    for _ in 0..500 {
        let ask = address(quota(1, Duration::from_secs(2)));
        assert!(one(&limiter, &ask).await.allowed);
        assert!(!one(&limiter, &ask).await.allowed);
    }
    assert!(primary.query::<usize>(&["DBSIZE"]).await > 1);
    // The heartbeat of the node.
    eventually(DEADLINE, async || primary.query::<usize>(&["DBSIZE"]).await <= 1).await;
}

/// A key that stands like this, and what the rule of all limiters says of it.
async fn agrees(node: &InUse, redis: &RedisServer, quota: Quota, ago: u64, before: u32, count: u32) {
    let ask = user("model", quota);
    let start = now(redis).await - ago;
    let () = redis.query(&["SET", &key(&ask), &format!("{start} {before} {count}")]).await;
    let early = Standing::at(now(redis).await, start, before, count, &quota);
    let decision = one(&beside(node), &ask).await;
    let late = Standing::at(now(redis).await, start, before, count, &quota);
    // Time has passed between; an hour's quota hardly notices.
    let said = |standing: &Standing| standing.decide(&quota, standing.admits(&quota)).remaining;
    let case = format!("{ago} ms ago: {before}, {count}: {decision:?}");
    assert!([said(&early), said(&late)].contains(&decision.remaining), "{case}");
    let kept = value(redis, &ask).await.unwrap();
    if decision.allowed {
        let begun = start + ago - early.elapsed;
        assert!(kept[0].abs_diff(begun) <= 5_000, "{case}: {kept:?}");
        assert_eq!(kept[1..], [u64::from(early.before), u64::from(early.count) + 1], "{case}");
        let left: u64 = redis.query(&["PTTL", &key(&ask)]).await;
        let over = begun + 2 * quota.per_millis();
        assert!(left.abs_diff(over - now(redis).await) <= 5_000, "{case}: {left} ms");
    } else {
        assert_eq!(kept, [start, before.into(), count.into()], "{case}");
    }
}

/// The window on the server moves as the one in process does, which its own tests look at closely.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_computes_what_the_rule_says() {
    let servers = servers().await;
    let node = InUse::start(&servers.options()).await;
    let minutes = |minutes: u64| minutes * 60_000;
    for (amount, ago, before, count) in [
        (100, minutes(30), 0, 0),
        (100, minutes(30), 0, 99),
        (100, minutes(30), 0, 100),
        (100, minutes(30), 100, 49),
        (100, minutes(30), 100, 51),
        (100, minutes(45), 100, 70),
        (100, minutes(15), 100, 20),
        (100, minutes(59), 100, 97),
        (100, minutes(61), 100, 100),
        (100, minutes(90), 7, 100),
        (100, minutes(110), 100, 60),
        (100, minutes(119), 100, 100),
        (100, minutes(121), 100, 100),
        (100, minutes(600), 100, 100),
        (10, minutes(30), 0, 100),
        (10, minutes(90), 0, 100),
        (1, minutes(59), 0, 1),
        (1, minutes(61), 0, 1),
        (1_000_000, minutes(30), 1_000_000, 400_000),
        (1_000_000, minutes(30), 1_000_000, 600_000),
    ] {
        // A million in an hour come back too fast to be compared exactly.
        if amount > 100 {
            let ask = user("model", quota(amount, HOUR));
            let start = now(&servers.0.primary).await - ago;
            let () =
                servers.0.primary.query(&["SET", &key(&ask), &format!("{start} {before} {count}")]).await;
            assert_eq!(one(&beside(&node), &ask).await.allowed, count < 500_000);
        } else {
            agrees(&node, &servers.0.primary, quota(amount, HOUR), ago, before, count).await;
        }
    }
}

/// As after a repair of the server's clock: nobody is locked out until time has caught up.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_does_not_lock_anybody_out() {
    let servers = servers().await;
    let node = InUse::start(&servers.options()).await;
    let primary = &servers.0.primary;
    let later = now(primary).await + 86_400_000;
    for (count, admitted) in [(3, false), (2, true)] {
        let ask = user("later", quota(3, HOUR));
        let () = primary.query(&["SET", &key(&ask), &format!("{later} 0 {count}"), "PX", "99000000"]).await;
        let decision = one(&beside(&node), &ask).await;
        assert_eq!(decision.allowed, admitted);
        assert!(decision.retry_after.is_none_or(|retry| retry <= HOUR + Duration::from_millis(1)));
        let kept = value(primary, &ask).await.unwrap();
        assert!(kept[0] <= now(primary).await, "{kept:?}");
        assert_eq!(kept[1..], [0, 3]);
        assert!(primary.query::<u64>(&["PTTL", &key(&ask)]).await <= 7_200_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_put_there_is_written_over() {
    let servers = servers().await;
    let node = InUse::start(&servers.options()).await;
    for command in [&["HSET", "", "a", "b"][..], &["SET", "", "hello"], &["SET", "", "1 2"], &["SET", "", ""]]
    {
        let ask = user("foreign", quota(3, HOUR));
        let key = key(&ask);
        let mut command = command.to_vec();
        command[1] = &key;
        let _: redis_value::Any = servers.0.primary.query(&command).await;
        assert_eq!(one(&beside(&node), &ask).await.remaining, Some(2), "{command:?}");
        assert_eq!(value(&servers.0.primary, &ask).await.unwrap()[1..], [0, 1]);
    }
}

mod redis_value {
    use redis::{FromRedisValue, ParsingError, Value};

    /// Whatever it is.
    pub(crate) struct Any;

    impl FromRedisValue for Any {
        fn from_redis_value(_value: Value) -> Result<Self, ParsingError> {
            Ok(Self)
        }
    }
}

/// A node that reaches the primary through a proxy, and one that does not.
async fn with_proxy(servers: &Servers) -> (RedisRateLimiter, ChaosProxy, (InUse, InUse)) {
    let proxy = ChaosProxy::start(([127, 0, 0, 1], servers.0.primary.port())).unwrap();
    let one = InUse::start(&servers.options()).await;
    let via = RedisOptions { primary_url: servers.0.primary.url_via(proxy.port()), ..servers.options() };
    let other = one.join(&via).await;
    (RedisRateLimiter::beside(other.redis(), ROOM), proxy, (one, other))
}

/// Until a request is counted on the server.
async fn shared(limiter: &RedisRateLimiter, redis: &RedisServer) {
    eventually(DEADLINE, async || {
        let ask = user("shared", quota(3, HOUR));
        assert!(one(limiter, &ask).await.allowed);
        value(redis, &ask).await.is_some()
    })
    .await;
}

/// Asks ten times as often as is allowed. Redis being away costs no error and no long wait.
async fn alone(limiter: &RedisRateLimiter) {
    for _ in 0..20 {
        let asks = [user("alone", quota(10, HOUR)), address(quota(100, HOUR))];
        let mut admitted = 0;
        for _ in 0..100 {
            let began = Instant::now();
            admitted += u32::from(Decision::admits(&limiter.check(&asks).await));
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        }
        // When Redis went or came meanwhile, some were counted there and some here.
        assert!((10..=20).contains(&admitted), "{admitted} of 10");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_node_counts_by_itself_and_comes_back() {
    let servers = servers().await;
    let (limiter, proxy, guards) = with_proxy(servers).await;
    for mode in [Mode::Cut, Mode::BlackHole, Mode::Stall, Mode::OneWay] {
        shared(&limiter, &servers.0.primary).await;
        proxy.set(mode);
        alone(&limiter).await;
        let ask = user("away", quota(1000, HOUR));
        let began = Instant::now();
        for _ in 0..1000 {
            one(&limiter, &ask).await;
        }
        // If each waited, it would be fifty seconds.
        assert!(began.elapsed() < Duration::from_secs(25), "{mode:?}: {:?}", began.elapsed());
        proxy.set(Mode::Pass);
    }
    shared(&limiter, &servers.0.primary).await;
    drop(guards);
}

/// It answers, so that nothing else says that it is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_redis_is_not_waited_for() {
    let servers = servers().await;
    let (limiter, proxy, guards) = with_proxy(servers).await;
    shared(&limiter, &servers.0.primary).await;
    proxy.set(Mode::Latency(Duration::from_millis(100)));
    let ask = user("slow", quota(1000, HOUR));
    let began = Instant::now();
    for _ in 0..200 {
        assert!(one(&limiter, &ask).await.allowed);
    }
    // If each waited for its answer, it would be forty seconds.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    proxy.set(Mode::Pass);
    shared(&limiter, &servers.0.primary).await;
    drop(guards);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_known_without_asking() {
    let (limiter, proxy, guards) = with_proxy(servers().await).await;
    let limiter = limiter.with_patience(DEADLINE);
    let asks = [address(quota(9, HOUR)), user("ana", quota(2, HOUR))];
    for turn in 0..3 {
        assert_eq!(Decision::admits(&limiter.check(&asks).await), turn < 2);
    }
    proxy.set(Mode::Cut);
    for _ in 0..100 {
        let decisions = limiter.check(&asks).await;
        // By itself this node would have admitted two more.
        assert_eq!((decisions[1].allowed, decisions[1].remaining), (false, Some(0)));
        assert!(decisions[1].retry_after.is_some_and(|retry| retry > HOUR / 2 && retry <= HOUR + HOUR));
        assert_eq!((decisions[0].allowed, decisions[0].remaining), (true, None), "not looked at");
    }
    drop(guards);
}

/// To connect takes several round trips, a request only one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_opens_slowly_opens() {
    let servers = servers().await;
    let (limiter, proxy, guards) = with_proxy(servers).await;
    proxy.set(Mode::Latency(Duration::from_millis(12)));
    shared(&limiter, &servers.0.primary).await;
    drop(guards);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_killed_is_done_without_until_there_is_one() {
    let servers = tokio::task::spawn_blocking(Servers::start).await.unwrap();
    let node = InUse::start(&servers.options()).await;
    let (limiter, primary) = (RedisRateLimiter::beside(node.redis(), ROOM), &servers.0.primary);
    shared(&limiter, primary).await;
    primary.kill();
    alone(&limiter).await;
    primary.restart();
    alone(&limiter).await; // another process is at the address
    let openings = std::cell::Cell::new(1);
    eventually(DEADLINE, async || {
        let Survey::Found { primary: found, replicas } = node.redis().survey().await else { return false };
        let epoch = openings.get() + 2;
        openings.set(epoch);
        let open = OpenGate { namespace: format!("again-{epoch}"), primary: found, replicas, previous: None };
        node.redis().observe(&Gate { epoch, state: GateState::Open(open) }, Instant::now());
        let ask = user("again", quota(3, HOUR));
        assert!(one(&limiter, &ask).await.allowed);
        value(primary, &ask).await.is_some()
    })
    .await;
}

/// It refuses writes by itself; its counters are somebody else's by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_has_become_a_replica_is_not_counted_on() {
    let servers = tokio::task::spawn_blocking(Servers::start).await.unwrap();
    let node = InUse::start(&servers.options()).await;
    let limiter = RedisRateLimiter::beside(node.redis(), ROOM);
    shared(&limiter, &servers.0.primary).await;
    servers.0.replicas[0].promote();
    servers.0.primary.replica_of("127.0.0.1", servers.0.replicas[0].port());
    alone(&limiter).await;
    let ask = user("split", quota(2, HOUR));
    assert!(one(&limiter, &ask).await.allowed);
    assert_eq!(value(&servers.0.primary, &ask).await, None);
}

/// Before the gate was ever opened, and after it was closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_closed_gate_a_node_counts_by_itself() {
    let node = InUse::start(&servers().await.options()).await;
    let limiter = RedisRateLimiter::beside(node.redis(), ROOM);
    shared(&limiter, &servers().await.0.primary).await;
    let closed = Gate { epoch: 2, state: GateState::Closed { may_open: false } };
    node.redis().observe(&closed, Instant::now());
    let ask = user("closed", quota(2, HOUR));
    for turn in 0..4 {
        assert_eq!(one(&limiter, &ask).await.allowed, turn < 2);
    }
    assert_eq!(value(&servers().await.0.primary, &ask).await, None);
}
