use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    Audience, BusError, Expect, Head, Node, Put, SharedError, Target,
    entry::What,
    node::{Inner, Message},
};

/// Longer than a change may take, from its announcement to its end.
const HOLD: Duration = Duration::from_secs(10);
/// Longer than a message is under way to a node that hears.
const HEARD: Duration = Duration::from_secs(2);
/// How much one message names.
const TOGETHER: usize = 1000;

/// A change could not be announced.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// The shared layer may go on to serve what it has.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// Other nodes may go on to serve what they have.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// A change under way. Dropped without [`done`](Self::done), as when the process dies, what was announced is kept by
/// nobody until the announcement runs out: so it does not matter whether the change came about.
#[derive(Debug)]
#[must_use = "the change has to be declared done when it is made"]
pub struct Change {
    node: Arc<Inner>,
    targets: Vec<String>,
    mark: Head,
    /// Where marks stand, and under which keys that is: not those where another change was under way already, whose
    /// end is not ours to declare.
    marked: Option<(Arc<str>, Vec<String>)>,
}

impl Change {
    pub(crate) async fn begin(node: &Node, targets: Vec<Target>) -> Result<Self, Untold> {
        let targets: BTreeSet<String> = targets.into_iter().map(|target| target.0).collect();
        let node = Arc::clone(&node.inner);
        let mut change =
            Self { node, targets: targets.into_iter().collect(), mark: Head::new(What::Mark), marked: None };
        if let Some(shared) = change.node.shared.as_ref().filter(|shared| shared.layer.namespace().is_none())
        {
            tokio::time::sleep(shared.layer.quiet_in()).await;
        }
        change.node.trust.begin(change.names(), change.mark, HOLD);
        let (marked, told) = tokio::join!(
            change.put_marks(),
            change.tell(|targets, mark| {
                let hold = u64::try_from(HOLD.as_millis()).unwrap_or(u64::MAX);
                Message::Changing { targets, mark, hold }
            })
        );
        told?;
        change.marked = marked?;
        Ok(change)
    }

    /// The change has been made, or given up. From when this returns, nobody who hears serves what was before.
    /// `position`: where the truth has got to by it, if it has positions.
    pub async fn done(self, position: Option<u64>) {
        if let Some(position) = position {
            self.node.trust.raise(position);
        }
        self.node.trust.end(self.names(), self.mark);
        // Who reads from a follower of the truth, and finds nothing there before the message reaches it, has to know how
        // far the follower must have got.
        let leave = position.map(|position| (Head::changed(position), HEARD));
        let cleared = async {
            let Some((namespace, keys)) = &self.marked else { return Ok(()) };
            let Some(shared) = &self.node.shared else { return Ok(()) };
            for keys in keys.chunks(TOGETHER) {
                let released = shared.layer.release(namespace, keys, self.mark, leave);
                shared.breaker.call(released).await.transpose()?;
            }
            Ok::<_, SharedError>(())
        };
        let told = self.tell(|targets, mark| Message::Changed { targets, mark, position });
        // What fails here is safe: the announcement stands until it runs out.
        let (cleared, told) = tokio::join!(cleared, told);
        if let Err(error) = cleared.map_err(Untold::from).and(told.map_err(Untold::from)) {
            tracing::debug!(%error, "the end of a change could not be told");
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(String::as_str)
    }

    async fn put_marks(&self) -> Result<Option<(Arc<str>, Vec<String>)>, SharedError> {
        let Some((shared, namespace)) = self.node.shared() else { return Ok(None) };
        let mut alone = Vec::with_capacity(self.targets.len());
        for keys in self.targets.chunks(TOGETHER) {
            let put = |key: &String| {
                let (key, value) = (key.clone(), self.mark.value());
                Put { key, expect: Expect::Anything, value, ttl: HOLD }
            };
            let puts: Vec<Put> = keys.iter().map(put).collect();
            // Past the breaker: who changes something has to know.
            let was = shared.layer.put(&namespace, &puts).await?;
            let marked = |before: &Option<bytes::Bytes>| {
                before.as_deref().and_then(Head::of).is_some_and(|head| head.is_mark())
            };
            alone.extend(
                keys.iter().zip(was).filter(|(_, was)| !marked(&was.before)).map(|(key, _)| key.clone()),
            );
        }
        Ok(Some((namespace, alone)))
    }

    async fn tell(&self, message: impl Fn(Vec<String>, String) -> Message) -> Result<(), BusError> {
        let Some(bus) = &self.node.bus else { return Ok(()) };
        if self.node.shared.is_some() && self.node.shared().is_none() {
            return Ok(()); // nobody who uses this layer believes what he has kept
        }
        let mark = String::from_utf8_lossy(self.mark.as_bytes()).into_owned();
        for targets in self.targets.chunks(TOGETHER) {
            bus.publish(Audience::All, message(targets.to_vec(), mark.clone()).text()).await?;
        }
        Ok(())
    }
}
