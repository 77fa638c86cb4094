//! One conformance suite for every cache of carts, one for every bus of events, one for what layered caches share, and
//! one for rate limits.
//!
//! [`rules`] has one async function for each rule of the contracts in `cartwright-cache`. [`conformance!`] turns those
//! of a cache into tests, [`bus_conformance!`] those of a bus:
//!
//! ```text
//! async fn fresh() -> (Arc<dyn CartCache>, Gate, Guard) { … }
//! cartwright_cache_tests::conformance!(fresh);
//!
//! async fn buses() -> (Arc<dyn EventBus>, Arc<dyn EventBus>, Guard) { … }
//! cartwright_cache_tests::bus_conformance!(buses);
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a library of tests: to panic is how it reports"
)]

mod kit;
pub mod layered;
pub mod limits;
pub mod rules;

pub use kit::{Buses, Kit, document, owner, owners};

/// Makes one `#[tokio::test]` of each rule of a cache.
///
/// `$fresh` is an `async fn() -> (Arc<dyn CartCache>, Gate, guard)`: an empty cache that is in use, the gate that it
/// observed last, and whatever must live as long as it. The calling crate needs `tokio` with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! conformance {
    ($fresh:path) => {
        $crate::conformance!(@of $fresh:
            an_absent_cart_gives_one_lease,
            many_readers_of_an_absent_cart_get_one_lease,
            what_is_stored_is_read,
            a_look_is_never_wrong_and_a_claim_always_answers,
            a_hit_stays,
            a_fence_hides_a_hit_at_once,
            a_fence_takes_a_readers_lease_away,
            a_fence_takes_an_earlier_fences_lease_away,
            the_lease_of_a_fence_stores,
            a_fence_without_a_lease_hides_and_leaves_the_rest_to_readers,
            a_reader_may_store_with_the_lease_of_a_fence,
            a_lease_stores_once,
            a_lease_of_another_cart_stores_nothing,
            a_lease_that_was_never_given_stores_nothing,
            a_fence_wins_over_a_store_at_the_same_time,
            a_batch_of_stores_is_decided_one_by_one,
            any_body_survives,
            large_bodies_survive,
            bodies_that_look_like_tokens_survive,
            versions_survive,
            carts_do_not_mix,
            answers_come_in_order,
            the_same_cart_twice_in_a_read,
            nothing_asked_nothing_answered,
            a_fence_of_many_carts_hides_them_all,
            a_fence_of_nobody_is_nothing,
            peek_never_contradicts_read,
            random_histories_never_show_a_fenced_document,
            the_status_makes_sense,
        );
    };
    (@of $fresh:path: $($rule:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            let (cache, gate, guard) = $fresh().await;
            $crate::rules::$rule($crate::Kit::new(cache, gate)).await;
            drop(guard);
        }
    )*};
}

/// Makes one `#[tokio::test]` of each rule of a bus.
///
/// `$fresh` is an `async fn() -> (Arc<dyn EventBus>, Arc<dyn EventBus>, guard)`: two nodes of one bus, which may be the
/// same for a bus within one process, and whatever must live as long as they.
#[macro_export]
macro_rules! bus_conformance {
    ($fresh:path) => {
        $crate::bus_conformance!(@of $fresh:
            listeners_hear_their_own_carts_only,
            all_listeners_of_a_cart_hear,
            what_one_node_publishes_the_other_hears,
            a_version_is_told_as_it_was_published,
            listeners_come_and_go,
            the_last_listener_leaving_does_not_deafen_the_next,
            a_slow_listener_is_told_that_it_missed_something,
            a_slow_listener_holds_up_nobody,
            every_legal_owner_is_heard,
            publishing_nothing_is_nothing,
        );
    };
    (@of $fresh:path: $($rule:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            let (one, other, guard) = $fresh().await;
            $crate::rules::$rule($crate::Buses { one, other }).await;
            drop(guard);
        }
    )*};
}
