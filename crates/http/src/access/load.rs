//! How many requests are under way, and who has to come again when they are too many.

use std::sync::{
    Arc,
    atomic::{AtomicIsize, Ordering},
};

use metrics::{counter, gauge};

use crate::problem::{Problem, Refusal};

/// What is refused first when there is too much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// Searches, lists and rankings: they cost most, and a shopper who waits for one has lost nothing.
    Searches,
    /// All but the others.
    Others,
    /// Carts, orders and holds: what the shop is for.
    Shopping,
    /// Whether the node is up: never refused, and not counted.
    Free,
}

/// So many requests under way in this process, of whatever kind, and more of a kind are refused. 0: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MostUnderWay {
    /// Searches, lists and rankings.
    pub searches: usize,
    /// Other reads and changes.
    pub others: usize,
    /// Carts, orders and holds.
    pub shopping: usize,
}

impl Default for MostUnderWay {
    fn default() -> Self {
        Self { searches: 256, others: 1_024, shopping: 4_096 }
    }
}

/// Counts the requests under way. A clone counts the same ones.
#[derive(Debug, Clone, Default)]
pub struct Load(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// May be off by those that begin or end at this moment.
    under_way: AtomicIsize,
    most: MostUnderWay,
}

impl Load {
    /// Refuses what is more than this.
    pub fn new(most: MostUnderWay) -> Self {
        Self(Arc::new(Counts { under_way: AtomicIsize::new(0), most }))
    }

    /// One more, until what this returns is dropped.
    pub(super) fn begin(&self, worth: Worth) -> Result<Option<UnderWay>, Problem> {
        let MostUnderWay { searches, others, shopping } = self.0.most;
        let (most, kind) = match worth {
            Worth::Searches => (searches, "searches"),
            Worth::Others => (others, "others"),
            Worth::Shopping => (shopping, "shopping"),
            Worth::Free => return Ok(None),
        };
        let before = self.0.under_way.fetch_add(1, Ordering::Relaxed);
        let begun = UnderWay(self.clone());
        if most > 0 && usize::try_from(before).is_ok_and(|before| before >= most) {
            counter!("cartwright_http_shed_total", "kind" => kind).increment(1);
            return Err(Refusal::Overloaded.into());
        }
        Ok(Some(begun))
    }

    /// While a request waits for its client, nothing is done for it: clients that are slow must not look like work.
    pub(crate) fn aside(&self) -> Aside<'_> {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        Aside(self)
    }

    /// Tells the metrics.
    pub(crate) fn record(&self) {
        let under_way = u32::try_from(self.0.under_way.load(Ordering::Relaxed)).unwrap_or_default();
        gauge!("cartwright_http_requests_under_way").set(under_way);
    }
}

/// Describes the metrics of this module to the installed recorder.
pub(crate) fn describe() {
    metrics::describe_gauge!(
        "cartwright_http_requests_under_way",
        "Requests that are being answered, without those that wait for their client's body"
    );
    metrics::describe_counter!(
        "cartwright_http_shed_total",
        "Requests that were refused because too many were under way, by kind"
    );
}

/// A request under way.
pub(crate) struct UnderWay(Load);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that waits for its client.
pub(crate) struct Aside<'a>(&'a Load);

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_add(1, Ordering::Relaxed);
    }
}
