//! Every statement, as constant text with arrays for parameters.
//!
//! Constant text with a static [`QueryId`](diesel::query_builder::QueryId) is prepared once per connection; diesel's
//! `sql_query` would be prepared anew each time, one more round trip. Arrays keep the text the same for any number of
//! rows.
//!
//! Rows are looked up by many keys in a lateral select with a limit, one key at a time. Of a join the planner makes what it
//! likes, and of a table that was empty when the server last looked at it, it likes to read all there is.

mod built;
mod carts;
mod events;
mod gate;
mod holds;
pub(crate) mod jobs;
mod keys;
mod left_alone;
mod listings;
mod locks;
mod orders;
mod people;
mod products;
mod profiles;
mod results;
mod server;
mod sessions;
mod statistics;
mod words;

pub(crate) use built::{Bind, Built};
pub(crate) use carts::{CartRow, InsertCarts, LoadCarts, UpdateCarts};
pub(crate) use events::{
    AddTarget, ChangeTarget, CleanEvents, CountEvents, InsertEvents, ListenedTypes, LoadEvents, LoadProgress,
    LoadTargets, LockProgress, MoveProgress, NoteDelivery, NumberEvents, NumberedRow, PageRow, RemoveTarget,
    RotateSecret, TargetRow,
};
pub(crate) use gate::{ChangeReplicas, CloseGate, GateRow, OpenGate, ReadGate};
pub(crate) use holds::{
    CountHolds, EmptyExpired, EmptyHolds, EndHolds, ExtendHold, ExtendHoldLines, ForgetHolds, HoldRow,
    InsertHoldLines, InsertHolds, LoadHolds, LoadOrdersOfHolds, LockExpired, LockHolders, LockHolds,
    LockProductsOfHolds, LookExpired, PickExpired, RetakeHoldLines, WarnOfHolds,
};
pub(crate) use keys::{ForgetKeys, KeepAnswers, KeyRow, LoadKeys};
pub(crate) use left_alone::{LoadWalk, LockWalk, MoveWalk, WalkCarts, WalkedRow};
pub(crate) use listings::{CountListings, ListingRow, LoadListings, PutListings};
pub(crate) use locks::{LockCarts, LockStatistics, TryLockCartsShared, TryLockKeys};
pub(crate) use orders::{
    CountDrift, LoadOffers, LoadOrderNote, LoadOrders, LoadOrdersOfCarts, LoadTaken, LoadTransitions,
    LockOffers, LockOrders, MoveStock, NoteOrder, OfferRow, OrderColumns, OrderRow, ReturnStock, Sell,
    StepOrders, order_columns,
};
pub(crate) use people::{
    AnonymizeOrders, EraseCart, EraseHolds, EraseKeys, EraseSessions, HoldsOf, LoadNotesOf, LoadOrdersOf,
    LoadStepsOf, LookForCart, RemoveNotes, RemoveReasons, StepBack,
};
pub(crate) use products::{
    CleanPending, CountCategories, CreateNumbered, CreateProduct, Details, ImportProducts, LoadProducts,
    LockProduct, ProductColumns, ProductRow, RemoveProduct, UpdateProduct, product_columns, units,
};
pub(crate) use profiles::{LoadProfile, PutProfile, RemoveProfile};
pub(crate) use results::{
    BumpGenerations, CleanCached, KeepCached, LoadCached, LoadGenerations, MakeGenerations, RemoveCached,
};
pub(crate) use server::{
    AppliedMigrations, Commit, CommitUnhurried, HasReplayed, IsStandby, LogEnd, MigrationsTableExists,
    Replayed,
};
pub(crate) use sessions::{
    CleanSessions, CreateSession, DeleteSession, LoadSessionsOf, ReadSession, ReplaceSession, RevokeSession,
    RevokeSessions, RotateSession, SessionRow,
};
pub(crate) use statistics::{
    CountOrders, MoveWindows, PutOrders, RankedRow, RecommendProducts, RelatedProducts, TopProducts,
};
pub(crate) use words::AlikeWords;

/// Declares a statement: its parameters in the order of `$1`, `$2`, …, then the types of its columns, then its text.
/// `..` is before a group of parameters that several statements begin with, which binds itself.
macro_rules! statement {
    (
        $(#[$doc:meta])*
        $name:ident $(<$lifetime:lifetime>)? {
            $(..$group:ident: $several:ty,)?
            $($field:ident: $rust:ty as $sql:ty),* $(,)?
        }
        ($($column:ty),* $(,)?)
        $text:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name $(<$lifetime>)? {
            $(pub(crate) $group: $several,)?
            $(pub(crate) $field: $rust),*
        }

        const _: () = {
            #[derive(Debug)]
            pub(crate) struct Id;

            impl $(<$lifetime>)? diesel::query_builder::QueryId for $name $(<$lifetime>)? {
                type QueryId = Id;
                const HAS_STATIC_QUERY_ID: bool = true;
            }

            impl $(<$lifetime>)? diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name $(<$lifetime>)? {
                fn walk_ast<'b>(
                    &'b self,
                    mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
                ) -> diesel::QueryResult<()> {
                    out.push_sql($text);
                    $(self.$group.bind(&mut out)?;)?
                    $(out.push_bind_param_value_only::<$sql, _>(&self.$field)?;)*
                    Ok(())
                }
            }

            impl $(<$lifetime>)? diesel::query_builder::Query for $name $(<$lifetime>)? {
                type SqlType = ($($column,)*);
            }
        };
    };
}
use statement;
