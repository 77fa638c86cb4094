//! Puts load on nodes and records what it sees.
//!
//! Each client has one connection to one node and asks again when it has its answer. A write that is acknowledged by
//! one node is followed at once by a read of the same cart from each other node: that is where a stale answer would
//! show.

mod figures;
mod http;
mod worker;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

pub use self::figures::{Figures, NodeFigures};
use crate::{CartKey, History, Nanos, NodeKey, Operation};

/// What load to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the nodes listen.
    pub nodes: Vec<SocketAddr>,
    /// Connections to each node.
    pub connections: usize,
    /// Carts in use at the same time: few, so that clients meet.
    pub carts: u32,
    /// Products in a cart at most.
    pub products: u32,
    /// After so many writes a fresh cart takes the place of one: documents stay small, and no line reaches its limit.
    pub writes_per_cart: u64,
    /// The share of writes, from 0 to 0.4.
    pub writes: f64,
    /// How long a client waits for an answer.
    pub timeout: Duration,
    /// The beginning of the owners' ids.
    pub prefix: String,
}

impl Plan {
    /// Seven reads to three writes of eight carts.
    #[must_use]
    pub fn new(nodes: Vec<SocketAddr>) -> Self {
        Self {
            nodes,
            connections: 12,
            carts: 8,
            products: 10,
            writes_per_cart: 3_000,
            writes: 0.3,
            timeout: Duration::from_secs(10),
            prefix: "history".to_owned(),
        }
    }

    /// How often a client writes that was not sent after somebody else's write. Such reads come on top: one for each
    /// write and other node.
    fn chance_to_write(&self) -> f64 {
        let others = self.nodes.len().saturating_sub(1) as f64;
        (self.writes / (1.0 - self.writes * others).max(self.writes)).clamp(0.0, 1.0)
    }
}

/// What the clients of a run share.
#[derive(Debug)]
struct Shared {
    plan: Plan,
    began: Instant,
    stop: AtomicBool,
    figures: figures::Counters,
    /// How often the cart of each place was replaced.
    generations: Vec<AtomicU32>,
    /// By node: carts that were just written through another one.
    to_check: Vec<Mutex<VecDeque<CartKey>>>,
}

/// Reads that wait to follow a write, by node; more are forgotten, as a node that is down would collect them.
const MOST_TO_CHECK: usize = 64;

impl Shared {
    fn now(&self) -> Nanos {
        Nanos::try_from(self.began.elapsed().as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// One of the carts in use.
    fn any_cart(&self) -> CartKey {
        let place = rand::random_range(0..self.plan.carts.max(1));
        let generation =
            self.generations.get(place as usize).map_or(0, |generation| generation.load(Ordering::Relaxed));
        generation * self.plan.carts + place
    }

    fn owner(&self, cart: CartKey) -> String {
        format!("{}-{cart}", self.plan.prefix)
    }

    /// Tells the clients of the other nodes of a write, and replaces the cart when it is full.
    fn written(&self, cart: CartKey, version: u64, by: NodeKey) {
        for (node, carts) in self.to_check.iter().enumerate() {
            let mut carts = carts.lock().unwrap_or_else(PoisonError::into_inner);
            if node != usize::from(by) && carts.len() < MOST_TO_CHECK {
                carts.push_back(cart);
            }
        }
        if version >= self.plan.writes_per_cart {
            let (generation, place) = (cart / self.plan.carts, cart % self.plan.carts);
            if let Some(current) = self.generations.get(place as usize) {
                // Somebody else may have done so: once is enough.
                let _ = current.compare_exchange(
                    generation,
                    generation + 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
        }
    }

    fn cart_to_check(&self, node: NodeKey) -> Option<CartKey> {
        let carts = self.to_check.get(usize::from(node))?;
        carts.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// A load under way, on a thread and a runtime of its own: the caller may block while it disturbs the servers.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Vec<Operation>>>,
}

impl Load {
    /// Starts the clients.
    ///
    /// # Errors
    /// When there can be no thread or runtime.
    pub fn start(plan: Plan) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared {
            began: Instant::now(),
            stop: AtomicBool::new(false),
            figures: figures::Counters::new(plan.nodes.len()),
            generations: (0..plan.carts.max(1)).map(|_| AtomicU32::new(0)).collect(),
            to_check: plan.nodes.iter().map(|_| Mutex::default()).collect(),
            plan,
        });
        let run = run(Arc::clone(&shared));
        let thread =
            std::thread::Builder::new().name("clients".to_owned()).spawn(move || runtime.block_on(run))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What was done so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.shared.figures.read()
    }

    /// Lets every client finish what it does, and returns what they saw.
    #[must_use]
    pub fn stop(mut self) -> History {
        self.shared.stop.store(true, Ordering::Relaxed);
        let operations = self.thread.take().map(JoinHandle::join);
        match operations {
            Some(Ok(operations)) => History::new(operations),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => History::default(),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// All clients, until they are told to stop.
async fn run(shared: Arc<Shared>) -> Vec<Operation> {
    let mut clients = JoinSet::new();
    for (node, address) in (0..).zip(shared.plan.nodes.clone()) {
        for _ in 0..shared.plan.connections {
            clients.spawn(worker::run(Arc::clone(&shared), node, address));
        }
    }
    clients.join_all().await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
