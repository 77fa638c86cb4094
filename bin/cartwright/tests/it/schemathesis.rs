//! The API does what its OpenAPI document says: asked by schemathesis, thing by thing and in sequences that the document's
//! links make. What it checks, and what not, stands in `tests/schemathesis/schemathesis.toml`.
//!
//! `CARTWRIGHT_SCHEMATHESIS=1000` has it try so many examples of each operation, and `CARTWRIGHT_SCHEMATHESIS_SEED=7` others.

use std::{path::Path, time::Duration};

use cartwright_testkit::{Postgres, RedisServer, locate, ports};
use tokio::{process::Command, time::timeout};

use crate::kit::{Node, run, text};

/// How many examples of each operation. A minute's worth.
const EXAMPLES: u32 = 15;
/// Ends what hangs; for so many examples.
const PATIENCE: Duration = Duration::from_secs(600);
const SECRET: &str = "a secret of tests, which is long enough";

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis/schemathesis.toml");
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis/hooks.py");

fn number(variable: &str, default: u32) -> u32 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}"))
    })
}

/// Starts a node, asks it everything with these headers, and requires that all is as documented.
async fn conforms(variables: &[(&str, &str)], callers: &[&str], more: &[&str]) {
    let program = locate::schemathesis().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Webhooks come back to the node itself: that is all that there is for certain.
    let port = ports::free_port().to_string();
    let mut all = vec![
        ("CARTWRIGHT__WEBHOOKS__ALLOW_PRIVATE", "true"),
        ("CARTWRIGHT__WEBHOOKS__ALLOW_HTTP", "true"),
        ("CARTWRIGHT__WEBHOOKS__PORTS", port.as_str()),
    ];
    all.extend(variables);
    let node = Node::start_at(folder.path(), &format!("127.0.0.1:{port}"), &all);
    let examples = number("CARTWRIGHT_SCHEMATHESIS", EXAMPLES);
    let seed = number("CARTWRIGHT_SCHEMATHESIS_SEED", 1);
    let mut command = Command::new(program);
    command
        .current_dir(folder.path())
        .env("SCHEMATHESIS_HOOKS", HOOKS)
        .env("CARTWRIGHT_RECEIVER", format!("{}/livez", node.url))
        .args(["--config-file", CONFIGURATION, "run", &format!("{}/openapi.json", node.url), "--no-color"])
        .args(["--max-examples", &examples.to_string(), "--seed", &seed.to_string()])
        .args(callers.iter().flat_map(|header| ["--header", header]))
        .args(more)
        .kill_on_drop(true);
    let patience = PATIENCE * (1 + examples / EXAMPLES);
    let output = timeout(patience, command.output()).await.expect("it ends in time").unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}\n{}", node.process.log());
    // Not a run that found nothing to ask.
    let asked = said.lines().find_map(|line| line.trim().split_once(" generated")?.0.parse::<u32>().ok());
    assert!(asked.is_some_and(|asked| asked > 2_000), "{said}");
    node.stop();
}

const OPERATOR: [&str; 2] = ["X-User-ID: user-1", "X-User-Scopes: admin"];
/// In this mode all are believed: nothing is refused for who says it.
const BELIEVED: [&str; 2] = ["--exclude-checks", "ignored_auth"];

#[tokio::test]
async fn everything_is_as_documented_when_callers_are_believed() {
    conforms(&[], &OPERATOR, &BELIEVED).await;
}

#[tokio::test]
async fn everything_is_as_documented_with_tokens() {
    let variables = [("CARTWRIGHT__AUTH__MODE", "jwt"), ("CARTWRIGHT__AUTH__SECRET", SECRET)];
    let token = token(&variables);
    conforms(&variables, &[&format!("Authorization: Bearer {token}")], &[]).await;
}

#[tokio::test]
async fn everything_is_as_documented_on_postgresql_and_redis() {
    let url = Postgres::shared().fresh_database().await;
    let redis = RedisServer::start().unwrap();
    let redis = redis.url();
    let variables = [("DATABASE_URL", url.as_str()), ("REDIS_URL", redis.as_str())];
    let folder = tempfile::tempdir().unwrap();
    seed(folder.path(), &variables);
    conforms(&variables, &OPERATOR, &BELIEVED).await;
}

fn seed(folder: &Path, variables: &[(&str, &str)]) {
    let sizes = ["--users", "10", "--lines", "2", "--products", "50", "--orders", "20"];
    let seeded = run(folder, &[&["seed"], sizes.as_slice()].concat(), variables);
    assert!(seeded.status.success(), "{}", text(&seeded));
}

/// An operator's.
fn token(variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), &["token", "user-1", "--scope", "admin", "--minutes", "600"], variables);
    assert!(made.status.success(), "{}", text(&made));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}
