//! Subcommands that end.

use std::path::Path;

use cartwright_testkit::{Postgres, RedisTopology, Varnish, eventually, ports};

use crate::kit::{START, VCL, run, text};

#[test]
fn a_bad_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cartwright.toml"), "[server]\nlisen = '127.0.0.1:1'\n").unwrap();
    let refused = run(folder.path(), &[], &[]);
    assert!(!refused.status.success());
    assert!(text(&refused).contains("server.lisen"), "{}", text(&refused));
    let doctor = run(folder.path(), &["doctor"], &[]);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(text(&doctor).contains("server.lisen"), "{}", text(&doctor));
}

#[test]
fn certificates_of_redis_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let variables =
        [("REDIS_URL", "rediss://127.0.0.1:1"), ("CARTWRIGHT__CACHE__REDIS_CA_FILE", "/nowhere/ca.pem")];
    for command in ["serve", "doctor"] {
        let refused = run(folder.path(), &[command], &variables);
        assert!(!refused.status.success());
        let said = text(&refused);
        assert!(said.contains("cache.redis_ca_file") && said.contains("/nowhere/ca.pem"), "{said}");
    }
}

#[test]
fn openapi_prints_a_document() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["openapi"], &[]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["paths"]["/api/v1/carts/{user_id}"].is_object(), "{document}");
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "it leaves nothing behind");
}

#[test]
fn seeding_twice_adds_nothing_and_an_interrupted_run_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let seed = |users: &str, lines: &str| {
        let output =
            run(folder.path(), &["seed", "--users", users, "--lines", lines, "--products", "50"], &[]);
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    assert!(seed("40", "3").contains("40 carts of 3 lines filled, 0 left"));
    assert!(seed("40", "3").contains("0 carts of 3 lines filled, 40 left"));
    assert!(seed("60", "3").contains("20 carts of 3 lines filled, 40 left"));
    // Carts with the first three of five lines are what an interrupted run leaves.
    assert!(seed("60", "5").contains("60 carts of 5 lines filled, 0 left"));
    assert!(seed("60", "5").contains("0 carts of 5 lines filled, 60 left"));
}

#[test]
fn migrate_lists_what_it_applies() {
    let folder = tempfile::tempdir().unwrap();
    let first = text(&run(folder.path(), &["migrate"], &[]));
    assert!(first.contains("applied"), "{first}");
    let second = text(&run(folder.path(), &["migrate"], &[]));
    assert!(second.contains("up to date"), "{second}");
}

fn doctor(folder: &Path, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = run(folder, &["doctor"], variables);
    (output.status.code(), text(&output))
}

#[test]
fn doctor_tells_a_good_redis_from_a_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisTopology::start(1).unwrap();
    let (primary, replica) = (redis.primary.url(), redis.replicas[0].url());
    let good = [("REDIS_URL", primary.as_str()), ("REDIS_REPLICA_URLS", replica.as_str())];
    let (code, said) = doctor(folder.path(), &good);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("takes writes") && said.contains("bytes behind"), "{said}");

    redis.replicas[0].promote();
    let (code, said) = doctor(folder.path(), &good);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("several take writes"), "{said}");

    let nowhere = format!("redis://:hunter2@127.0.0.1:{}/", ports::free_port());
    let (code, said) = doctor(folder.path(), &[("REDIS_URL", &nowhere)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn doctor_tells_a_good_replica_of_the_database_from_a_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    let primary = Postgres::start().unwrap();
    let url = primary.fresh_database().await;
    let replica = primary.start_replica().unwrap();
    let good = replica.url(url.rsplit('/').next().unwrap());
    let doctor = |replicas: &str| {
        doctor(folder.path(), &[("DATABASE_URL", &url), ("DATABASE_REPLICA_URLS", replicas)])
    };
    eventually(START, async || {
        let (code, said) = doctor(&good);
        assert_eq!(code, Some(0), "{said}");
        said.contains("answers, a standby, 0 bytes behind")
    })
    .await;

    replica.pause_replay().await;
    primary.fresh_database().await;
    let (code, said) = doctor(&good);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a standby, ") && !said.contains(" 0 bytes behind"), "{said}");

    let nowhere = format!("postgres://u:hunter2@127.0.0.1:{}/d", ports::free_port());
    let (code, said) = doctor(&format!("{url},{nowhere}"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no standby") && said.contains("Connection refused"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn doctor_tells_a_good_varnish_from_a_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let doctor = |urls: &str| doctor(folder.path(), &[("CARTWRIGHT__EDGE__VARNISH_URLS", urls)]);
    let varnish = Varnish::start(VCL).unwrap();
    let good = url(varnish.port());
    let (code, said) = doctor(&good);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("Varnish {good}: accepts purges")), "{said}");

    let strict = Varnish::start(&VCL.replace("    \"127.0.0.1\";\n", "")).unwrap();
    let (strict, nowhere) = (url(strict.port()), url(ports::free_port()));
    let (code, said) = doctor(&format!("{strict},{good},{nowhere}"));
    assert_eq!(code, Some(1), "{said}");
    for line in [
        format!("fail  Varnish {strict}: the edge did not purge: 403"),
        format!("ok    Varnish {good}: accepts purges"),
        format!("fail  Varnish {nowhere}: the edge cannot be reached"),
    ] {
        assert!(said.contains(&line), "{said}");
    }
}

#[tokio::test]
async fn doctor_tells_who_would_be_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = doctor(folder.path(), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ok    auth.mode: trusted-header"), "{said}");

    let secret = "0123456789abcdef0123456789abcdef";
    let jwt = [("CARTWRIGHT__AUTH__MODE", "jwt"), ("CARTWRIGHT__AUTH__SECRET", secret)];
    let (code, said) = doctor(folder.path(), &jwt);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("jwt: 1 keys configured, 0 fetched"), "{said}");
    assert!(said.contains("warn  auth.audiences"), "{said}");
    assert!(!said.contains(secret), "{said}");
    let audience = ("CARTWRIGHT__AUTH__AUDIENCES", "shop");
    let (_, said) = doctor(folder.path(), &[jwt[0], jwt[1], audience]);
    assert!(!said.contains("warn  auth"), "{said}");

    let nowhere = format!("http://127.0.0.1:{}/keys", cartwright_testkit::ports::free_port());
    let keys = [jwt[0], audience, ("CARTWRIGHT__AUTH__JWKS_URL", nowhere.as_str())];
    let (code, said) = doctor(folder.path(), &keys);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("fail  auth.jwks_url"), "{said}");
    assert!(said.contains("warn  auth.issuers"), "{said}");
}
