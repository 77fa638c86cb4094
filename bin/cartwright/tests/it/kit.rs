//! Starting the binary, and talking to it.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use cartwright_testkit::{ServerProcess, eventually, evidence, ports};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::client::Client;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cartwright");
pub(crate) const START: Duration = Duration::from_secs(30);
/// What is shipped for Varnish.
pub(crate) const VCL: &str = include_str!("../../../../deploy/varnish/default.vcl");

/// A running server.
pub(crate) struct Node {
    pub(crate) process: ServerProcess,
    pub(crate) url: String,
}

impl Node {
    /// Starts `cartwright` in a folder, with nothing in its environment but this, and waits until it is ready.
    pub(crate) fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_at(folder, &format!("127.0.0.1:{}", ports::free_port()), variables)
    }

    /// The same, on an address that is known before.
    pub(crate) fn start_at(folder: &Path, address: &str, variables: &[(&str, &str)]) -> Self {
        let builder = ServerProcess::builder(PROGRAM).clear_env().current_dir(folder);
        // Tests ask more often than people.
        let mut builder = builder.env("CARTWRIGHT__LIMITS__ENABLED", "false");
        for (name, value) in variables {
            builder = builder.env(name, value);
        }
        let process = builder.env("CARTWRIGHT__SERVER__LISTEN", address).start().unwrap();
        let node = Self { process, url: format!("http://{address}") };
        node.wait_ready();
        node
    }

    pub(crate) fn wait_ready(&self) {
        self.process.wait_ready(&format!("{}/readyz", self.url), START).unwrap();
    }

    /// Waits until it says so. It answers a moment before it says that it is ready.
    pub(crate) async fn says(&self, text: &str) {
        eventually(START, async || self.process.log().contains(text)).await;
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.url).await.unwrap()
    }

    /// Ends it as an operator does, and requires that it says so.
    pub(crate) fn stop(&self) {
        self.process.terminate();
        let status = self.process.wait_exit(START).expect("it ends in time");
        assert!(status.success(), "{status}: {}", self.process.log());
    }
}

/// Runs a subcommand to its end.
pub(crate) fn run(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(args).current_dir(folder).env_clear().envs(variables.iter().copied());
    let output = command.output().unwrap();
    // What it is asked for is on standard output; what it says of that is a log.
    evidence::said(&output.stderr);
    output
}

/// Brings a database up to date.
pub(crate) fn migrate(folder: &Path, variables: &[(&str, &str)]) {
    let migrated = run(folder, &["migrate"], variables);
    assert!(migrated.status.success(), "{}", text(&migrated));
}

pub(crate) fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

/// A request that must be answered with this status; returns the JSON of the answer.
pub(crate) async fn expect(client: &mut Client, status: u16, method: &str, path: &str, body: &str) -> Value {
    let answer = client.send(method, path, body).await.unwrap();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    evidence::carried(&text);
    assert_eq!(answer.status, status, "{method} {path}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// Adds one of each product in turn, from 64 clients with 200 requests each, and requires that not one is lost.
pub(crate) async fn exact_sum(nodes: &[&Node], product: impl Fn(usize) -> String) {
    const CLIENTS: usize = 64;
    const ADDS: usize = 200;
    const PRODUCTS: usize = 20;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..CLIENTS {
        let mut client = nodes[n % nodes.len()].client().await;
        let bodies: Vec<String> = (0..ADDS)
            .map(|add| format!(r#"{{"product_id": "{}", "quantity": 1}}"#, product((n + add) % PRODUCTS + 1)))
            .collect();
        tasks.spawn(async move {
            let mut last = 0;
            for body in bodies {
                let cart = expect(&mut client, 200, "POST", "/api/v1/carts/everybody/items", &body).await;
                let version = cart["version"].as_u64().unwrap();
                assert!(version > last, "versions only grow: {version} after {last}");
                last = version;
            }
            // What was acknowledged to me is what I read, or something newer.
            let cart = expect(&mut client, 200, "GET", "/api/v1/carts/everybody", "").await;
            assert!(cart["version"].as_u64().unwrap() >= last);
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
    }
    for node in nodes {
        let cart = expect(&mut node.client().await, 200, "GET", "/api/v1/carts/everybody", "").await;
        assert_eq!(cart["total_quantity"], CLIENTS * ADDS);
        assert_eq!(cart["version"], CLIENTS * ADDS);
        let lines = cart["items"].as_array().unwrap();
        assert_eq!(lines.len(), PRODUCTS);
        assert!(lines.iter().all(|line| line["quantity"] == CLIENTS * ADDS / PRODUCTS), "{cart}");
    }
}

/// What came back, with its headers.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Value,
}

impl Shown {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// A read over a connection of its own.
pub(crate) async fn show(url: &str, path: &str) -> Shown {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Shown { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
}
