//! Redis servers and topologies.

use std::time::Duration;

use cartwright_testkit::{ChaosProxy, Mode, RedisServer, RedisTopology, eventually};
use redis::Value;

use crate::PATIENCE;

async fn set(server: &RedisServer, value: &str) {
    let _: () = server.query(&["SET", "cart", value]).await;
}

/// How many replicas have the value. WAIT is about the writes of its own connection.
pub(crate) async fn set_and_wait(
    server: &RedisServer,
    value: &str,
    replicas: u32,
    patience: Duration,
) -> u32 {
    let mut connection = server.connect().await.unwrap();
    let mut pipe = redis::pipe();
    pipe.cmd("SET").arg("cart").arg(value).ignore();
    pipe.cmd("WAIT").arg(replicas).arg(u64::try_from(patience.as_millis()).unwrap());
    let (acknowledged,) = pipe.query_async(&mut connection).await.unwrap();
    acknowledged
}

async fn get(server: &RedisServer) -> Option<String> {
    server.query(&["GET", "cart"]).await
}

#[tokio::test]
async fn replicas_follow_and_refuse_writes() {
    let redis = RedisTopology::start(2).unwrap();
    assert_eq!(set_and_wait(&redis.primary, "1", 2, PATIENCE).await, 2);
    for replica in &redis.replicas {
        assert_eq!(get(replica).await.as_deref(), Some("1"));
        let refusal = replica.command(&["SET", "cart", "2"]).await.unwrap_err();
        assert_eq!(refusal.code(), Some("READONLY"));
    }
}

#[tokio::test]
async fn a_replica_takes_over_and_the_old_primary_follows_it() {
    let redis = RedisTopology::start(1).unwrap();
    let replica = &redis.replicas[0];
    assert_eq!(set_and_wait(&redis.primary, "1", 1, PATIENCE).await, 1);
    redis.primary.kill();
    assert!(redis.primary.command(&["PING"]).await.is_err());
    replica.promote();
    set(replica, "2").await;
    // The role is kept over a restart of the server that took over, its data are not.
    replica.restart();
    set(replica, "3").await;
    redis.primary.restart();
    assert_eq!(get(&redis.primary).await, None, "nothing is on disk");
    redis.primary.replica_of("127.0.0.1", replica.port());
    redis.primary.wait_online(PATIENCE);
    assert_eq!(get(&redis.primary).await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_restarted_replica_is_in_step_again() {
    let redis = RedisTopology::start(1).unwrap();
    redis.replicas[0].kill();
    set(&redis.primary, "1").await;
    redis.replicas[0].restart();
    redis.wait_online(PATIENCE);
    assert_eq!(get(&redis.replicas[0]).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_dump_brings_the_past_back() {
    for append_only in [false, true] {
        let redis = RedisServer::builder().appendonly(append_only).start().unwrap();
        set(&redis, "old").await;
        redis.save_dump();
        set(&redis, "new").await;
        redis.restore_dump();
        assert_eq!(get(&redis).await.as_deref(), Some("old"), "append only: {append_only}");
    }
}

#[tokio::test]
async fn an_append_only_file_survives_a_kill() {
    let redis = RedisServer::builder().appendonly(true).start().unwrap();
    set(&redis, "1").await;
    redis.kill();
    redis.restart();
    assert_eq!(get(&redis).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_paused_server_answers_after_it_was_resumed() {
    let redis = RedisServer::start().unwrap();
    let mut connection = redis.connect().await.unwrap();
    redis.pause();
    let ping = redis::cmd("PING");
    let mut answer = Box::pin(ping.query_async::<Value>(&mut connection));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut answer).await.is_err());
    redis.resume();
    assert_eq!(answer.await.unwrap(), Value::SimpleString("PONG".to_owned()));
    redis.pause();
    redis.restart();
    assert_eq!(get(&redis).await, None);
}

#[tokio::test]
async fn passwords_and_users_are_asked_for() {
    let builder = RedisServer::builder()
        .password("secret")
        .acl("reader on >hush ~* +get")
        .setting("maxmemory", "10mb")
        .setting("maxmemory-policy", "noeviction");
    let redis = RedisTopology::start_with(&builder, 1).unwrap();
    set(&redis.primary, "1").await;
    let policy: Vec<String> = redis.primary.query(&["CONFIG", "GET", "maxmemory-policy"]).await;
    assert_eq!(policy, ["maxmemory-policy", "noeviction"]);
    let port = redis.primary.port();
    let ask = async |login: &str, command: &str| {
        let client = redis::Client::open(format!("redis://{login}127.0.0.1:{port}/"))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd(command).arg("cart").query_async::<Option<String>>(&mut connection).await
    };
    assert_eq!(ask("", "GET").await.unwrap_err().code(), Some("NOAUTH"));
    assert_eq!(ask("reader:hush@", "GET").await.unwrap().as_deref(), Some("1"));
    assert_eq!(ask("reader:hush@", "DEL").await.unwrap_err().code(), Some("NOPERM"));
}

#[tokio::test]
async fn replication_can_be_disturbed_through_a_proxy() {
    let redis = RedisTopology::start(1).unwrap();
    let replica = &redis.replicas[0];
    let proxy = ChaosProxy::start(([127, 0, 0, 1], redis.primary.port())).unwrap();
    replica.replica_of("127.0.0.1", proxy.port());
    replica.wait_online(PATIENCE);
    proxy.set(Mode::Stall);
    assert_eq!(set_and_wait(&redis.primary, "late", 1, Duration::from_millis(300)).await, 0);
    assert_eq!(get(replica).await, None);
    proxy.set(Mode::Pass);
    eventually(PATIENCE, async || get(replica).await.as_deref() == Some("late")).await;
}
