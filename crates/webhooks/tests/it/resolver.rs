//! Names as a test wants them.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use cartwright_webhooks::Resolve;

/// Answers in turn, whatever the name; the last answer again and again.
#[derive(Debug)]
pub(crate) struct Scripted(Mutex<(VecDeque<Vec<IpAddr>>, Vec<String>)>);

impl Scripted {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let addresses = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new((answers.iter().map(addresses).collect(), Vec::new()))))
    }

    /// This machine.
    pub(crate) fn here() -> Arc<Self> {
        Self::new(&[&["127.0.0.1"]])
    }

    /// The names that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }
}

#[async_trait]
impl Resolve for Scripted {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let (answers, asked) = &mut *self.0.lock().unwrap();
        asked.push(host.to_owned());
        let last = answers.len() <= 1;
        let answer = if last { answers.front().cloned() } else { answers.pop_front() };
        answer.ok_or_else(|| io::Error::other("no such name"))
    }
}

/// Never answers.
#[derive(Debug)]
pub(crate) struct Silent;

#[async_trait]
impl Resolve for Silent {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        std::future::pending().await
    }
}
