//! The second layer: what stands there, who is loading it, and who may.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    CacheKey, Expect, Head, Kept, Layer, Put, SharedLayer, Was,
    cache::Inner,
    entry::What,
    fetch::{Found, Job, fresh, millis},
    node::Guarded,
};

/// How often it is looked whether another node has loaded a value: this first, then twice as long, up to the second.
const LOOK: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(32));
/// How much longer a lease lasts than a load.
const MARGIN: Duration = Duration::from_secs(1);

/// What is left to do of a job after a look at the shared layer.
enum Next<K: CacheKey> {
    /// It wants to be loaded by whoever gets the right to.
    Claim(Job<K>, Put),
    /// Somebody else is loading it.
    Wait(Job<K>),
    /// It has to be loaded, and not to be put there.
    Load(Job<K>),
}

/// A put that claims the right to load a value, and what has to stand there when it is loaded.
fn claim<K: CacheKey>(mut job: Job<K>, expect: Expect, lease: Duration) -> (Job<K>, Put) {
    let head = Head::new(What::Lease);
    job.fill = Some(Expect::Head(head));
    let put = Put { key: job.name.clone(), expect, value: head.value(), ttl: lease };
    (job, put)
}

impl<K: CacheKey> Inner<K> {
    /// Reads for those who wait in a lane, until nobody does. What is not found is somebody else's work: nobody else waits
    /// for it.
    pub(crate) async fn read_together(self: Arc<Self>, lane: usize) {
        let Some(lane) = self.reads.lane(lane) else { return };
        let mut drive = lane.drive();
        while let Some(jobs) = drive.next() {
            let Some((shared, namespace)) = self.node.inner.shared() else {
                self.ask_truth(jobs);
                continue;
            };
            let trust = &self.node.inner.trust;
            let latest = jobs.iter().any(|job| job.renews() || !trust.settled(job.stamp()));
            let unanswered: Vec<_> = match self.read(shared, &namespace, &jobs, latest).await {
                None => jobs.into_iter().map(Next::Load).collect(),
                Some(found) => (jobs.into_iter().zip(found))
                    .filter_map(|(job, found)| self.next(job, found.as_ref()))
                    .collect(),
            };
            if !unanswered.is_empty() {
                tokio::spawn(Arc::clone(&self).go_on(unanswered));
            }
        }
    }

    /// Loads what the shared layer does not have, if nobody else does.
    async fn go_on(self: Arc<Self>, unanswered: Vec<Next<K>>) {
        let (mut load, mut wait, mut claims) = (Vec::new(), Vec::new(), Vec::new());
        for next in unanswered {
            match next {
                Next::Claim(job, put) => claims.push((job, put)),
                Next::Wait(job) => wait.push(job),
                Next::Load(job) => load.push(job),
            }
        }
        for (mut job, was) in self.claim(claims).await {
            match was {
                Some(was) if was.put => load.push(job),
                // Somebody was quicker: his lease, or what he loaded.
                Some(was) => {
                    job.fill = None;
                    if job.idle() {
                        self.leave(job);
                        continue;
                    }
                    match self.next(job, was.before.as_ref()) {
                        None => {}
                        Some(Next::Claim(job, _) | Next::Wait(job)) => wait.push(job),
                        Some(Next::Load(job)) => load.push(job),
                    }
                }
                None => {
                    job.fill = None;
                    load.push(job);
                }
            }
        }
        if !wait.is_empty() {
            self.counters.waited_for_others.add(wait.len() as u64);
            tokio::spawn(Arc::clone(&self).wait(wait));
        }
        self.ask_truth(load);
    }

    /// Claims the right to load these. `None`: the layer cannot say.
    async fn claim(&self, claims: Vec<(Job<K>, Put)>) -> Vec<(Job<K>, Option<Was>)> {
        let (jobs, puts): (Vec<_>, Vec<_>) = claims.into_iter().unzip();
        let shared = self.node.inner.shared().filter(|_| !puts.is_empty());
        let was = match shared {
            Some((shared, namespace)) => {
                shared.breaker.call_briefly(shared.layer.put(&namespace, &puts)).await
            }
            None => None,
        };
        let was = was.and_then(Result::ok).into_iter().flatten().map(Some);
        jobs.into_iter().zip(was.chain(std::iter::repeat_with(|| None))).collect()
    }

