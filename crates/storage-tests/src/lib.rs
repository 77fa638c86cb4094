//! One conformance suite for every store.
//!
//! [`rules`] has one async function for each rule of the contract in `cartwright-storage`; each gets a fresh, empty,
//! migrated store. [`conformance!`] turns all of them into tests of one store:
//!
//! ```text
//! async fn fresh() -> (SqliteStore, TempDir) { … }
//! cartwright_storage_tests::conformance!(fresh);
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a library of tests: to panic is how it reports"
)]

mod buying;
mod fences;
mod holding;
mod kit;
mod model;
mod queue;
pub mod rules;
pub mod sessions;
mod shop;

pub use buying::buy;
pub use fences::{BlockingFence, RecordingFence};
pub use holding::{LASTS, claiming, hold, renewal};
pub use kit::{Kit, add, add_unlisted, claim, claimed, clear, merge, owner, product, remove, request, set};
pub use queue::{job, name, unique};
pub use shop::{change, details, imported, order, sold};

/// The migrations for a database, by the names of their folders.
pub fn migrations(database: &str) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(database);
    let folders = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Makes one `#[tokio::test]` of each rule.
///
/// `$fresh` is an `async fn() -> (impl Store, guard)`: a fresh, empty, migrated store, and whatever must live as long
/// as it (a temporary folder, say). The calling crate needs `tokio` with `macros` and `rt-multi-thread`, and
/// `cartwright-storage`.
#[macro_export]
macro_rules! conformance {
    ($fresh:path) => {
        $crate::conformance!(@of $fresh:
            a_cart_nobody_wrote_to_is_empty_and_stays_unwritten,
            add_makes_and_accumulates_a_line,
            set_remove_and_clear,
            merge_moves_lines_and_reports,
            a_refused_merge_loses_nothing,
            lines_times_and_order_survive_a_reload,
            every_legal_id_and_name_is_kept_exactly,
            the_largest_values_are_kept_exactly,
            a_full_cart_takes_no_more_lines,
            a_line_takes_no_more_than_a_thousand_units,
            a_cart_has_one_currency,
            random_batches_agree_with_the_domain,
            the_catalogue_decides_name_and_price,
            unlisted_products_need_the_policy_and_data,
            listings_are_counted_and_replaced,
            a_rule_fails_alone_and_sees_what_came_before,
            expected_versions_are_checked,
            versions_only_grow_and_count_changes,
            an_empty_batch_is_nothing,
            what_changes_nothing_is_not_written,
            the_fence_is_raised_once_with_exactly_the_changing_carts,
            the_fence_sees_the_gate_of_the_database,
            a_refused_fence_leaves_nothing_behind,
            a_batch_that_is_dropped_leaves_nothing_behind,
            a_key_replays_its_first_answer,
            a_key_with_another_payload_is_refused,
            two_equal_keys_in_a_batch_and_other_principals,
            refusals_are_not_kept,
            keys_expire_after_a_day,
            old_keys_are_forgotten_in_portions,
            a_merge_with_a_key_happens_once,
            one_key_in_concurrent_batches_takes_effect_once,
            keys_are_any_text,
            load_answers_each_owner_in_order,
            a_fill_of_a_quiet_cart_is_locked,
            a_fill_never_waits_for_a_batch,
            a_fill_shows_what_was_acknowledged,
            concurrent_adds_to_one_cart_all_count,
            crossing_merges_lose_and_invent_nothing,
            a_new_gate_is_closed,
            the_gate_opens_and_closes_once_per_epoch,
            concurrent_closings_count_once,
            quick_closings_pause_longer,
            replicas_change_by_compare_and_set,
            ping_answers,
            a_product_is_kept_exactly,
            products_without_an_id_are_numbered,
            concurrent_products_get_different_numbers,
            a_product_is_made_once_for_a_key,
            a_taken_id_keeps_no_key,
            keys_of_products_expire_after_a_day,
            products_and_carts_share_their_keys,
            one_key_in_concurrent_creations_makes_one_product,
            products_are_read_in_order,
            a_change_says_what_was_and_what_is,
            concurrent_changes_all_count,
            a_product_is_removed_or_retired,
            carts_see_products_of_the_catalogue,
            imports_write_over_what_is_there,
            a_large_import_is_counted,
            imports_keep_what_they_do_not_name,
            rows_of_an_import_follow_each_other,
            an_import_undoes_nothing_that_happens_meanwhile,
            concurrent_imports_make_each_product_once,
            every_order_is_listed_by_pages_and_by_cursors,
            lists_are_filtered,
            a_cursor_goes_on_where_its_product_was,
            categories_are_counted,
            counts_follow_every_write,
            words_are_found_in_name_category_and_description,
            the_last_word_may_be_a_beginning,
            searches_are_filtered_and_sorted,
            facets_say_what_was_found,
            a_search_has_an_end,
            changed_products_are_found_by_their_new_words,
            filters_see_every_change,
            any_text_can_be_searched,
            typos_are_tolerated_where_promised,
            results_are_kept_until_they_expire,
            generations_are_random_and_change,
            tops_are_counted_once,
            windows_move_on,
            orders_are_counted_in_portions,
            related_products_were_bought_together,
            recommendations_leave_out_what_somebody_has,
            refreshes_at_the_same_time_count_once,
            an_order_is_kept_exactly_and_takes_its_stock,
            what_does_not_fit_is_refused_alone,
            what_cannot_be_sold_is_refused,
            a_product_that_sells_is_sold_as_it_is_now,
            a_cart_is_ordered_once,
            a_cart_that_is_not_remembered_is_bought_as_it_is,
            a_higher_price_needs_consent,
            unlisted_lines_have_no_stock,
            an_order_is_made_once_for_a_key,
            a_checkout_without_its_fence_leaves_nothing_behind,
            concurrent_buyers_get_exactly_what_there_is,
            crossing_orders_do_not_wait_in_a_circle,
            concurrent_checkouts_of_a_cart_are_one_order,
            orders_go_on_and_return_their_stock_once,
            steps_are_taken_together,
            orders_are_listed_newest_first,
            orders_and_their_jobs_are_made_together,
            how_far_an_order_is_can_be_noted,
            every_change_of_stock_is_in_the_ledger,
            what_the_catalogue_does_not_know_has_no_stock,
            a_hold_is_kept_exactly_and_takes_its_stock,
            what_cannot_be_held_is_refused,
            a_hold_becomes_one_order,
            holds_and_their_orders_are_made_once_for_a_key,
            a_hold_ends_at_its_very_moment,
            a_hold_is_renewed_up_to_its_end,
            an_expired_hold_keeps_nobody_from_buying,
            a_slower_clock_brings_no_hold_back,
            an_expired_hold_keeps_nobody_from_holding,
            an_expired_hold_is_renewed_while_its_units_are_there,
            an_expired_hold_is_not_renewed_beyond_the_limit,
            products_of_holds_stay,
            expired_holds_are_cleaned_in_portions,
            holds_are_warned_of_once,
            old_holds_are_forgotten,
            a_hold_of_five_hundred_lines,
            concurrent_holders_get_exactly_what_there_is,
            a_hold_ends_once,
            stock_held_and_sold_are_constant,
            nobody_is_refused_what_has_expired,
            a_position_never_goes_back,
            a_job_is_claimed_once_and_done,
            concurrent_claims_never_share_a_job,
            jobs_are_kept_exactly,
            scheduled_jobs_wait,
            priorities_starve_nobody,
            failures_are_tried_again_and_then_dead,
            jobs_that_are_given_back_were_not_tried,
            leases_end_and_fences_hold,
            unique_jobs_are_made_once,
            a_thousand_concurrent_enqueues_of_a_unique_job_make_one,
            unique_jobs_cross_without_a_deadlock,
            each_tick_runs_once,
            a_rate_is_shared,
            jobs_are_cancelled,
            a_wish_to_cancel_is_not_lost,
            dead_letters_are_retried_and_purged,
            jobs_are_listed_by_pages,
            queues_are_paused,
            queues_are_counted,
            workers_are_known,
            finished_jobs_are_cleaned,
            failing_jobs_are_found,
            all_dead_letters_are_retried,
            counts_are_added_up,
            events_are_numbered_and_read_from_anywhere,
            a_search_for_rare_events_goes_on_where_it_ended,
            concurrent_events_are_numbered_once_and_without_gaps,
            each_target_gets_a_delivery_of_what_it_wants,
            events_are_published_in_order_and_again_after_a_death,
            events_that_nobody_wants_are_passed_over,
            old_events_are_removed_in_portions,
            targets_are_kept_exactly,
            what_was_changed_meanwhile_is_not_gone,
            carts_tell_of_each_new_version,
            events_of_a_cart_are_in_the_order_of_its_versions,
            orders_tell_what_becomes_of_them,
            low_stock_is_told_when_it_comes_to_be,
            low_stock_is_told_once_whoever_buys,
            expiring_holds_are_told_of,
            holds_tell_of_the_stock_that_they_leave_low,
            abandoned_carts_are_told_of_once,
            concurrent_walks_tell_once,
            carts_are_walked_along_in_the_order_of_their_hours,
            what_comes_late_and_belongs_in_front_is_soon_claimed,
            a_profile_is_kept_exactly,
            a_profile_is_changed_from_the_version_one_knows,
            concurrent_profiles_all_count,
            somebody_is_forgotten,
            what_somebody_held_last_is_back,
            nobody_is_forgotten_without_the_fence,
            what_is_kept_of_somebody_is_handed_out,
            a_checkout_under_way_comes_before,
            a_write_that_waits_comes_after,
            who_is_forgotten_while_he_acts_is_forgotten_at_last,
        );
    };
    (@of $fresh:path: $($rule:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            let (store, guard) = $fresh().await;
            $crate::rules::$rule($crate::Kit::new(store)).await;
            drop(guard);
        }
    )*};
}
