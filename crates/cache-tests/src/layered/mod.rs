//! Rules of layered caches: of what they are made of, and of what comes of it.

pub mod changes;
pub mod contract;
mod kit;
pub mod loads;

pub use kit::{Item, Nodes, Parts, Truth, item, number, shown, until};

/// Makes one `#[tokio::test]` of each rule of layered caches.
///
/// `$fresh` is an `async fn() -> (Parts, Parts, guard)`: what two nodes of one shop are made of, in use and empty, and
/// whatever must live as long as they.
#[macro_export]
macro_rules! layered_conformance {
    ($fresh:path) => {
        $crate::layered_conformance!(@of $fresh: contract:
            one_of_many_puts_where_nothing_is,
            a_value_is_replaced_only_by_who_knows_its_head,
            what_is_put_runs_out,
            a_release_leaves_the_marks_of_others,
            a_release_leaves_what_it_is_told_for_a_while,
            any_keys_and_values_survive,
            thousands_at_once_come_in_order,
            namespaces_do_not_mix,
            everybody_hears_everything_in_order,
            an_echo_comes_back_after_what_was_said_before,
        );
        $crate::layered_conformance!(@of $fresh: loads:
            a_value_is_loaded_once_and_found_everywhere,
            a_herd_is_one_load,
            a_load_goes_on_when_who_asked_is_gone,
            many_keys_are_one_load,
            what_is_not_there_is_remembered_until_it_is_made,
            what_is_stale_is_served_while_it_is_renewed,
            what_is_stale_is_served_when_loading_fails,
            a_load_that_hangs_fails_in_time,
            nobody_waits_for_a_slow_node_for_long,
            what_is_asked_for_often_is_renewed_before_its_time,
            what_is_fetched_ahead_is_there_and_its_use_is_counted,
        );
        $crate::layered_conformance!(@of $fresh: changes:
            changes_are_seen_at_once_on_every_node,
            a_load_that_began_before_a_change_is_not_kept,
            nobody_keeps_what_may_be_changing,
            changes_at_the_same_time_do_not_end_each_other,
            many_keys_change_together,
            loads_read_from_where_the_change_is,
            what_depends_on_a_tag_changes_with_it,
        );
    };
    (@of $fresh:path: $topic:ident: $($rule:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            let (one, other, guard) = $fresh().await;
            $crate::layered::$topic::$rule($crate::layered::Nodes::start(one, other).await).await;
            drop(guard);
        }
    )*};
}