    async fn read(
        &self,
        shared: &Guarded<dyn SharedLayer>,
        namespace: &str,
        jobs: &[Job<K>],
        latest: bool,
    ) -> Option<Vec<Option<Bytes>>> {
        let keys: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
        let read = shared.breaker.call_briefly(shared.layer.read(namespace, &keys, latest)).await?.ok()?;
        (read.len() == jobs.len()).then_some(read)
    }

    /// `None`: it is answered, or nobody else's business.
    fn next(self: &Arc<Self>, mut job: Job<K>, found: Option<&Bytes>) -> Option<Next<K>> {
        let lease = self.policy.load_timeout + MARGIN;
        let claimed = |mut job: Job<K>, expect| {
            if !self.leases {
                job.fill = Some(expect);
                return Some(Next::Load(job));
            }
            let (job, put) = claim(job, expect, lease);
            Some(Next::Claim(job, put))
        };
        match Found::<K::Value>::read(found) {
            Found::Nothing => claimed(job, Expect::Absent),
            Found::Changed(head) => {
                self.learn(head);
                claimed(job, Expect::Head(head))
            }
            Found::Lease(_) if job.renews() => {
                self.leave(job);
                None
            }
            Found::Lease(_) => Some(Next::Wait(job)),
            Found::Mark => Some(Next::Load(job)),
            Found::Document(entry) => {
                let now = self.node.inner.millis(Instant::now());
                let news = !job.renews() || job.known().is_none_or(|known| known < entry.made);
                if news && fresh(&entry, now) {
                    if let Some((ttl, value)) = self.worth_keeping(&job.name, &entry, false).zip(found) {
                        let (key, value) = (job.name.clone(), value.clone());
                        self.keep_results(vec![Kept { key, value, ttl }]);
                    }
                    self.land(job, &entry, Layer::Shared, false);
                    return None;
                }
                let overdue = now.saturating_sub(entry.made + millis(entry.fresh));
                if news && overdue < millis(self.policy.stale_while_revalidate) {
                    self.answer(&mut job, &entry, Layer::Shared, true);
                }
                // It stays where it is while it is loaded anew, so that others can go on to serve it.
                let put = Put {
                    key: format!("{}:renewal", job.name),
                    expect: Expect::Absent,
                    value: Head::new(What::Lease).value(),
                    ttl: lease,
                };
                job.fill = Some(Expect::Head(entry.head));
                job.remember(entry);
                Some(Next::Claim(job, put))
            }
        }
    }

    /// Loads must not come from a follower of the truth that has not got as far as this.
    fn learn(&self, head: Head) {
        if let Some(position) = head.position() {
            self.node.inner.trust.raise(position);
        }
    }

    /// Waits for those who are loading these, and if they take too long, loads them here.
    async fn wait(self: Arc<Self>, mut jobs: Vec<Job<K>>) {
        let until = Instant::now() + self.policy.lease_wait;
        let (mut pause, longest) = LOOK;
        let mut load = Vec::new();
        while !jobs.is_empty() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
            let Some((shared, namespace)) = self.node.inner.shared() else { break };
            let Some(found) = self.read(shared, &namespace, &jobs, true).await else { break };
            let late = Instant::now() >= until;
            let mut still = Vec::new();
            for (mut job, found) in jobs.into_iter().zip(found) {
                let now = self.node.inner.millis(Instant::now());
                match Found::<K::Value>::read(found.as_ref()) {
                    Found::Document(entry) if fresh(&entry, now) => {
                        self.land(job, &entry, Layer::Shared, false);
                    }
                    Found::Lease(_) | Found::Document(_) if !late => still.push(job),
                    // Whoever has it is slow, or gone. Who of those who wait comes first takes it over by filling.
                    Found::Lease(head) | Found::Changed(head) => {
                        self.learn(head);
                        job.fill = Some(Expect::Head(head));
                        load.push(job);
                    }
                    Found::Document(entry) => {
                        job.fill = Some(Expect::Head(entry.head));
                        job.remember(entry);
                        load.push(job);
                    }
                    Found::Nothing | Found::Mark => load.push(job),
                }
            }
            jobs = still;
        }
        load.append(&mut jobs);
        self.ask_truth(load);
    }
}
