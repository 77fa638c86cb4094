use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// Makes the counters of a cache, and their snapshot, from one list.
macro_rules! figures {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// What happened in one cache since it was made.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Figures {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        /// The counters behind [`Figures`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Figures {
                Figures { $($name: self.$name.0.load(Relaxed),)* }
            }
        }

        impl Figures {
            /// Name and value of each.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

figures! {
    /// Answers from memory.
    l1_hits,
    /// Answers from the shared layer.
    l2_hits,
    /// Answers from kept results.
    l3_hits,
    /// Values that the loader was asked for because somebody wanted them.
    loads,
    /// Answers that shared somebody else's load.
    coalesced,
    /// Answers that there is nothing, from any layer.
    negative_hits,
    /// Answers after their time.
    stale_served,
    /// Loads that failed.
    load_errors,
    /// Values that were loaded anew before anybody had to wait for them.
    refreshes,
    /// Values that had to make room in memory.
    evictions,
    /// Values that were loaded ahead of being asked for.
    prefetched,
    /// Those of them that were then asked for.
    prefetched_used,
    /// Values that another node turned out to be loading.
    waited_for_others,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }
}

impl Figures {
    /// How often something was asked for.
    pub fn requests(&self) -> u64 {
        self.l1_hits + self.l2_hits + self.l3_hits + self.loads + self.coalesced
    }

    /// The share of requests that needed no load of their own. `None`: there were none.
    pub fn hit_ratio(&self) -> Option<f64> {
        let requests = self.requests();
        (requests > 0).then(|| 1.0 - self.loads as f64 / requests as f64)
    }
}
