//! Rules of rate limits.

pub mod admission;
mod kit;
pub mod time;

pub use kit::{Limiters, address, quota, user};

/// Makes one `#[tokio::test]` of each rule of rate limits.
///
/// `$fresh` is an `async fn() -> (Limiters, guard)`: two nodes that share their counters, which may be the same for a
/// limiter within one process, and whatever must live as long as they.
#[macro_export]
macro_rules! limit_conformance {
    ($fresh:path) => {
        $crate::limit_conformance!(@of $fresh: admission:
            the_quota_is_admitted_and_no_more,
            a_refusal_costs_nothing,
            many_at_once_are_admitted_exactly,
            two_nodes_share_one_budget,
            ten_times_the_limit_of_a_thousand_addresses_and_users,
            all_keys_count_a_request_or_none,
            a_key_named_twice_counts_twice,
            keys_do_not_mix,
            who_goes_away_is_counted_at_most_once,
            nothing_asked_nothing_answered,
        );
        $crate::limit_conformance!(@of $fresh: time:
            who_waits_as_told_is_admitted_and_nobody_earlier,
            pressure_is_admitted_at_the_pace_of_the_quota,
            who_pauses_has_the_whole_quota_again,
        );
    };
    (@of $fresh:path: $topic:ident: $($rule:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            let (limiters, guard) = $fresh().await;
            $crate::limits::$topic::$rule(limiters).await;
            drop(guard);
        }
    )*};
}
